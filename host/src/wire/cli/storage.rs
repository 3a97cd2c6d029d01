//! The store as an admin looks after it: `storage check`, `backup`, `restore`, `acknowledge`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{admin, directory, failure::Failure, render};
use crate::{
    clock::{Clock, Timestamp},
    flow::OpenThings,
    keys::MasterKey,
    settings::{self, Settings},
    store::{RepairError, Store},
    wire::control::{self, AskError, Command, Outcome},
};

/// What these commands do is audited wherever their standard error goes.
const LOGGED: &str = "error,audit=info";

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

/// Keeps what is sound in a damaged store. Exit code 1 says that nothing is served from it before it is acknowledged.
pub fn repair(config_directory: &Path, json: bool) -> Result<ExitCode, Failure> {
    let Stopped { clock, keys, .. } = Stopped::host(config_directory)?;
    let aside = aside(config_directory, "storage-damaged", clock.now().wall);
    let repaired = Store::repair(config_directory, &keys, &aside).map_err(|error| match error {
        RepairError::Open(error) => error.into(),
        error @ RepairError::Hopeless { .. } => Failure::failed(
            error,
            "nothing was changed; put back the key it was written with, or a backup: mfa-host storage restore FILE \
             --replace",
        ),
    })?;
    tracing::info!(
        target: "audit",
        event = "storage_repaired",
        by = admin::own_actor(),
        deed = ?repaired.deed,
        records = repaired.records,
        refused = repaired.tampered.len(),
        losses = repaired.lost.len(),
    );
    let is_served = repaired.behind.is_none();
    render::show(Outcome::StorageRepaired { repair: repaired.into() }, json)?;
    Ok(if is_served { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Takes an older copy that was put back for the present store, and says what is lost by that and what ended.
pub fn acknowledge(config_directory: &Path, json: bool) -> Result<(), Failure> {
    let stopped = Stopped::host(config_directory)?;
    let found = Store::look(config_directory, &stopped.keys)?;
    if let Some(damage) = found.damage {
        return Err(Failure::failed(
            format!("the store is damaged: {damage}"),
            "nothing was changed; run mfa-host storage check --repair, or restore a backup",
        ));
    }
    let Some(behind) = found.behind else {
        return Err(Failure::failed(
            "there is nothing to acknowledge: the store has not been put back to an older state",
            "start the host; mfa-host doctor says what keeps it from its work",
        ));
    };
    let ended = stopped.take_for_present(config_directory)?;
    tracing::info!(
        target: "audit",
        event = "storage_rollback_acknowledged",
        by = admin::own_actor(),
        store = %behind,
        ended = ended.sessions.len(),
    );
    render::show(Outcome::StorageAcknowledged { behind, ended }, json)
}

/// Puts the backup in place, opens it once so that everything in it ends, and says what ended.
pub fn restore(config_directory: &Path, file: &Path, replaces: bool, json: bool) -> Result<(), Failure> {
    let stopped = Stopped::host(config_directory)?;
    let (file, aside) = (absolute(file)?, aside(config_directory, "storage-replaced", stopped.clock.now().wall));
    let report = match Store::restore(config_directory, &stopped.keys, &file, &aside, replaces) {
        Ok(report) => report,
        Err(error) => return render::show(control::backup_failed(&error), json),
    };
    tracing::info!(
        target: "audit",
        event = "storage_restored",
        by = admin::own_actor(),
        file = %file.display(),
        records = report.records,
    );
    let ended = stopped.take_for_present(config_directory)?;
    let aside = aside.is_dir().then_some(aside);
    render::show(Outcome::StorageRestored { records: report.records, aside, ended }, json)
}

/// What a command needs that changes the store of a stopped host.
struct Stopped {
    settings: Settings,
    clock: Clock,
    keys: MasterKey,
    runtime: tokio::runtime::Runtime,
}

impl Stopped {
    fn host(config_directory: &Path) -> Result<Self, Failure> {
        super::logging::start(LOGGED);
        directory::refuse_foreign(config_directory)?;
        let settings = settings::load(config_directory)?;
        let clock = admin::clock_of(config_directory, &settings);
        let keys = MasterKey::load(&config_directory.join(&settings.secret_key_file))?;
        let runtime = admin::runtime()?;
        match runtime.block_on(control::ask(config_directory, &Command::UserList {})) {
            Err(AskError::NotRunning) => Ok(Self { settings, clock, keys, runtime }),
            _ => Err(Failure::failed("a host runs on this directory", "stop it, then run the command again")),
        }
    }

    fn take_for_present(self, config_directory: &Path) -> Result<OpenThings, Failure> {
        let Self { settings, clock, keys, runtime } = self;
        let own = MasterKey::load(&config_directory.join(&settings.secret_key_file))?;
        let ended = runtime.block_on(admin::take_for_present(config_directory, settings, clock, keys))?;
        match Store::look(config_directory, &own)?.behind {
            None => Ok(ended),
            Some(behind) => Err(Failure::failed(
                format!("storage.anchor could not be written, and it says that the store is an older copy: {behind}"),
                "make room on the disk, or mend the permissions of DIR; then run: mfa-host storage acknowledge",
            )),
        }
    }
}

/// `DIR/storage-replaced-20350101T000000.000Z`
fn aside(config_directory: &Path, what: &str, now: Timestamp) -> PathBuf {
    config_directory.join(format!("{what}-{}", now.rfc3339().replace(['-', ':'], "")))
}

/// A running host stands in another directory than the command.
fn absolute(file: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(file)
        .map_err(|error| Failure::unusable(format!("{}: {error}", file.display()), "name another file"))
}
