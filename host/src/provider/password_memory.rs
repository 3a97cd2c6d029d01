//! The memory of password hashes: handed from one hash to the next, and given back when nobody waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::{Argon2, Block};
use zeroize::Zeroizing;

/// Memory between two hashes. To get it from the system page by page takes about as long as the hash itself, so it goes
/// to whoever waits. There are never more pieces of it than there are who wait, so that an idle host holds none.
#[derive(Clone, Default)]
pub struct HashMemory(Arc<Mutex<Shelf>>);

#[derive(Default)]
struct Shelf {
    waiting: usize,
    spare: Vec<Vec<Block>>,
}

/// Somebody waits for a turn to compute; gone when the turn came or is not wanted any more.
pub struct Waiting(HashMemory);

impl HashMemory {
    pub fn wait(&self) -> Waiting {
        self.shelf().waiting += 1;
        Waiting(self.clone())
    }

    /// After a hash and before the next one's turn: to whoever waits, else back to the system.
    pub fn hand_on(&self, blocks: Vec<Block>) {
        let mut shelf = self.shelf();
        if shelf.spare.len() < shelf.waiting {
            shelf.spare.push(blocks);
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The turn has come: with the memory of a former hash, or with none yet.
    pub fn take(self) -> Vec<Block> {
        self.0.shelf().spare.pop().unwrap_or_default()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut shelf = self.0.shelf();
        shelf.waiting -= 1;
        let waiting = shelf.waiting;
        shelf.spare.truncate(waiting);
    }
}

/// Computes in memory of any size and content; none if the system has no more memory or argon2 refuses the input.
pub fn hash_in(
    blocks: &mut Vec<Block>,
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    output_bytes: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    let count = argon2.params().block_count();
    if blocks.len() < count {
        // Not grown: its content is not wanted, and both at once would be too much.
        *blocks = Vec::new();
        blocks.try_reserve_exact(count).ok()?;
        blocks.resize(count, Block::new());
    }
    let mut output = Zeroizing::new(vec![0; output_bytes]);
    argon2.hash_password_into_with_memory(password, salt, &mut output, blocks).ok()?;
    Some(output)
}

#[cfg(test)]
impl HashMemory {
    pub fn is_empty(&self) -> bool {
        let shelf = self.shelf();
        shelf.spare.is_empty() && shelf.waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Algorithm, Params, Version};

    use super::*;

    #[test]
    fn memory_goes_to_whoever_waits_and_is_kept_for_nobody() {
        let memory = HashMemory::default();
        let piece = || vec![Block::new(); 8];
        memory.hand_on(piece());
        assert!(memory.is_empty(), "nobody waits");
        let (first, second) = (memory.wait(), memory.wait());
        (0..3).for_each(|_| memory.hand_on(piece()));
        assert_eq!(memory.shelf().spare.len(), 2);
        assert_eq!(first.take().len(), 8);
        assert_eq!(memory.shelf().spare.len(), 1);
        drop(second);
        assert!(memory.is_empty(), "who gave up leaves nothing behind");
        assert!(memory.wait().take().is_empty());
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
        assert!(hash_in(&mut blocks, &of_cost(32, 1), b"word", b"short", 32).is_none());
    }
}
