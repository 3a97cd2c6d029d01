//! HTTP/1.1 connections to gateways: those that are still good are used again. A connection is driven by the task that
//! waits for its answer, so that a message costs no other task.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{HeaderValue, Request, Uri, header, response::Parts, uri::PathAndQuery},
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::TlsConnector;

/// Servers close what is idle; one that is this young is likely still there.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// A body that takes longer is not waited for: what was sent was sent.
const BODY_WAIT: Duration = Duration::from_millis(500);
/// Until the next address of a name is tried.
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// Nobody needs more of an answer than its first words.
const ANSWER_BYTES_MAX: usize = 4096;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("the address has no host")]
    Nowhere,
    #[error("its name is not known")]
    UnknownName,
    #[error("it cannot be reached")]
    Unreachable(#[from] io::Error),
    #[error("it broke off")]
    Broken(#[from] hyper::Error),
}

/// Connections that wait for the next request.
pub struct Connections {
    tls: TlsConnector,
    idle: Mutex<Vec<Connection>>,
    idle_max: usize,
}

/// One connection, and where it leads.
struct Connection {
    origin: Origin,
    sender: http1::SendRequest<Full<Bytes>>,
    /// Reads and writes while it is polled; none once it has ended.
    driver: Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>,
    used_at: Instant,
}

#[derive(Clone, PartialEq, Eq)]
struct Origin {
    is_tls: bool,
    host: String,
    port: u16,
}

impl Connections {
    pub fn new(tls: ClientConfig, idle_max: usize) -> Self {
        Self { tls: TlsConnector::from(Arc::new(tls)), idle: Mutex::default(), idle_max }
    }

    /// Sends the request, whose address is absolute, and gives the answer with the beginning of its body. Whoever drops
    /// this future in the middle drops the connection with it.
    ///
    /// # Errors
    /// There is no answer. What was sent may have arrived.
    pub async fn ask(&self, mut request: Request<Full<Bytes>>) -> Result<(Parts, Vec<u8>), AskError> {
        let origin = Origin::of(request.uri()).ok_or(AskError::Nowhere)?;
        let authority = request.uri().authority().map(|authority| HeaderValue::try_from(authority.as_str()));
        let authority = authority.and_then(Result::ok).ok_or(AskError::Nowhere)?;
        request.headers_mut().insert(header::HOST, authority);
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.unwrap_or_else(|| PathAndQuery::from_static("/")).into();
        while let Some(mut waiting) = self.waiting(&origin) {
            match waiting.ask(request.clone()).await {
                // The server closed it before anything was written.
                Err(error) if error.is_canceled() || error.is_closed() => {}
                Err(error) => return Err(error.into()),
                Ok(answer) => {
                    self.keep(waiting);
                    return Ok(answer);
                }
            }
        }
        let mut fresh = self.connect(origin).await?;
        let answer = fresh.ask(request).await?;
        self.keep(fresh);
        Ok(answer)
    }

    fn waiting(&self, origin: &Origin) -> Option<Connection> {
        loop {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let latest = idle.iter().rposition(|connection| connection.origin == *origin)?;
            let mut connection = idle.swap_remove(latest);
            drop(idle);
            if connection.is_good(Instant::now()) {
                return Some(connection);
            }
        }
    }

    fn keep(&self, mut connection: Connection) {
        let now = Instant::now();
        connection.used_at = now;
        if !connection.is_good(now) {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| now - connection.used_at < IDLE_MAX);
        if idle.len() < self.idle_max {
            idle.push(connection);
        }
    }

    async fn connect(&self, origin: Origin) -> Result<Connection, AskError> {
        let addresses = tokio::net::lookup_host((origin.host.clone(), origin.port)).await;
        let mut addresses = addresses.map_err(|_| AskError::UnknownName)?.peekable();
        let mut last = AskError::UnknownName;
        while let Some(address) = addresses.next() {
            let connecting = TcpStream::connect(address);
            let connected = match addresses.peek() {
                Some(_) => tokio::time::timeout(CONNECT_WAIT, connecting).await.unwrap_or_else(|late| Err(late.into())),
                None => connecting.await,
            };
            match connected {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    if !origin.is_tls {
                        return Connection::open(origin, stream).await;
                    }
                    let name = ServerName::try_from(origin.host.clone()).map_err(|_| AskError::UnknownName)?;
                    let stream = self.tls.connect(name, stream).await?;
                    return Connection::open(origin, stream).await;
                }
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }
}

impl Origin {
    fn of(uri: &Uri) -> Option<Self> {
        let is_tls = uri.scheme_str()? == "https";
        let host = uri.host()?.trim_matches(['[', ']']).to_owned();
        Some(Self { is_tls, host, port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }) })
    }
}

