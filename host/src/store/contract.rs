//! The contract every engine keeps: `read`, `scan`, `commit`. Reads show durable records only; a commit is all or
//! nothing and durable when it returns; revisions come from one increasing sequence and are never reused.
//! An engine behind a network also gives each commit a random id, to recognise its own after a lost connection. The
//! JSON engine has no connection to lose and carries none.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use crate::clock::Timestamp;

/// Most bytes of JSON, open and secret together, that one record may hold.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of JSON that all changes of one commit may hold together.
pub const COMMIT_BYTES_MAX: usize = 1024 * 1024;
/// Most changes, and most expectations, of one commit.
pub const COMMIT_CHANGES_MAX: usize = 256;

/// What stands for "no secret" where a secret is asked for.
const NO_SECRET: &[u8] = b"null";
/// Room for most secrets, so that few are moved while they are written, each leaving a copy behind.
const SECRET_BYTES_USUAL: usize = 512;

/// Number of a change; one sequence for the whole store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// Name of a record: segments of `a-z`, `0-9`, `.`, `_`, `-` joined by `/`, at most 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

const KEY_BYTES_MAX: usize = 256;

fn is_segment(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

/// A text that cannot name a record.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} cannot name a record")]
pub struct KeyError(String);

impl Key {
    /// The key of these segments.
    ///
    /// # Errors
    /// When a segment is empty or holds another character, or the whole is over 256 bytes.
    pub fn new(segments: &[&str]) -> Result<Self, KeyError> {
        let mut text = [0; KEY_BYTES_MAX];
        let mut length = 0;
        for (index, segment) in segments.iter().enumerate() {
            let start = if index == 0 { 0 } else { length + 1 };
            let end = start + segment.len();
            // A separator within a segment would make two keys of different segments the same.
            if end > KEY_BYTES_MAX || !is_segment(segment.as_bytes()) {
                return Err(KeyError(segments.join("/")));
            }
            text[length..start].fill(b'/');
            text[start..end].copy_from_slice(segment.as_bytes());
            length = end;
        }
        match std::str::from_utf8(&text[..length]) {
            Ok(text) if !text.is_empty() => Ok(Self(text.into())),
            _ => Err(KeyError(String::new())),
        }
    }

    /// A key read back from disk.
    ///
    /// # Errors
    /// As [`Key::new`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let fits = text.len() <= KEY_BYTES_MAX && text.as_bytes().split(|byte| *byte == b'/').all(is_segment);
        if fits { Ok(Self(text.into())) } else { Err(KeyError(text.to_owned())) }
    }

    /// The key as it stands on disk.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a record holds: JSON that stays readable on disk, and JSON that is sealed. Both are authenticated. It is kept as
/// text: nobody but who wants the record reads it as anything else.
#[derive(Clone, PartialEq)]
pub struct Content {
    /// Readable on disk.
    pub(super) open: Arc<str>,
    /// Sealed on disk; never in `Debug`. Empty if there is none: no JSON text is.
    pub(super) secret: Zeroizing<Vec<u8>>,
}

impl Content {
    /// A `secret` that is `null` in JSON is none.
    ///
    /// # Errors
    /// When one of them cannot be JSON.
    pub fn new(open: &impl Serialize, secret: &impl Serialize) -> Result<Self, serde_json::Error> {
        let mut sealed = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_USUAL));
        serde_json::to_writer(&mut *sealed, secret)?;
        if *sealed == *NO_SECRET {
            sealed.clear();
        }
        Ok(Self { open: serde_json::to_string(open)?.into(), secret: sealed })
    }

    /// The part that is readable on disk.
    ///
    /// # Errors
    /// When it is none of `T`.
    pub fn open<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.open)
    }

    /// The sealed part; that of `null` if there is none.
    ///
    /// # Errors
    /// When it is none of `T`.
    pub fn secret<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(if self.secret.is_empty() { NO_SECRET } else { &self.secret })
    }

    pub(super) fn bytes(&self) -> usize {
        self.open.len() + self.secret.len()
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Content").field("open", &self.open).finish_non_exhaustive()
    }
}

/// A record as it was read, with the revision that wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned {
    pub revision: Revision,
    pub content: Content,
}

/// One change of a commit.
#[derive(Clone, Debug)]
pub enum Change {
    Put(Key, Content),
    Delete(Key),
}

/// What must still hold for a commit to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The record is there and was last written by this revision.
    At(Key, Revision),
    /// There is no such record.
    Absent(Key),
}

/// Why nothing could be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The store is damaged; nothing is served from it.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// An older copy of it was put back; nothing is served from it until an admin acknowledges that.
    #[error("an older copy of the store was put back: {0}")]
    RolledBack(Behind),
    /// This one record does not authenticate: edited, swapped or copied back.
    #[error("the record {0} was tampered with")]
    Tampered(Key),
    /// A write failed earlier; restart the host.
    #[error("the store stopped after a failed write: {0}")]
    Poisoned(String),
    /// More than [`RECORD_BYTES_MAX`], [`COMMIT_BYTES_MAX`] or [`COMMIT_CHANGES_MAX`] allow; asking again is no use.
    #[error("{what} is {size} and may be at most {size_max}")]
    TooLarge { what: &'static str, size: usize, size_max: usize },
}

