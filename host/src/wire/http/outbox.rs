//! `GET /dev/outbox`: the messages of a host under development, which leave nowhere.

use axum::{Extension, Json};

use crate::delivery::{Delivery, OutboxMessage};

/// The latest messages, the oldest first.
pub async fn messages(Extension(delivery): Extension<Delivery>) -> Json<Vec<OutboxMessage>> {
    Json(delivery.outbox())
}
