//! `init --tls self-signed` and `tls renew`: an authority of the host's own, and what it signs.

use std::{fs, path::Path};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    admin, directory,
    failure::Failure,
    table::{print, print_json, printable},
};
use crate::{
    clock::Clock,
    module_host::quoted,
    settings::{self, FileMode, TlsSettings, replace_file},
    tls::{self, AuthorityError, CA_FILE, CA_KEY_FILE, CERTIFICATE_FILE, KEY_FILE, Made},
};

const HOST_NAME: &str = "/proc/sys/kernel/hostname";
/// The port of the sample settings.
const PORT: u16 = 8126;

/// Authority and certificate for this machine and these names, not written yet.
pub fn make(wished: &[String]) -> Result<Made, Failure> {
    let machine = fs::read_to_string(HOST_NAME).ok();
    // No settings name another clock yet.
    let now = Clock::system().now().wall;
    tls::names(machine.as_deref().map(str::trim), wished).and_then(|names| tls::make(names, now)).map_err(failure)
}

fn failure(error: AuthorityError) -> Failure {
    match &error {
        AuthorityError::Name(_) => Failure::unusable(error, "write it as door.example or 192.0.2.7; nothing was made"),
        AuthorityError::Unreadable(_) => Failure::failed(
            error,
            "only what mfa-host init --tls self-signed made can be renewed here; another by who made it",
        ),
        AuthorityError::Ending(_) => Failure::failed(
            error,
            "make another with mfa-host init --tls self-signed in a new directory, take its tls folder over, and let \
             everybody trust its ca.pem",
        ),
        AuthorityError::Make(_) | AuthorityError::Random(_) => Failure::failed(error, "nothing was made"),
    }
}

/// Puts it into the folder, the keys closed to others.
pub fn write(config_directory: &Path, made: &Made) -> Result<(), Failure> {
    for (file, text, bits) in [
        (CA_FILE, made.authority.as_str(), 0o644),
        (CA_KEY_FILE, made.authority_key.as_str(), 0o600),
        (KEY_FILE, made.key.as_str(), 0o600),
        (CERTIFICATE_FILE, made.certificate.as_str(), 0o644),
    ] {
        put(&config_directory.join(file), text, bits)?;
    }
    Ok(())
}

fn put(path: &Path, text: &str, bits: u32) -> Result<(), Failure> {
    replace_file(path, text.as_bytes(), FileMode::Exactly(bits)).map_err(|error| {
        Failure::failed(format!("write {}: {error}", path.display()), "make room on the disk, or mend its permissions")
    })
}

/// The sample settings with `[tls]`, and with an address to reach the host by.
pub fn switched_on(sample: &str, made: &Made) -> String {
    let url = format!("public_url = \"{}\"", public_url(made));
    let lines = sample.lines().map(|line| match line {
        "#[tls]" => "[tls]",
        _ if line.starts_with("#public_url = ") => &url,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// The first name wished, which stands before the machine's own; without one, this machine.
fn public_url(made: &Made) -> String {
    let host = made.wished.first().map_or("localhost", String::as_str);
    if host.contains(':') { format!("https://[{host}]:{PORT}") } else { format!("https://{host}:{PORT}") }
}

pub fn as_json(config_directory: &Path, made: &Made) -> Value {
    json!({ "authority": config_directory.join(CA_FILE), "names": made.names, "public_url": public_url(made) })
}

/// What an admin has to do with it.
pub fn as_text(config_directory: &Path, made: &Made) -> String {
    let authority = config_directory.join(CA_FILE);
    let mut text = format!(
        "it answers HTTPS at {}, with a certificate for {}\n\
         browsers warn until they trust its authority, {}, which can sign for these names alone:\n  \
         Firefox: Settings, Privacy & Security, View Certificates, Authorities, Import; \"identify websites\"\n  \
         Chrome:  chrome://certificate-manager, Installed by you, Trusted Certificates, Import\n  \
         Debian:  cp {} /usr/local/share/ca-certificates/mfa-host.crt && update-ca-certificates\n\
         its key, {CA_KEY_FILE}, stays here for `mfa-host tls renew`, which is due within 13 months\n",
        public_url(made),
        printable(&made.names.join(", ")),
        authority.display(),
        quoted(&authority),
    );
    if !made.wished.is_empty() {
        text.push_str("it listens on 127.0.0.1 alone; for others set listen = \"0.0.0.0:8126\" in host.toml\n");
    }
    text
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
            "[tls] in host.toml does not name what mfa-host init --tls self-signed made",
            "renew the certificate by who made it; the host takes it up as it comes",
        ));
    }
    let read = |file: &'static str| {
        let path = config_directory.join(file);
        fs::read_to_string(&path).map(Zeroizing::new).map_err(|error| {
            Failure::failed(format!("{}: {error}", path.display()), "only what mfa-host init made can be renewed here")
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
            let text = switched_on(include_str!("../../../../config/host.sample.toml"), &make(wished).unwrap());
            let settings = settings::parse(Path::new("host.toml"), &text).unwrap();
            assert_eq!(settings.tls, Some(TlsSettings::default()));
            assert_eq!(settings.public_url.unwrap().as_str(), url);
            assert_eq!(settings.listen.port(), PORT);
        }
    }
}
