//! `config check`: says without a host what `serve` would say of the configuration, and changes nothing.

use std::{path::Path, process::ExitCode};

use super::{
    admin, certificate, channels, directory,
    doctor::permissions,
    failure::Failure,
    findings::{self, Finding, Level},
    logging,
};
use crate::{
    keys::MasterKey,
    module_host::{self, ModuleHost},
    provider,
    settings::{self, FILE_NAME, ProviderKind, Settings, SettingsError},
    tls,
    wire::control::{ModuleLine, module_lines},
};

/// Exit code 0: sound; 2: `host.toml`, or a module it switches on, has a mistake; 1: something else, such as a key file, a
/// certificate or a template, is in the way.
pub fn run(config_directory: &Path, json: bool) -> Result<ExitCode, Failure> {
    // What would be logged is among the findings.
    logging::start("off");
    directory::refuse_foreign(config_directory)?;
    let mut found = Vec::new();
    let mut code = 0;
    match settings::load_with_text(config_directory) {
        Err(error) => {
            found.push(of_settings_error(error));
            code = 2;
        }
        Ok((settings, text)) => {
            found.extend(of_settings(config_directory, &settings));
            found.extend(permissions::of_directory(config_directory));
            let key = of_key(config_directory, &settings);
            let certificate = of_certificate(config_directory, &settings);
            let modules = of_stopped_modules(config_directory, &settings, &text)?;
            let delivery = channels::of_delivery(config_directory, &settings, &text);
            if findings::worst(&delivery) == Level::Fail {
                code = 1;
            }
            if key.level == Level::Fail || findings::worst(&certificate) == Level::Fail {
                code = 1;
            }
            if findings::worst(&modules) == Level::Fail {
                code = 2;
            }
            found.push(key);
            found.extend(certificate);
            found.extend(modules);
            found.extend(delivery);
        }
    }
    findings::show(&found, json);
    Ok(ExitCode::from(code))
}

/// `FILE:LINE: what is wrong`, and the remedy apart.
pub fn of_settings_error(error: SettingsError) -> Finding {
    match error {
        SettingsError::Mistake(mistake) => {
            let message = format!("{}:{}: {}", mistake.path.display(), mistake.line, mistake.problem);
            Finding::fail("settings", message, mistake.remedy)
        }
        other => Finding::of_failure("settings", &Failure::from(other)),
    }
}

/// A file that loads: what a start would warn of.
pub fn of_settings(config_directory: &Path, settings: &Settings) -> Vec<Finding> {
    let path = config_directory.join(FILE_NAME);
    let mut found = vec![Finding::ok("settings", format!("{} has no mistake", path.display()))];
    found.extend(settings::warnings(settings).into_iter().map(|warning| {
        let subject = match warning.split_whitespace().next() {
            Some("public_url" | "listen") => "public_url",
            Some("trusted_proxies") => "proxies",
            _ => "settings",
        };
        match warning.rsplit_once("; ") {
            Some((message, remedy)) => Finding::warn(subject, message, remedy),
            None => Finding::warn(subject, warning, "change it in host.toml unless it is meant so"),
        }
    }));
    let command =
        |provider: &&settings::ProviderSettings| provider.enabled && provider.kind == ProviderKind::CommandLine;
    found.extend(settings.providers.iter().filter(command).filter_map(|entry| {
        let message = format!("command_line refuses every sign-in: {}", provider::command_line_problem(entry)?);
        Some(Finding::warn(
            "settings",
            message,
            "put right what it names; only root and the host's user may write there",
        ))
    }));
    if let Some(problem) = provider::blocklist_problem(&settings.passwords, config_directory) {
        let remedy = "put the file there, readable for the host's user, or remove blocklist_file";
        found.push(Finding::warn("settings", format!("no password can be set: {problem}"), remedy));
    }
    let legacy =
        |provider: &&settings::ProviderSettings| provider.enabled && provider.kind == ProviderKind::LegacyApiPassword;
    found.extend(settings.providers.iter().filter(legacy).filter_map(|entry| {
        let problem = provider::legacy_api_password_problem(entry, config_directory)?;
        let message = format!("legacy_api_password refuses every sign-in: {problem}");
        Some(Finding::warn("settings", message, "put the password into that file, chmod 600, owned by the host's user"))
    }));
    found
}

