//! `[tls]`: the host's own certificate.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Settings, is_loopback};

/// With this the host itself answers HTTPS, and nothing else, at its address. The files are watched: what an ACME client
/// puts there is shown to every new connection at once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// The certificate and those that lead from it to its authority, in PEM form; relative to the configuration directory.
    /// Only root and the host's user may write it.
    pub certificate: PathBuf,
    /// Its key, in PEM form and without a password; relative to the configuration directory. Only root and the host's
    /// user may read it.
    pub key: PathBuf,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self { certificate: "tls/cert.pem".into(), key: "tls/key.pem".into() }
    }
}

impl TlsSettings {
    /// Both files.
    pub fn files(&self, config_directory: &Path) -> [PathBuf; 2] {
        [&self.certificate, &self.key].map(|file| config_directory.join(file))
    }
}

impl Settings {
    /// Where the host listens, with the protocol it speaks there.
    pub fn listening_url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.listen)
    }

    /// The host that has to be reached by HTTPS alone from now on, wherever it is named so: the one of `public_url`, when
    /// the host itself serves TLS under it. Never this machine: what it is asked for reaches every port of a name.
    pub fn strictly_secure_host(&self) -> Option<&str> {
        let url = self.public_url.as_ref().filter(|url| self.tls.is_some() && url.scheme() == "https")?;
        if is_loopback(url) { None } else { url.host_str() }
    }
}
