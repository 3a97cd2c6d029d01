//! The first bytes of a connection to a port with TLS: a handshake, or plain HTTP, which is told where to go.

use std::{io, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// What a client turned out to speak.
pub enum Greeted {
    Encrypted(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

/// # Errors
/// The client went away, or its handshake is none the host takes part in.
pub async fn greet(stream: TcpStream, tls: Arc<ServerConfig>) -> io::Result<Greeted> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // RFC 9112 section 3: a request begins with a method, all of which begin with a capital letter. A record of TLS
    // begins with a number below 32 (RFC 8446 section 5.1).
    if first[0].is_ascii_uppercase() {
        return Ok(Greeted::Plain(stream));
    }
    TlsAcceptor::from(tls).accept(stream).await.map(|stream| Greeted::Encrypted(Box::new(stream)))
}

/// The answer to every request without TLS. What the client sent with it went readable over the network already, so
/// nothing of it is looked at.
pub fn refusal(https_url: &str) -> Response {
    let text = format!("This port speaks HTTPS. Use {https_url} instead.\n");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONNECTION, "close"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
