//! A client on one kept connection: as little work as a login can be made with, since it shares the processors.

use std::{io, net::SocketAddr};

use base64::{Engine, engine::general_purpose::STANDARD};
use mfa_host::clock::Clock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    Failure,
    directory::{CLIENT_ID, CREDENTIAL_ID, CREDENTIAL_SECRET, PASSWORD, user_id, user_name},
    second_factor::SecondFactor,
};

/// Who says who the user is.
#[derive(Clone, Copy)]
pub enum FirstFactor {
    /// An application vouches.
    Service,
    /// A password.
    Local,
}

/// What a login is made with.
#[derive(Clone)]
pub struct Factors {
    pub first: FirstFactor,
    pub second: SecondFactor,
}

impl Factors {
    /// The quickest, which leave the most of a login to the host itself.
    pub const VOUCHED_AND_PIN: Self = Self { first: FirstFactor::Service, second: SecondFactor::Pin };
}

pub struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    factors: Factors,
    clock: Clock,
    authorization: String,
    begin: String,
}

impl Client {
    pub async fn connect(address: SocketAddr, factors: Factors) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (handler, authorization) = match factors.first {
            FirstFactor::Service => {
                let pair = STANDARD.encode(format!("{CREDENTIAL_ID}:{CREDENTIAL_SECRET}"));
                ("service", format!("authorization: Basic {pair}\r\n"))
            }
            FirstFactor::Local => ("local", String::new()),
        };
        let begin = format!(
            r#"{{"client_id":"{CLIENT_ID}","handler":["{handler}",null],"redirect_uri":"{CLIENT_ID}callback"}}"#
        );
        let (request, answer) = (Vec::with_capacity(1024), Vec::with_capacity(4096));
        Ok(Self { stream, request, answer, factors, clock: Clock::system(), authorization, begin })
    }

    /// One login; the bodies of its three answers.
    pub async fn login(&mut self, user: usize) -> Result<[String; 3], Failure> {
        let begun = self.begin().await?;
        let path = format!("/auth/login_flow/{}", between(&begun, "\"flow_id\":\"").ok_or_else(|| begun.clone())?);
        let first = match self.factors.first {
            FirstFactor::Service => format!(r#"{{"client_id":"{CLIENT_ID}","user_id":"{}"}}"#, user_id(user)),
            FirstFactor::Local => {
                let name = user_name(user);
                format!(r#"{{"client_id":"{CLIENT_ID}","username":"{name}","password":"{PASSWORD}"}}"#)
            }
        };
        let asked = self.post(&path, &first, true).await?;
        let (field, answer) = self.factors.second.answer(user, &self.clock)?;
        let second = format!(r#"{{"client_id":"{CLIENT_ID}","{field}":"{answer}"}}"#);
        let passed = self.post(&path, &second, false).await?;
        if between(&passed, "\"type\":\"") != Some("create_entry") {
            return Err(format!("a login did not pass: {asked} {passed}").into());
        }
        Ok([begun, asked, passed])
    }

    /// The first request of a login.
    pub async fn begin(&mut self) -> Result<String, Failure> {
        let begin = std::mem::take(&mut self.begin);
        let begun = self.post("/auth/login_flow", &begin, false).await;
        self.begin = begin;
        begun
    }

    /// The page people sign in with for this client. Pages work under the host's own address alone.
    pub async fn sign_in_page(&mut self, address: SocketAddr) -> Result<String, Failure> {
        let query = format!("response_type=code&client_id={CLIENT_ID}&redirect_uri={CLIENT_ID}callback");
        self.request.clear();
        let head = format!("GET /auth/authorize?{query} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        self.request.extend_from_slice(head.as_bytes());
        self.stream.write_all(&self.request).await?;
        self.answer().await
    }

    async fn post(&mut self, path: &str, body: &str, vouches: bool) -> Result<String, Failure> {
        let authorization = if vouches { self.authorization.as_str() } else { "" };
        self.request.clear();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\n{authorization}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body.as_bytes());
        self.stream.write_all(&self.request).await?;
        self.answer().await
    }

    /// Reads one answer whole; anything but 200 with a length is an error.
    async fn answer(&mut self) -> Result<String, Failure> {
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            let text = std::str::from_utf8(&self.answer)?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length: usize = head
                .split_once("content-length: ")
                .and_then(|(_, rest)| rest.split("\r\n").next())
                .ok_or_else(|| format!("no length: {text}"))?
                .parse()?;
            if body.len() < length {
                continue;
            }
            return if head.starts_with("HTTP/1.1 200") { Ok(body.to_owned()) } else { Err(text.into()) };
        }
    }
}

fn between<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.split_once(before).and_then(|(_, rest)| rest.split('"').next())
}
