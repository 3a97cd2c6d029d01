//! A batch on disk: a header line, then its record lines. The checksum tells a torn batch from a whole one. The header's
//! seal tells an edited one from a true one: it binds which key stands at which place with which revision, and the seal
//! of the header before, so that a failing line has a name even if its own key was edited, and batches cannot be left
//! out, moved, or mixed from two histories.

use std::{
    borrow::Cow,
    io::{self, BufRead, Write},
    ops::Range,
};

use serde::Deserialize;

use super::{
    super::{
        contract::Key,
        sealing::{Bound, Sealer},
    },
    line::{self, Line},
    memory::Entry,
};
use crate::clock::Timestamp;

const HEADER_BEGIN: &[u8] = b"{\"batch\":";

/// Where a batch stands; a batch of one file is none in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Journal,
    Snapshot,
}

/// Where the next batch has to fit.
#[derive(Clone, Debug)]
pub(super) struct Position {
    /// The seal of the header before.
    pub(super) chain: String,
    pub(super) batch: u64,
    pub(super) next_revision: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header<'a> {
    pub(super) batch: u64,
    pub(super) first_revision: u64,
    #[serde(borrow)]
    records: Vec<(Name<'a>, u64)>,
    /// Of the record lines.
    bytes: u64,
    /// CRC-32 of the record lines, in hexadecimal digits.
    checksum: String,
    pub(super) committed_at: Timestamp,
    pub(super) sealed: String,
    key_id: String,
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A batch with an authentic header, in its place; its lines are still to be judged.
pub(super) struct Framed<'a> {
    header: Header<'a>,
    lines: Vec<&'a [u8]>,
    body: &'a [u8],
    /// Offset of its first byte, and of the first behind it.
    pub(super) span: Range<usize>,
    /// Where the batch behind it has to fit.
    pub(super) next: Position,
}

/// What stands at one place of a batch. The key and the revision are the authentic ones.
pub(super) struct Placed {
    pub(super) key: Key,
    /// `None` if the record is deleted.
    pub(super) entry: Option<Entry>,
}

/// Why there is no batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// An interrupted write can look like this.
    Torn(&'static str),
    /// An interrupted write cannot.
    Damaged(String),
}

pub(super) fn checksum(bytes: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(bytes))
}

/// The line at `offset` without its end, if it has one.
pub(super) fn line_at(bytes: &[u8], offset: usize) -> Option<&[u8]> {
    let rest = bytes.get(offset..)?;
    let length = { rest }.skip_until(b'\n').ok()?;
    rest[..length].strip_suffix(b"\n")
}

/// Whether any header stands behind the one at `offset`: then what stands at `offset` was durable once.
pub(super) fn batch_follows(bytes: &[u8], offset: usize) -> bool {
    let Some(first) = line_at(bytes, offset) else { return false };
    let mut behind = bytes[offset + first.len() + 1..].split(|byte| *byte == b'\n');
    header_within(first).is_some() || behind.any(|line| header_in(line).is_some())
}

/// The header on this line, wherever it begins.
pub(super) fn header_in(line: &[u8]) -> Option<Header<'_>> {
    if line.is_empty() { None } else { Header::parse(line).or_else(|| header_within(line)) }
}

/// The header that ends this line without beginning it: zeros where a part was lost end no line before it.
fn header_within(line: &[u8]) -> Option<Header<'_>> {
    let begins = line.windows(HEADER_BEGIN.len()).enumerate().skip(1).filter(|(_, window)| *window == HEADER_BEGIN);
    begins.map(|(at, _)| at).find_map(|at| Header::parse(&line[at..]))
}

/// Appends the batch whose record lines are `body`; moves the position on.
///
/// # Errors
/// When nothing can be sealed.
pub(super) fn write<'a>(
    out: &mut Vec<u8>,
    sealer: &Sealer,
    place: Place,
    position: &mut Position,
    records: impl ExactSizeIterator<Item = (&'a str, u64)> + Clone,
    committed_at: Timestamp,
    body: &[u8],
) -> io::Result<()> {
    let (batch, first_revision, count) = (position.batch, position.next_revision, records.len() as u64);
    let committed_at = committed_at.rfc3339();
    let head = Head { batch, first_revision, committed_at: &committed_at, count };
    let sealed = sealer.sign(&head.bound(sealer, place, &position.chain, records.clone()))?;
    out.extend_from_slice(HEADER_BEGIN);
    write!(out, "{batch},\"first_revision\":{first_revision},\"records\":[")?;
    // Keys, moments, base64 and hexadecimal digits need no escaping.
    for (index, (key, revision)) in records.enumerate() {
        out.extend_from_slice(if index == 0 { b"[\"" } else { b",[\"" });
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\",");
        line::number(out, revision);
        out.push(b']');
    }
    let (bytes, checksum, key_id) = (body.len(), checksum(body), sealer.key_id());
    writeln!(
        out,
        "],\"bytes\":{bytes},\"checksum\":\"{checksum}\",\"committed_at\":\"{committed_at}\",\"sealed\":\"{sealed}\",\
         \"key_id\":\"{key_id}\"}}"
    )?;
    out.extend_from_slice(body);
    *position = position.behind(place, sealed, first_revision, count);
    Ok(())
}

