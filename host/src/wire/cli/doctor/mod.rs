//! `doctor`: looks at all a host needs, with the host stopped or running, and changes nothing.

mod machine;
pub mod permissions;
mod reach;
mod running;
mod store;

use std::{path::Path, process::ExitCode};

use self::running::Found;
use super::{
    admin, channels, config_check, directory,
    failure::Failure,
    findings::{self, Finding, Level},
    logging,
};
use crate::{
    settings::{self, Settings},
    wire::control::StatusReport,
};

/// Exit code 1 when anything fails.
pub fn run(config_directory: &Path, json: bool) -> Result<ExitCode, Failure> {
    // What would be logged is among the findings.
    logging::start("off");
    // What is found about owners and keys is only true for the user the host runs as.
    directory::refuse_foreign(config_directory)?;
    let host = running::look(config_directory)?;
    let mut found = vec![running::of_host(config_directory, &host)];
    found.extend(permissions::of_everything(config_directory));
    found.push(machine::of_disk(config_directory));
    found.push(machine::of_clock());
    match settings::load_with_text(config_directory) {
        Err(error) => found.push(config_check::of_settings_error(error)),
        Ok((settings, text)) => found.extend(of_configuration(config_directory, &settings, &text, &host)?),
    }
    // What the running host has, whatever host.toml has become since it started.
    if let Found::Running(status) = &host {
        found.extend(store::of_state(&status.store));
        found.extend(running::of_settings(&status.settings));
        found.extend(status.certificate.as_ref().and_then(running::of_certificate));
    }
    findings::show(&found, json);
    Ok(ExitCode::from(u8::from(findings::worst(&found) == Level::Fail)))
}

/// What can only be judged with the settings at hand.
fn of_configuration(
    config_directory: &Path,
    settings: &Settings,
    text: &str,
    host: &Found,
) -> Result<Vec<Finding>, Failure> {
    let running = host.status();
    let mut found = config_check::of_settings(config_directory, settings);
    found.extend(reach::of_addresses(settings, running.and_then(listening_on)));
    let key = config_check::of_key(config_directory, settings);
    let has_key = key.level == Level::Ok;
    found.push(key);
    // A running host says of itself when it does not take the files.
    if running.and_then(|status| status.certificate.as_ref()?.problem.as_ref()).is_none() {
        found.extend(config_check::of_certificate(config_directory, settings));
    }
    found.extend(match running {
        Some(status) => config_check::of_modules(config_directory, settings, text, &status.modules),
        None => config_check::of_stopped_modules(config_directory, settings, text)?,
    });
    found.extend(match running {
        // Its environment, and so its secrets, may be another than this command's.
        Some(status) => channels::of_running(&status.channels),
        None => channels::of_delivery(config_directory, settings, text),
    });
    if matches!(host, Found::Stopped) {
        let clock = admin::clock_of(config_directory, settings);
        found.extend(store::of_stopped(config_directory, settings, has_key, &clock));
    }
    Ok(found)
}

fn listening_on(status: &StatusReport) -> Option<std::net::SocketAddr> {
    status.listening_on.as_deref()?.split_once("://")?.1.parse().ok()
}
