//! Whose certificates are believed when the host calls another server: those the machine trusts, or those of one file.

use std::sync::{Arc, LazyLock};

use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use ureq::tls::{RootCerts, TlsConfig};

/// Certificates of the authorities that are believed.
#[derive(Clone)]
pub struct Trust(Arc<Vec<CertificateDer<'static>>>);

#[derive(Debug, thiserror::Error)]
#[error("it holds no certificate in PEM form")]
pub struct NoCertificate;

/// For a question that holds no secret and whose answer is trusted for nothing: whether a host of this machine answers. Its
/// certificate is for the names users know, not for the address it is asked at.
pub fn without_a_look_at_names() -> TlsConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    TlsConfig::builder().disable_verification(true).unversioned_rustls_crypto_provider(provider).build()
}

/// Read once: hundreds of files on some machines.
static MACHINE: LazyLock<Trust> = LazyLock::new(|| Trust(Arc::new(rustls_native_certs::load_native_certs().certs)));

impl Trust {
    /// Nobody, for who asks without TLS.
    pub fn of_nobody() -> Self {
        Self(Arc::default())
    }

    /// What the machine trusts, in `/etc/ssl` or where `SSL_CERT_FILE` points.
    pub fn of_machine() -> Self {
        MACHINE.clone()
    }

    /// The certificates of this PEM text and no others.
    ///
    /// # Errors
    /// There is none in it, or one that cannot be read.
    pub fn of_pem(pem: &[u8]) -> Result<Self, NoCertificate> {
        let certificates =
            CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|_| NoCertificate)?;
        if certificates.is_empty() { Err(NoCertificate) } else { Ok(Self(Arc::new(certificates))) }
    }

    /// These authorities and those as well.
    pub fn and(&self, more: &Self) -> Self {
        Self(Arc::new(self.0.iter().chain(more.0.iter()).cloned().collect()))
    }

    /// For an HTTP client.
    pub fn for_http(&self) -> TlsConfig {
        let certificates = self.0.iter().map(|der| ureq::tls::Certificate::from_der(der).to_owned()).collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(certificates)))
            .unversioned_rustls_crypto_provider(provider)
            .build()
    }

    /// For an HTTP client that waits for nobody.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub fn for_gateway(&self) -> Result<rustls::ClientConfig, rustls::Error> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(self.0.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }

    /// For a connection to the mail server of this name.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub fn for_smtp(&self, host: &str) -> Result<TlsParameters, lettre::transport::smtp::Error> {
        let builder = TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::None);
        let certificates = self.0.iter().filter_map(|der| Certificate::from_der(der.to_vec()).ok());
        certificates.fold(builder, |builder, certificate| builder.add_root_certificate(certificate)).build()
    }
}
