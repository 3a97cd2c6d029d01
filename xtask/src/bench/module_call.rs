//! One call of a module through supervisor and worker, beside a plain echo of as many bytes over a socket pair.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use mfa_host::{module_host::ModuleHost, settings};
use mfa_sdk::protocol::{Answer, Context, Enrolment, Operation, Reply, Request, User};
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};
use serde_json::json;

use super::{
    Failure, Place,
    baseline::socket::Echo,
    directory::{self, Directory, user_id},
    rounds::Rounds,
    second_factor::{MODULE, PIN},
    table::Table,
};

const ROW: &str = "module call";
const ROW_ANYWHERE: &str = "module call, any processor";
const ROUNDS: usize = 11;
const CALLS: u32 = 2000;
/// A frame is its length in four bytes, and the bytes.
const PREFIX_BYTES: usize = 4;

/// On which processors both sides of a call run, and both sides of the bare echo.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Processors {
    /// One and the same for all of them.
    One,
    /// As the system thinks best, anew in every round.
    Any,
}

pub fn measure(place: &Place, table: &mut Table) -> Result<(), Failure> {
    let rows = [(ROW, Processors::One), (ROW_ANYWHERE, Processors::Any)];
    let wanted: Vec<_> = rows.into_iter().filter(|(row, _)| table.wants(row)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let directory = Directory::make(place, "module-call", 1)?;
    for (row, processors) in wanted {
        // What a thread starts runs where the thread may run.
        let rounds = std::thread::scope(|scope| scope.spawn(|| rounds_on(processors, &directory)).join());
        table.add(row, "µs", &rounds.map_err(|_| "the measurement panicked")??);
    }
    Ok(())
}

fn rounds_on(processors: Processors, directory: &Directory) -> Result<Rounds, Failure> {
    if processors == Processors::One {
        let mut here = CpuSet::new();
        here.set(sched_getcpu());
        sched_setaffinity(None, &here)?;
    }
    let path = directory.path.clone();
    // In a task, as requests are in the host: from outside the runtime each call would cross threads twice more.
    directory::runtime()?.block_on(async { tokio::spawn(async move { calls(&path).await }).await })?
}

async fn calls(directory: &Path) -> Result<Rounds, Failure> {
    let request = request();
    let modules = ModuleHost::start(directory, &settings::load(directory)?).await;
    let reply = modules.call(MODULE, request.clone()).await?;
    if !matches!(reply, Reply::Verdict(_)) {
        return Err(format!("not a verdict: {reply:?}").into());
    }
    let request_bytes = PREFIX_BYTES + serde_json::to_vec(&request)?.len();
    let reply_bytes = PREFIX_BYTES + serde_json::to_vec(&reply)?.len();
    let mut echo = Echo::start(request_bytes, reply_bytes)?;
    let mut rounds = Rounds::default();
    for round in 0..=ROUNDS {
        let began = Instant::now();
        for _ in 0..CALLS {
            modules.call(MODULE, request.clone()).await?;
        }
        let called = began.elapsed();
        let began = Instant::now();
        for _ in 0..CALLS {
            echo.exchange()?;
        }
        // The first warms up.
        if round > 0 {
            rounds.add_beside(microseconds_each(called), microseconds_each(began.elapsed()));
        }
    }
    modules.stop().await;
    Ok(rounds)
}

fn microseconds_each(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6 / f64::from(CALLS)
}

/// What a login asks with the second factor.
fn request() -> Request {
    let user = User { id: user_id(0), name: "user-0".to_owned(), ..User::default() };
    let context = Context {
        now_ms: 1_767_225_600_000,
        seed: "0".repeat(64),
        user,
        channels: Vec::new(),
        mac_key: String::new(),
        language: "en".to_owned(),
        public_url: "http://127.0.0.1:8126".to_owned(),
        host_name: "mfa-host".to_owned(),
        restored_at_ms: None,
    };
    let enrolment = Enrolment { version: 1, data: json!({"pin": PIN}) };
    let fields = [("pin".to_owned(), PIN.into())].into_iter().collect();
    let operation = Operation::Validate { enrolment, challenge: None, answer: Answer::Form { fields } };
    Request { context, operation }
}