/// Why a commit did not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// An expectation does not hold (any more): read again and decide again.
    #[error("{0} changed meanwhile")]
    Conflict(Key),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How far a store had come: its last change, and when that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    pub revision: u64,
    pub at: Option<Timestamp>,
}

impl fmt::Display for Reach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "change {}", self.revision)?;
        self.at.map_or(Ok(()), |at| write!(formatter, " of {}", at.rfc3339()))
    }
}

/// A store that is older than it once was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// What it still knows.
    pub reaches: Reach,
    /// How far it had come at least; `None` if the anchor that would tell is missing or not authentic.
    pub known: Option<Reach>,
}

impl fmt::Display for Behind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "it ends with {}, and ", self.reaches)?;
        match &self.known {
            Some(known) => write!(formatter, "it had come to {known}"),
            None => formatter.write_str("storage.anchor, which tells how far it had come, is missing or not authentic"),
        }
    }
}

/// What was found when the store was opened.
#[derive(Clone, Debug, Default)]
pub struct OpenReport {
    /// A last batch that was never acknowledged was dropped.
    pub dropped_tail_bytes: u64,
    /// Records that do not authenticate; reading one says [`StoreError::Tampered`].
    pub tampered: Vec<Key>,
    /// Set when the store is older than what was acknowledged before. Unless the opening acknowledges that, every read is
    /// answered [`StoreError::RolledBack`], and nothing is written.
    pub behind: Option<Behind>,
    /// Wall clock of the last commit, milliseconds since 1970.
    pub last_commit_ms: Option<i64>,
    /// Set when the store is damaged: it opens, answers every read with [`StoreError::Damaged`] and writes nothing.
    pub damage: Option<String>,
}

/// Why a store cannot even be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("there is no store in {0}; `mfa-host init` makes one")]
    Missing(std::path::PathBuf),
    #[error("there is already a store in {0}")]
    AlreadyThere(std::path::PathBuf),
    #[error("another process holds the store in {0}")]
    Locked(std::path::PathBuf),
    #[error("{action} {path}: {source}")]
    Io { action: &'static str, path: std::path::PathBuf, source: std::io::Error },
}

/// What a look at the files found; nothing was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Why nothing can be served from these files.
    pub damage: Option<String>,
    pub records: usize,
    /// Records that do not authenticate.
    pub tampered: Vec<Key>,
    /// Bytes at the end of a change that was never acknowledged; the next start drops them.
    pub unfinished_bytes: u64,
    /// The files are older than what was acknowledged.
    pub behind: Option<Behind>,
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupReport {
    pub records: usize,
    pub bytes: u64,
}

/// Why there is no backup, or why it was not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{0} is there already")]
    Taken(std::path::PathBuf),
    #[error("{0} lies where the store keeps its own files")]
    Inside(std::path::PathBuf),
    #[error("{file} is no backup that this key opens: {reason}")]
    Refused { file: std::path::PathBuf, reason: String },
    #[error("there is a store in {0}")]
    Live(std::path::PathBuf),
}

/// Something that was in the store and of which nothing authentic is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The file it stood in, or should have.
    pub file: String,
    /// In words.
    pub what: String,
}

/// What became of a store that was to be repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    pub deed: RepairDeed,
    pub records: usize,
    /// Records that do not authenticate; they stay refused.
    pub tampered: Vec<Key>,
    pub lost: Vec<Loss>,
    /// Where the damaged files are now.
    pub aside: Option<std::path::PathBuf>,
    /// Set when the store is not served before an admin acknowledges that it is older than it once was.
    pub behind: Option<Behind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairDeed {
    /// The store is not damaged; nothing was changed.
    NothingToDo,
    Repaired,
    /// An earlier repair had been interrupted before its last step; that was made.
    Finished,
}

/// Why a store was not repaired; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("nothing of the store in {directory} can be kept: {reason}")]
    Hopeless { directory: std::path::PathBuf, reason: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_segments_is_the_key_of_their_text() {
        let long = "a".repeat(127);
        for segments in [&["user", "0f"][..], &["owners"], &["enrolment", "a.b_c-d", "totp"], &[&long, &long, "x"][..2]]
        {
            assert_eq!(Key::new(segments).unwrap(), Key::parse(&segments.join("/")).unwrap());
        }
        assert!(Key::new(&[&long, &long]).is_ok() && Key::new(&["a".repeat(256).as_str()]).is_ok());
        for segments in [
            &[][..],
            &[""],
            &["a", ""],
            &["", "a"],
            &["a/b"],
            &["a", "B"],
            &["a", "é"],
            &["a", " "],
            &["a", "b\0"],
            &[&long, &long, ""],
            &[&long, &long, "x"],
            &["a".repeat(257).as_str()],
        ] {
            assert!(Key::new(segments).is_err(), "{segments:?}");
            assert!(segments == ["a/b"] || Key::parse(&segments.join("/")).is_err(), "{segments:?}");
        }
    }
}
