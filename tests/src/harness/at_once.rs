//! Things done at the same moment, and numbers that are the same in every run.

use std::sync::{
    Barrier,
    atomic::{AtomicBool, Ordering},
};

/// Does this for each number below `count`, all begun at the same moment; what came of it, by number.
pub fn at_once<T: Send>(count: usize, deed: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..count)
            .map(|number| {
                let (deed, barrier) = (&deed, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    deed(number)
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().expect("a run ends")).collect()
    })
}

/// A small pause that differs with the round. Not a wait for time to pass: it spreads the moment of one deed over
/// another.
pub fn spread(round: usize, up_to_us: u64) {
    let scattered = (round as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    std::thread::sleep(std::time::Duration::from_micros(scattered % up_to_us));
}

/// Sets this at the end of its scope, also when the test fails in it: threads that wait for it must not wait forever.
pub struct SetAtEnd<'a>(pub &'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
