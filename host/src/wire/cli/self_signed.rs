//! `init --tls self-signed`, `tls self-signed` and `tls renew`: an authority of the host's own, and what it signs.

use std::{fs, path::Path};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    admin, directory,
    failure::Failure,
    made::{Made, make_directory},
    table::{print, print_json, printable},
};
use crate::{
    clock::Timestamp,
    module_host::quoted,
    settings::{self, EditError, FileMode, TlsSettings, replace_file},
    tls::{self, AuthorityError, CA_FILE, CA_KEY_FILE, CERTIFICATE_FILE, KEY_FILE},
};

const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Authority and certificate, and where the host is reached with them.
pub struct Certificate {
    made: tls::Made,
    public_url: String,
    port: u16,
}

/// For this machine and these names, not written yet.
pub fn make(wished: &[String], port: u16, now: Timestamp) -> Result<Certificate, Failure> {
    let machine = fs::read_to_string(HOST_NAME).ok();
    let names = tls::names(machine.as_deref().map(str::trim), wished);
    let made = names.and_then(|names| tls::make(names, now)).map_err(failure)?;
    // The first name wished stands before the machine's own; without one, this machine.
    let host = made.wished.first().map_or("localhost", String::as_str);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    Ok(Certificate { made, public_url: format!("https://{host}:{port}"), port })
}

fn failure(error: AuthorityError) -> Failure {
    match &error {
        AuthorityError::Name(_) => Failure::unusable(error, "write it as door.example or 192.0.2.7; nothing was made"),
        AuthorityError::Unreadable(_) => {
            Failure::failed(error, "only what mfa-host made can be renewed here; another by who made it")
        }
        AuthorityError::Ending(_) => Failure::failed(
            error,
            "move DIR/tls away, make another with mfa-host tls self-signed, and let everybody trust its ca.pem",
        ),
        AuthorityError::Make(_) | AuthorityError::Random(_) => Failure::failed(error, "nothing was made"),
    }
}

/// Puts it into its folder, the keys closed to others.
pub fn write(config_directory: &Path, certificate: &Certificate, made: &mut Made) -> Result<(), Failure> {
    let tls::Made { authority, authority_key, certificate, key, .. } = &certificate.made;
    let files = [
        (CA_FILE, authority.as_str(), 0o644),
        (CA_KEY_FILE, authority_key.as_str(), 0o600),
        (KEY_FILE, key.as_str(), 0o600),
        (CERTIFICATE_FILE, certificate.as_str(), 0o644),
    ];
    // What an admin has put there is not written over.
    for (file, ..) in files {
        let path = config_directory.join(file);
        if path.symlink_metadata().is_ok() {
            return Err(Failure::failed(
                format!("{} is there already", path.display()),
                "renew it with mfa-host tls renew if mfa-host made it; else move it away, or name it in [tls] in host.toml",
            ));
        }
    }
    make_directory(&config_directory.join(tls::FOLDER), 0o700, made)?;
    for (file, text, bits) in files {
        let path = config_directory.join(file);
        made.paths.push(path.clone());
        put(&path, text, bits)?;
    }
    Ok(())
}

fn put(path: &Path, text: &str, bits: u32) -> Result<(), Failure> {
    replace_file(path, text.as_bytes(), FileMode::Exactly(bits)).map_err(|error| {
        Failure::failed(format!("write {}: {error}", path.display()), "make room on the disk, or mend its permissions")
    })
}

/// These settings with `[tls]`, and with the address to reach the host by.
pub fn switched_on(config_directory: &Path, text: &str, certificate: &Certificate) -> Result<String, Failure> {
    let path = config_directory.join(settings::FILE_NAME);
    settings::with_tls(&path, text, Some(&certificate.public_url)).map_err(not_written)
}

fn not_written(error: EditError) -> Failure {
    match error {
        EditError::Settings(error) => Failure::from(error),
        EditError::Write { .. } => Failure::failed(error, "make room on the disk or mend the permissions of DIR"),
        error => Failure::unusable(error, "write [tls] and public_url by hand as docs/admin.md says; nothing was made"),
    }
}

pub fn as_json(config_directory: &Path, Certificate { made, public_url, .. }: &Certificate) -> Value {
    json!({ "authority": config_directory.join(CA_FILE), "names": made.names, "public_url": public_url })
}

/// What an admin has to do with it.
pub fn as_text(config_directory: &Path, certificate: &Certificate, is_alone: bool) -> String {
    let Certificate { made, public_url, port } = certificate;
    let authority = config_directory.join(CA_FILE);
    let mut text = format!(
        "it answers HTTPS at {public_url}, with a certificate for {}\n\
         browsers warn until they trust its authority, {}, which can sign for these names alone:\n  \
         Firefox: Settings, Privacy & Security, View Certificates, Authorities, Import; \"identify websites\"\n  \
         Chrome:  chrome://certificate-manager, Installed by you, Trusted Certificates, Import\n  \
         Debian:  cp {} /usr/local/share/ca-certificates/mfa-host.crt && update-ca-certificates\n\
         its key, {CA_KEY_FILE}, stays here for `mfa-host tls renew`, which is due within 13 months\n",
        printable(&made.names.join(", ")),
        authority.display(),
        quoted(&authority),
    );
    if is_alone && !made.wished.is_empty() {
        text.push_str(&format!(
            "it listens for this machine alone; for others set listen = \"0.0.0.0:{port}\" in host.toml\n"
        ));
    }
    text
}

