//! Commits on their way to the disk. A commit is judged, numbered and sealed by whoever asks for it, at once and in
//! one order, while the writer has the batch before on its way to the disk; then it waits for its turn and its answer.
//!
//! So expectations are held against the durable records with everything that is on its way on top. What they find on its
//! way is not durable yet and may never be: every answer that rests on it waits for the batch it stands in. If a batch
//! fails, all that was put on top of it fails with it.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    super::{
        contract::{Change, CommitError, Expectation, Key, Revision, StoreError},
        sealing::Sealer,
    },
    batch::{Answer, Batch},
    memory::{Entry, Memory},
    request::{Order, Request},
    shared::Shared,
};

/// Where many commits came together, as many are likely to come again: the next batch waits for them, at most so long. A
/// sync costs the same for one commit as for many. One that comes alone waits for nobody.
const GATHERING_MAX: Duration = Duration::from_micros(600);
/// Room for lines that is kept for the next batch.
const SPARE_BYTES_MAX: usize = 1024 * 1024;

pub(super) type Answered = oneshot::Receiver<Result<Revision, CommitError>>;

pub(super) struct Staging {
    shared: Arc<Shared>,
    inside: Mutex<Inside>,
    /// Something for the writer to do.
    arrived: Condvar,
}

struct Inside {
    /// The last of them takes further commits.
    waiting: VecDeque<Batch>,
    orders: VecDeque<Order>,
    /// Of the last change that was numbered.
    last_revision: u64,
    /// The last change of each key that is not durable yet.
    on_the_way: HashMap<Key, OnTheWay>,
    /// Room of a batch that was written, for the next.
    spare: Vec<u8>,
    /// Commits for which the writer sleeps; none while it works.
    sleeps_for: Option<usize>,
    /// Commits the next batch waits for.
    crowd: usize,
    /// The writer ends when nothing waits any more.
    ends: bool,
    /// The writer has ended.
    has_ended: bool,
    /// Who waits for that; each is told by the end of its channel.
    closing: Vec<oneshot::Sender<()>>,
}

struct OnTheWay {
    revision: u64,
    lives: bool,
}

/// What the writer does next.
pub(super) enum Next {
    Write(Batch),
    Obey(Order),
    Nothing,
    End,
}

/// The expectation that does not hold.
enum Broken {
    /// By the durable records.
    Durably(Key),
    /// By what is on its way.
    SoFar(Key),
}

impl Staging {
    pub(super) fn new(shared: Arc<Shared>, last_revision: u64) -> Self {
        let inside = Inside {
            waiting: VecDeque::new(),
            orders: VecDeque::new(),
            last_revision,
            on_the_way: HashMap::new(),
            spare: Vec::new(),
            sleeps_for: None,
            crowd: 0,
            ends: false,
            has_ended: false,
            closing: Vec::new(),
        };
        Self { shared, inside: Mutex::new(inside), arrived: Condvar::new() }
    }

    /// Judges, numbers and seals a commit; the answer comes when the batch it stands in is durable.
    ///
    /// # Errors
    /// A conflict with what is durable; a store that is not served.
    pub(super) fn stage(&self, request: Request) -> Result<Answered, CommitError> {
        let mut inside = self.inside();
        let broken = inside.broken(&self.shared.serving()?.memory, &request.expectations);
        let result = match broken {
            Some(Broken::Durably(key)) => return Err(CommitError::Conflict(key)),
            Some(Broken::SoFar(key)) => Err(CommitError::Conflict(key)),
            None => match inside.take(&self.shared.sealer, request) {
                Ok(revision) => Ok(revision),
                // Of a batch with half a commit in it nothing may be written.
                Err(error) => return Err(self.stop(&mut inside, error.to_string()).into()),
            },
        };
        let (to, answered) = oneshot::channel();
        inside.last().answers.push(Answer { to, result });
        let wakes = inside.sleeps_for.is_some_and(|commits| inside.commits() >= commits);
        if wakes {
            inside.sleeps_for = None;
        }
        drop(inside);
        if wakes {
            self.arrived.notify_one();
        }
        Ok(answered)
    }

    /// Who asks a writer that has ended gets no answer, and looks for the reason.
    pub(super) fn order(&self, order: Order) {
        let mut inside = self.inside();
        if !inside.has_ended {
            inside.orders.push_back(order);
            self.arrived.notify_one();
        }
    }

    /// The writer ends, once nothing waits; `done` is let go when it has.
    pub(super) fn close(&self, done: oneshot::Sender<()>) {
        let mut inside = self.inside();
        if !inside.has_ended {
            inside.closing.push(done);
            inside.ends = true;
            self.arrived.notify_one();
        }
    }

    /// Waits for something to do, and no longer than this.
    pub(super) fn next(&self, longest: Duration) -> Next {
        let mut inside = self.sleep(self.inside(), 1, longest);
        let crowd = inside.crowd;
        inside = self.sleep(inside, crowd, GATHERING_MAX);
        // Half as many more are waited for until they do not come in time.
        let came = inside.commits();
        inside.crowd = if came < crowd { came } else { came + came / 2 };
        if let Some(order) = inside.orders.pop_front() {
            return Next::Obey(order);
        }
        match inside.waiting.pop_front() {
            Some(batch) => Next::Write(batch),
            None if inside.ends => Next::End,
            None => Next::Nothing,
        }
    }

