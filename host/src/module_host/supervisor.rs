//! One supervisor for each enabled module: it keeps a worker alive, kills it when a call is late, starts it again
//! after a crash, and gives it up after too many in a row. Calls go through it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use mfa_sdk::{
    form::Form,
    protocol::{Description, Reply, Request},
};
use tokio::{
    io::AsyncReadExt,
    net::UnixStream,
    sync::{mpsc, watch},
    time::{Instant, timeout, timeout_at},
};

use super::{
    CallError, ModuleState,
    check::Image,
    control::framed_json,
    failures::{Failures, Kind, kind},
    reply,
    slot::{ExchangeError, NearEnd, Slot, Slots},
    spawner::Spawner,
    start::{self, Plan, StartError, Worker},
};

const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// How long a worker whose socket broke may take to say which slot it dies of.
const LAST_WORDS_WAIT: Duration = Duration::from_millis(200);

/// One module under supervision, as calls see it.
pub(super) struct Supervised {
    stage: watch::Sender<Stage>,
    description: RwLock<Option<Arc<Description>>>,
    /// The form of every login step, once it was asked for; only of a module whose step is fixed.
    pub(super) fixed_step: OnceLock<Arc<Form>>,
    failures: Failures,
}

/// Where a module stands.
#[derive(Clone)]
enum Stage {
    Starting,
    Serving(Arc<Serving>),
    Restarting { reason: String },
    Ended(ModuleState),
}

/// One worker as the calls on it see it.
struct Serving {
    slots: Slots,
    /// What is being asked in each slot. A call that got no reply stays, so that the worker's end is put down to it.
    asked: Mutex<BTreeMap<u8, Kind>>,
    complaints: mpsc::UnboundedSender<Complaint>,
    ending: watch::Receiver<Option<Ending>>,
}

/// Why a worker is not to go on.
enum Complaint {
    Late {
        slot: u8,
    },
    Broken {
        slot: u8,
        error: String,
    },
    /// Not a call's complaint but the worker's own end.
    Ended {
        guilty: Option<u8>,
    },
}

/// How a worker ended, and in whose call, where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ending {
    guilty: Option<u8>,
    words: String,
}

impl Ending {
    /// Whether the call in this slot is only a neighbour of the one the worker died of. Not knowing means no: the
    /// call that made a worker crash is never made twice.
    fn spares(&self, slot: u8) -> bool {
        self.guilty.is_some_and(|guilty| guilty != slot)
    }
}

impl Serving {
    fn new(
        slots: Vec<NearEnd>,
        complaints: mpsc::UnboundedSender<Complaint>,
        ending: watch::Receiver<Option<Ending>>,
    ) -> Self {
        Self { slots: Slots::new(slots), asked: Mutex::default(), complaints, ending }
    }

    fn asks(&self, slot: u8, kind: Kind) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(slot, kind);
    }

    /// The slot has replied and can be asked again.
    fn put_back(&self, slot: Slot) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(&slot.number);
        self.slots.put(slot);
    }

    /// What the worker may have died of. A worker that names an idle slot, or none, makes all its calls suspects.
    fn suspects(&self, guilty: Option<u8>) -> Vec<Kind> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match guilty.and_then(|slot| asked.get(&slot)) {
            Some(kind) => vec![*kind],
            None => asked.values().copied().collect(),
        }
    }

    async fn ending(&self) -> Ending {
        let mut ending = self.ending.clone();
        let known = ending.wait_for(Option::is_some).await.ok().and_then(|ending| ending.clone());
        known.unwrap_or_else(|| Ending { guilty: None, words: "the host is stopping".to_owned() })
    }
}

impl Supervised {
    pub(super) fn new() -> Self {
        let stage = watch::Sender::new(Stage::Starting);
        Self { stage, description: RwLock::default(), fixed_step: OnceLock::new(), failures: Failures::default() }
    }

    /// A module that has no worker and why.
    pub(super) fn ended(state: ModuleState) -> Self {
        let supervised = Self::new();
        supervised.finish(state);
        supervised
    }

    pub(super) fn state(&self) -> ModuleState {
        match &*self.stage.borrow() {
            Stage::Starting => ModuleState::Restarting { reason: "it is being started".to_owned() },
            Stage::Serving(_) => ModuleState::Ready,
            Stage::Restarting { reason } => ModuleState::Restarting { reason: reason.clone() },
            Stage::Ended(state) => state.clone(),
        }
    }