/// `tls self-signed`: the same as `init --tls self-signed` makes, in a directory that is there already.
pub fn begin(config_directory: &Path, wished: &[String], json: bool) -> Result<(), Failure> {
    super::logging::start("warn");
    directory::refuse_foreign(config_directory)?;
    let settings = settings::load(config_directory)?;
    if settings.tls.as_ref().is_some_and(|tls| *tls != TlsSettings::default()) {
        return Err(Failure::unusable(
            "[tls] in host.toml names a certificate of others",
            "take it out of host.toml first, if another is to take its place",
        ));
    }
    // Behind a proxy with TLS the host has its address, and keeps it.
    let known = settings.public_url.as_ref().filter(|url| url.scheme() == "https");
    let mut names = wished.to_vec();
    names.extend(
        settings
            .public_url
            .as_ref()
            .and_then(|url| url.host_str())
            .map(|host| host.trim_matches(['[', ']']).to_owned()),
    );
    let now = admin::clock_of(config_directory, &settings).now().wall;
    let mut certificate = make(&names, settings.listen.port(), now)?;
    let new_url = known.is_none().then(|| certificate.public_url.clone());
    if let Some(known) = known {
        certificate.public_url = known.as_str().trim_end_matches('/').to_owned();
    }
    let mut made = Made::default();
    write(config_directory, &certificate, &mut made)?;
    settings::switch_tls_on(config_directory, new_url.as_deref()).map_err(not_written)?;
    made.is_complete = true;
    if json {
        print_json(&as_json(config_directory, &certificate));
    } else {
        print("[tls] and public_url stand in host.toml; a running host goes on without until it is started again\n");
        print(&as_text(config_directory, &certificate, settings.listen.ip().is_loopback()));
    }
    Ok(())
}

/// A new certificate by the same authority, for the same key and names. One file changes, so a host that starts this very
/// moment finds a pair that fits.
pub fn renew(config_directory: &Path, json: bool) -> Result<(), Failure> {
    super::logging::start("warn");
    directory::refuse_foreign(config_directory)?;
    let settings = settings::load(config_directory)?;
    let own = TlsSettings::default();
    if settings.tls.as_ref() != Some(&own) {
        return Err(Failure::unusable(
            "[tls] in host.toml does not name what mfa-host tls self-signed made",
            "renew the certificate by who made it; the host takes it up as it comes",
        ));
    }
    let read = |file: &'static str| {
        let path = config_directory.join(file);
        fs::read_to_string(&path).map(Zeroizing::new).map_err(|error| {
            Failure::failed(format!("{}: {error}", path.display()), "only what mfa-host made can be renewed here")
        })
    };
    let now = admin::clock_of(config_directory, &settings).now().wall;
    let (authority, before) = (read(CA_FILE)?, read(CERTIFICATE_FILE)?);
    let (authority_key, key) = (read(CA_KEY_FILE)?, read(KEY_FILE)?);
    let renewed = tls::renew(authority.as_bytes(), &authority_key, before.as_bytes(), &key, now).map_err(failure)?;
    put(&config_directory.join(CERTIFICATE_FILE), &renewed, 0o644)?;
    let facts = tls::load(config_directory, &own, now).map_err(|error| {
        let (problem, remedy) = error.words();
        Failure::failed(problem, remedy)
    })?;
    let (names, until) = (facts.facts.names, facts.facts.valid_until);
    if json {
        print_json(&json!({ "names": names, "expires_at": until }));
    } else {
        print(&format!("renewed for {}, until {}\n", printable(&names.join(", ")), crate::clock::zoned(until, None)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_switched_on_where_it_shows_how() {
        let wished = ["door.example".to_owned()];
        for (wished, url) in [(&wished[..], "https://door.example:8126/"), (&[], "https://localhost:8126/")] {
            let sample = include_str!("../../../../config/host.sample.toml");
            let text = switched_on(Path::new("."), sample, &make(wished, 8126, Timestamp(2_051_222_400_000)).unwrap())
                .unwrap();
            let lines = |text: &str| text.lines().count();
            assert_eq!(lines(&text), lines(sample), "it is said where it was shown");
            let settings = settings::parse(Path::new("host.toml"), &text).unwrap();
            assert_eq!(settings.tls, Some(TlsSettings::default()));
            assert_eq!(settings.public_url.unwrap().as_str(), url);
        }
    }
}