pub fn of_key(config_directory: &Path, settings: &Settings) -> Finding {
    let path = config_directory.join(&settings.secret_key_file);
    match MasterKey::load(&path) {
        Ok(_) => Finding::ok("key", format!("{} is a key, and closed to others", path.display())),
        Err(error) => match Finding::of_failure("key", &Failure::from(error)) {
            Finding { message, remedy: Some(remedy), .. } if remedy.is_empty() => {
                Finding::fail("key", message, "restore the key file from a backup")
            }
            finding => finding,
        },
    }
}

/// The pair a start would take, how long it lasts, and whether it is for the name users are told.
pub fn of_certificate(config_directory: &Path, settings: &Settings) -> Vec<Finding> {
    let Some(files) = &settings.tls else { return Vec::new() };
    let now = admin::clock_of(config_directory, settings).now().wall;
    let identity = match tls::load(config_directory, files, now) {
        Ok(identity) => identity,
        Err(error) => {
            let (problem, remedy) = error.words();
            return vec![Finding::fail("tls", problem, remedy)];
        }
    };
    let days = tls::days_until(identity.facts.valid_until, now);
    let (names, path) = (identity.facts.names.join(", "), config_directory.join(&files.certificate));
    let message = format!("{} is for {names}, and for {days} more days", path.display());
    let mut found = vec![if days < certificate::DAYS_WARN {
        Finding::warn("tls", message, tls::RENEW)
    } else {
        Finding::ok("tls", message)
    }];
    found.extend(
        certificate::misnamed(&identity, settings).map(|(problem, remedy)| Finding::warn("tls", problem, remedy)),
    );
    found
}

/// Starts a worker for every enabled module, with its configuration, and ends it again.
pub fn of_stopped_modules(config_directory: &Path, settings: &Settings, text: &str) -> Result<Vec<Finding>, Failure> {
    let lines = admin::runtime()?.block_on(async {
        let host = ModuleHost::start(config_directory, settings).await;
        let lines = module_lines(host.modules(), true);
        host.stop().await;
        lines
    });
    Ok(of_modules(config_directory, settings, text, &lines))
}

/// One finding a module. Those that are switched off were not started; their files are looked at.
pub fn of_modules(config_directory: &Path, settings: &Settings, text: &str, lines: &[ModuleLine]) -> Vec<Finding> {
    let of_line = |line: &ModuleLine| {
        let position = settings.modules.iter().position(|module| module.id() == line.id);
        let (Some(reason), Some(position)) = (&line.reason, position) else {
            return of_sound(config_directory, settings, line);
        };
        let path = config_directory.join(FILE_NAME);
        let number = settings::line_of_place(text, &place_of(position, reason));
        let message = format!("{}:{number}: the module {} is {}: {reason}", path.display(), line.id, line.state);
        let remedy = line.remedy.clone().unwrap_or_else(|| "replace the module's file or mend its settings".to_owned());
        Finding::fail("modules", message, remedy)
    };
    lines.iter().map(of_line).collect()
}

fn of_sound(config_directory: &Path, settings: &Settings, line: &ModuleLine) -> Finding {
    if line.enabled {
        let version = line.version.as_deref().map(|version| format!(" (version {version})")).unwrap_or_default();
        return Finding::ok("modules", format!("{} is {}{version}", line.id, line.state));
    }
    let entry = settings.modules.iter().find(|module| module.id() == line.id);
    match entry.and_then(|entry| module_host::file_refusal(config_directory, entry)) {
        Some((reason, remedy)) => {
            Finding::warn("modules", format!("{} is switched off, and would be refused: {reason}", line.id), remedy)
        }
        None => Finding::ok("modules", format!("{} is switched off", line.id)),
    }
}

/// Where in the file the reason points: the setting a module refused, else the module's block.
fn place_of(position: usize, reason: &str) -> String {
    let block = format!("module.{position}");
    let Some((_, rest)) = reason.split_once("it refuses its configuration: config") else { return block };
    let path = rest.split(": ").next().unwrap_or_default().replace('[', ".").replace(']', "");
    format!("{block}.config{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_setting_is_found_where_it_stands() {
        let text =
            "[[module]]\ntype = \"a\"\n[[module]]\ntype = \"b\"\n[module.config]\nx = [\n  1,\n  2,\n]\ny.z = 3\n";
        let line = |reason: &str| settings::line_of_place(text, &place_of(1, reason));
        assert_eq!(line("it refuses its configuration: config.x[1]: too large: by far"), 8);
        assert_eq!(line("it refuses its configuration: config.y.z: no"), 10);
        assert_eq!(line("it refuses its configuration: config.absent: is missing"), 5);
        assert_eq!(line("it refuses its configuration: as a whole"), 3);
        assert_eq!(line("there is no b.so"), 3);
    }
}
