//! For unit tests: modules whose worker is a function of the test's own. What it says goes through the frames, the
//! deadline and the checks of a real worker's answers, and through nothing else.

use std::io::{PipeReader, Read, Write};

use mfa_sdk::protocol::Operation;

use super::{
    super::{
        api::Configured,
        api::ModuleHost,
        slot::{NearEnd, ends},
    },
    *,
};
use crate::settings::Settings;

/// Calls of one module that are under way at once.
const SLOTS: usize = 4;

/// What the module of this id says to an operation.
pub type Play = Arc<dyn Fn(&str, &Request) -> Reply + Send + Sync>;

impl ModuleHost {
    /// The modules of these settings; those of the described types answer what `play` says, the others do not run.
    pub fn played(settings: &Settings, descriptions: &[Description], play: &Play) -> Self {
        let offline = Self::offline(settings);
        let playing = |configured: &Configured| {
            let mut configured = configured.clone();
            let described = |description: &&Description| description.module_type == configured.recipe.module_type;
            if let Some(description) = descriptions.iter().find(described) {
                let id = configured.recipe.plan.id.clone();
                configured.supervised = Arc::new(Supervised::played(&id, description.clone(), play));
            }
            configured
        };
        Self { modules: offline.modules.iter().map(playing).collect(), workers: offline.workers }
    }
}

impl Supervised {
    fn played(id: &str, description: Description, play: &Play) -> Self {
        let supervised = Self::new();
        let slots = (0..SLOTS).map(|_| slot(id.to_owned(), play.clone())).collect();
        let (complaints, _) = mpsc::unbounded_channel();
        let (_, ending) = watch::channel(None);
        *supervised.description.write().unwrap() = Some(Arc::new(description));
        supervised.stage.send_replace(Stage::Serving(Arc::new(Serving::new(slots, complaints, ending))));
        supervised
    }
}

/// The host's end of a slot whose other end plays until the host's is gone.
fn slot(id: String, play: Play) -> NearEnd {
    let (near_end, mut far_end) = ends().unwrap();
    std::thread::spawn(move || {
        while let Some(request) = next_request(&mut far_end.requests) {
            let reply = play(&id, &request);
            if far_end.replies.write_all(&framed_json(&reply).unwrap()).is_err() {
                return;
            }
        }
    });
    near_end
}

fn next_request(requests: &mut PipeReader) -> Option<Request> {
    let mut length = [0; 4];
    requests.read_exact(&mut length).ok()?;
    let mut request = vec![0; u32::from_be_bytes(length) as usize];
    requests.read_exact(&mut request).ok()?;
    serde_json::from_slice(&request).ok()
}

/// Where a module stops in the middle of an answer, until the test has done something else meanwhile.
pub struct Pause {
    reached: mpsc::UnboundedSender<()>,
    go_on: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
}

/// What a test does meanwhile, once.
pub struct Meanwhile {
    reached: mpsc::UnboundedReceiver<()>,
    go_on: std::sync::mpsc::Sender<()>,
}

pub fn pause() -> (Pause, Meanwhile) {
    let (at, reached) = mpsc::unbounded_channel();
    let (go_on, told) = std::sync::mpsc::channel();
    (Pause { reached: at, go_on: told.into() }, Meanwhile { reached, go_on })
}

impl Pause {
    /// Stops here the first time, and never after it.
    pub fn here(&self) {
        // Both ends are gone once the test did what it wanted.
        let _ = self.reached.send(());
        let _ = self.go_on.lock().unwrap().recv();
    }
}

impl Meanwhile {
    /// What this work comes to if something else happens while the module has stopped; and whether it ever did.
    pub async fn happens<T>(self, work: impl Future<Output = T>, other: impl AsyncFnOnce()) -> (T, bool) {
        let Self { mut reached, go_on } = self;
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            _ = reached.recv() => {}
            done = &mut work => return (done, false),
        }
        other().await;
        drop(go_on);
        (work.await, true)
    }
}

/// The word for an operation, as a test tells what was asked.
pub fn word(operation: &Operation) -> &'static str {
    match operation {
        Operation::InputSchema {} => "input_schema",
        Operation::SetupFlow { .. } => "setup_flow",
        Operation::InitializeLoginMfaStep { .. } => "initialize_login_mfa_step",
        Operation::Validate { .. } => "validate",
        Operation::Issue {} => "issue",
        Operation::Depose { .. } => "depose",
        Operation::Migrate { .. } => "migrate",
        Operation::Overview { .. } => "overview",
        Operation::ChangeDevice { .. } => "change_device",
    }
}
