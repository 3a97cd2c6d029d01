//! The one place where a command becomes a deed.

use std::path::PathBuf;

use tokio::sync::watch;

use crate::{
    clock::Clock,
    flow::{MethodView, PeopleError, UserView, Who},
    module_host::{ModuleInstance, ModuleState},
    provider::PasswordRefusal,
    settings,
    store::{BackupError, BackupReport, OpenError, OpenReport, StoreError},
    system_clock::SystemClock,
    tls::days_until,
    wire::current::{Current, Tls},
};

use super::{
    CertificateState, Command, MethodLine, ModuleLine, Outcome, SettingsState, StatusReport, StoreState,
    channels::{channel_lines, test_channel},
};

/// What commands are executed on.
pub struct Host {
    pub current: watch::Receiver<Current>,
    pub config_directory: PathBuf,
    /// What was found when the store was opened.
    pub report: OpenReport,
    /// `http://ADDR:PORT`; none for a command on a stopped host.
    pub listening_on: Option<String>,
}

/// Does what is asked. `actor` is written into the audit log.
pub async fn execute(host: &Host, actor: &str, command: Command) -> Outcome {
    let current = host.current.borrow().clone();
    let flows = &current.flows;
    let done = |deed: &str| {
        let deed = deed.to_owned();
        move |user: UserView| Outcome::User { deed, user }
    };
    let outcome = match command {
        Command::UserAdd { name, password, owner } => {
            flows.add_user(actor, &name, &password, owner).await.map(done("added"))
        }
        Command::UserList {} => flows.users().await.map(|users| Outcome::Users { users }),
        Command::UserPassword { name, password } => {
            flows.set_password(actor, &name, &password).await.map(done("password_changed"))
        }
        Command::UserActive { name, active } => {
            flows.set_active(actor, &name, active).await.map(done(if active { "enabled" } else { "disabled" }))
        }
        Command::UserShow { name } => {
            flows.user_details(Who::Name(&name)).await.map(|details| Outcome::UserDetails { details })
        }
        Command::UserSet { name, changes } => flows
            .change_profile(actor, Who::Name(&name), &changes)
            .await
            .map(|details| Outcome::UserDetails { details }),
        Command::UserReset { name, methods } => {
            flows.reset_user(actor, Who::Name(&name), methods).await.map(|reset| Outcome::UserReset { reset })
        }
        Command::UserInvite { groups } => {
            flows.invite(actor, &groups).await.map(|invited| Outcome::Invited { invited })
        }
        Command::UserRemove { name } => flows.remove_user(actor, &name).await.map(done("removed")),
        Command::MfaList { user } => flows.methods_of(&user).await.map(|methods| {
            let methods = methods.into_iter().map(method_line).collect();
            Outcome::Methods { user, methods }
        }),
        Command::MfaReset { user } => {
            flows.reset_methods(actor, &user).await.map(|removed| Outcome::MethodsReset { user, removed })
        }
        Command::Unlock { user } => flows.unlock(actor, &user).await.map(done("unlocked")),
        Command::SessionList { user } => {
            flows.sessions(user.as_deref()).await.map(|sessions| Outcome::Sessions { sessions })
        }
        Command::ModuleList {} => Ok(Outcome::Modules { modules: lines_of(host, &current) }),
        Command::ChannelList {} => Ok(Outcome::Channels { channels: channel_lines(flows.delivery()) }),
        Command::ChannelTest { name, to } => {
            tracing::info!(target: "audit", event = "channel_tested", actor, channel = name, "a test message was asked for");
            let clock = Clock::read_from(flows.settings().clock_file(&host.config_directory));
            return test_channel(flows.delivery(), &clock, flows.settings(), &name, &to).await;
        }
        Command::Status {} => Ok(Outcome::Status { status: status(host, &current).await }),
        Command::StorageCheck {} => flows
            .check_storage()
            .await
            .map(|report| Outcome::StorageChecked { check: report.into() })
            .map_err(Into::into),
        Command::StorageBackup { file } => match flows.back_up_storage(actor, &file).await {
            Ok(BackupReport { records, bytes }) => Ok(Outcome::StorageBackedUp { file, records, bytes }),
            Err(error) => return backup_failed(&error),
        },
    };
    outcome.unwrap_or_else(|error| Outcome::Failed { remedy: remedy(&error).to_owned(), problem: error.to_string() })
}

/// What an admin may do about an older copy that was put back.
pub const ROLLED_BACK_REMEDY: &str = "stop the host; then put the present state back with `mfa-host storage restore FILE --replace`, or take the older \
     one for the present one with `mfa-host storage acknowledge`";

fn remedy(error: &PeopleError) -> &'static str {
    match error {
        PeopleError::InvalidName => "choose another name",
        PeopleError::InvalidProfile { .. } => "correct the value; `mfa-host user set --help` says what is taken",
        PeopleError::PasswordRefused(PasswordRefusal::NoBlocklist { .. }) => {
            "put the file there, readable for the host's user, or remove blocklist_file from host.toml"
        }
        PeopleError::PasswordRefused(_) => "choose another password",
        PeopleError::NameTaken(_) => "choose another name; `mfa-host user list` shows who is there",
        PeopleError::UnknownUser(_) => "`mfa-host user list` shows who is there",
        PeopleError::LastOwner(_) => "run: mfa-host user add NAME --owner",
        PeopleError::Busy => "run the command again",
        PeopleError::Store(StoreError::Poisoned(_)) => "free space or mend the disk, then restart the host",
        PeopleError::Store(StoreError::RolledBack(_)) => ROLLED_BACK_REMEDY,
        PeopleError::Store(_) => {
            "nothing was changed; stop the host, then run `mfa-host storage check --repair` or restore a backup"
        }
    }
}

