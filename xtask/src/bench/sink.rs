//! A gateway that keeps what the host sends: where a login with a sent code reads it, as a user would on the phone.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::Failure;

/// The code that came last, by where it was sent to.
type Codes = Arc<Mutex<HashMap<String, String>>>;

/// What the settings below have the host send.
#[derive(Deserialize)]
struct Message {
    to: String,
    text: String,
}

/// A gateway of this process, on a thread of its own until the process ends. What it costs counts against the host, so it
/// does no more than it must: no router, no headers but one.
pub struct Sink {
    pub address: SocketAddr,
    codes: Codes,
}

impl Sink {
    pub fn open() -> Result<Self, Failure> {
        let codes = Codes::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let kept = codes.clone();
        thread::spawn(move || {
            runtime.block_on(async {
                while let Ok((stream, _)) = listener.accept().await {
                    // A host that hangs up is no failure of the sink's.
                    tokio::spawn(serve(stream, kept.clone()));
                }
            });
        });
        Ok(Self { address, codes })
    }

    /// What is to be sent as a request, for the channel's settings.
    pub fn settings(&self) -> String {
        format!("url = \"http://{}/\"\nbody = {{ to = \"{{to}}\", text = \"{{text}}\" }}\n", self.address)
    }

    /// Takes the code that was sent there; none if no message came.
    pub fn take(&self, to: &str) -> Option<String> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(to)
    }
}

/// Answers the requests of one connection.
async fn serve(mut stream: TcpStream, codes: Codes) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::with_capacity(4096);
    loop {
        let body = loop {
            if let Some(body) = body_of(&read) {
                break body;
            }
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        };
        let answer: &[u8] = match keep(&read[body.clone()], &codes) {
            Some(()) => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            None => b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
        };
        stream.write_all(answer).await?;
        read.drain(..body.end);
    }
}

/// Where the body of the first request stands, once all of it is there.
fn body_of(read: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = read.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&read[..start]).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    (read.len() >= start + length).then(|| start..start + length)
}

/// Keeps the first word of a message, which is the code.
fn keep(body: &[u8], codes: &Codes) -> Option<()> {
    let message: Message = serde_json::from_slice(body).ok()?;
    let code = message.text.split(' ').next()?.to_owned();
    codes.lock().unwrap_or_else(PoisonError::into_inner).insert(message.to, code);
    Some(())
}
