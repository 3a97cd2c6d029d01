//! What a browser complains of: mistakes of a page or its scripts, what a policy refused, requests that failed or went to
//! another host.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::session::Session;

/// The console says so of every failed request; the requests themselves tell more.
const OF_A_REQUEST: &str = "Failed to load resource";

impl Session {
    /// Everything since the last time this was asked.
    pub(super) fn complaints(&self) -> Vec<String> {
        let console = self.log("browser");
        let said = console.iter().filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        let said = said.filter_map(|entry| entry["message"].as_str()).map(str::to_owned);
        let said = said.filter(|message| !message.contains(OF_A_REQUEST));
        let network = self.log("performance");
        let events = network.iter().map(|entry| {
            let text = entry["message"].as_str().expect("text");
            serde_json::from_str::<Value>(text).expect("JSON")["message"].take()
        });
        said.chain(of_requests(&events.collect::<Vec<_>>())).collect()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.post("/se/log", json!({"type": kind})).unwrap_or_default();
        entries.as_array().cloned().unwrap_or_default()
    }
}

/// A page may lead anywhere; what it loads comes from its own host and comes well.
fn of_requests(events: &[Value]) -> Vec<String> {
    let mut loaded = BTreeMap::new();
    let mut complaints = Vec::new();
    for event in events {
        let (of, id) = (&event["params"], event["params"]["requestId"].as_str().unwrap_or_default());
        if of["type"] == "Document" {
            continue;
        }
        match event["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                let (url, page) = (text(&of["request"]["url"]), text(&of["documentURL"]));
                if !url.starts_with("data:") && origin(url) != origin(page) {
                    complaints.push(format!("{page} asks another host: {url}"));
                }
                loaded.insert(id, url);
            }
            Some("Network.responseReceived") if of["response"]["status"].as_u64() >= Some(400) => {
                complaints.push(format!("{} answers {}", text(&of["response"]["url"]), of["response"]["status"]));
            }
            // A page that is left ends its requests.
            Some("Network.loadingFailed") if of["canceled"] != true => {
                let url = loaded.get(id).copied().unwrap_or_default();
                complaints.push(format!("{url} failed: {} {}", of["errorText"], of["blockedReason"]));
            }
            _ => {}
        }
    }
    complaints
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let after = url.find("://").map_or(0, |at| at + 3);
    let end = url[after..].find('/').map_or(url.len(), |at| after + at);
    &url[..end]
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
