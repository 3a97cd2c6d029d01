//! Commits while the store writes its snapshot, beside those of the same load when it does not.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Failure, Place, commit,
    directory::{self, Directory},
    rounds::Rounds,
    table::Table,
};

const ROW: &str = "commit during compaction";
const LONGEST: &str = "longest wait for a commit";
const USERS: usize = 10_000;
const WAITING: usize = 64;
const SNAPSHOTS: usize = 3;
/// Longer than three of them ever took.
const LENGTH_MAX: Duration = Duration::from_secs(25);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One commit: when it was durable, and how long it took.
type Done = (Instant, Duration);

pub fn measure(place: &Place, table: &mut Table) -> Result<(), Failure> {
    if !table.wants(ROW) && !table.wants(LONGEST) {
        return Ok(());
    }
    let directory = Directory::make(place, "compaction", USERS)?;
    let (spans, done) = directory::runtime()?.block_on(load(&directory))?;
    let (mut speed, mut longest) = (Rounds::default(), Rounds::default());
    let mut before = done.first().ok_or("nothing was committed")?.0;
    for (began, ended) in spans {
        let bare = per_second(&done, before, began);
        speed.add_beside(per_second(&done, began, ended), bare);
        let waits = done.iter().filter(|(at, _)| (began..=ended).contains(at)).map(|(_, wait)| *wait);
        longest.add(waits.max().unwrap_or_default().as_secs_f64() * 1000.0);
        before = ended;
    }
    table.add(ROW, "/s", &speed);
    table.add(LONGEST, "ms", &longest);
    Ok(())
}

fn per_second(done: &[Done], from: Instant, to: Instant) -> f64 {
    done.iter().filter(|(at, _)| (from..to).contains(at)).count() as f64 / (to - from).as_secs_f64()
}

/// Commits until so many snapshots were written; when each began and ended, and all commits.
async fn load(directory: &Directory) -> Result<(Vec<(Instant, Instant)>, Vec<Done>), Failure> {
    let store = directory.open()?;
    let over = Arc::new(AtomicBool::new(false));
    let done: Arc<Mutex<Vec<Done>>> = Arc::default();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..WAITING {
        let (store, over, done) = (store.clone(), over.clone(), done.clone());
        tasks.spawn(async move {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                store.commit(vec![commit::put(task, number)?], Vec::new()).await?;
                let ended = Instant::now();
                done.lock().unwrap_or_else(PoisonError::into_inner).push((ended, ended - began));
                number += 1;
            }
            Ok::<_, Failure>(())
        });
    }
    let storage = directory.path.join(".storage");
    let spans = tokio::task::spawn_blocking(move || watch(&storage)).await??;
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    store.close().await;
    let done = std::mem::take(&mut *done.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((spans, done))
}

/// While a snapshot is written, the newest journal has a higher number than the newest snapshot.
fn watch(storage: &Path) -> Result<Vec<(Instant, Instant)>, Failure> {
    let started = Instant::now();
    let mut spans = Vec::new();
    let mut began = None;
    while spans.len() < SNAPSHOTS {
        if started.elapsed() > LENGTH_MAX {
            return Err(format!("only {} snapshots in {LENGTH_MAX:?}", spans.len()).into());
        }
        std::thread::sleep(LOOK_EVERY);
        let is_written = newest(storage, "journal-")? > newest(storage, "snapshot-")?;
        match (is_written, began) {
            (true, None) => began = Some(Instant::now()),
            (false, Some(moment)) => {
                spans.push((moment, Instant::now()));
                began = None;
            }
            _ => {}
        }
    }
    Ok(spans)
}

fn newest(storage: &Path, prefix: &str) -> Result<Option<u64>, Failure> {
    let mut newest = None;
    for entry in std::fs::read_dir(storage)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(".jsonl"));
        newest = newest.max(number.and_then(|number| number.parse().ok()));
    }
    Ok(newest)
}
