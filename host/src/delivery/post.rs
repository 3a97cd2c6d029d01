//! Mails to one server: connections that are still good are used again.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::time::Instant;

use super::{
    compose::{self, Sender},
    contract::{Letter, Parcel, SendError},
    smtp::Server,
    target,
};

/// Servers close what is idle; one that is this young is likely still there.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// A mail server and the connections to it that wait for the next mail.
pub struct Post {
    server: Server,
    sender: Sender,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
    idle_max: usize,
}

impl Post {
    pub fn new(server: Server, sender: Sender, idle_max: usize) -> Self {
        Self { server, sender, idle: Mutex::default(), idle_max }
    }

    /// Sends the mail. Whoever drops this future in the middle drops the connection with it: used again, it would take
    /// the answer to this mail for the answer to the next.
    pub async fn send(&self, parcel: &Parcel, letter: Letter) -> Result<(), SendError> {
        let to = target::address(&parcel.to).map_err(|error| SendError::refused(error.to_string()))?;
        let mail = compose::mail(&self.sender, &to, parcel, letter)?;
        let mut connection = match self.waiting().await {
            Some(connection) => connection,
            None => self.server.connect().await?,
        };
        let handed_over = self.server.hand_over(&mut connection, &self.sender.from.email, &to, &mail).await;
        if handed_over.is_ok() {
            self.keep(connection);
        }
        handed_over
    }

    async fn waiting(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if since.elapsed() < IDLE_MAX && connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE_MAX);
        if idle.len() < self.idle_max {
            idle.push((connection, Instant::now()));
        }
    }
}
