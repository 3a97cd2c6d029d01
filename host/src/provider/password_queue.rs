//! The queue of password hashes. A thread that has computed one goes on with the next itself, in the same memory: no
//! other thread has to be woken between two hashes, and the system does not have to find a free processor for it.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use argon2::{Argon2, Block};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::Busy;
use crate::allocator::prefer_huge_pages;

/// Computes so many at once and lets so many wait. Cheap to clone.
#[derive(Clone)]
pub struct HashQueue {
    inside: Arc<Mutex<Inside>>,
    at_once_max: usize,
    waiting_max: usize,
}

#[derive(Default)]
struct Inside {
    waiting: VecDeque<Work>,
    /// Threads that compute; none of them sleeps while anything waits.
    threads: usize,
}

/// One hash, in the memory of whichever was before it.
type Work = Box<dyn FnOnce(&mut Vec<Block>) + Send>;

impl HashQueue {
    pub fn new(at_once_max: usize, waiting_max: usize) -> Self {
        Self { inside: Arc::default(), at_once_max: at_once_max.max(1), waiting_max }
    }

    /// What the work comes to when its turn has come. It is done although its caller goes away, unless that happens
    /// before its turn: nobody makes room for another by hanging up.
    ///
    /// # Errors
    /// When the queue is full, at once and with nothing done.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (to, done) = oneshot::channel();
        self.enter(Box::new(move |blocks| {
            if !to.is_closed() {
                // Who has gone away by now has no use for it.
                drop(to.send(work(blocks)));
            }
        }))?;
        done.await.map_err(|_| Busy)
    }

    fn enter(&self, work: Work) -> Result<(), Busy> {
        let mut inside = self.inside();
        if inside.threads < self.at_once_max {
            // It brings its work along: while it stood in the queue as well, it would take two places.
            let queue = self.clone();
            tokio::task::spawn_blocking(move || queue.work_off(work));
            // Only now: where no thread can be had, this is not reached, and the next to come tries again.
            inside.threads += 1;
            return Ok(());
        }
        if inside.waiting.len() >= self.waiting_max {
            return Err(Busy);
        }
        inside.waiting.push_back(work);
        Ok(())
    }

    /// Works until nothing waits. To get memory from the system page by page takes about as long as a short hash, so one
    /// piece of it serves all; it goes back at the end, so that an idle host holds none.
    fn work_off(&self, first: Work) {
        let mut blocks = Vec::new();
        let mut next = Some(first);
        while let Some(work) = next {
            // A panic ends the wait of its own caller alone, whose channel goes with the work.
            if catch_unwind(AssertUnwindSafe(|| work(&mut blocks))).is_err() {
                tracing::error!("the computation of a password hash panicked");
            }
            next = self.next();
        }
    }

    /// The next to do; a thread that finds none counts as ended.
    fn next(&self) -> Option<Work> {
        let mut inside = self.inside();
        let next = inside.waiting.pop_front();
        if next.is_none() {
            inside.threads -= 1;
        }
        next
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why there is no hash.
#[derive(Debug, PartialEq, Eq)]
pub enum NoHash {
    /// The system has no memory for it: nothing is known of the password.
    NoMemory,
    /// Argon2 takes no such input.
    Refused,
}

/// Computes in memory of any size and content.
///
/// # Errors
/// [`NoHash`].
pub fn hash_in(
    blocks: &mut Vec<Block>,
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    output_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, NoHash> {
    make_room(blocks, argon2.params().block_count())?;
    let mut output = Zeroizing::new(vec![0; output_bytes]);
    let hashed = argon2.hash_password_into_with_memory(password, salt, &mut output, blocks);
    hashed.map(|()| output).map_err(|_| NoHash::Refused)
}

fn make_room(blocks: &mut Vec<Block>, count: usize) -> Result<(), NoHash> {
    if blocks.len() < count {
        // Not grown: its content is not wanted, and both at once would be too much.
        *blocks = Vec::new();
        blocks.try_reserve_exact(count).map_err(|_| NoHash::NoMemory)?;
        prefer_huge_pages(blocks.spare_capacity_mut());
        blocks.resize(count, Block::new());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use argon2::{Algorithm, Params, Version};

    use super::*;

    /// Takes one place, and gives it back when the sender is dropped.
    fn held(queue: &HashQueue) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), Busy>>) {
        let (release, released) = mpsc::channel::<()>();
        let queue = queue.clone();
        let wait = move |_: &mut Vec<Block>| {
            let _ = released.recv();
        };
        (release, tokio::spawn(async move { queue.compute(wait).await }))
    }

    async fn until(queue: &HashQueue, threads: usize, waiting: usize) {
        let stands = || {
            let inside = queue.inside();
            (inside.threads, inside.waiting.len()) == (threads, waiting)
        };
        while !stands() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn so_many_compute_so_many_wait_and_more_are_refused_at_once() {
        let queue = HashQueue::new(2, 1);
        let (first, first_done) = held(&queue);
        let (second, second_done) = held(&queue);
        until(&queue, 2, 0).await;
        let (third, third_done) = held(&queue);
        until(&queue, 2, 1).await;
        assert!(queue.compute(|_| ()).await.is_err());
        drop(first);
        until(&queue, 2, 0).await;
        drop((second, third));
        for done in [first_done, second_done, third_done] {
            done.await.unwrap().unwrap();
        }
        until(&queue, 0, 0).await;
        assert_eq!(queue.compute(|_| 7).await.unwrap(), 7);
    }

    #[test]
    fn a_thread_that_has_not_begun_takes_one_place_and_not_two() {
        // One blocking thread, so that the second of the queue's waits to begin.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).build();
        runtime.unwrap().block_on(async {
            let queue = HashQueue::new(2, 1);
            let (release, released) = mpsc::channel::<()>();
            let wait = move |_: &mut Vec<Block>| {
                let _ = released.recv();
            };
            queue.enter(Box::new(wait)).unwrap();
            queue.enter(Box::new(|_| ())).unwrap();
            assert!(queue.enter(Box::new(|_| ())).is_ok(), "one may wait");
            assert!(queue.enter(Box::new(|_| ())).is_err());
            drop(release);
            until(&queue, 0, 0).await;
        });
    }

    #[tokio::test]
    async fn memory_goes_to_the_next_and_is_kept_for_nobody() {
        let queue = HashQueue::new(1, 8);
        let (release, held) = held(&queue);
        until(&queue, 1, 0).await;
        let take = |blocks: &mut Vec<Block>| {
            let came_with = blocks.len();
            blocks.resize(8, Block::new());
            came_with
        };
        let (first, second, ()) = tokio::join!(queue.compute(take), queue.compute(take), async {
            until(&queue, 1, 2).await;
            drop(release);
        });
        assert_eq!((first.unwrap(), second.unwrap()), (0, 8));
        held.await.unwrap().unwrap();
        until(&queue, 0, 0).await;
        assert_eq!(queue.compute(take).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn who_goes_away_before_the_turn_costs_nothing_and_a_panic_costs_one_answer() {
        let queue = HashQueue::new(1, 8);
        let (release, held) = held(&queue);
        until(&queue, 1, 0).await;
        let (panicking, fine) = (queue.compute(|_| panic!("in a hash")), queue.compute(|_| 7));
        let gone = tokio::spawn({
            let queue = queue.clone();
            async move { queue.compute(|_| unreachable!("nobody waits")).await }
        });
        until(&queue, 1, 1).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        let (panicked, fine, ()) = tokio::join!(panicking, fine, async {
            until(&queue, 1, 3).await;
            drop(release);
        });
        let panicked: Result<(), Busy> = panicked;
        assert!(panicked.is_err());
        assert_eq!(fine.unwrap(), 7);
        held.await.unwrap().unwrap();
        until(&queue, 0, 0).await;
    }

    #[test]
    fn a_hash_is_the_same_in_memory_of_any_size_and_content() {
        let of_cost = |memory_kib, iterations| {
            let params = Params::new(memory_kib, iterations, 1, None).unwrap();
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        };
        let mut blocks = Vec::new();
        for (memory_kib, iterations) in [(32, 1), (64, 2), (32, 3), (16, 1), (64, 1)] {
            let argon2 = of_cost(memory_kib, iterations);
            let mut fresh = [0; 32];
            argon2.hash_password_into(b"word", b"sixteen bytes ok", &mut fresh).unwrap();
            let used = hash_in(&mut blocks, &argon2, b"word", b"sixteen bytes ok", 32).unwrap();
            assert_eq!(used.as_slice(), fresh, "{memory_kib} KiB, {iterations}");
        }
        assert_eq!(hash_in(&mut blocks, &of_cost(32, 1), b"word", b"short", 32).unwrap_err(), NoHash::Refused);
    }

    #[test]
    fn more_memory_than_there_is_is_no_hash_and_no_end() {
        let mut blocks = vec![Block::new(); 8];
        assert_eq!(make_room(&mut blocks, usize::MAX), Err(NoHash::NoMemory));
        assert_eq!(make_room(&mut blocks, 8), Ok(()), "the next one is computed");
    }
}
