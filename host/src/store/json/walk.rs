//! One walk through the files of a damaged store, line by line, that keeps what proves itself.
//!
//! Every record line is sealed with its key and its revision, so it proves itself wherever it stands. A header proves which
//! keys its lines had and, chained to the header before, that nothing is missing between the two. Where that chain is
//! broken, the revisions say how many changes are missing, and lines that are still there say which of them are not. A
//! header that cannot be proved, because the one before it is gone, only takes away: what it names is refused where
//! no proved line is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    super::{
        contract::{Key, Loss},
        sealing::Sealer,
    },
    files::{SnapshotEnd, SnapshotStart},
    frame::{self, Header, Place, Position},
    line::{self, Line},
    memory::{Entry, Memory},
    opening::REVISION_LEAP,
    salvage::Salvaged,
};
use crate::clock::Timestamp;

/// A record line whose seal holds.
struct Proved {
    key: Key,
    revision: u64,
    /// `None` if it says that the record is deleted.
    entry: Option<Entry>,
    sealed: Vec<u8>,
}

enum Item<'a> {
    Head(Header<'a>),
    Record(Proved),
    /// The form of a record, and not what was written.
    Unproved,
    Noise,
}

/// The batch of the last proved header.
struct Batch {
    records: Vec<(Key, u64)>,
    found: HashMap<u64, Proved>,
    /// Lines that have the form of a record.
    formed: usize,
}

pub(super) struct Walk<'a> {
    sealer: &'a Sealer,
    memory: Memory,
    file: String,
    /// Seal of the last proved header, or what stands for it at the beginning.
    chain: Option<String>,
    /// Seal that the last header claims, proved or not: if the next header fits it, the claim was true.
    claimed_chain: Option<String>,
    batch: u64,
    next_revision: u64,
    committed_at: Option<Timestamp>,
    open: Option<Batch>,
    strays: BTreeMap<u64, Vec<Proved>>,
    claims: BTreeMap<u64, Vec<Key>>,
    /// A header stands behind the last proved one.
    has_claim: bool,
    pub(super) lost: Vec<Loss>,
    /// How much proved itself.
    pub(super) proved: u64,
}

fn item<'a>(sealer: &Sealer, text: &'a [u8]) -> Item<'a> {
    if let Some(header) = frame::header_in(text) {
        return Item::Head(header);
    }
    let proved = proved(sealer, line::as_written(text)).or_else(|| proved(sealer, line::as_meant(text)));
    match proved {
        Some(proved) => Item::Record(proved),
        None if line::has_form(text) => Item::Unproved,
        None => Item::Noise,
    }
}

fn proved(sealer: &Sealer, line: Option<Line<'_>>) -> Option<Proved> {
    let line = line?;
    let key = Key::parse(&line.key).ok()?;
    if line.key_id != sealer.key_id() {
        return None;
    }
    sealer.unseal(&line::bound(sealer, key.as_str(), line.revision, line.body()), &line.sealed)?;
    let entry = Entry::of(line.revision, line.body(), &line.sealed);
    Some(Proved { key, revision: line.revision, entry, sealed: line.sealed })
}

impl<'a> Walk<'a> {
    pub(super) fn new(sealer: &'a Sealer) -> Self {
        Self {
            sealer,
            memory: Memory::default(),
            file: String::new(),
            chain: Some(String::new()),
            claimed_chain: None,
            batch: 0,
            next_revision: 1,
            committed_at: None,
            open: None,
            strays: BTreeMap::new(),
            claims: BTreeMap::new(),
            has_claim: false,
            lost: Vec::new(),
            proved: 0,
        }
    }