/// Why there is no backup, or why it was not restored, and what to do.
pub fn backup_failed(error: &BackupError) -> Outcome {
    let remedy = match error {
        BackupError::Store(StoreError::Poisoned(_)) => "free space or mend the disk, then restart the host",
        BackupError::Store(StoreError::RolledBack(_)) => ROLLED_BACK_REMEDY,
        BackupError::Store(_) => "`mfa-host storage check` says what is wrong",
        BackupError::Open(OpenError::Locked(_)) => "stop the host, then run the command again",
        BackupError::Open(_) => {
            "look at the path, its permissions and the room on its disk, then run the command again"
        }
        BackupError::Taken(_) | BackupError::Inside(_) => "name another file",
        BackupError::Refused { .. } => "nothing was changed; name another backup, or put back the key it was made with",
        BackupError::Live(_) => "nothing was changed; with --replace it is moved aside",
    };
    Outcome::Failed { problem: error.to_string(), remedy: remedy.to_owned() }
}

async fn status(host: &Host, current: &Current) -> StatusReport {
    StatusReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        running: host.listening_on.is_some(),
        listening_on: host.listening_on.clone(),
        config_directory: host.config_directory.display().to_string(),
        store: StoreState::from(&host.report),
        settings: SettingsState {
            news: current.settings.clone(),
            warnings: settings::warnings(current.flows.settings()),
        },
        system_clock: SystemClock::look(),
        users: current.flows.users().await.ok().map(|users| users.len()),
        modules: lines_of(host, current),
        channels: channel_lines(current.flows.delivery()),
        certificate: current.tls.as_ref().map(|tls| certificate_state(host, current, tls)),
    }
}

fn certificate_state(host: &Host, current: &Current, tls: &Tls) -> CertificateState {
    let now = Clock::read_from(current.flows.settings().clock_file(&host.config_directory)).now().wall;
    let (problem, remedy) = tls.problem.clone().unzip();
    let facts = &tls.identity.facts;
    CertificateState {
        names: facts.names.clone(),
        expires_at: facts.valid_until,
        days_left: days_until(facts.valid_until, now),
        problem,
        remedy,
    }
}

fn lines_of(host: &Host, current: &Current) -> Vec<ModuleLine> {
    module_lines(current.flows.modules().modules(), host.listening_on.is_some())
}

/// Modules as lines; without a running host an enabled one is neither ready nor failed.
pub fn module_lines(modules: Vec<ModuleInstance>, running: bool) -> Vec<ModuleLine> {
    modules.into_iter().map(|module| module_line(module, running)).collect()
}

fn module_line(module: ModuleInstance, running: bool) -> ModuleLine {
    let (state, reason, remedy) = match module.state {
        ModuleState::Disabled => ("disabled", None, Some(format!("run: mfa-host module enable {}", module.id))),
        _ if !running => ("stopped", None, None),
        ModuleState::Ready => match module.refused {
            Some(refused) => ("ready", Some(refused.reason), Some(refused.remedy)),
            None => ("ready", None, None),
        },
        ModuleState::Restarting { reason } => ("restarting", Some(reason), None),
        ModuleState::Failed { reason, remedy } => ("failed", Some(reason), Some(remedy)),
        ModuleState::Quarantined { reason } => {
            ("quarantined", Some(reason), Some("replace the module's file or mend its settings".to_owned()))
        }
    };
    ModuleLine {
        enabled: state != "disabled",
        version: module
            .description
            .map(|description| description.version.clone())
            .filter(|version| !version.is_empty()),
        id: module.id,
        module_type: module.module_type,
        name: module.name,
        state: state.to_owned(),
        reason,
        remedy,
    }
}

fn method_line(method: MethodView) -> MethodLine {
    MethodLine {
        id: method.id,
        module_type: method.module_type,
        name: method.name,
        is_available: method.is_available,
        is_setup: method.is_setup,
        is_active: method.is_active,
        is_primary: method.is_primary,
        created_at: method.created_at,
        last_used_at: method.last_used_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(state: ModuleState, running: bool) -> ModuleLine {
        let (id, name) = ("a".to_owned(), "A".to_owned());
        let module = ModuleInstance {
            module_type: id.clone(),
            id,
            name,
            state,
            description: None,
            is_named_by_admin: false,
            refused: None,
        };
        module_line(module, running)
    }

    #[test]
    fn a_module_that_cannot_work_says_why_and_what_mends_it() {
        let failed = ModuleState::Failed { reason: "no file".into(), remedy: "install it".into() };
        let shown = line(failed.clone(), true);
        assert_eq!((shown.state.as_str(), shown.reason.as_deref()), ("failed", Some("no file")));
        assert_eq!((shown.enabled, shown.remedy.as_deref()), (true, Some("install it")));
        assert!(line(ModuleState::Quarantined { reason: "x".into() }, true).remedy.is_some());
        assert_eq!(line(failed, false).state, "stopped");
        assert!(!line(ModuleState::Disabled, false).enabled);
    }
}