/// Finds the batch that fits `position` at `offset`; what its lines say is not looked at.
///
/// # Errors
/// When there is none.
pub(super) fn find<'a>(
    sealer: &Sealer,
    place: Place,
    position: &Position,
    bytes: &'a [u8],
    offset: usize,
) -> Result<Framed<'a>, Fault> {
    let first = line_at(bytes, offset).ok_or(Fault::Torn("an unfinished batch header"))?;
    let header = Header::parse(first).ok_or(Fault::Torn("no batch header where one belongs"))?;
    header.check(sealer, place, position)?;
    let start = offset + first.len() + 1;
    let mut end = start;
    let mut lines = Vec::with_capacity(header.records.len());
    for _ in &header.records {
        let line = line_at(bytes, end).ok_or(Fault::Torn("a batch with fewer lines than its header says"))?;
        end += line.len() + 1;
        lines.push(line);
    }
    let next = position.behind(place, header.sealed.clone(), header.first_revision, header.records.len() as u64);
    Ok(Framed { header, lines, body: &bytes[start..end], span: offset..end, next })
}

impl Framed<'_> {
    pub(super) fn committed_at(&self) -> Timestamp {
        self.header.committed_at
    }

    pub(super) fn records(&self) -> usize {
        self.lines.len()
    }

    /// Judges each line.
    ///
    /// # Errors
    /// When one has not even the form of a record.
    pub(super) fn judge(&self, sealer: &Sealer) -> Result<Vec<Placed>, Fault> {
        let places = self.header.records.iter().zip(&self.lines);
        places
            .map(|((Name(key), revision), line)| {
                let key = Key::parse(key).map_err(|error| Fault::Damaged(error.to_string()))?;
                let judged = authentic(sealer, &key, *revision, line::as_written(line))
                    .or_else(|| authentic(sealer, &key, *revision, line::as_meant(line)));
                match judged {
                    Some(entry) => Ok(Placed { key, entry }),
                    None if line::has_form(line) => Ok(Placed { key, entry: Some(Entry::Tampered(*revision)) }),
                    None => Err(self.formless()),
                }
            })
            .collect()
    }

    fn formless(&self) -> Fault {
        if self.body.len() as u64 == self.header.bytes && checksum(self.body) == self.header.checksum {
            Fault::Damaged(format!("batch {} was written with lines that are no records", self.header.batch))
        } else {
            Fault::Torn("a line that is no record")
        }
    }
}

/// What the line says, if it is the one that was written here.
fn authentic(sealer: &Sealer, key: &Key, revision: u64, line: Option<Line<'_>>) -> Option<Option<Entry>> {
    let line = line?;
    if line.key != key.as_str() || line.revision != revision || line.key_id != sealer.key_id() {
        return None;
    }
    sealer.unseal(&line::bound(sealer, key.as_str(), revision, line.body()), &line.sealed)?;
    Some(Entry::of(revision, line.body(), &line.sealed))
}

impl<'a> Header<'a> {
    /// A header as it stands on a line; what it says is to be judged.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Key and revision of each line, in order.
    pub(super) fn records(&self) -> impl ExactSizeIterator<Item = (&str, u64)> + Clone {
        self.records.iter().map(|(Name(key), revision)| (&**key, *revision))
    }

    /// Whether it was written as it stands, behind the header with the seal `chain`.
    pub(super) fn is_authentic(&self, sealer: &Sealer, place: Place, chain: &str) -> bool {
        let head = Head {
            batch: self.batch,
            first_revision: self.first_revision,
            committed_at: &self.committed_at.rfc3339(),
            count: self.records.len() as u64,
        };
        self.key_id == sealer.key_id()
            && sealer.is_signed(&head.bound(sealer, place, chain, self.records()), &self.sealed)
    }

    fn check(&self, sealer: &Sealer, place: Place, position: &Position) -> Result<(), Fault> {
        let damaged = |reason: &str| Err(Fault::Damaged(format!("batch {}: {reason}", self.batch)));
        if self.key_id != sealer.key_id() {
            return damaged(&format!("sealed with the key {}, the key file holds {}", self.key_id, sealer.key_id()));
        }
        if !self.is_authentic(sealer, place, &position.chain) {
            return damaged("its header was edited, or does not follow the batch before it");
        }
        if self.batch != position.batch || (place == Place::Journal && self.first_revision < position.next_revision) {
            return damaged("its numbers do not follow those of the batch before it");
        }
        Ok(())
    }
}

impl Position {
    /// The position behind a batch with this seal and so many records.
    fn behind(&self, place: Place, sealed: String, first_revision: u64, count: u64) -> Self {
        let next_revision = match place {
            Place::Journal => first_revision + count,
            Place::Snapshot => self.next_revision,
        };
        Self { chain: sealed, batch: self.batch + 1, next_revision }
    }
}

/// What the seal of a header binds beside its place in the chain.
struct Head<'a> {
    batch: u64,
    first_revision: u64,
    committed_at: &'a str,
    count: u64,
}

impl Head<'_> {
    fn bound<'a>(
        &self,
        sealer: &Sealer,
        place: Place,
        chain: &str,
        records: impl Iterator<Item = (&'a str, u64)>,
    ) -> Bound {
        let domain = match place {
            Place::Journal => "journal batch",
            Place::Snapshot => "snapshot batch",
        };
        let bound = Bound::new(domain)
            .text(sealer.key_id())
            .text(chain)
            .number(self.batch)
            .number(self.first_revision)
            .text(self.committed_at)
            .number(self.count);
        records.fold(bound, |bound, (key, revision)| bound.text(key).number(revision))
    }
}
