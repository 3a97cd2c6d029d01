//! The certificate of a running host: taken up as its files change, or told what is wrong with them.

use std::{path::Path, sync::Arc};

use super::{admin, failure::Failure};
use crate::{
    clock::Timestamp,
    settings::Settings,
    tls::{self, Identity, RENEW},
    wire::current::Tls,
};

/// Days before its end from which on a certificate is warned of. ACME clients renew earlier.
pub const DAYS_WARN: i64 = 14;

/// What a start needs; none where HTTP is spoken.
///
/// # Errors
/// The files cannot be used.
pub fn at_start(config_directory: &Path, settings: &Settings) -> Result<Option<Tls>, Failure> {
    let Some(files) = &settings.tls else { return Ok(None) };
    let now = admin::clock_of(config_directory, settings).now().wall;
    let identity = tls::load(config_directory, files, now).map_err(|error| {
        let (problem, remedy) = error.words();
        Failure::failed(problem, remedy)
    })?;
    Ok(Some(taken_up(identity, settings, now)))
}

/// The files as they stand now, or what is in service with the reason.
pub fn look(config_directory: &Path, settings: &Settings, former: Tls) -> Tls {
    let Some(files) = &settings.tls else { return former };
    let now = admin::clock_of(config_directory, settings).now().wall;
    match tls::load(config_directory, files, now) {
        Ok(identity) if identity.is_same(&former.identity) => {
            if former.problem.is_some() {
                tracing::info!("the certificate can be used again");
            }
            let days_told = tell_of_end(&former.identity, former.days_told, now);
            Tls { problem: None, days_told, ..former }
        }
        Ok(identity) => {
            let names = identity.facts.names.join(", ");
            let until = crate::clock::zoned(identity.facts.valid_until, None);
            tracing::info!(target: "audit", event = "certificate_changed", %names, %until, "a new certificate is in service");
            taken_up(identity, settings, now)
        }
        Err(error) => {
            let problem = error.words();
            if former.problem.as_ref() != Some(&problem) {
                tracing::error!("{}; {}; the former certificate stays in service", problem.0, problem.1);
            }
            let days_told = tell_of_end(&former.identity, former.days_told, now);
            Tls { problem: Some(problem), days_told, ..former }
        }
    }
}

fn taken_up(identity: Identity, settings: &Settings, now: Timestamp) -> Tls {
    if let Some((problem, remedy)) = misnamed(&identity, settings) {
        tracing::warn!("{problem}; {remedy}");
    }
    let days_told = tell_of_end(&identity, None, now);
    Tls { identity: Arc::new(identity), problem: None, days_told }
}

/// Once a day is enough.
fn tell_of_end(identity: &Identity, told: Option<i64>, now: Timestamp) -> Option<i64> {
    let days = Some(tls::days_until(identity.facts.valid_until, now)).filter(|days| *days < DAYS_WARN)?;
    if told != Some(days) {
        tracing::warn!("the certificate ends on {}; {RENEW}", crate::clock::zoned(identity.facts.valid_until, None));
    }
    Some(days)
}

/// Why clients that go where users are told to go would not take the certificate.
pub fn misnamed(identity: &Identity, settings: &Settings) -> Option<(String, String)> {
    let host = settings.public_url.as_ref().filter(|url| url.scheme() == "https")?.host_str()?;
    (!identity.is_for(host)).then(|| {
        let names = identity.facts.names.join(", ");
        (
            format!("the certificate is for {names}, and public_url names {host}"),
            "get a certificate for that name, or set public_url to a name the certificate has".to_owned(),
        )
    })
}
