//! For unit tests: the flows on a real store in a scratch directory, and a clock that stands where a test puts it.

use std::{
    io::{Read, Write},
    path::Path,
    sync::{Arc, Mutex, Once},
    task::Poll,
    time::Duration,
};

use mfa_sdk::{
    form::Form,
    protocol::{Description, Reply, Request},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{
    Access, Asker, Core, Flows,
    record::{
        AccessOpen, AccessSecret, AccessSession, AccessStage, Addresses, Document, Enrolment, Factors, FactorsOpen,
        Found, Grant, NameOpen, ProviderId, Session, SessionOpen, SessionSecret, SessionStage, Setup, SetupOpen,
        SetupSecret, SetupStage, Stored, Unknown, User, UserSecret,
    },
    token,
};
use crate::{
    clock::{Clock, Timestamp},
    delivery::Delivery,
    keys::MasterKey,
    module_host::{ModuleHost, Play},
    settings::Settings,
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

    /// Flows under these settings, whose modules do not run.
    pub fn with(settings: &str) -> Self {
        Self::on(settings, ModuleHost::offline)
    }

    /// Flows under these settings, whose modules are so described and answer so.
    pub fn playing(
        settings: &str,
        descriptions: &[Description],
        play: impl Fn(&str, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let play: Play = Arc::new(play);
        Self::on(settings, |settings| ModuleHost::played(settings, descriptions, &play))
    }

    fn on(settings: &str, modules: impl FnOnce(&Settings) -> ModuleHost) -> Self {
        somebody_listens();
        let directory = tempfile::tempdir().unwrap();
        let clock_file = directory.path().join("clock.json");
        put_clock(&clock_file, NOW);
        let keys = MasterKey::create(&directory.path().join("secret.key")).unwrap();
        Store::create(directory.path()).unwrap();
        let clock = Clock::read_from(Some(clock_file));
        let (store, _) = Store::open(directory.path(), &keys, clock.clone()).unwrap();
        let settings = Arc::new(crate::settings::parse(Path::new("host.toml"), settings).unwrap());
        let modules = modules(&settings);
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

    /// Factors of these modules, confirmed, and what the user set up for each.
    pub async fn put_factors(&self, user: &str, modules: &[&str]) {
        self.put(&format!("factors/{user}"), &factors(modules)).await;
        for module in modules {
            self.put(&format!("enrolment/{user}/{module}"), &enrolment(module)).await;
        }
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

    /// Waits until everything that was posted is sent.
    pub async fn all_sent(&self) {
        // What was posted just now begins first.
        tokio::task::yield_now().await;
        self.flows.finish_sending(Duration::from_secs(30)).await;
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

impl Drop for TestStage {
    /// The store writes from a thread of its own, also for tasks that outlive the test: it has to have ended before its
    /// directory goes, or would leave a file behind.
    fn drop(&mut self) {
        let store = self.flows.engine.store.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let closing = std::thread::spawn(move || runtime.unwrap().block_on(store.close()));
        // In a test that fails already there is nothing more to say.
        let _ = closing.join();
    }
}

/// What is logged on this thread for as long as it lives.
pub struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _taken: tracing::subscriber::DefaultGuard,
}

impl Log {
    pub fn begin() -> Self {
        somebody_listens();
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

/// A line that one thread logs first while another begins to listen would be taken for one nobody wants, for good.
fn somebody_listens() {
    static LISTENER: Once = Once::new();
    LISTENER.call_once(|| {
        let nowhere = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
        // Somebody else may listen to all already.
        let _ = tracing::subscriber::set_global_default(nowhere);
    });
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

/// Factors of the modules of these ids and types, all confirmed; the first is the primary one.
pub fn factors(modules: &[&str]) -> Factors {
    let open = modules.iter().fold(FactorsOpen::default(), |list, id| list.with_confirmed(id, id, false, NOW));
    Document { open, secret: () }
}

/// What somebody set up for the module of this id and type.
pub fn enrolment(module: &str) -> Enrolment {
    let open = json!({"module": module, "module_type": module, "created_at": NOW});
    let secret = json!({"version": 1, "data": "kept"});
    Document { open: serde_json::from_value(open).unwrap(), secret: serde_json::from_value(secret).unwrap() }
}

/// A login of this user that waits for the text `code` this module asks for.
pub fn waiting(user: &str, module: &str) -> Session {
    let mut waiting = session(user, NOW.plus_s(60), NOW.plus_s(60));
    waiting.open.stage = SessionStage::Waiting { module: module.to_owned() };
    waiting.secret.grant = Grant::Code { redirect_hash: String::new(), code_challenge: None, state: None };
    waiting.secret.form = Some(Form::new().text("code", 64));
    waiting
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
        language: None,
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
        language: None,
        stage: SessionStage::Selecting,
    };
    let secret = SessionSecret {
        grant: Grant::Tokens,
        seed: String::new(),
        challenge: None,
        form: None,
        poll_not_before: None,
        sent: None,
        advice: None,
    };
    Document { open: Box::new(open), secret: Box::new(secret) }
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
        is_of_pages: false,
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

/// What this work comes to if something else happens the `nth` time it waits; and whether it waits so often.
pub async fn interrupted<T>(work: impl Future<Output = T>, nth: usize, other: impl AsyncFnOnce()) -> (T, bool) {
    let mut work = std::pin::pin!(work);
    let mut waited = 0;
    let early = std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => {
            waited += 1;
            if waited < nth { Poll::Pending } else { Poll::Ready(None) }
        }
    });
    match early.await {
        Some(done) => (done, false),
        None => {
            other().await;
            (work.await, true)
        }
    }
}

/// The settings of a channel `email` whose other side takes no message, for good.
pub fn channel_that_refuses() -> String {
    let gateway = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = gateway.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in gateway.incoming() {
            let mut connection = connection.unwrap();
            // All of a small request comes at once or nearly so; what is left unread would break the answer off.
            let _ = connection.read(&mut [0; 16 * 1024]);
            let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    format!(
        "[[channel]]\nname = \"email\"\ntype = \"http\"\nurl = \"http://127.0.0.1:{port}/\"\ntarget = \"email\"\n\
         body = {{ to = \"{{to}}\", text = \"{{text}}\" }}\n"
    )
}
