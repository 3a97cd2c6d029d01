//! A disk in memory that remembers what a power cut could take back. What a cut may leave: of every write that was not
//! synced any 512-byte block, part of one, or zeros where the file grew, in any order; of every name that was not synced
//! with its directory either state. What it may not touch: bytes that were synced and are not written again, and bytes
//! written again with what they were.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use crate::store::disk::{Disk, DiskFile};

const BLOCK: usize = 512;

/// Small numbers that follow from a seed (splitmix64).
#[derive(Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// What an operation did to the disk.
#[derive(Clone)]
pub(super) enum Effect {
    Write(usize, usize, Vec<u8>),
    Truncate(usize, usize),
    Sync(usize),
    /// The sync failed: of what was unsynced a part is on disk, and the rest stays visible and never gets there.
    FailedSync(usize, Dice),
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    SyncDirectory(PathBuf),
}

#[derive(Clone)]
enum Pending {
    /// At most one block.
    Piece(usize, Vec<u8>),
    Length(usize),
}

#[derive(Clone, Default)]
struct Inode {
    visible: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

#[derive(Clone)]
enum Renaming {
    Link(PathBuf, usize),
    Rename(PathBuf, PathBuf, usize),
    Remove(PathBuf),
}

type Names = BTreeMap<PathBuf, usize>;

/// The state of a disk.
#[derive(Clone, Default)]
pub(super) struct Image {
    inodes: Vec<Inode>,
    names: Names,
    durable_names: Names,
    pending_names: Vec<Renaming>,
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    content.resize(content.len().max(offset + bytes.len()), 0);
    content[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl Inode {
    fn settle(&mut self, pending: &Pending) {
        match pending {
            Pending::Piece(offset, bytes) => put(&mut self.durable, *offset, bytes),
            Pending::Length(length) => self.durable.resize(*length, 0),
        }
    }

    /// A part of what is pending gets to the disk, in an order of its own; how much depends on the cut.
    fn cut(&mut self, dice: &mut Dice) {
        let kept = [0, 100, 50, 80, 20][dice.below(5)];
        let synced = self.durable.len();
        let mut pending = std::mem::take(&mut self.pending);
        if dice.chance(30) {
            for index in (1..pending.len()).rev() {
                // A length is set by the file system's own journal, in order with the writes around it.
                let other = dice.below(index + 1);
                if pending[other..=index].iter().all(|pending| matches!(pending, Pending::Piece(..))) {
                    pending.swap(index, other);
                }
            }
        }
        for pending in pending {
            if dice.chance(kept) {
                self.settle(&pending);
            } else if let Pending::Piece(offset, bytes) = pending {
                match dice.below(3) {
                    0 => put(&mut self.durable, offset, &bytes[..dice.below(bytes.len())]),
                    1 if offset >= synced => put(&mut self.durable, offset, &vec![0; bytes.len()]),
                    _ => {}
                }
            }
        }
        if self.durable.len() < self.visible.len() && dice.chance(20) {
            self.durable.resize(self.visible.len(), 0);
        }
    }
}

fn rename_in(names: &mut Names, change: &Renaming) {
    match change {
        Renaming::Link(path, inode) => drop(names.insert(path.clone(), *inode)),
        Renaming::Rename(from, to, inode) => {
            if names.get(from) == Some(inode) {
                names.remove(from);
            }
            names.insert(to.clone(), *inode);
        }
        Renaming::Remove(path) => drop(names.remove(path)),
    }
}

fn is_in(change: &Renaming, directory: &Path) -> bool {
    let (Renaming::Link(path, _) | Renaming::Rename(_, path, _) | Renaming::Remove(path)) = change;
    path.parent() == Some(directory)
}

impl Image {
    pub(super) fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Write(inode, offset, bytes) => {
                let inode = &mut self.inodes[*inode];
                put(&mut inode.visible, *offset, bytes);
                let mut at = *offset;
                while at < offset + bytes.len() {
                    let end = ((at / BLOCK + 1) * BLOCK).min(offset + bytes.len());
                    inode.pending.push(Pending::Piece(at, bytes[at - offset..end - offset].to_vec()));
                    at = end;
                }
            }
            Effect::Truncate(inode, length) => {
                self.inodes[*inode].visible.resize(*length, 0);
                self.inodes[*inode].pending.push(Pending::Length(*length));
            }
            Effect::Sync(inode) => {
                let inode = &mut self.inodes[*inode];
                for pending in std::mem::take(&mut inode.pending) {
                    inode.settle(&pending);
                }
            }
            Effect::FailedSync(inode, dice) => self.inodes[*inode].cut(&mut dice.clone()),
            Effect::Link(path, inode) => {
                self.inodes.resize_with(self.inodes.len().max(inode + 1), Inode::default);
                self.rename(Renaming::Link(path.clone(), *inode));
            }
            Effect::Rename(from, to) => {
                let inode = self.names[from];
                self.rename(Renaming::Rename(from.clone(), to.clone(), inode));
            }
            Effect::Remove(path) => self.rename(Renaming::Remove(path.clone())),
            Effect::SyncDirectory(directory) => {
                let names = std::mem::take(&mut self.pending_names);
                let (synced, waiting) = names.into_iter().partition(|change| is_in(change, directory));
                self.pending_names = waiting;
                let synced: Vec<_> = synced;
                synced.iter().for_each(|change| rename_in(&mut self.durable_names, change));
            }
        }
    }