    /// A snapshot says the keys of its records in its headers, and its end says that all of them are there. What is missing
    /// without a header is missing without a name.
    pub(super) fn snapshot(&mut self, name: &str, bytes: &[u8]) {
        name.clone_into(&mut self.file);
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let start: Option<SnapshotStart> = serde_json::from_slice(first).ok();
        let is_proved = start.as_ref().is_some_and(|start| start.is_authentic(self.sealer));
        self.proved += u64::from(is_proved);
        self.chain = start.as_ref().map(|start| start.own_position().chain);
        let (mut records, mut is_whole, mut has_end) = (0, is_proved, false);
        for text in bytes.split(|byte| *byte == b'\n').skip(1) {
            match item(self.sealer, text) {
                Item::Head(header) => {
                    let follows = header.batch > self.batch;
                    let link = self.link(&header, Place::Snapshot).filter(|_| follows);
                    is_whole &= link == Some(Link::Next);
                    records += header.records().len() as u64;
                    self.close();
                    self.take_head(header, link.is_some());
                }
                Item::Noise => {
                    let end: Option<SnapshotEnd> = serde_json::from_slice(text).ok();
                    let chain = self.chain.clone().unwrap_or_default();
                    let position = Position { chain, batch: self.batch + 1, next_revision: 0 };
                    has_end |=
                        end.is_some_and(|end| end.records == records && end.is_authentic(self.sealer, &position));
                }
                item => self.take_line(item),
            }
        }
        self.close();
        let position = start.as_ref().map(SnapshotStart::journal_position);
        let horizon = position.as_ref().filter(|_| is_proved).map_or(u64::MAX, |position| position.next_revision);
        if !(is_whole && has_end) {
            self.keep_nameless(horizon);
            self.lose("records may have stood there that are lost".to_owned());
        }
        (self.strays, self.claims, self.has_claim, self.batch) = Default::default();
        (self.chain, self.claimed_chain) = (None, position.as_ref().map(|position| position.chain.clone()));
        self.next_revision = self.memory.entries().map(|(_, entry)| entry.revision()).max().unwrap_or(0) + 1;
        if let (true, Some(start), Some(position)) = (is_proved, start, position) {
            self.committed_at = start.committed_at;
            (self.batch, self.next_revision) = (position.batch - 1, position.next_revision);
            self.chain = Some(position.chain);
        }
    }

    /// Of the regions of a snapshot that no header proves: proved lines, if nothing newer is known, and nothing for keys
    /// that only an unproved header names.
    fn keep_nameless(&mut self, horizon: u64) {
        for stray in std::mem::take(&mut self.strays).into_values().flatten() {
            let known = self.memory.entry(stray.key.as_str()).map(Entry::revision);
            if stray.revision < horizon && known.is_none_or(|known| known < stray.revision) {
                self.memory.apply(stray.key, stray.entry);
            }
        }
        for (revision, keys) in std::mem::take(&mut self.claims) {
            for key in keys {
                if self.memory.entry(key.as_str()).is_none() {
                    self.refuse(key, revision);
                }
            }
        }
    }

    fn refuse(&mut self, key: Key, revision: u64) {
        self.memory.apply(key, Some(Entry::Tampered(revision)));
    }

    pub(super) fn segment(&mut self, name: &str, bytes: &[u8]) {
        name.clone_into(&mut self.file);
        for text in bytes.split(|byte| *byte == b'\n').filter(|text| !text.is_empty()) {
            match item(self.sealer, text) {
                Item::Head(header) => {
                    let follows = header.batch > self.batch && header.first_revision >= self.next_revision;
                    let link = self.link(&header, Place::Journal).filter(|_| follows);
                    if let Some(link) = link {
                        let is_next = link == Link::Next;
                        self.settle(header.first_revision, is_next);
                        self.next_revision = header.first_revision + header.records().len() as u64;
                        self.committed_at = Some(header.committed_at);
                    }
                    self.take_head(header, link.is_some());
                }
                item => self.take_line(item),
            }
        }
    }

    /// How a header is proved, if it is.
    fn link(&self, header: &Header<'_>, place: Place) -> Option<Link> {
        let fits = |chain: &Option<String>| {
            chain.as_deref().is_some_and(|chain| header.is_authentic(self.sealer, place, chain))
        };
        if fits(&self.chain) {
            return Some(if header.batch == self.batch + 1 { Link::Next } else { Link::Later });
        }
        fits(&self.claimed_chain).then_some(Link::Later)
    }

    fn take_head(&mut self, header: Header<'_>, is_proved: bool) {
        let records = header.records().filter_map(|(key, revision)| Some((Key::parse(key).ok()?, revision)));
        let records: Vec<(Key, u64)> = records.collect();
        self.claimed_chain = Some(header.sealed.clone());
        if is_proved {
            self.proved += 1;
            self.chain = Some(header.sealed);
            self.batch = header.batch;
            self.open = Some(Batch { records, found: HashMap::new(), formed: 0 });
            self.has_claim = false;
        } else {
            self.has_claim = true;
            for (key, revision) in records {
                self.claims.entry(revision).or_default().push(key);
            }
        }
    }

