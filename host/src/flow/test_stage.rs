//! For unit tests: the flows on a real store in a scratch directory, and a clock that stands where a test puts it.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{
    Access, Asker, Core, Flows,
    record::{
        AccessOpen, AccessSecret, AccessSession, AccessStage, Addresses, Document, Found, Grant, NameOpen, ProviderId,
        Session, SessionOpen, SessionSecret, SessionStage, Setup, SetupOpen, SetupSecret, SetupStage, Stored, Unknown,
        User, UserSecret,
    },
    token,
};
use crate::{
    clock::{Clock, Timestamp},
    delivery::Delivery,
    keys::MasterKey,
    module_host::ModuleHost,
    store::{Change, Key, Store},
};

/// Where the clock of a new stage stands.
pub const NOW: Timestamp = Timestamp(1_767_225_600_000);
/// The start of the machine all records here are of.
pub const BOOT: &str = "boot";

pub struct TestStage {
    pub flows: Flows,
    directory: tempfile::TempDir,
}

impl TestStage {
    /// Flows with the `local` provider and no modules.
    pub fn new() -> Self {
        Self::with("[[provider]]\ntype = \"local\"")
    }

    /// Flows under these settings, without modules.
    pub fn with(settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock_file = directory.path().join("clock.json");
        put_clock(&clock_file, NOW);
        let keys = MasterKey::create(&directory.path().join("secret.key")).unwrap();
        Store::create(directory.path()).unwrap();
        let clock = Clock::read_from(Some(clock_file));
        let (store, _) = Store::open(directory.path(), &keys, clock.clone()).unwrap();
        let settings = Arc::new(crate::settings::parse(Path::new("host.toml"), settings).unwrap());
        let modules = ModuleHost::offline(&settings);
        let config_directory = directory.path().to_owned();
        let delivery = Delivery::new(&settings, &config_directory);
        let flows = Flows::new(Core { store, modules, delivery, settings, clock, keys, config_directory });
        Self { flows, directory }
    }

    pub fn move_clock_to(&self, moment: Timestamp) {
        put_clock(&self.directory.path().join("clock.json"), moment);
    }

    pub async fn put(&self, key: &str, record: &impl Stored) {
        let change = Change::Put(self.key(key), record.to_content());
        self.flows.engine.store.commit(vec![change], Vec::new()).await.unwrap();
    }

    pub async fn has(&self, key: &str) -> bool {
        self.flows.engine.store.read(&self.key(key)).await.unwrap().is_some()
    }

    /// A user under a name, with a password where one is given.
    pub async fn put_person(&self, id: &str, user: &User, password: Option<&str>) {
        let mut user = user.clone();
        if let Some(password) = password {
            user.secret.password = Some(self.phc(password).await);
        }
        let index = Document { open: NameOpen { user: id.to_owned() }, secret: () };
        self.put(&format!("user_name/{}", token::folded_name_hash(&user.open.name)), &index).await;
        self.put(&format!("user/{id}"), &user).await;
    }

    pub async fn phc(&self, password: &str) -> String {
        let hashed = self.flows.engine.passwords.hash(&SecretString::from(password)).await.ok().unwrap();
        hashed.expose_secret().to_owned()
    }

    pub async fn read<T: Stored>(&self, key: &str) -> T {
        let found: Found<T> = self.flows.engine.read(Some(self.key(key))).await.unwrap();
        found.record.unwrap()
    }

    pub fn key(&self, key: &str) -> Key {
        Key::new(&key.split('/').collect::<Vec<_>>()).unwrap()
    }
}

/// What is logged on this thread for as long as it lives.
pub struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _taken: tracing::subscriber::DefaultGuard,
}

impl Log {
    pub fn begin() -> Self {
        let text: Arc<Mutex<Vec<u8>>> = Arc::default();
        let pen = Arc::clone(&text);
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || Pen(Arc::clone(&pen))).finish();
        Self { text, _taken: tracing::subscriber::set_default(log) }
    }

    /// The lines that hold this word.
    pub fn lines_with(&self, word: &str) -> Vec<String> {
        let text = String::from_utf8(self.text.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
    }
}

