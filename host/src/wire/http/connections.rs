//! Connections: accepted up to a limit, with or without TLS, closed when they dawdle, and let finish at the end.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{body::Body, http::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};

use super::{
    handshake::{self, Greeted},
    routes::Site,
    sources::Sources,
};

/// Open connections; more wait in the system's backlog.
const CONNECTIONS_MAX: usize = 1024;
/// From the first byte to the end of the handshake.
const HANDSHAKE_TIMEOUT_S: u64 = 10;
/// A request's head has to be there within this time; it also bounds how long a kept connection idles.
const HEAD_READ_TIMEOUT_S: u64 = 20;
/// A client that takes nothing of its answer for so long is cut (`TCP_USER_TIMEOUT`, RFC 5482).
const STALLED_MS_MAX: u32 = 20_000;
/// Largest head of a request.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Headers one request may have.
const HEADERS_MAX: usize = 64;
/// After the shutdown signal, requests under way get this long.
const DRAIN_S: u64 = 10;
/// Pause after a failed accept (out of file descriptors, say) so that it does not become a busy loop.
const ACCEPT_PAUSE_MS: u64 = 50;

/// Answers HTTP on `listener` until `shutdown` resolves, then lets requests under way finish. Each request is answered
/// to its end by the site of the moment it came.
///
/// # Errors
/// None today; the result leaves room for a listener that dies.
pub async fn serve(
    site: watch::Receiver<Arc<Site>>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let sources = Sources::default();
    let (ending, ended) = watch::channel(false);
    tokio::pin!(shutdown);
    loop {
        let place = tokio::select! {
            () = &mut shutdown => break,
            place = places.clone().acquire_owned() => place.map_err(io::Error::other)?,
        };
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let is_proxy = site.borrow().is_proxy(peer.ip());
                let Some(of_source) = sources.take(peer.ip(), is_proxy) else {
                    tracing::debug!("a connection of a source that has all it may have was closed");
                    continue;
                };
                let answering = answer(stream, peer, site.clone(), ended.clone());
                tokio::spawn(async move {
                    answering.await;
                    drop((place, of_source));
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
            }
        }
    }
    drop(listener);
    ending.send_replace(true);
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    if tokio::time::timeout(Duration::from_secs(DRAIN_S), places.acquire_many(all)).await.is_err() {
        tracing::warn!("some connections were still open at the end and are cut");
    }
    Ok(())
}

/// Answers the requests of one connection.
async fn answer(
    stream: TcpStream,
    peer: SocketAddr,
    site: watch::Receiver<Arc<Site>>,
    mut ended: watch::Receiver<bool>,
) {
    // Answers are small and whole; waiting to fill a packet only delays them.
    stream.set_nodelay(true).ok();
    // Where the system does not know it, a stalled client costs its own place.
    rustix::net::sockopt::set_tcp_user_timeout(&stream, STALLED_MS_MAX).ok();
    // A connection keeps the certificate it began with; requests do not keep their site.
    let tls = site.borrow().tls().map(|tls| (tls, site.clone()));
    let answer = move |request: Request<Incoming>| {
        let site = site.borrow().clone();
        async move { Ok::<_, Infallible>(site.answer(peer, request.map(Body::new)).await) }
    };
    let Some((tls, refusing)) = tls else { return converse(stream, answer, ended).await };
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(Duration::from_secs(HANDSHAKE_TIMEOUT_S), handshake::greet(stream, tls)) => greeted,
        _ = ended.wait_for(|ended| *ended) => return,
    };
    match greeted {
        Ok(Ok(Greeted::Encrypted(stream))) => converse(stream, answer, ended).await,
        Ok(Ok(Greeted::Plain(stream))) => {
            let Ok(came_to) = stream.local_addr() else { return };
            let refuse = move |_: Request<Incoming>| {
                let refusal = handshake::refusal(&refusing.borrow().https_url(came_to));
                async move { Ok::<_, Infallible>(refusal) }
            };
            converse(stream, refuse, ended).await;
        }
        Ok(Err(error)) => tracing::trace!(%error, "a handshake failed"),
        Err(_) => tracing::trace!("a handshake was not finished in time"),
    }
}

/// HTTP over any stream. What it is made for is known when it is built, so plain HTTP pays nothing for TLS.
async fn converse<S, F, A>(stream: S, answer: F, mut ended: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: FnMut(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_READ_TIMEOUT_S))
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(2 * HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(tower::service_fn(answer)));
    tokio::pin!(connection);
    tokio::select! {
        result = &mut connection => return note(result),
        _ = ended.wait_for(|ended| *ended) => connection.as_mut().graceful_shutdown(),
    }
    note(connection.await);
}

fn note(result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::trace!(%error, "a connection ended early");
    }
}
