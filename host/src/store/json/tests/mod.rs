//! A store in a temporary folder, its files as bytes, and images of them from before a crash or an attack.

mod attacks;
mod backups;
mod commits;
mod crashes;
mod faults;
mod histories;
mod life;
mod linear;
mod pipeline;
mod power;
mod repairs;
mod short_disk;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    super::{
        contract::{Change, Content, Expectation, Key, OpenReport, Revision},
        disk::{Disk, SystemDisk},
    },
    handle::Store,
    opening::{self, Options},
};
use crate::{clock::Clock, keys::MasterKey};

struct Place {
    folder: TempDir,
    keys: MasterKey,
}

/// The names and contents of `.storage/`, and the anchor.
type Image = BTreeMap<PathBuf, Vec<u8>>;

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = MasterKey::create(&folder.path().join("host.key")).unwrap();
        Store::create(folder.path()).unwrap();
        let place = Self { folder, keys };
        place.set_clock(1_700_000_000_000, 1_000_000);
        place
    }

    fn set_clock(&self, wall_ms: i64, boot_ms: i64) {
        let reading = json!({"wall_ms": wall_ms, "boot_ms": boot_ms, "boot_id": "one"}).to_string();
        let temporary = self.path().join("clock.tmp");
        fs::write(&temporary, reading).unwrap();
        fs::rename(temporary, self.path().join("clock.json")).unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn clock(&self) -> Clock {
        Clock::File(self.path().join("clock.json"))
    }

    fn open_on(&self, disk: Arc<dyn Disk>, compacts: bool) -> (Store, OpenReport) {
        opening::open(
            self.path(),
            &self.keys,
            self.clock(),
            disk,
            Options { compacts, room_bytes: ROOM_BYTES, ..Options::default() },
        )
        .unwrap()
    }

    fn open(&self) -> (Store, OpenReport) {
        self.open_on(Arc::new(SystemDisk), false)
    }

    /// As [`Place::open`], and an older copy is taken for the present one.
    fn open_older(&self) -> (Store, OpenReport) {
        self.open_acknowledging(Arc::new(SystemDisk), &|_| Vec::new())
    }

    fn open_acknowledging(
        &self,
        disk: Arc<dyn Disk>,
        changes: &dyn Fn(&OpenReport) -> Vec<Change>,
    ) -> (Store, OpenReport) {
        let options = Options { compacts: false, room_bytes: ROOM_BYTES, acknowledges: Some(changes) };
        opening::open(self.path(), &self.keys, self.clock(), disk, options).unwrap()
    }

    fn image(&self) -> Image {
        let storage = fs::read_dir(self.path().join(".storage")).unwrap().map(|entry| entry.unwrap().path());
        storage
            .chain([self.path().join("storage.anchor")])
            .filter(|path| path.is_file() && !path.ends_with("lock"))
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    }

    fn put_back(&self, image: &Image) {
        for path in self.image().into_keys() {
            fs::remove_file(path).unwrap();
        }
        for (path, bytes) in image {
            fs::write(path, bytes).unwrap();
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(".storage").join(name)
    }

    /// Rewrites the lines of a file.
    fn edit(&self, name: &str, change: impl Fn(Vec<String>) -> Vec<String>) {
        let path = self.file(name);
        let lines = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
        fs::write(path, change(lines).iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
}

/// Small, so that the journal grows often.
const ROOM_BYTES: u64 = 700;
const JOURNAL: &str = "journal-0000000001.jsonl";

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn content(number: u64) -> Content {
    let secret = json!({"hidden": format!("s{number}")});
    Content::new(&json!({"number": number, "user": "anna"}), &secret).unwrap()
}

fn put(name: &str, number: u64) -> Change {
    Change::Put(key(name), content(number))
}

async fn write(store: &Store, name: &str, number: u64) -> Revision {
    store.commit(vec![put(name, number)], vec![]).await.unwrap()
}

async fn number(store: &Store, name: &str) -> Option<u64> {
    Some(number_in(&store.read(&key(name)).await.unwrap()?.content))
}

/// The number it holds; nothing else may be in it but what belongs to that number.
fn number_in(found: &Content) -> u64 {
    let number = found.open::<Value>().unwrap()["number"].as_u64().unwrap();
    assert_eq!(*found, content(number));
    number
}

fn absent(name: &str) -> Expectation {
    Expectation::Absent(key(name))
}

/// The line of `name` (its `nth`, from 0) in `lines`.
fn line_of(lines: &[String], name: &str, nth: usize) -> usize {
    let begin = format!("{{\"key\":\"{name}\"");
    lines.iter().enumerate().filter(|(_, line)| line.starts_with(&begin)).nth(nth).unwrap().0
}

/// Makes byte counts and checksums right again, as an attacker can: they are no secret.
fn fix_checksums(mut lines: Vec<String>) -> Vec<String> {
    for index in 0..lines.len() {
        let Ok(Value::Object(mut header)) = serde_json::from_str::<Value>(&lines[index]) else { continue };
        let Some(count) = header.get("records").and_then(Value::as_array).map(Vec::len) else { continue };
        let body: String = lines[index + 1..=index + count].iter().map(|line| format!("{line}\n")).collect();
        header.insert("bytes".into(), body.len().into());
        header.insert("checksum".into(), super::frame::checksum(body.as_bytes()).into());
        lines[index] = Value::Object(header).to_string();
    }
    lines
}
