//! A stateless axum server: takes the requests of a login as JSON and gives the host's own answers back, one each.

use std::sync::Arc;

use axum::{Json, Router, extract::State, response::IntoResponse, routing::post, serve::ListenerExt};
use serde_json::{Map, Value};

use crate::{Failure, directory};

/// What a host answered to the three requests.
type Answers = Arc<[Value; 3]>;

/// Serves until it is killed. The file of answers is the second argument.
pub fn serve() -> Result<(), Failure> {
    let path = std::env::args().nth(2).ok_or("no file of answers")?;
    let answers: Answers = Arc::new(serde_json::from_slice(&std::fs::read(path)?)?);
    let router = Router::new()
        .route("/auth/login_flow", post(begin))
        .route("/auth/login_flow/{flow_id}", post(submit))
        .with_state(answers);
    directory::runtime()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap_or_default());
        Ok(axum::serve(listener, router).await?)
    })
}

async fn begin(State(answers): State<Answers>, Json(_): Json<Map<String, Value>>) -> impl IntoResponse {
    Json(&answers[0]).into_response()
}

async fn submit(State(answers): State<Answers>, Json(fields): Json<Map<String, Value>>) -> impl IntoResponse {
    let is_second_factor = ["pin", "code"].iter().any(|field| fields.contains_key(*field));
    let step = if is_second_factor { 2 } else { 1 };
    Json(&answers[step]).into_response()
}
