//! Entries by key, in many small maps that a copy shares: copying all of them takes a pointer each, and a change after
//! that copies the one small map it is in. So nobody waits for a copy of the whole.

use std::{collections::HashMap, hash::BuildHasher, sync::Arc};

use foldhash::quality::RandomState;

use super::{super::contract::Key, memory::Entry};

type Shard = HashMap<Key, Entry, RandomState>;

/// Entries of a shard, on average; what one change copies at most, about.
const SHARD_ENTRIES: usize = 32;

/// Grows by linear hashing: whenever the shards are full on average, one of them, in turn, is split in two.
#[derive(Clone)]
pub(super) struct Table {
    shards: Vec<Arc<Shard>>,
    entries: usize,
    hasher: RandomState,
}

impl Default for Table {
    fn default() -> Self {
        let hasher = RandomState::default();
        Self { shards: vec![Arc::new(Shard::with_hasher(hasher.clone()))], entries: 0, hasher }
    }
}

impl Table {
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.shards[place(&self.hasher, key, self.shards.len())].get(key)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    pub(super) fn len(&self) -> usize {
        self.entries
    }

    /// What was there before.
    pub(super) fn put(&mut self, key: Key, entry: Entry) -> Option<Entry> {
        let place = place(&self.hasher, key.as_str(), self.shards.len());
        let former = Arc::make_mut(&mut self.shards[place]).insert(key, entry);
        if former.is_none() {
            self.entries += 1;
            if self.entries > self.shards.len() * SHARD_ENTRIES {
                self.split();
            }
        }
        former
    }

    /// What was there before.
    pub(super) fn remove(&mut self, key: &str) -> Option<Entry> {
        let place = place(&self.hasher, key, self.shards.len());
        let shard = &mut self.shards[place];
        // Nothing is copied for a key that is not there.
        shard.get(key)?;
        self.entries -= 1;
        Arc::make_mut(shard).remove(key)
    }

    fn split(&mut self) {
        let new = self.shards.len();
        let from = new - (new + 1).next_power_of_two() / 2;
        let mut moved = Shard::with_hasher(self.hasher.clone());
        let moves = |key: &Key| place(&self.hasher, key.as_str(), new + 1) == new;
        moved.extend(Arc::make_mut(&mut self.shards[from]).extract_if(|key, _| moves(key)));
        self.shards.push(Arc::new(moved));
    }
}

/// In which of so many shards a key belongs.
fn place(hasher: &RandomState, key: &str, shards: usize) -> usize {
    // The map of a shard goes by the lowest and the highest bits.
    let hash = (hasher.hash_one(key) >> 24) as usize;
    let round = shards.next_power_of_two();
    let place = hash & (round - 1);
    if place < shards { place } else { place - round / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key::parse(&format!("k/{number}")).unwrap()
    }

    fn number(table: &Table, of: u64) -> Option<u64> {
        table.entry(key(of).as_str()).map(|entry| match entry {
            Entry::Tampered(revision) => *revision,
            Entry::Live(record) => record.revision,
        })
    }

    #[test]
    fn a_copy_stays_as_it_was_while_the_table_grows_and_shrinks() {
        let mut table = Table::default();
        for of in 0..1000 {
            assert!(table.put(key(of), Entry::Tampered(of)).is_none());
        }
        let copy = table.clone();
        for of in 0..5000 {
            let former = table.put(key(of), Entry::Tampered(of + 1));
            assert_eq!(former.is_some(), of < 1000);
        }
        for of in (0..5000).step_by(2) {
            assert!(table.remove(key(of).as_str()).is_some());
            assert!(table.remove(key(of).as_str()).is_none());
        }
        assert_eq!((table.len(), table.entries().count()), (2500, 2500));
        assert_eq!((copy.len(), copy.entries().count()), (1000, 1000));
        for of in 0..5000 {
            assert_eq!(number(&table, of), (of % 2 == 1).then_some(of + 1));
            assert_eq!(number(&copy, of), (of < 1000).then_some(of));
        }
        let fullest = table.shards.iter().map(|shard| shard.len()).max().unwrap();
        assert!(fullest < SHARD_ENTRIES * 4, "{fullest}");
    }
}
