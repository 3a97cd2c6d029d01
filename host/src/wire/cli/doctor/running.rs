//! Whether a host runs on the directory, and whether it answers.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use super::{
    super::{admin, failure::Failure, findings::Finding},
    listening_on, store,
};
use crate::{
    module_host::quoted,
    tls::without_a_look_at_names,
    wire::control::{self, AskError, CertificateState, Command, Outcome, SettingsState, StatusReport},
};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What runs on the directory.
pub enum Found {
    Stopped,
    Running(Box<StatusReport>),
    /// Something holds the directory and does not answer as a host does.
    Mute {
        problem: String,
        remedy: String,
    },
}

impl Found {
    pub fn status(&self) -> Option<&StatusReport> {
        match self {
            Self::Running(status) => Some(status),
            _ => None,
        }
    }
}

/// Asks the host for its status, which changes nothing in it.
pub fn look(config_directory: &Path) -> Result<Found, Failure> {
    let mute = |problem: String, remedy: &str| Found::Mute { problem, remedy: remedy.to_owned() };
    Ok(match admin::runtime()?.block_on(control::ask(config_directory, &Command::Status {})) {
        Ok(Outcome::Status { status }) => Found::Running(Box::new(status)),
        Ok(Outcome::Failed { problem, remedy }) => mute(problem, &remedy),
        Ok(_) => mute("the running host answers something else than its status".to_owned(), "restart the host"),
        Err(AskError::NotRunning) if store::is_locked(config_directory) => mute(
            "a process holds the store and takes no commands".to_owned(),
            "if it is not just starting or ending, look at the host's log and restart it",
        ),
        Err(AskError::NotRunning) => Found::Stopped,
        Err(error) => mute(error.to_string(), "look at the host's log and restart it"),
    })
}

/// Whether it runs and answers where it listens.
pub fn of_host(config_directory: &Path, host: &Found) -> Finding {
    let status = match host {
        Found::Stopped => {
            let remedy = format!("start it: mfa-host --config {} serve", quoted(config_directory));
            return Finding::warn("host", "no host runs on this directory", remedy);
        }
        Found::Mute { problem, remedy } => return Finding::fail("host", problem, remedy),
        Found::Running(status) => status,
    };
    let Some(address) = listening_on(status) else {
        return Finding::fail("host", "it runs and does not say where it listens", "restart the host");
    };
    let scheme = if status.certificate.is_some() { "https" } else { "http" };
    match health(scheme, reachable(address)) {
        Ok(()) => Finding::ok("host", format!("version {} runs and answers at {scheme}://{address}", status.version)),
        Err(problem) => Finding::fail(
            "host",
            format!("it runs, but {scheme}://{address}/healthz {problem}"),
            "look at the findings about the store and at the host's log",
        ),
    }
}

/// What the running host says of its settings.
pub fn of_settings(settings: &SettingsState) -> Option<Finding> {
    let waiting = &settings.news.at_next_start;
    match &settings.news.problem {
        Some(problem) => Some(Finding::fail(
            "settings",
            format!("the running host keeps its former settings: {problem}"),
            "mend host.toml as its finding says",
        )),
        None if waiting.is_empty() => None,
        None => Some(Finding::warn(
            "settings",
            format!("changed, takes effect at the next start: {}", waiting.join(", ")),
            "restart the host",
        )),
    }
}

/// Files that the running host does not take are not those in service.
pub fn of_certificate(certificate: &CertificateState) -> Option<Finding> {
    let problem = certificate.problem.as_ref()?;
    let (until, remedy) =
        (crate::clock::zoned(certificate.expires_at, None), certificate.remedy.clone().unwrap_or_default());
    let message = format!("the running host keeps its former certificate, which ends on {until}: {problem}");
    Some(Finding::fail("tls", message, remedy))
}

fn health(scheme: &str, address: SocketAddr) -> Result<(), String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(ANSWER_TIMEOUT))
        .tls_config(without_a_look_at_names())
        .build()
        .into();
    let answered = agent.get(format!("{scheme}://{address}/healthz")).call();
    match answered.map_err(|error| format!("does not answer: {error}"))?.status().as_u16() {
        200 => Ok(()),
        status => Err(format!("answers {status}")),
    }
}

/// Where this machine reaches a host that listens on all of its addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
