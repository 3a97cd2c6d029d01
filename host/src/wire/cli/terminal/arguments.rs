//! What the caller said, and which host that means.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use super::{super::admin, ask::Terminal, client::Host, conversation::Stop};
use crate::wire::control::{self, Command, Outcome};

const URL_VARIABLE: &str = "MFA_HOST_URL";
const CONFIG_VARIABLE: &str = "MFA_HOST_CONFIG";
const LISTEN: &str = "127.0.0.1:8126";

/// What `login` and `setup` take.
pub struct TerminalArguments {
    /// Else `$MFA_HOST_URL`, else what `host.toml` says.
    pub url: Option<String>,
    /// Else `$MFA_HOST_CONFIG`, `./config`, `/etc/mfa-host`.
    pub config_directory: Option<PathBuf>,
    /// Answers the field `username`.
    pub user: Option<String>,
    /// Only the result on standard output, as JSON. For `login` that is the tokens: secrets.
    pub json: bool,
}

impl TerminalArguments {
    /// The host to talk to.
    pub(super) fn host(&self, terminal: &mut Terminal) -> Result<Host, Stop> {
        let said = self.url.clone().or_else(|| std::env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty()));
        let text = said.unwrap_or_else(|| configured(&self.directory()));
        let url = checked(&text)?;
        let is_local = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if !is_local && url.scheme() == "http" {
            terminal.complain(&format!("warning: {url} is not this machine and the connection is not encrypted"));
        }
        Ok(Host::new(url.as_str().trim_end_matches('/')))
    }

    fn directory(&self) -> PathBuf {
        let said = self.config_directory.clone();
        said.or_else(|| std::env::var_os(CONFIG_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from))
            .unwrap_or_else(|| {
                let here = PathBuf::from("config");
                if here.join("host.toml").exists() { here } else { PathBuf::from("/etc/mfa-host") }
            })
    }
}

fn checked(text: &str) -> Result<url::Url, Stop> {
    let url: url::Url = text.parse().map_err(|error| Stop(format!("{text:?} is not a URL: {error}")))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(Stop(format!("{other:?} is not a scheme of a host; use http://ADDRESS:PORT or https://NAME"))),
    }
}

/// `public_url` if it is plain http, else where the host listens: the client usually stands beside it. A host that runs
/// on this directory may have been told another address than the settings'.
fn configured(directory: &Path) -> String {
    let text = std::fs::read_to_string(directory.join("host.toml")).unwrap_or_default();
    address(&text.parse().unwrap_or_default(), || running(directory))
}

/// Where the host on this directory says it listens, if one runs and answers this user.
fn running(directory: &Path) -> Option<String> {
    let asked = admin::runtime().ok()?.block_on(control::ask(directory, &Command::Status {}));
    let Ok(Outcome::Status { status }) = asked else { return None };
    Some(status.listening_on?.trim_start_matches("http://").to_owned())
}

fn address(settings: &toml::Table, running: impl FnOnce() -> Option<String>) -> String {
    let said = |name: &str| settings.get(name).and_then(toml::Value::as_str);
    if let Some(public) = said("public_url").filter(|url| url.starts_with("http://")) {
        return public.to_owned();
    }
    let listen = running().or_else(|| said("listen").map(str::to_owned)).unwrap_or_else(|| LISTEN.to_owned());
    match listen.parse::<SocketAddr>() {
        Ok(mut socket) => {
            match socket.ip() {
                IpAddr::V4(any) if any.is_unspecified() => socket.set_ip(Ipv4Addr::LOCALHOST.into()),
                IpAddr::V6(any) if any.is_unspecified() => socket.set_ip(Ipv6Addr::LOCALHOST.into()),
                _ => {}
            }
            format!("http://{socket}")
        }
        Err(_) => format!("http://{listen}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_comes_from_the_settings() {
        let of = |text: &str| address(&text.parse().unwrap(), || None);
        let beside = |text: &str| address(&text.parse().unwrap(), || Some("127.0.0.1:7".to_owned()));
        assert_eq!(beside("listen = \"127.0.0.1:9000\""), "http://127.0.0.1:7", "a running host knows best");
        assert_eq!(beside("public_url = \"http://door.example\""), "http://door.example");
        assert_eq!(of(""), "http://127.0.0.1:8126");
        assert_eq!(of("listen = \"0.0.0.0:9000\""), "http://127.0.0.1:9000");
        assert_eq!(of("listen = \"[::]:9000\""), "http://[::1]:9000");
        assert_eq!(of("public_url = \"http://door.example\"\nlisten = \"0.0.0.0:1\""), "http://door.example");
        assert_eq!(of("public_url = \"https://door.example\"\nlisten = \"127.0.0.1:1\""), "http://127.0.0.1:1");
    }

    #[test]
    fn only_http_is_spoken() {
        assert!(checked("http://127.0.0.1:1").is_ok());
        assert!(checked("https://door.example").is_ok());
        assert!(checked("file:///etc/passwd").is_err());
        assert!(checked("door").is_err());
    }
}