    /// Waits for so many commits, or anything else to do.
    fn sleep<'a>(
        &'a self,
        mut inside: MutexGuard<'a, Inside>,
        commits: usize,
        longest: Duration,
    ) -> MutexGuard<'a, Inside> {
        inside.sleeps_for = Some(commits);
        let woken = self.arrived.wait_timeout_while(inside, longest, |inside| inside.is_short_of(commits));
        let mut inside =
            woken.map_or_else(|poisoned| self.after_a_panic(poisoned.into_inner().0), |(inside, _)| inside);
        inside.sleeps_for = None;
        inside
    }

    /// What was given a revision up to this is durable, and to be seen in memory. `room` has served.
    pub(super) fn settle(&self, revision: u64, mut room: Vec<u8>) {
        room.clear();
        let mut inside = self.inside();
        inside.on_the_way.retain(|_, on_the_way| on_the_way.revision > revision);
        if (inside.spare.capacity()..=SPARE_BYTES_MAX).contains(&room.capacity()) {
            inside.spare = room;
        }
    }

    /// Nothing is served any more, and nobody who waits gets a "yes". The first reason stays.
    pub(super) fn refuse(&self, reason: &str) -> StoreError {
        self.stop(&mut self.inside(), reason.to_owned())
    }

    /// The writer has ended, by whatever way: nothing would become durable any more.
    pub(super) fn end(&self) {
        let mut inside = self.inside();
        self.stop(&mut inside, "the writer stopped".to_owned());
        inside.has_ended = true;
        inside.orders.clear();
        inside.closing.clear();
    }

    fn stop(&self, inside: &mut Inside, reason: String) -> StoreError {
        let refusal = StoreError::Poisoned(reason);
        // Before anybody hears of it: nobody who does may read on.
        self.shared.refuse(refusal.clone());
        // Whoever waits finds the reason there.
        inside.waiting.clear();
        inside.ends = true;
        self.arrived.notify_one();
        refusal
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(|poisoned| self.after_a_panic(poisoned.into_inner()))
    }

    /// Somebody panicked in the middle of a commit: what is staged may hold half of it.
    fn after_a_panic<'a>(&self, mut inside: MutexGuard<'a, Inside>) -> MutexGuard<'a, Inside> {
        self.stop(&mut inside, "a commit was left half prepared".to_owned());
        inside
    }
}

impl Inside {
    /// Whether so many commits are still to come, and there is nothing else to do.
    fn is_short_of(&self, commits: usize) -> bool {
        self.commits() < commits && self.orders.is_empty() && !self.ends
    }

    /// Commits that wait.
    fn commits(&self) -> usize {
        self.waiting.iter().map(|batch| batch.answers.len()).sum()
    }

    fn begin(&mut self) {
        self.waiting.push_back(Batch::within(std::mem::take(&mut self.spare)));
    }

    /// The batch that takes what comes.
    fn last(&mut self) -> &mut Batch {
        if self.waiting.is_empty() {
            self.begin();
        }
        let last = self.waiting.len() - 1;
        &mut self.waiting[last]
    }

    /// The whole of a commit goes into one batch: of two, one can be durable and seen without the other.
    fn take(&mut self, sealer: &Sealer, request: Request) -> io::Result<Revision> {
        if self.last().is_full() {
            self.begin();
        }
        for change in request.changes {
            self.last_revision += 1;
            let (revision, lives) = (self.last_revision, matches!(change, Change::Put(..)));
            let (Change::Put(key, _) | Change::Delete(key)) = &change;
            self.on_the_way.insert(key.clone(), OnTheWay { revision, lives });
            self.last().add(sealer, revision, change)?;
        }
        let batch = self.last();
        batch.at = batch.at.max(request.at);
        batch.boot_ms = request.boot_ms;
        Ok(Revision(self.last_revision))
    }

    /// The first expectation that does not hold, in the durable records with all that is on its way on top.
    fn broken(&self, memory: &Memory, expectations: &[Expectation]) -> Option<Broken> {
        expectations.iter().find_map(|expectation| {
            let (key, wanted) = match expectation {
                Expectation::At(key, revision) => (key, Some(revision.0)),
                Expectation::Absent(key) => (key, None),
            };
            if let Some(OnTheWay { revision, lives }) = self.on_the_way.get(key) {
                return (wanted != lives.then_some(*revision)).then(|| Broken::SoFar(key.clone()));
            }
            let holds = match memory.entry(key.as_str()) {
                None => wanted.is_none(),
                Some(Entry::Live(record)) => wanted == Some(record.revision),
                Some(Entry::Tampered(_)) => false,
            };
            (!holds).then(|| Broken::Durably(key.clone()))
        })
    }
}

/// Held by everybody who has the store; when the last of them is gone, the writer ends.
pub(super) struct Entrance(pub(super) Arc<Staging>);

impl Drop for Entrance {
    fn drop(&mut self) {
        self.0.inside().ends = true;
        self.0.arrived.notify_one();
    }
}
