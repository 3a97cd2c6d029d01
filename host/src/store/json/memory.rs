//! The durable records in memory. Each holds its line's parts, not parsed JSON, and its secret stays sealed.

use std::{
    collections::BTreeMap,
    ops::Bound::{Included, Unbounded},
    sync::Arc,
};

use super::{
    super::{
        contract::{Content, Key, Revision, StoreError, Versioned},
        sealing::Sealer,
    },
    line::{self, Body, Shown},
};

/// About what a line holds beside its key, its open part and its seal; for the decision to compact.
const LINE_OVERHEAD_BYTES: usize = 80;

#[derive(Clone, Default)]
pub(super) struct Memory {
    records: BTreeMap<Key, Entry>,
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
    pub(super) open: Box<str>,
    pub(super) sealed: Box<[u8]>,
}

impl Memory {
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.records.get(key)
    }

    pub(super) fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    /// All entries, by key.
    pub(super) fn entries(&self) -> impl ExactSizeIterator<Item = (&Key, &Entry)> {
        self.records.iter()
    }

    pub(super) fn beginning_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a Key, &'a Arc<Record>)> {
        self.records
            .range::<str, _>((Included(prefix), Unbounded))
            .take_while(move |(key, _)| key.as_str().starts_with(prefix))
            .filter_map(|(key, entry)| match entry {
                Entry::Live(record) => Some((key, record)),
                Entry::Tampered(_) => None,
            })
    }

    pub(super) fn tampered(&self) -> Vec<Key> {
        self.records
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Tampered(_)))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Takes what a line says; true if a line on disk is now of no more use.
    pub(super) fn apply(&mut self, key: Key, revision: u64, found: Option<(Body, Vec<u8>)>) -> bool {
        let key_bytes = key.as_str().len();
        let entry = match found {
            Some((Body::Value(open), sealed)) => {
                Some(Entry::Live(Arc::new(Record { revision, open, sealed: sealed.into() })))
            }
            Some((Body::Deleted, _)) => None,
            Some((Body::Tampered, _)) | None => Some(Entry::Tampered(revision)),
        };
        let deletes = entry.is_none();
        if let Some(entry) = &entry {
            self.live_bytes += key_bytes + entry.bytes();
        }
        let former = match entry {
            Some(entry) => self.records.insert(key, entry),
            None => self.records.remove(&key),
        };
        if let Some(former) = &former {
            self.live_bytes -= key_bytes + former.bytes();
        }
        deletes || former.is_some()
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
    /// [`StoreError::Tampered`] if it does not authenticate; it did when it came into memory.
    pub(super) fn unseal(&self, sealer: &Sealer, key: &Key) -> Result<Versioned, StoreError> {
        let tampered = || StoreError::Tampered(key.clone());
        let bound = line::bound(sealer, key.as_str(), self.revision, Shown::Value(&self.open));
        let plaintext = sealer.unseal(&bound, &self.sealed).ok_or_else(tampered)?;
        let open = serde_json::from_str(&self.open).map_err(|_| tampered())?;
        // No JSON text is empty, so nothing sealed means no secret.
        let secret =
            if plaintext.is_empty() { None } else { Some(serde_json::from_slice(&plaintext).map_err(|_| tampered())?) };
        Ok(Versioned { revision: Revision(self.revision), content: Content { open, secret } })
    }
}
