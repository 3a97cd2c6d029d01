//! A batch on disk: a header line, then its record lines. The checksum tells a torn batch from a whole one. The header's
//! seal tells an edited one from a true one: it binds which key stands at which place with which revision, and the seal
//! of the header before, so that a failing line has a name even if its own key was edited, and batches cannot be left
//! out, moved, or mixed from two histories.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        contract::Key,
        sealing::{Bound, Sealer},
    },
    line::{self, Body, Line},
};
use crate::clock::Timestamp;

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

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) batch: u64,
    pub(super) first_revision: u64,
    /// Key and revision of each line, in order.
    pub(super) records: Vec<(String, u64)>,
    /// Of the record lines.
    bytes: u64,
    /// CRC-32 of the record lines, in hexadecimal digits.
    checksum: String,
    pub(super) committed_at: Timestamp,
    pub(super) sealed: String,
    key_id: String,
}

impl Header {
    /// A header as it stands on a line; what it says is to be judged.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Whether it was written as it stands, behind the header with the seal `chain`.
    pub(super) fn is_authentic(&self, sealer: &Sealer, place: Place, chain: &str) -> bool {
        self.key_id == sealer.key_id()
            && STANDARD
                .decode(&self.sealed)
                .is_ok_and(|sealed| sealer.unseal(&bound(sealer, place, chain, self), &sealed).is_some())
    }
}

/// A batch that was read.
pub(super) struct Frame {
    pub(super) committed_at: Timestamp,
    pub(super) records: Vec<Placed>,
    /// Offset of the first byte behind it.
    pub(super) end: usize,
}

/// What stands at one place of a batch. The key and the revision are the authentic ones.
pub(super) struct Placed {
    pub(super) key: Key,
    pub(super) revision: u64,
    /// Body and seal; `None` if the line is not the one that was written here.
    pub(super) found: Option<(Body, Vec<u8>)>,
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
    rest.iter().position(|byte| *byte == b'\n').map(|length| &rest[..length])
}

/// Whether any line behind the one at `offset` is a header: then what stands at `offset` was durable once.
pub(super) fn batch_follows(bytes: &[u8], offset: usize) -> bool {
    let Some(line) = line_at(bytes, offset) else { return false };
    bytes[offset + line.len() + 1..]
        .split(|byte| *byte == b'\n')
        .any(|line| serde_json::from_slice::<Header>(line).is_ok())
}

/// The bytes of a batch whose record lines are `body`; moves the position on.
pub(super) fn write(
    sealer: &Sealer,
    place: Place,
    position: &mut Position,
    records: Vec<(String, u64)>,
    committed_at: Timestamp,
    body: &[u8],
) -> io::Result<Vec<u8>> {
    let mut header = Header {
        batch: position.batch,
        first_revision: position.next_revision,
        records,
        bytes: body.len() as u64,
        checksum: checksum(body),
        committed_at,
        sealed: String::new(),
        key_id: sealer.key_id().to_owned(),
    };
    header.sealed = STANDARD.encode(sealer.seal(&bound(sealer, place, &position.chain, &header), b"")?);
    let mut bytes = serde_json::to_vec(&header)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(body);
    advance(position, place, &header);
    Ok(bytes)
}

/// Reads the batch at `offset` and judges each of its lines; moves the position on.
pub(super) fn read(
    sealer: &Sealer,
    place: Place,
    position: &mut Position,
    bytes: &[u8],
    offset: usize,
) -> Result<Frame, Fault> {
    let first = line_at(bytes, offset).ok_or(Fault::Torn("an unfinished batch header"))?;
    let header: Header = serde_json::from_slice(first).map_err(|_| Fault::Torn("no batch header where one belongs"))?;
    check_header(sealer, place, position, &header)?;
    let start = offset + first.len() + 1;
    let mut end = start;
    let mut lines = Vec::new();
    for _ in &header.records {
        let line = line_at(bytes, end).ok_or(Fault::Torn("a batch with fewer lines than its header says"))?;
        end += line.len() + 1;
        lines.push(line::read(line));
    }
    if lines.iter().any(Option::is_none) {
        let body = &bytes[start..end];
        return Err(if body.len() as u64 == header.bytes && checksum(body) == header.checksum {
            Fault::Damaged(format!("batch {} was written with lines that are no records", header.batch))
        } else {
            Fault::Torn("a line that is no record")
        });
    }
    let records = header
        .records
        .iter()
        .zip(lines.into_iter().flatten())
        .map(|((key, revision), line)| {
            let key = Key::parse(key).map_err(|error| Fault::Damaged(error.to_string()))?;
            let found = judge(sealer, key.as_str(), *revision, line);
            Ok(Placed { key, revision: *revision, found })
        })
        .collect::<Result<_, Fault>>()?;
    advance(position, place, &header);
    Ok(Frame { committed_at: header.committed_at, records, end })
}

fn check_header(sealer: &Sealer, place: Place, position: &Position, header: &Header) -> Result<(), Fault> {
    let damaged = |reason: &str| Err(Fault::Damaged(format!("batch {}: {reason}", header.batch)));
    if header.key_id != sealer.key_id() {
        return damaged(&format!("sealed with the key {}, the key file holds {}", header.key_id, sealer.key_id()));
    }
    if !header.is_authentic(sealer, place, &position.chain) {
        return damaged("its header was edited, or does not follow the batch before it");
    }
    if header.batch != position.batch || (place == Place::Journal && header.first_revision < position.next_revision) {
        return damaged("its numbers do not follow those of the batch before it");
    }
    Ok(())
}

fn judge(sealer: &Sealer, key: &str, revision: u64, line: Line) -> Option<(Body, Vec<u8>)> {
    match line {
        Line::Record { key: claimed, revision: numbered, body, sealed, key_id }
            if claimed == key && numbered == revision && key_id == sealer.key_id() =>
        {
            sealer.unseal(&line::bound(sealer, key, revision, body.shown()), &sealed)?;
            Some((body, sealed))
        }
        _ => None,
    }
}

fn advance(position: &mut Position, place: Place, header: &Header) {
    position.chain.clone_from(&header.sealed);
    position.batch += 1;
    if place == Place::Journal {
        position.next_revision = header.first_revision + header.records.len() as u64;
    }
}

fn bound(sealer: &Sealer, place: Place, chain: &str, header: &Header) -> Bound {
    let domain = match place {
        Place::Journal => "journal batch",
        Place::Snapshot => "snapshot batch",
    };
    let bound = Bound::new(domain)
        .text(sealer.key_id())
        .text(chain)
        .number(header.batch)
        .number(header.first_revision)
        .text(&header.committed_at.rfc3339())
        .number(header.records.len() as u64);
    header.records.iter().fold(bound, |bound, (key, revision)| bound.text(key).number(*revision))
}
