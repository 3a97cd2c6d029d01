//! Durable commits with so many waiting, beside a bare append with a shared sync of as many bytes on the same disk.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mfa_host::store::{Change, Content, Key, Store};
use serde_json::json;

use super::{
    Failure, Place,
    baseline::append::Append,
    directory::{self, Directory},
    rounds::Rounds,
    table::Table,
};

const WAITING: [usize; 3] = [1, 16, 64];
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(400);

pub fn measure(place: &Place, table: &mut Table) -> Result<(), Failure> {
    let row = |waiting: usize| format!("commit, {waiting} waiting");
    let wanted: Vec<usize> = WAITING.into_iter().filter(|waiting| table.wants(&row(*waiting))).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let directory = Directory::make(place, "commit", 100)?;
    let line_bytes = line_bytes(&directory)?;
    let runtime = directory::runtime()?;
    runtime.block_on(async {
        let store = directory.open()?;
        for waiting in wanted {
            let mut rounds = Rounds::default();
            for round in 0..=ROUNDS {
                let stored = commits(&store, waiting, ROUND).await?;
                let bare = appends(&place.scratch.path().join("append"), waiting, line_bytes).await?;
                // The first warms up.
                if round > 0 {
                    rounds.add_beside(stored, bare);
                }
            }
            table.add(&row(waiting), "/s", &rounds);
        }
        store.close().await;
        Ok(())
    })
}

/// Bytes a commit of one such record takes on disk when it goes alone; the bare append writes as many.
fn line_bytes(directory: &Directory) -> Result<usize, Failure> {
    let journal_bytes = || -> Result<u64, Failure> {
        let mut bytes = 0;
        for entry in std::fs::read_dir(directory.path.join(".storage"))? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("journal") {
                bytes += entry.metadata()?.len();
            }
        }
        Ok(bytes)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let before = journal_bytes()?;
    runtime.block_on(async {
        let store = directory.open()?;
        store.commit(vec![put(0, 0)?], Vec::new()).await?;
        store.close().await;
        Ok::<_, Failure>(())
    })?;
    Ok(usize::try_from(journal_bytes()? - before)?)
}

/// A record as a login in progress has one: some fields in the open, some sealed.
pub fn put(task: usize, number: u64) -> Result<Change, Failure> {
    let open = json!({"user": directory::user_id(task), "user_epoch": 0, "created_at": "2026-01-01T00:00:00.000Z",
        "expires_at": "2026-01-01T00:05:00.000Z", "attempts_used": number, "stage": "waiting", "module": "a_module"});
    let secret = json!({"seed": "0".repeat(64), "challenge": null, "form": null});
    // Each task has few records, which it replaces, so that memory stays as it is.
    let key = Key::new(&["bench", &format!("{task}-{}", number % 64)])?;
    Ok(Change::Put(key, Content::new(&open, &secret)?))
}

/// Commits a second.
pub async fn commits(store: &Store, waiting: usize, length: Duration) -> Result<f64, Failure> {
    let store = store.clone();
    per_second(waiting, length, move |task, number| {
        let (store, change) = (store.clone(), put(task, number));
        async move { Ok(store.commit(vec![change?], Vec::new()).await.map(drop)?) }
    })
    .await
}

async fn appends(path: &Path, waiting: usize, bytes: usize) -> Result<f64, Failure> {
    let (append, thread) = Append::start(path)?;
    let line = vec![b'x'; bytes];
    let figure = per_second(waiting, ROUND, move |_, _| {
        let (append, line) = (append.clone(), line.clone());
        async move { if append.commit(line).await { Ok(()) } else { Err("the append failed".into()) } }
    })
    .await;
    thread.join().map_err(|_| "the append panicked")??;
    std::fs::remove_file(path)?;
    figure
}

/// Lets this many tasks do one thing after another, and counts what was done a second.
async fn per_second<Doing, Done>(waiting: usize, length: Duration, act: Doing) -> Result<f64, Failure>
where
    Doing: Fn(usize, u64) -> Done + Clone + Send + 'static,
    Done: Future<Output = Result<(), Failure>> + Send,
{
    let over = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..waiting {
        let (over, count, act) = (over.clone(), count.clone(), act.clone());
        tasks.spawn(async move {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                act(task, number).await?;
                number += 1;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Failure>(())
        });
    }
    tokio::time::sleep(length).await;
    let figure = count.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    over.store(true, Ordering::Relaxed);
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(figure)
}
