//! The store as an admin looks after it: `storage check`, `storage backup`, `storage restore`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{admin, directory, failure::Failure, render};
use crate::{
    clock::Timestamp,
    keys::MasterKey,
    settings,
    store::Store,
    wire::control::{self, AskError, Command, Outcome},
};

/// Exit code 1 says that not all is as it was written.
pub fn check(config_directory: &Path, json: bool) -> Result<ExitCode, Failure> {
    super::logging::start("warn");
    let outcome = admin::runtime()?.block_on(admin::execute(config_directory, Command::StorageCheck {}))?;
    let is_good = matches!(&outcome, Outcome::StorageChecked { check } if check.is_good());
    render::show(outcome, json)?;
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub fn backup(config_directory: &Path, file: &Path, json: bool) -> Result<(), Failure> {
    admin::run(config_directory, Command::StorageBackup { file: absolute(file)? }, json)
}

/// Puts the backup in place, opens it once so that everything in it ends, and says what ended.
pub fn restore(config_directory: &Path, file: &Path, replaces: bool, json: bool) -> Result<(), Failure> {
    super::logging::start("error");
    directory::refuse_foreign(config_directory)?;
    let settings = settings::load(config_directory)?;
    let clock = admin::clock_of(config_directory, &settings);
    let keys = MasterKey::load(&config_directory.join(&settings.secret_key_file))?;
    let runtime = admin::runtime()?;
    if !matches!(runtime.block_on(control::ask(config_directory, &Command::UserList {})), Err(AskError::NotRunning)) {
        return Err(Failure::failed("a host runs on this directory", "stop it, then run the command again"));
    }
    let aside = aside(config_directory, clock.now().wall);
    let report = match Store::restore(config_directory, &keys, &absolute(file)?, &aside, replaces) {
        Ok(report) => report,
        Err(error) => return render::show(control::backup_failed(&error), json),
    };
    let ended = runtime.block_on(admin::end_what_is_open(config_directory, settings, clock, keys))?;
    let aside = aside.is_dir().then_some(aside);
    render::show(Outcome::StorageRestored { records: report.records, aside, ended }, json)
}

/// `DIR/storage-replaced-20350101T000000.000Z`
fn aside(config_directory: &Path, now: Timestamp) -> PathBuf {
    config_directory.join(format!("storage-replaced-{}", now.rfc3339().replace(['-', ':'], "")))
}

/// A running host stands in another directory than the command.
fn absolute(file: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(file)
        .map_err(|error| Failure::unusable(format!("{}: {error}", file.display()), "name another file"))
}
