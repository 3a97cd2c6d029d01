//! The certificate and key the host shows: read together, and taken only when they fit, are valid and are its own.

use std::{
    fmt::Display,
    fs::File,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    client::verify_server_name,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::ParsedCertificate,
};

use super::facts::Facts;
use crate::{
    clock::Timestamp,
    secret_file::{self, SecretFileError},
    settings::TlsSettings,
};

/// A chain of certificates is some ten thousand bytes long.
const CERTIFICATE_BYTES_MAX: u64 = 256 * 1024;
/// An RSA key of 16384 bits.
const KEY_BYTES_MAX: u64 = 16 * 1024;

/// What connections are made with.
pub struct Identity {
    pub server: Arc<ServerConfig>,
    pub facts: Facts,
    /// The host's own certificate, then those that lead to an authority.
    chain: Vec<CertificateDer<'static>>,
}

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("read {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{0} is not a file of 1 to {CERTIFICATE_BYTES_MAX} bytes")]
    NotAFile(PathBuf),
    #[error("{0} can be written by others")]
    Exposed(PathBuf),
    #[error("{path} belongs to user id {owner}")]
    ForeignOwner { path: PathBuf, owner: u32, wanted: u32 },
    #[error(transparent)]
    Key(#[from] SecretFileError),
    #[error("{0} holds no certificate in PEM form")]
    NoCertificate(PathBuf),
    #[error("{0} holds no key in PEM form that can be used without a password")]
    NoKey(PathBuf),
    #[error("the certificate {0} has expired on {at}", at = crate::clock::zoned(*.1, None))]
    Expired(PathBuf, Timestamp),
    #[error("the certificate {0} is not valid before {at}", at = crate::clock::zoned(*.1, None))]
    NotYet(PathBuf, Timestamp),
    #[error("the key {key} is not that of the certificate {certificate}")]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("{certificate} with {key} cannot be used: {source}")]
    Unusable { certificate: PathBuf, key: PathBuf, source: rustls::Error },
}

impl IdentityError {
    /// What is wrong, and what mends it.
    pub fn words(&self) -> (String, String) {
        let problem = self.to_string();
        let remedy = match self {
            Self::Io { path, source } if source.kind() == std::io::ErrorKind::NotFound => format!(
                "put it at {}, name another in [tls] in host.toml, or take [tls] out to speak HTTP behind a proxy",
                path.display()
            ),
            Self::Io { path, .. } => format!("make {} readable for the host's user", path.display()),
            Self::NotAFile(_) | Self::NoCertificate(_) => {
                "put the certificate there, and those that lead from it to its authority behind it".to_owned()
            }
            Self::Exposed(path) => format!("chmod go-w {}", path.display()),
            Self::ForeignOwner { path, wanted, .. } => format!("chown {wanted} {}", path.display()),
            Self::Key(error) => return of_key(error),
            Self::NoKey(_) => "put the key of the certificate there, not encrypted, chmod 600".to_owned(),
            Self::Expired(..) => RENEW.to_owned(),
            Self::NotYet(..) => "set the clock right, or use a certificate that is valid already".to_owned(),
            Self::Mismatch { .. } => "put certificate and key of one and the same request there".to_owned(),
            Self::Unusable { .. } => "use an RSA key of 2048 bits or more, or an ECDSA or Ed25519 key".to_owned(),
        };
        (problem, remedy)
    }
}

/// What mends a certificate whose time is over.
pub const RENEW: &str = "renew it: by your ACME client, or by mfa-host tls renew if mfa-host made it";

/// A secret's file says its remedy in its own words.
fn of_key(error: &SecretFileError) -> (String, String) {
    let text = error.to_string();
    match text.split_once("; run: ") {
        Some((problem, remedy)) => (problem.to_owned(), remedy.to_owned()),
        None => (text, "put the key of the certificate there, chmod 600, owned by the host's user".to_owned()),
    }
}

/// Reads what `settings` name.
///
/// # Errors
/// A file is missing, open to others or unreadable, the two do not fit, or it is not their time.
pub fn load(config_directory: &Path, settings: &TlsSettings, now: Timestamp) -> Result<Identity, IdentityError> {
    let (certificate, key) = (config_directory.join(&settings.certificate), config_directory.join(&settings.key));
    let pem = certificate_file(&certificate)?;
    let no_certificate = |_: &dyn Display| IdentityError::NoCertificate(certificate.clone());
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|error| no_certificate(&error))?;
    let leaf = chain.first().ok_or_else(|| IdentityError::NoCertificate(certificate.clone()))?;
    let facts = Facts::read(leaf).map_err(|error| no_certificate(&error))?;
    let secret = secret_file::read_up_to(&key, KEY_BYTES_MAX)?;
    let private = PrivateKeyDer::from_pem_slice(&secret).map_err(|_| IdentityError::NoKey(key.clone()))?;
    let server = server(chain.clone(), private).map_err(|source| match source {
        rustls::Error::InconsistentKeys(_) => {
            IdentityError::Mismatch { certificate: certificate.clone(), key: key.clone() }
        }
        source => IdentityError::Unusable { certificate: certificate.clone(), key: key.clone(), source },
    })?;
    if now > facts.valid_until {
        return Err(IdentityError::Expired(certificate, facts.valid_until));
    }
    if now < facts.valid_from {
        return Err(IdentityError::NotYet(certificate, facts.valid_from));
    }
    Ok(Identity { server: Arc::new(server), facts, chain })
}

impl Identity {
    /// Whether clients that go to this name or address take the certificate.
    pub fn is_for(&self, host: &str) -> bool {
        self.chain.first().is_some_and(|leaf| has_name(leaf, host))
    }

    /// Whether it is the same certificate.
    pub fn is_same(&self, other: &Self) -> bool {
        self.chain == other.chain
    }
}

/// Whether clients that go to this name or address take the first certificate of this PEM text.
pub fn is_for(pem: &[u8], host: &str) -> bool {
    CertificateDer::from_pem_slice(pem).is_ok_and(|leaf| has_name(&leaf, host))
}

fn has_name(leaf: &CertificateDer<'_>, host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let Ok(name) = ServerName::try_from(bare) else { return false };
    ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok())
}

/// Whoever may write it could put the certificate of another there, so only root and the host's user may.
fn certificate_file(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let io = |source| IdentityError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    // Asked of the open file, so that what was checked is what is read.
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() || !(1..=CERTIFICATE_BYTES_MAX).contains(&metadata.len()) {
        return Err(IdentityError::NotAFile(path.to_owned()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(IdentityError::Exposed(path.to_owned()));
    }
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != 0 && metadata.uid() != own {
        return Err(IdentityError::ForeignOwner { path: path.to_owned(), owner: metadata.uid(), wanted: own });
    }
    let mut content = Vec::new();
    file.take(CERTIFICATE_BYTES_MAX).read_to_end(&mut content).map_err(io)?;
    Ok(content)
}

/// TLS 1.2 and 1.3, and HTTP/1.1 in it, which is all the host speaks.
fn server(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server)
}