struct Pen(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn put_clock(file: &Path, moment: Timestamp) {
    let reading = json!({"wall_ms": moment.0, "boot_ms": moment.0, "boot_id": BOOT});
    // The store looks at the clock at any time, and must not find half a file.
    let next = file.with_extension("next");
    std::fs::write(&next, reading.to_string()).unwrap();
    std::fs::rename(next, file).unwrap();
}

/// A user called `name`, switched on, in epoch 0.
pub fn user(name: &str) -> User {
    let open = json!({"name": name, "is_active": true, "is_owner": false, "created_at": NOW, "epoch": 0});
    Document { open: serde_json::from_value(open).unwrap(), secret: UserSecret::default() }
}

/// Somebody at this machine who reads English.
pub fn asker() -> Asker {
    let address = std::net::Ipv4Addr::LOCALHOST.into();
    Asker { address, is_certain: true, is_by_our_name: true, language: "en".to_owned(), browser: None }
}

/// A caller of this user and epoch who has a password and has proved nothing since.
pub fn signed_in(user_id: &str, user_epoch: u64) -> Access {
    Access {
        session_id: "00112233445566778899aabbccddeeff".to_owned(),
        user_id: user_id.to_owned(),
        user_name: user_id.to_owned(),
        is_owner: false,
        client_id: "app".to_owned(),
        created_at: NOW,
        auth_time: NOW,
        amr: Vec::new(),
        mfa_method_used: None,
        mfa_verified_at: None,
        user_epoch,
        has_password: true,
        addresses: Addresses::default(),
        first_factor_at: None,
        factor_at: None,
    }
}

fn local() -> ProviderId {
    ProviderId { kind: "local".to_owned(), id: None }
}

pub fn session(user: &str, expires_at: Timestamp, retain_until: Timestamp) -> Session {
    let open = SessionOpen {
        user: user.to_owned(),
        user_epoch: 0,
        provider: local(),
        client_id: "app".to_owned(),
        created_at: NOW,
        expires_at,
        created_boot_ms: NOW.0,
        boot_id: BOOT.to_owned(),
        retain_until,
        attempts_used: 0,
        password_at: None,
        must_set_password: false,
        stage: SessionStage::Selecting,
    };
    let secret = SessionSecret {
        grant: Grant::Tokens,
        seed: String::new(),
        challenge: None,
        form: None,
        poll_not_before: None,
        sent: None,
    };
    Document { open, secret }
}

pub fn setup(user: &str, expires_at: Timestamp) -> Setup {
    let open = SetupOpen {
        of: None,
        user: user.to_owned(),
        user_epoch: 0,
        module: "pin".to_owned(),
        module_type: "pin".to_owned(),
        access: String::new(),
        created_at: NOW,
        expires_at,
        created_boot_ms: NOW.0,
        boot_id: BOOT.to_owned(),
        attempts_used: 0,
        stage: SetupStage::Waiting,
    };
    Document {
        open,
        secret: SetupSecret {
            seed: String::new(),
            form: None,
            state: None,
            issued: None,
            sent: None,
            asked: None,
            typed: Vec::new(),
            sent_to: Vec::new(),
        },
    }
}

pub fn access(user: &str, stage: AccessStage) -> AccessSession {
    let open = AccessOpen {
        user: user.to_owned(),
        user_epoch: 0,
        client_id: "app".to_owned(),
        provider: local(),
        created_at: NOW,
        auth_time: NOW,
        password_at: None,
        factor_at: None,
        amr: Vec::new(),
        mfa_method_used: None,
        mfa_verified_at: None,
        stage,
        unknown: Unknown::new(),
    };
    let secret = AccessSecret {
        code_hash: None,
        redirect_hash: None,
        code_challenge: None,
        refresh_hash: None,
        came_from: None,
    };
    Document { open, secret }
}