    fn rename(&mut self, change: Renaming) {
        rename_in(&mut self.names, &change);
        self.pending_names.push(change);
    }

    /// What is there when the power comes back.
    pub(super) fn after_power_cut(&self, dice: &mut Dice) -> Self {
        let mut image = self.clone();
        let kept = [0, 100, 50][dice.below(3)];
        for change in std::mem::take(&mut image.pending_names) {
            if dice.chance(kept) {
                rename_in(&mut image.durable_names, &change);
            }
        }
        image.names.clone_from(&image.durable_names);
        for inode in &mut image.inodes {
            inode.cut(dice);
            inode.visible.clone_from(&inode.durable);
        }
        image
    }

    /// The names with their contents, for a message about what went wrong.
    pub(super) fn told(&self) -> String {
        let file = |(path, inode): (&PathBuf, &usize)| {
            format!("== {}\n{}", path.display(), String::from_utf8_lossy(&self.inodes[*inode].visible))
        };
        self.names.iter().map(file).collect()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Full,
    Broken,
}

#[derive(Default)]
struct Inside {
    image: Image,
    trace: Vec<Effect>,
    operations: usize,
    /// Which operation fails, once.
    fails_at: Option<(usize, Fault, Dice)>,
}

/// The disk as the store sees it; it keeps a trace of all effects.
#[derive(Clone, Default)]
pub(super) struct PowerDisk(Arc<Mutex<Inside>>);

impl PowerDisk {
    pub(super) fn of(image: Image) -> Self {
        Self(Arc::new(Mutex::new(Inside { image, ..Inside::default() })))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap()
    }

    /// The operation after `operations` more fails.
    pub(super) fn fail_after(&self, operations: usize, fault: Fault, dice: Dice) {
        let mut inside = self.inside();
        inside.fails_at = Some((inside.operations + operations, fault, dice));
    }

    pub(super) fn image(&self) -> Image {
        self.inside().image.clone()
    }

    /// How many effects there were.
    pub(super) fn moment(&self) -> usize {
        self.inside().trace.len()
    }

    pub(super) fn trace(&self) -> Vec<Effect> {
        self.inside().trace.clone()
    }
}

impl Inside {
    fn does(&mut self, effect: Effect) {
        self.image.apply(&effect);
        self.trace.push(effect);
    }

    /// Counts an operation; the fault, if it is the one that fails.
    fn fault(&mut self) -> Option<(io::Error, Dice)> {
        self.operations += 1;
        if self.fails_at.as_ref().is_none_or(|(at, ..)| *at >= self.operations) {
            return None;
        }
        let (_, fault, dice) = self.fails_at.take()?;
        let error = match fault {
            Fault::Full => io::ErrorKind::StorageFull.into(),
            Fault::Broken => io::Error::from_raw_os_error(5),
        };
        Some((error, dice))
    }

    /// A change of names: all or nothing, and either of them when it fails.
    fn renames(&mut self, effect: Effect) -> io::Result<()> {
        let Some((error, mut dice)) = self.fault() else {
            self.does(effect);
            return Ok(());
        };
        if dice.chance(50) {
            self.does(effect);
        }
        Err(error)
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.image.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

struct PowerFile {
    disk: PowerDisk,
    inode: usize,
}

impl DiskFile for PowerFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inside = self.disk.inside();
        let offset = usize::try_from(offset).unwrap();
        match inside.fault() {
            None => inside.does(Effect::Write(self.inode, offset, bytes.to_vec())),
            Some((error, mut dice)) => {
                let part = &bytes[..dice.below(bytes.len() + 1)];
                inside.does(Effect::Write(self.inode, offset, part.to_vec()));
                return Err(error);
            }
        }
        Ok(())
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let effect = Effect::Truncate(self.inode, usize::try_from(length).unwrap());
        self.disk.inside().renames(effect)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut inside = self.disk.inside();
        let fault = inside.fault();
        inside.does(match &fault {
            None => Effect::Sync(self.inode),
            Some((_, dice)) => Effect::FailedSync(self.inode, dice.clone()),
        });
        fault.map_or(Ok(()), |(error, _)| Err(error))
    }
}

impl Disk for PowerDisk {
    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let inside = self.inside();
        let here = inside.image.names.keys().filter(|path| path.parent() == Some(directory));
        Ok(here.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let inside = self.inside();
        Ok(inside.image.inodes[inside.inode(path)?].visible.clone())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut inside = self.inside();
        if inside.image.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = inside.image.inodes.len();
        inside.renames(Effect::Link(path.to_owned(), inode))?;
        Ok(Box::new(PowerFile { disk: self.clone(), inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.inside().inode(path)?;
        Ok(Box::new(PowerFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inside().inode(from)?;
        self.inside().renames(Effect::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inside().inode(path)?;
        self.inside().renames(Effect::Remove(path.to_owned()))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut inside = self.inside();
        // After a failure the names wait for the next sync: the file system's journal keeps them in order.
        if let Some((error, _)) = inside.fault() {
            return Err(error);
        }
        inside.does(Effect::SyncDirectory(directory.to_owned()));
        Ok(())
    }
}
