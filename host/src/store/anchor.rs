//! The anchor: how far the journal had come, kept outside `.storage/`, so that an older copy of the journal is noticed.
//! It is written after the journal is durable, at most about once a second: it lags behind. It runs ahead only where older
//! records are put in place on purpose, by a restore or by a repair that lost something; nothing is served then, and the
//! anchor stays, until that is acknowledged.
//! A copy of journal and anchor together, put back together, cannot be told from the truth.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    disk::Disk,
    sealing::{Bound, Sealer},
};
use crate::clock::Timestamp;

const FORMAT: u64 = 1;

pub(super) struct Anchor {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    sealer: Arc<Sealer>,
}

/// What the file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Missing,
    /// Unreadable, edited, or sealed with another key.
    Unauthentic,
    Authentic {
        revision: u64,
        committed_at: Option<Timestamp>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnchorFile {
    format: u64,
    revision: u64,
    committed_at: Option<Timestamp>,
    sealed: String,
    key_id: String,
}

impl Anchor {
    pub(super) fn new(directory: &Path, disk: Arc<dyn Disk>, sealer: Arc<Sealer>) -> Self {
        Self { directory: directory.to_owned(), disk, sealer }
    }

    pub(super) fn path(directory: &Path) -> PathBuf {
        directory.join("storage.anchor")
    }

    /// # Errors
    /// When the file is there and the disk does not give its content.
    pub(super) fn read(&self) -> io::Result<Reading> {
        let bytes = match self.disk.read(&Self::path(&self.directory)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Reading::Missing),
            Err(error) => return Err(error),
        };
        Ok(self.authentic(&bytes).unwrap_or(Reading::Unauthentic))
    }

    /// Replaces the file as a whole.
    ///
    /// # Errors
    /// Any of the disk; the former file is then still there.
    pub(super) fn write(&self, revision: u64, committed_at: Option<Timestamp>) -> io::Result<()> {
        let sealed = self.sealer.sign(&self.bound(revision, committed_at))?;
        let file =
            AnchorFile { format: FORMAT, revision, committed_at, sealed, key_id: self.sealer.key_id().to_owned() };
        let mut line = serde_json::to_vec(&file)?;
        line.push(b'\n');
        let temporary = self.directory.join("storage.anchor.tmp");
        match self.disk.remove(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut open = self.disk.create(&temporary)?;
        open.write_at(0, &line)?;
        open.sync()?;
        self.disk.rename(&temporary, &Self::path(&self.directory))?;
        self.disk.sync_directory(&self.directory)
    }

    fn authentic(&self, bytes: &[u8]) -> Option<Reading> {
        let file: AnchorFile = serde_json::from_slice(bytes).ok()?;
        let signed = self.sealer.is_signed(&self.bound(file.revision, file.committed_at), &file.sealed);
        (signed && file.format == FORMAT)
            .then_some(Reading::Authentic { revision: file.revision, committed_at: file.committed_at })
    }

    fn bound(&self, revision: u64, committed_at: Option<Timestamp>) -> Bound {
        let committed_at = committed_at.map(Timestamp::rfc3339).unwrap_or_default();
        Bound::new("anchor").text(self.sealer.key_id()).number(revision).text(&committed_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::MasterKey, store::disk::SystemDisk};

    #[test]
    fn an_edited_anchor_is_not_authentic() {
        let folder = tempfile::tempdir().unwrap();
        let keys = MasterKey::create(&folder.path().join("key")).unwrap();
        let anchor = Anchor::new(folder.path(), Arc::new(SystemDisk), Arc::new(Sealer::new(&keys)));
        assert_eq!(anchor.read().unwrap(), Reading::Missing);
        anchor.write(11, None).unwrap();
        anchor.write(12, Some(Timestamp(1_000))).unwrap();
        assert_eq!(anchor.read().unwrap(), Reading::Authentic { revision: 12, committed_at: Some(Timestamp(1_000)) });
        let path = Anchor::path(folder.path());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"revision\":12", "\"revision\":11")).unwrap();
        assert_eq!(anchor.read().unwrap(), Reading::Unauthentic);
        std::fs::write(&path, "").unwrap();
        assert_eq!(anchor.read().unwrap(), Reading::Unauthentic);
    }
}