    pub(super) fn description(&self) -> Option<Arc<Description>> {
        self.description.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the first start has succeeded or failed.
    pub(super) async fn started(&self) {
        let _ = self.stage.subscribe().wait_for(|stage| !matches!(stage, Stage::Starting)).await;
    }

    pub(super) fn finish(&self, state: ModuleState) {
        self.stage.send_replace(Stage::Ended(state));
    }

    /// The worker that serves, as soon as there is one; or why there will be none.
    async fn serving(&self) -> Result<Arc<Serving>, CallError> {
        if let Stage::Serving(serving) = &*self.stage.borrow() {
            return Ok(serving.clone());
        }
        let mut stage = self.stage.subscribe();
        let settled = stage.wait_for(|stage| matches!(stage, Stage::Serving(_) | Stage::Ended(_))).await;
        match settled.as_deref() {
            Ok(Stage::Serving(serving)) => Ok(serving.clone()),
            Ok(Stage::Ended(state)) => Err(CallError::NotReady(why(state))),
            _ => Err(CallError::NotReady("the host is stopping".to_owned())),
        }
    }

    /// One call: it may wait as long as the deadline for its slot, and then the module has that long to answer. Must
    /// run to its end: a slot left in the middle of an exchange is lost.
    pub(super) async fn call(&self, request: &Request, plan: &Plan) -> Result<Reply, CallError> {
        let limit_ms = plan.limits.module_deadline_ms;
        let limit = Duration::from_millis(limit_ms);
        let request_frame = framed_json(request).map_err(|error| CallError::Failed(error.to_string()))?;
        let kind = kind(&request.operation);
        let late = |_| CallError::Late(limit_ms);
        let mut deadline = Instant::now() + limit;
        let mut repeated = false;
        loop {
            let serving = timeout_at(deadline, self.serving()).await.map_err(late)??;
            let Some(mut slot) = timeout_at(deadline, serving.slots.take()).await.map_err(late)? else {
                continue;
            };
            let number = slot.number;
            serving.asks(number, kind);
            let exchange = slot.exchange(&request_frame, plan.limits.module_reply_bytes_max, &serving.slots.pace);
            // In full time, however long the call had to wait: a module is only late by its own doing.
            match timeout(limit, exchange).await {
                Err(_) => {
                    let _ = serving.complaints.send(Complaint::Late { slot: number });
                    return Err(CallError::Late(limit_ms));
                }
                Ok(Ok(bytes)) => {
                    serving.put_back(slot);
                    let reply = reply::answering(request, &bytes);
                    if !matches!(reply, Err(CallError::BadReply(_))) {
                        self.failures.end_row(kind);
                    }
                    return reply;
                }
                Ok(Err(ExchangeError::TooLong(length))) => {
                    serving.put_back(slot);
                    let most = plan.limits.module_reply_bytes_max;
                    return Err(CallError::BadReply(format!("it has {length} bytes, the limit is {most}")));
                }
                Ok(Err(ExchangeError::Broken { sent, error })) => {
                    let _ = serving.complaints.send(Complaint::Broken { slot: number, error: error.to_string() });
                    let ending = serving.ending().await;
                    if repeated || (sent && !ending.spares(number)) {
                        return Err(CallError::Crashed(ending.words));
                    }
                    // Calls are pure and carry their seed, so a neighbour's call can be made again.
                    repeated = true;
                    deadline = Instant::now() + limit;
                }
            }
        }
    }

    /// Keeps the module's worker alive until it is given up or the host stops.
    pub(super) async fn supervise(&self, spawner: Spawner, image: Image, plan: &Plan, mut stop: watch::Receiver<bool>) {
        let mut launches_failed = 0_u32;
        loop {
            let restarted = !matches!(&*self.stage.borrow(), Stage::Starting);
            let started = tokio::select! {
                biased;
                () = stopped(&mut stop) => return self.finish(stopping()),
                started = start::start(&spawner, &image, plan) => started,
            };
            let (words, suspects) = match started {
                Ok(worker) => match self.serve(worker, plan, &mut stop).await {
                    Some(end) => end,
                    None => return self.finish(stopping()),
                },
                Err(StartError::Refused(refusal)) => return self.finish(refusal.into()),
                Err(StartError::Unable(words)) => {
                    // Nothing of the module has run, so it is never given up for this.
                    launches_failed = launches_failed.saturating_add(1);
                    tracing::error!(target: "module", module = plan.id, "{words}");
                    self.stage.send_replace(Stage::Restarting { reason: words });
                    tokio::select! {
                        () = stopped(&mut stop) => return self.finish(stopping()),
                        () = tokio::time::sleep(back_off(launches_failed)) => continue,
                    }
                }
                // Nobody can tell a module that hangs from a machine that is busy, at boot for example.
                Err(StartError::Late(words)) => (words, Vec::new()),
                Err(StartError::Died(words)) if restarted => (words, Vec::new()),
                Err(StartError::Died(reason)) => {
                    let remedy = "mend or replace the module: mfa-host module install FILE".to_owned();
                    return self.finish(ModuleState::Failed { reason, remedy });
                }
            };
            launches_failed = 0;
            let failures = self.failures.add(&suspects);
            tracing::warn!(target: "module", module = plan.id, failures, "{words}");
            if failures >= plan.limits.module_crashes_max {
                let reason = format!("it failed {failures} times in a row without a good answer; last: {words}");
                return self.finish(ModuleState::Quarantined { reason });
            }
            self.stage.send_replace(Stage::Restarting { reason: words });
            tokio::select! {
                () = stopped(&mut stop) => return self.finish(stopping()),
                () = tokio::time::sleep(back_off(failures)) => {}
            }
        }
    }

    /// Serves until the worker ends, and says how it ended and in which calls; none when the host stops.
    async fn serve(
        &self,
        mut worker: Worker,
        plan: &Plan,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<(String, Vec<Kind>)> {
        *self.description.write().unwrap_or_else(PoisonError::into_inner) = Some(worker.description.clone());
        let (complaints, mut received) = mpsc::unbounded_channel();
        let (ended, ending) = watch::channel(None);
        let serving = Arc::new(Serving::new(std::mem::take(&mut worker.slots), complaints, ending));
        self.stage.send_replace(Stage::Serving(serving.clone()));
        let end = tokio::select! {
            () = stopped(stop) => None,
            complaint = received.recv() => complaint,
            last_word = last_word(&mut worker.control) => Some(Complaint::Ended { guilty: last_word }),
        };
        // In this order: nobody may find this worker again, then nobody waits for it, then all learn how it ended.
        self.stage.send_replace(Stage::Restarting { reason: "its worker has ended".to_owned() });
        serving.slots.close();
        let ending = match end {
            None => {
                let _ = start::kill(&mut worker.child).await;
                return None;
            }
            Some(Complaint::Late { slot }) => {
                let _ = start::kill(&mut worker.child).await;
                let words = format!("killed: no answer within {} ms", plan.limits.module_deadline_ms);
                Ending { guilty: Some(slot), words }
            }
            Some(Complaint::Broken { slot, error }) => {
                // Mostly the worker is dying of another slot's call and says so. One that lives on broke this slot.
                match timeout(LAST_WORDS_WAIT, last_word(&mut worker.control)).await {
                    Ok(guilty) => Ending { guilty, words: start::end(worker.child, worker.noise).await },
                    Err(_) => {
                        let _ = start::kill(&mut worker.child).await;
                        Ending { guilty: Some(slot), words: format!("killed: {error}") }
                    }
                }
            }
            Some(Complaint::Ended { guilty }) => Ending { guilty, words: start::end(worker.child, worker.noise).await },
        };
        let end = (ending.words.clone(), serving.suspects(ending.guilty));
        ended.send_replace(Some(ending));
        Some(end)
    }
}

/// The slot a worker names before it dies; none if it dies without a word.
async fn last_word(control: &mut UnixStream) -> Option<u8> {
    control.read_u8().await.ok()
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone is a host that is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn stopping() -> ModuleState {
    ModuleState::Failed { reason: "the host has stopped".to_owned(), remedy: "mfa-host serve".to_owned() }
}

fn why(state: &ModuleState) -> String {
    match state {
        ModuleState::Ready => "ready".to_owned(),
        ModuleState::Disabled => "it is switched off in host.toml".to_owned(),
        ModuleState::Restarting { reason } | ModuleState::Quarantined { reason } => reason.clone(),
        ModuleState::Failed { reason, .. } => reason.clone(),
    }
}

/// At once after the first failure, then 100 ms, doubled each time, at most 5 s.
fn back_off(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        _ => BACK_OFF_FIRST.saturating_mul(1 << (failures - 2).min(10)).min(BACK_OFF_MAX),
    }
}

#[cfg(test)]
#[path = "played.rs"]
pub(super) mod played;
#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
