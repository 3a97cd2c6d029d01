//! Commands and their outcomes, as they travel and as `--json` prints them.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    flow::{Invited, OpenThings, SessionView, UserChanges, UserDetails, UserReset, UserView},
    store::{Behind, CheckReport, Loss, OpenReport, RepairDeed, Repaired},
    system_clock::SystemClock,
    wire::current::SettingsNews,
};

/// What is asked. Unknown commands and fields are refused.
#[derive(Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    UserAdd {
        name: String,
        #[serde(with = "super::password")]
        password: SecretString,
        owner: bool,
    },
    UserList {},
    UserPassword {
        name: String,
        #[serde(with = "super::password")]
        password: SecretString,
    },
    UserActive {
        name: String,
        active: bool,
    },
    UserRemove {
        name: String,
    },
    UserShow {
        name: String,
    },
    UserSet {
        name: String,
        changes: UserChanges,
    },
    UserReset {
        name: String,
        /// Whether the enrolments go too.
        methods: bool,
    },
    UserInvite {
        groups: Vec<String>,
    },
    MfaList {
        user: String,
    },
    MfaReset {
        user: String,
    },
    Unlock {
        user: String,
    },
    SessionList {
        user: Option<String>,
    },
    ModuleList {},
    ChannelList {},
    /// Sends a test message through a channel.
    ChannelTest {
        name: String,
        to: String,
    },
    Status {},
    StorageCheck {},
    /// The file's path is absolute.
    StorageBackup {
        file: PathBuf,
    },
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// A deed on one user; `deed` is a word such as `added`.
    User {
        deed: String,
        user: UserView,
    },
    Users {
        users: Vec<UserView>,
    },
    UserDetails {
        details: UserDetails,
    },
    UserReset {
        reset: UserReset,
    },
    Invited {
        invited: Invited,
    },
    Methods {
        user: String,
        methods: Vec<MethodLine>,
    },
    MethodsReset {
        user: String,
        removed: Vec<String>,
    },
    Sessions {
        sessions: Vec<SessionView>,
    },
    Modules {
        modules: Vec<ModuleLine>,
    },
    Channels {
        channels: Vec<ChannelLine>,
    },
    /// The other side has taken the message.
    ChannelTested {
        name: String,
        to: String,
    },
    Status {
        status: StatusReport,
    },
    StorageChecked {
        check: StorageCheck,
    },
    StorageBackedUp {
        file: PathBuf,
        records: usize,
        bytes: u64,
    },
    /// A backup is in the place of the store; this ended.
    StorageRestored {
        records: usize,
        /// Where the former store is now.
        aside: Option<PathBuf>,
        ended: OpenThings,
    },
    /// What is authentic in a damaged store is in its place.
    StorageRepaired {
        repair: StorageRepair,
    },
    /// An older copy counts as the present store; this ended.
    StorageAcknowledged {
        behind: Behind,
        ended: OpenThings,
    },
    /// It did not happen.
    Failed {
        problem: String,
        remedy: String,
    },
}

/// A module and what one user has of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct MethodLine {
    pub id: String,
    #[serde(rename = "type")]
    pub module_type: String,
    pub name: String,
    pub is_available: bool,
    pub is_setup: bool,
    pub is_active: bool,
    pub is_primary: bool,
    pub created_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// A configured module as an admin sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleLine {
    pub id: String,
    #[serde(rename = "type")]
    pub module_type: String,
    pub name: String,
    pub enabled: bool,
    /// `ready`, `disabled`, `restarting`, `failed`, `quarantined`, or `stopped` while the host does not run.
    pub state: String,
    pub version: Option<String>,
    /// What ails it; of a `ready` one, why its latest change was refused.
    pub reason: Option<String>,
    pub remedy: Option<String>,
}

/// A configured channel as an admin sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelLine {
    pub name: String,
    pub label: String,
    /// `email`, `http` or `outbox`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What a user gives to be reached: `email`, `phone`, `text` or `listed`.
    pub target: String,
    pub targets: Vec<String>,
    /// `ready`, `disabled` or `failed`.
    pub state: String,
    pub reason: Option<String>,
    pub remedy: Option<String>,
}

