//! A gateway that keeps what the host sends: where a login with a sent code reads it, as a user would on the phone.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post, serve::ListenerExt};
use serde_json::{Map, Value};

use super::Failure;

/// The code that came last, by where it was sent to.
type Codes = Arc<Mutex<HashMap<String, String>>>;

/// A gateway of this process, on a thread of its own until the process ends.
pub struct Sink {
    pub address: SocketAddr,
    codes: Codes,
}

impl Sink {
    pub fn open() -> Result<Self, Failure> {
        let codes = Codes::default();
        let router = Router::new().route("/", post(keep)).with_state(codes.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap_or_default());
        thread::spawn(move || runtime.block_on(async { axum::serve(listener, router).await }));
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

/// Keeps the first word of a message, which is the code.
async fn keep(State(codes): State<Codes>, Json(message): Json<Map<String, Value>>) -> StatusCode {
    let text = |name: &str| message.get(name).and_then(Value::as_str);
    let code = text("text").and_then(|text| text.split(' ').next());
    let (Some(to), Some(code)) = (text("to"), code) else { return StatusCode::BAD_REQUEST };
    codes.lock().unwrap_or_else(PoisonError::into_inner).insert(to.to_owned(), code.to_owned());
    StatusCode::OK
}