impl Connection {
    async fn open(
        origin: Origin,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, AskError> {
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { origin, sender, driver: Some(Box::pin(driver)), used_at: Instant::now() })
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<(Parts, Vec<u8>), hyper::Error> {
        let Self { sender, driver, .. } = self;
        let mut work = pin!(async move {
            sender.ready().await?;
            let (parts, body) = sender.send_request(request).await?.into_parts();
            // What counts is in the head.
            let read = tokio::time::timeout(BODY_WAIT, beginning(body)).await;
            Ok((parts, read.unwrap_or_default()))
        });
        poll_fn(|context| {
            // What one of them gives the other takes at once; a second round spares a wake-up.
            for _ in 0..2 {
                // Once it has ended and is dropped, what waits for it is told.
                if driver.as_mut().is_some_and(|driver| driver.as_mut().poll(context).is_ready()) {
                    *driver = None;
                }
                if let Poll::Ready(answer) = work.as_mut().poll(context) {
                    return Poll::Ready(answer);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Whether another request can be sent.
    fn is_good(&mut self, now: Instant) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        let is_open = self.driver.as_mut().is_some_and(|driver| driver.as_mut().poll(&mut nobody).is_pending());
        is_open && self.sender.is_ready() && now - self.used_at < IDLE_MAX
    }
}

/// The first words of an answer. A short one is read to its end, which lets its connection be used again.
async fn beginning(body: Incoming) -> Vec<u8> {
    let (mut body, mut read) = (Limited::new(body, ANSWER_BYTES_MAX), Vec::new());
    // What cannot be read of it is not told.
    while let Some(Ok(frame)) = body.frame().await {
        read.extend_from_slice(frame.data_ref().map(Bytes::as_ref).unwrap_or_default());
    }
    read
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::tls::Trust;

    /// A server whose connections answer so, one request after the other, and are closed then; its address.
    async fn server(connections: Vec<Vec<&'static str>>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            for answers in connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                for answer in answers {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    assert!(head.starts_with(b"GET /way?a=b HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&head));
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        address
    }

    fn connections() -> Connections {
        Connections::new(Trust::of_nobody().for_gateway().unwrap(), 4)
    }

    async fn ask(connections: &Connections, address: SocketAddr) -> Result<String, AskError> {
        let request = Request::get(format!("http://{address}/way?a=b")).body(Full::default()).unwrap();
        let (_, answer) = connections.ask(request).await?;
        Ok(String::from_utf8(answer).unwrap())
    }

    fn idle(connections: &Connections) -> usize {
        connections.idle.lock().unwrap().len()
    }

    #[tokio::test]
    async fn a_connection_is_used_until_its_server_closes_it_and_then_another() {
        const ONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none";
        const TWO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntwo";
        let (address, connections) = (server(vec![vec![ONE, ONE], vec![TWO]]).await, connections());
        assert_eq!(ask(&connections, address).await.unwrap(), "one");
        assert_eq!(ask(&connections, address).await.unwrap(), "one");
        while connections.idle.lock().unwrap().iter_mut().any(|one| one.is_good(Instant::now())) {
            tokio::task::yield_now().await;
        }
        assert_eq!(ask(&connections, address).await.unwrap(), "two");
    }

    #[tokio::test]
    async fn what_was_not_read_to_its_end_is_not_used_again() {
        let long = format!("HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n{}", "x".repeat(9000)).leak();
        let (address, connections) = (server(vec![vec![long]]).await, connections());
        assert!(ask(&connections, address).await.unwrap().len() <= ANSWER_BYTES_MAX);
        assert_eq!(idle(&connections), 0);
    }

    #[tokio::test]
    async fn an_answer_whose_body_never_ends_counts_by_its_head() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), connections());
        let (asked, accepted) = tokio::join!(ask(&connections, address), async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsent").await.unwrap();
            stream
        });
        assert!(asked.is_ok(), "{asked:?}");
        assert_eq!(idle(&connections), 0, "and is not waited for again");
        drop(accepted);
    }

    #[tokio::test]
    async fn what_speaks_no_http_or_hangs_up_gives_no_answer() {
        let (address, connections) = (server(vec![vec!["220 mail.example.org\r\n"], vec![""]]).await, connections());
        assert!(matches!(ask(&connections, address).await, Err(AskError::Broken(error)) if error.is_parse()));
        assert!(matches!(ask(&connections, address).await, Err(AskError::Broken(error)) if !error.is_parse()));
        assert_eq!(idle(&connections), 0);
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(matches!(ask(&connections, gone).await, Err(AskError::Unreachable(_))));
    }
}
