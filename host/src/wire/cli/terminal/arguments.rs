//! What the caller said, and which host that means.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use super::{super::admin, ask::Terminal, client::Host, conversation::Stop};
use crate::{
    tls::{self, Trust},
    wire::control::{self, Command, Outcome},
};

const URL_VARIABLE: &str = "MFA_HOST_URL";
const CONFIG_VARIABLE: &str = "MFA_HOST_CONFIG";
const LISTEN: &str = "127.0.0.1:8126";

/// What `login` and `setup` take.
pub struct TerminalArguments {
    /// Else `$MFA_HOST_URL`, else what `host.toml` says.
    pub url: Option<String>,
    /// Else `$MFA_HOST_CONFIG`, `./config`, `/etc/mfa-host`.
    pub config_directory: Option<PathBuf>,
    /// Authorities that are believed in the place of all others.
    pub ca: Option<PathBuf>,
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
        Host::new(url.as_str().trim_end_matches('/'), || self.trusted())
    }

    /// The file that was named, else what the machine trusts and the authority `init` made for the host beside it.
    fn trusted(&self) -> Result<Trust, Stop> {
        if let Some(file) = &self.ca {
            let pem = std::fs::read(file).map_err(|error| Stop(format!("{}: {error}", file.display())))?;
            return Trust::of_pem(&pem).map_err(|error| Stop(format!("{}: {error}", file.display())));
        }
        let own = std::fs::read(self.directory().join(tls::CA_FILE)).ok().and_then(|pem| Trust::of_pem(&pem).ok());
        Ok(own.map_or_else(Trust::of_machine, |own| Trust::of_machine().and(&own)))
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
/// on this directory may have been told another address than the settings'. With TLS the address has to be in the host's
/// certificate; else `public_url` is asked, which should be.
fn configured(directory: &Path) -> String {
    let text = std::fs::read_to_string(directory.join("host.toml")).unwrap_or_default();
    let settings = text.parse().unwrap_or_default();
    let address = address(&settings, || running(directory));
    let Some(public) = settings.get("public_url").and_then(toml::Value::as_str) else { return address };
    if public.starts_with("https://")
        && address.starts_with("https://")
        && !certificate_has(directory, &settings, &address)
    {
        return public.to_owned();
    }
    address
}

fn certificate_has(directory: &Path, settings: &toml::Table, address: &str) -> bool {
    let said = settings.get("tls").and_then(|tls| tls.get("certificate")).and_then(toml::Value::as_str);
    let pem = std::fs::read(directory.join(said.unwrap_or(tls::CERTIFICATE_FILE))).unwrap_or_default();
    let host = url::Url::parse(address).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    tls::is_for(&pem, &host)
}

/// Where the host on this directory says it listens, if one runs and answers this user.
fn running(directory: &Path) -> Option<String> {
    let asked = admin::runtime().ok()?.block_on(control::ask(directory, &Command::Status {}));
    let Ok(Outcome::Status { status }) = asked else { return None };
    status.listening_on
}

fn address(settings: &toml::Table, running: impl FnOnce() -> Option<String>) -> String {
    let said = |name: &str| settings.get(name).and_then(toml::Value::as_str);
    let running = running();
    let is_encrypted = match &running {
        Some(url) => url.starts_with("https://"),
        None => settings.contains_key("tls"),
    };
    let scheme = if is_encrypted { "https" } else { "http" };
    if let Some(public) = said("public_url").filter(|url| url.starts_with("http://") && !is_encrypted) {
        return public.to_owned();
    }
    let listen = running.as_deref().and_then(|url| Some(url.split_once("://")?.1));
    let listen = listen.or_else(|| said("listen")).unwrap_or(LISTEN);
    match listen.parse::<SocketAddr>() {
        Ok(mut socket) => {
            match socket.ip() {
                IpAddr::V4(any) if any.is_unspecified() => socket.set_ip(Ipv4Addr::LOCALHOST.into()),
                IpAddr::V6(any) if any.is_unspecified() => socket.set_ip(Ipv6Addr::LOCALHOST.into()),
                _ => {}
            }
            format!("{scheme}://{socket}")
        }
        Err(_) => format!("{scheme}://{listen}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_comes_from_the_settings() {
        let of = |text: &str| address(&text.parse().unwrap(), || None);
        let beside = |text: &str| address(&text.parse().unwrap(), || Some("http://127.0.0.1:7".to_owned()));
        assert_eq!(beside("listen = \"127.0.0.1:9000\""), "http://127.0.0.1:7", "a running host knows best");
        assert_eq!(beside("public_url = \"http://door.example\""), "http://door.example");
        assert_eq!(of(""), "http://127.0.0.1:8126");
        assert_eq!(of("listen = \"0.0.0.0:9000\""), "http://127.0.0.1:9000");
        assert_eq!(of("listen = \"[::]:9000\""), "http://[::1]:9000");
        assert_eq!(of("public_url = \"http://door.example\"\nlisten = \"0.0.0.0:1\""), "http://door.example");
        assert_eq!(of("public_url = \"https://door.example\"\nlisten = \"127.0.0.1:1\""), "http://127.0.0.1:1");
        assert_eq!(of("listen = \"0.0.0.0:9000\"\n[tls]"), "https://127.0.0.1:9000");
        let encrypted =
            address(&"public_url = \"http://a.example\"".parse().unwrap(), || Some("https://[::]:7".to_owned()));
        assert_eq!(encrypted, "https://[::1]:7");
        assert_eq!(beside("[tls]"), "http://127.0.0.1:7", "it takes effect at the next start");
    }

    #[test]
    fn only_http_is_spoken() {
        assert!(checked("http://127.0.0.1:1").is_ok());
        assert!(checked("https://door.example").is_ok());
        assert!(checked("file:///etc/passwd").is_err());
        assert!(checked("door").is_err());
    }
}