    fn take_line(&mut self, item: Item<'_>) {
        if let (Item::Record(_) | Item::Unproved, Some(open)) = (&item, &mut self.open) {
            open.formed += 1;
        }
        let Item::Record(proved) = item else { return };
        self.proved += 1;
        let revision = proved.revision;
        match &mut self.open {
            Some(open) if open.records.iter().any(|(key, at)| (key, *at) == (&proved.key, revision)) => {
                open.found.insert(revision, proved);
            }
            _ => {
                let there = self.strays.entry(revision).or_default();
                if there.iter().all(|other| other.sealed != proved.sealed) {
                    there.push(proved);
                }
            }
        }
    }

    /// Ends the batch of the last proved header: a line that is not there leaves its record refused.
    fn close(&mut self) {
        let Some(Batch { records, mut found, .. }) = self.open.take() else { return };
        for (key, revision) in records {
            match found.remove(&revision) {
                Some(proved) => drop(self.memory.apply(key, proved.entry)),
                None => self.refuse(key, revision),
            }
        }
    }

    /// Brings everything up to the change `until` to its end. Unless nothing can be missing before it, every revision
    /// that no line proves is lost.
    fn settle(&mut self, until: u64, is_whole: bool) {
        self.close();
        let (mut strays, mut claims) = (std::mem::take(&mut self.strays), std::mem::take(&mut self.claims));
        let from = self.next_revision;
        if is_whole || until <= from {
            return;
        }
        let mut found = 0;
        let revisions: BTreeSet<u64> =
            strays.range(from..until).map(|(at, _)| *at).chain(claims.range(from..until).map(|(at, _)| *at)).collect();
        for revision in revisions {
            let mut lines = strays.remove(&revision).unwrap_or_default();
            let claimed = claims.remove(&revision).unwrap_or_default();
            match (lines.pop(), lines.is_empty()) {
                (Some(line), true) => {
                    found += 1;
                    self.memory.apply(line.key, line.entry);
                }
                // Two histories claim this change. Neither is believed.
                (line, _) => {
                    for key in lines.into_iter().chain(line).map(|line| line.key).chain(claimed) {
                        self.refuse(key, revision);
                    }
                }
            }
        }
        if found < until - from {
            self.lose(match found {
                0 => format!("the changes {from} to {} are lost", until - 1),
                _ => format!("of the changes {from} to {} all but {found} are lost", until - 1),
            });
        }
    }

    /// What stands behind the last proved header was never acknowledged, as far as anybody can know, unless the
    /// anchor or a further header says so.
    pub(super) fn end(&mut self, known_revision: u64) {
        let unknown = known_revision.saturating_add(1).max(self.next_revision);
        let claims_more = self.has_claim
            && (self.strays.range(unknown..).next().is_some() || self.claims.range(unknown..).next().is_some());
        if let Some(open) = &self.open {
            let first = open.records.first().map_or(u64::MAX, |(_, revision)| *revision);
            let is_torn = open.found.len() < open.records.len() && open.formed < open.records.len();
            if is_torn && first > known_revision && !self.has_claim {
                self.open = None;
            }
        }
        if !claims_more {
            self.settle(unknown, false);
            self.next_revision = unknown;
            return;
        }
        let until = self.strays.last_key_value().map_or(unknown, |(last, _)| unknown.max(last.saturating_add(1)));
        let beyond: Vec<Key> = self.claims.range(until..).flat_map(|(_, keys)| keys.clone()).collect();
        self.settle(until, false);
        self.next_revision = until;
        for key in beyond {
            self.refuse(key, self.next_revision);
            self.next_revision += 1;
        }
        self.lose("the last changes cannot be proved to be the last, or to be all".to_owned());
    }

    fn lose(&mut self, what: String) {
        self.lost.push(Loss { file: self.file.clone(), what });
    }

    pub(super) fn salvaged(self, known_revision: u64) -> Salvaged {
        let next = self.next_revision.max(known_revision.saturating_add(1));
        // What is lost is acknowledged before anything is written, and the revisions leap then.
        let next_revision = if self.lost.is_empty() { next.saturating_add(REVISION_LEAP) } else { next };
        let position = Position { chain: self.chain.unwrap_or_default(), batch: self.batch + 1, next_revision };
        Salvaged { memory: self.memory, position, committed_at: self.committed_at, lost: self.lost }
    }
}

/// How a header was proved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    /// It follows the last one that was proved.
    Next,
    /// It is true, and what stood between is missing.
    Later,
}
