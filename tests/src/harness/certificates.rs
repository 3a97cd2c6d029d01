//! Authorities and certificates, made by openssl.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::scratch::temporary_directory;

/// `openssl` with these arguments in this directory; it must succeed.
#[track_caller]
pub fn openssl(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).current_dir(directory).stdin(Stdio::null()).output();
    let output = output.expect("openssl runs; cargo xtask test installs it");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An authority of its own and a certificate for `localhost`.
pub struct Certificates {
    directory: tempfile::TempDir,
}

impl Certificates {
    pub fn new() -> Self {
        let certificates = Self { directory: temporary_directory() };
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"];
        let authority =
            ["authority.key", "-x509", "-days", "3650", "-subj", "/CN=Test authority", "-out", "authority.pem"];
        openssl(certificates.directory.path(), &[&["req"], &key[..], &authority[..]].concat());
        certificates.issue("DNS:localhost", 3650);
        certificates
    }

    /// A new key and a new certificate for these names in the place of the former.
    pub fn issue(&self, names: &str, days: u32) {
        let (directory, days) = (self.directory.path(), days.to_string());
        fs::write(self.path("names"), format!("subjectAltName={names}\n")).expect("is written");
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"];
        let request = ["server.key", "-subj", "/CN=A server", "-out", "server.csr"];
        openssl(directory, &[&["req"], &key[..], &request[..]].concat());
        let signed = ["x509", "-req", "-in", "server.csr", "-CA", "authority.pem", "-CAkey", "authority.key"];
        let rest = ["-CAcreateserial", "-days", &days, "-extfile", "names", "-out", "server.pem"];
        openssl(directory, &[&signed[..], &rest[..]].concat());
    }

    /// Puts certificate and key there, the key closed to others; each file is whole at every moment.
    pub fn put(&self, certificate: &Path, key: &Path) {
        for (from, to, mode) in [("server.key", key, 0o600), ("server.pem", certificate, 0o644)] {
            fs::create_dir_all(to.parent().expect("a folder")).expect("the folder is made");
            let new = to.with_extension("new");
            fs::copy(self.path(from), &new).expect("is copied");
            fs::set_permissions(&new, fs::Permissions::from_mode(mode)).expect("its mode is set");
            fs::rename(&new, to).expect("is put in place");
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The authority's certificate, to be trusted.
    pub fn authority(&self) -> String {
        self.path("authority.pem").to_str().expect("UTF-8").to_owned()
    }

    /// The serial number of the certificate that was issued last.
    pub fn serial(&self) -> String {
        openssl(self.directory.path(), &["x509", "-in", "server.pem", "-noout", "-serial"])
    }

    /// Options of a server that shows the certificate.
    pub fn options(&self) -> [String; 4] {
        let path = |name: &str| self.path(name).to_str().expect("UTF-8").to_owned();
        ["--certificate".to_owned(), path("server.pem"), "--key".to_owned(), path("server.key")]
    }
}