/// The host at a glance.
#[derive(Debug, Serialize, Deserialize)]
pub struct StatusReport {
    pub version: String,
    pub running: bool,
    /// `http://ADDR:PORT`, while it runs.
    pub listening_on: Option<String>,
    pub config_directory: String,
    pub store: StoreState,
    pub settings: SettingsState,
    /// The machine's own, whatever clock the host follows.
    #[serde(default)]
    pub system_clock: SystemClock,
    /// None when the store cannot be read.
    pub users: Option<usize>,
    pub modules: Vec<ModuleLine>,
    #[serde(default)]
    pub channels: Vec<ChannelLine>,
    /// The certificate in service, where a running host speaks HTTPS.
    #[serde(default)]
    pub certificate: Option<CertificateState>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CertificateState {
    pub names: Vec<String>,
    pub expires_at: Timestamp,
    /// Whole days until then; negative once it has expired.
    pub days_left: i64,
    /// Why the files as they stand cannot be used; a former certificate is in service then.
    pub problem: Option<String>,
    pub remedy: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreState {
    /// Set when nothing can be served from the store.
    pub damage: Option<String>,
    pub dropped_tail_bytes: u64,
    pub tampered: Vec<String>,
    /// An older copy was put back, and nothing is served from it until an admin acknowledges that.
    pub rolled_back: bool,
    /// How far it reaches, and how far it had come.
    #[serde(default)]
    pub behind: Option<Behind>,
}

impl From<&OpenReport> for StoreState {
    fn from(report: &OpenReport) -> Self {
        Self {
            damage: report.damage.clone(),
            dropped_tail_bytes: report.dropped_tail_bytes,
            tampered: report.tampered.iter().map(ToString::to_string).collect(),
            rolled_back: report.behind.is_some(),
            behind: report.behind,
        }
    }
}

/// What a look at the store's files found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StorageCheck {
    /// Set when nothing can be served from them.
    pub damage: Option<String>,
    pub records: usize,
    /// Records that do not authenticate and are refused.
    pub tampered: Vec<String>,
    /// Of a change that was never acknowledged; the next start drops them.
    pub unfinished_bytes: u64,
    pub rolled_back: bool,
    /// How far they reach, and how far the store had come.
    #[serde(default)]
    pub behind: Option<Behind>,
}

/// What became of a store that was to be repaired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StorageRepair {
    pub deed: RepairDeed,
    pub records: usize,
    /// Records that do not authenticate and stay refused.
    pub tampered: Vec<String>,
    /// What nothing authentic is left of.
    pub lost: Vec<Loss>,
    /// Where the damaged files are now.
    pub aside: Option<PathBuf>,
    /// Nothing is served until an admin acknowledges that the store is older than it once was.
    pub needs_acknowledgement: bool,
    pub behind: Option<Behind>,
}

impl From<Repaired> for StorageRepair {
    fn from(repaired: Repaired) -> Self {
        let Repaired { deed, records, tampered, lost, aside, behind } = repaired;
        let tampered = tampered.iter().map(ToString::to_string).collect();
        Self { deed, records, tampered, lost, aside, needs_acknowledgement: behind.is_some(), behind }
    }
}

impl StorageCheck {
    /// Everything there is as it was written.
    pub fn is_good(&self) -> bool {
        self.damage.is_none() && self.tampered.is_empty() && !self.rolled_back
    }
}

impl From<CheckReport> for StorageCheck {
    fn from(report: CheckReport) -> Self {
        let CheckReport { damage, records, tampered, unfinished_bytes, behind } = report;
        let tampered = tampered.iter().map(ToString::to_string).collect();
        Self { damage, records, tampered, unfinished_bytes, rolled_back: behind.is_some(), behind }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettingsState {
    #[serde(flatten)]
    pub news: SettingsNews,
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_password_survives_the_way() {
        let command = Command::UserAdd { name: "ann".into(), password: "p\"w\n".into(), owner: true };
        let text = serde_json::to_string(&command).unwrap();
        assert!(!text.contains('\n'));
        let Command::UserAdd { name, password, owner } = serde_json::from_str(&text).unwrap() else { panic!() };
        assert_eq!((name.as_str(), password.expose_secret(), owner), ("ann", "p\"w\n", true));
    }

    #[test]
    fn the_unknown_is_refused() {
        for text in [
            r#"{"command":"user_everything"}"#,
            r#"{"command":"mfa_reset","user":"ann","all":true}"#,
            r#"{"command":"user_remove"}"#,
            r#"{"command":"user_list","name":"x"}"#,
        ] {
            assert!(serde_json::from_str::<Command>(text).is_err(), "{text}");
        }
    }
}
