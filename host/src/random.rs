//! Random bytes for ids, seeds and nonces, drawn from the system a seed at a time: a call into the system for each is
//! more than a login needs.
//!
//! A ChaCha20 stream under a secret seed of 256 bits cannot be told from chance, so so many bytes of it are as good as so
//! many of the system's. What a stream of one's own adds is that a copy of the process would go on with the same bytes.
//! `fork` makes none here (a worker is another program from its first moment on), but a virtual machine that is started
//! twice from one image does: therefore a seed serves few draws, and the system, which is told of such a start, gives the
//! next. Each thread has a stream of its own.

use std::{cell::RefCell, io};

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use zeroize::Zeroizing;

/// Draws of one seed.
const DRAWS_PER_SEED: u32 = 64;

#[derive(Default)]
struct Stream {
    generator: Option<ChaCha20Rng>,
    left: u32,
}

thread_local! {
    static STREAM: RefCell<Stream> = RefCell::default();
}

impl Stream {
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        if self.left == 0 {
            // Nothing may be drawn from a seed that has served, whatever happens here.
            self.generator = None;
            let mut seed = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *seed).map_err(io::Error::other)?;
            self.generator = Some(ChaCha20Rng::from_seed(*seed));
            self.left = DRAWS_PER_SEED;
        }
        let generator = self.generator.as_mut().ok_or_else(|| io::Error::other("nothing was drawn from the system"))?;
        generator.fill_bytes(bytes);
        self.left -= 1;
        Ok(())
    }
}

/// `N` random bytes.
///
/// # Errors
/// When the system gives no randomness.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    STREAM.with_borrow_mut(|stream| stream.fill(&mut bytes))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nothing_comes_twice_not_even_over_many_seeds_and_threads() {
        let draws = || (0..DRAWS_PER_SEED * 40).map(|_| bytes::<16>().unwrap()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(draws)).collect();
        let drawn: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), drawn.len());
    }
}
