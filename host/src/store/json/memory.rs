//! The durable records in memory. Each holds its line's parts. What is open is text that reads share; what is secret
//! stays sealed until it is read. Whoever reads all of the memory has the key as well and is not kept out by that; but
//! what the system moves to a swap partition, or a crash leaves behind, then holds few secrets instead of everybody's.
//!
//! A record authenticated when it came into memory, and is not changed there: it is not asked to again.

use std::{collections::BTreeMap, sync::Arc};

use zeroize::Zeroizing;

use super::{
    super::{
        contract::{Content, Key, Revision, StoreError, Versioned},
        sealing::{SEAL_BYTES, Sealer},
    },
    line::{self, Body, LINE_OVERHEAD_BYTES},
    table::Table,
};

/// A table for each kind of record, which is what stands before the first separator of the key: a list of one kind does
/// not look at the others.
#[derive(Clone, Default)]
pub(super) struct Memory {
    tables: BTreeMap<Box<str>, Table>,
    live_bytes: usize,
}

#[derive(Clone)]
pub(super) enum Entry {
    Live(Arc<Record>),
    /// What was written here with this revision is not what stands on disk.
    Tampered(u64),
}

pub(super) struct Record {
    pub(super) revision: u64,
    pub(super) open: Arc<str>,
    pub(super) sealed: Box<[u8]>,
}

/// The tables of those kinds that can have keys with a prefix, as they were at one moment.
pub(super) struct Beginning<'a> {
    prefix: &'a str,
    tables: Vec<Table>,
}

fn kind(key: &str) -> &str {
    key.split_once('/').map_or("", |(kind, _)| kind)
}

impl Memory {
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.tables.get(kind(key))?.entry(key)
    }

    pub(super) fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    pub(super) fn len(&self) -> usize {
        self.tables.values().map(Table::len).sum()
    }

    /// All entries, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.tables.values().flat_map(Table::entries)
    }

    /// The records whose key begins so, as they are now; to be looked through when nobody waits for the memory any more.
    pub(super) fn beginning_with<'a>(&self, prefix: &'a str) -> Beginning<'a> {
        let whole_kind = prefix.contains('/').then(|| kind(prefix));
        let tables = self.tables.iter().filter(|(kind, _)| whole_kind.is_none_or(|whole| whole == &***kind));
        Beginning { prefix, tables: tables.map(|(_, table)| table.clone()).collect() }
    }

    /// By key.
    pub(super) fn tampered(&self) -> Vec<Key> {
        let tampered = self.entries().filter(|(_, entry)| matches!(entry, Entry::Tampered(_)));
        let mut keys: Vec<_> = tampered.map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys
    }

    /// Takes what a line says, none being a deletion; says what was there before.
    pub(super) fn apply(&mut self, key: Key, entry: Option<Entry>) -> Option<Entry> {
        let key_bytes = key.as_str().len();
        if let Some(entry) = &entry {
            self.live_bytes += key_bytes + entry.bytes();
        }
        let former = match (self.tables.get_mut(kind(key.as_str())), entry) {
            (Some(table), Some(entry)) => table.put(key, entry),
            (Some(table), None) => table.remove(key.as_str()),
            (None, Some(entry)) => {
                let kind = kind(key.as_str()).into();
                self.tables.entry(kind).or_default().put(key, entry)
            }
            (None, None) => None,
        };
        if let Some(former) = &former {
            self.live_bytes -= key_bytes + former.bytes();
        }
        former
    }
}

impl Beginning<'_> {
    /// By key.
    pub(super) fn records(&self) -> Vec<(Key, Arc<Record>)> {
        let mut found: Vec<_> = self
            .tables
            .iter()
            .flat_map(Table::entries)
            .filter_map(|(key, entry)| match entry {
                Entry::Live(record) if key.as_str().starts_with(self.prefix) => Some((key.clone(), record.clone())),
                _ => None,
            })
            .collect();
        found.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        found
    }
}

impl Entry {
    /// The change that wrote it.
    pub(super) fn revision(&self) -> u64 {
        match self {
            Self::Live(record) => record.revision,
            Self::Tampered(revision) => *revision,
        }
    }

    /// What an authentic line with this revision says; `None` if the record is deleted.
    pub(super) fn of(revision: u64, body: Body<'_>, sealed: &[u8]) -> Option<Self> {
        match body {
            Body::Value(open) => {
                Some(Self::Live(Arc::new(Record { revision, open: open.into(), sealed: sealed.into() })))
            }
            Body::Deleted => None,
            Body::Tampered => Some(Self::Tampered(revision)),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Live(record) => LINE_OVERHEAD_BYTES + record.open.len() + record.sealed.len().div_ceil(3) * 4,
            Self::Tampered(_) => LINE_OVERHEAD_BYTES,
        }
    }
}

impl Record {
    /// The record in the clear.
    ///
    /// # Errors
    /// [`StoreError::Tampered`] if its secret does not authenticate; it did when it came into memory.
    pub(super) fn unseal(&self, sealer: &Sealer, key: &Key) -> Result<Versioned, StoreError> {
        let secret = if self.sealed.len() == SEAL_BYTES {
            Zeroizing::default()
        } else {
            let bound = line::bound(sealer, key.as_str(), self.revision, Body::Value(&self.open));
            sealer.unseal(&bound, &self.sealed).ok_or_else(|| StoreError::Tampered(key.clone()))?
        };
        Ok(Versioned { revision: Revision(self.revision), content: Content { open: self.open.clone(), secret } })
    }
}
