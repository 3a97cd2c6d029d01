//! A copy of the workspace whose host has every mutation in it, built once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{
    list::Mutant,
    weave::{self, Woven},
};
use crate::{Failure, root, stage, target_directory};

/// How often what does not compile may be left out before something else must be wrong.
const CHECKS_MAX: usize = 60;

/// What wakes a mutation, and what a host keeps a record in of those it came by.
pub const CALLED: &str = "MFA_HOST_MUTANT";
pub const SEEN: &str = "MFA_HOST_MUTANTS_SEEN";

const LIBRARY: &str = "host/src/lib.rs";

/// What is put at its beginning: woven code warns of hundreds of things, and computes what cannot be.
const QUIET: &str = "#![allow(warnings, arithmetic_overflow, unconditional_panic)]\n";

/// What is put at its end.
const SWITCH: &str = r#"
/// Whether this mutation is the one that is tried.
pub fn mutant(number: usize) -> bool {
    static CALLED: std::sync::OnceLock<(usize, Option<std::ffi::OsString>)> = std::sync::OnceLock::new();
    static SEEN: std::sync::Mutex<std::collections::BTreeSet<usize>> =
        std::sync::Mutex::new(std::collections::BTreeSet::new());
    let (called, file) = CALLED.get_or_init(|| {
        let called = std::env::var("MFA_HOST_MUTANT").ok().and_then(|text| text.parse().ok());
        (called.unwrap_or(usize::MAX), std::env::var_os("MFA_HOST_MUTANTS_SEEN"))
    });
    if let Some(file) = file
        && SEEN.lock().expect("no panic holds it").insert(number)
    {
        use std::io::Write;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
        writeln!(file.expect("a file to write to"), "{number}").expect("it is written");
    }
    *called == number
}
"#;

/// The copy.
pub struct Tree {
    path: PathBuf,
    target: PathBuf,
}

impl Tree {
    /// Copies what version control knows, or would. What is woven is written when it is.
    pub fn copy(mutants: &[Mutant]) -> Result<Self, Failure> {
        let target = target_directory().join("mutants");
        let tree = Self { path: target.join("tree"), target };
        let listed = Command::new("git")
            .current_dir(root())
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .output()?;
        if !listed.status.success() {
            return Err("git ls-files failed: the copy is of what version control knows".into());
        }
        let names = String::from_utf8(listed.stdout)?;
        let names: BTreeSet<&str> = names.split('\0').filter(|name| root().join(name).is_file()).collect();
        tree.forget_others(&tree.path, &names)?;
        let woven = by_file(mutants);
        for name in names.into_iter().filter(|name| *name != LIBRARY && !woven.contains_key(name)) {
            write_if_changed(&tree.path.join(name), &fs::read(root().join(name))?)?;
        }
        Ok(tree)
    }

    /// Files of an earlier copy that are no more.
    fn forget_others(&self, directory: &Path, names: &BTreeSet<&str>) -> Result<(), Failure> {
        let Ok(entries) = fs::read_dir(directory) else { return Ok(()) };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                self.forget_others(&path, names)?;
            } else if !path.strip_prefix(&self.path)?.to_str().is_some_and(|name| names.contains(name)) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Weaves in all that compile. Returns the numbers that are in.
    pub fn weave_all(&self, mutants: &[Mutant]) -> Result<BTreeSet<usize>, Failure> {
        let notes = self.target.join(format!("left-out-{:016x}", hash_of(mutants)?));
        let left_out: BTreeSet<usize> = numbers_in(&fs::read_to_string(&notes).unwrap_or_default());
        let mut kept: BTreeSet<usize> = with_a_place(mutants)?;
        kept.retain(|number| !left_out.contains(number));
        let text = fs::read_to_string(root().join(LIBRARY))?;
        write_if_changed(&self.path.join(LIBRARY), format!("{QUIET}{text}{SWITCH}").as_bytes())?;
        for _ in 0..CHECKS_MAX {
            let woven = self.weave(mutants, &kept)?;
            let refused = self.refused(&woven)?;
            if refused.is_empty() {
                return Ok(kept);
            }
            kept.retain(|number| !refused.contains(number));
            let left_out = (0..mutants.len()).filter(|number| !kept.contains(number));
            println!("   {} do not compile and are left out", left_out.clone().count());
            fs::write(&notes, left_out.map(|number| format!("{number}\n")).collect::<String>())?;
        }
        Err("the mutations do not compile together".into())
    }

    fn weave(&self, mutants: &[Mutant], kept: &BTreeSet<usize>) -> Result<BTreeMap<String, Woven>, Failure> {
        let mut woven = BTreeMap::new();
        for (file, own) in by_file(mutants) {
            let own: Vec<_> = own.into_iter().filter(|(number, _)| kept.contains(number)).collect();
            let done = weave::weave(&fs::read_to_string(root().join(file))?, &own)?;
            write_if_changed(&self.path.join(file), done.text.as_bytes())?;
            woven.insert(file.to_owned(), done);
        }
        Ok(woven)
    }

    /// The mutations the compiler complains of.
    fn refused(&self, woven: &BTreeMap<String, Woven>) -> Result<BTreeSet<usize>, Failure> {
        let mut check = self.cargo(&["check", "--package", "mfa-host", "--lib", "--message-format", "json"]);
        let output = check.stderr(Stdio::null()).output()?;
        let mut refused = BTreeSet::new();
        let mut other = Vec::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let message: Value = serde_json::from_str(line)?;
            let message = &message["message"];
            if message["level"] != "error" {
                continue;
            }
            let found = numbers_of(message, woven);
            if found.is_empty() && message["spans"].as_array().is_some_and(|spans| !spans.is_empty()) {
                other.push(message["rendered"].as_str().unwrap_or_default().to_owned());
            }
            refused.extend(found);
        }
        if refused.is_empty() && !output.status.success() {
            return Err(format!("the host with its mutations does not compile:\n{}", other.join("\n")).into());
        }
        Ok(refused)
    }

    /// The woven host and the modules, for tests from outside.
    pub fn build_host(&self) -> Result<(), Failure> {
        stage::check(&mut self.cargo(&["build", "--quiet", "--workspace", "--exclude", "xtask"]))
    }

    /// The unit tests of the woven host.
    pub fn unit_tests(&self) -> Result<PathBuf, Failure> {
        executable(&mut self.cargo(&["test", "--quiet", "--package", "mfa-host", "--lib"]))
    }

    /// Where the woven host and the modules are.
    pub fn binaries(&self) -> PathBuf {
        self.target.join("debug")
    }

    /// Where it is kept which tests come by which mutations.
    pub fn reach(&self) -> PathBuf {
        self.target.join("reach.json")
    }

    /// Where it is kept which mutations were caught.
    pub fn caught(&self) -> PathBuf {
        self.target.join("caught.json")
    }

    /// A copy of a test binary, so that work on the tests does not disturb a run of hours.
    pub fn keep(&self, binary: &Path) -> Result<PathBuf, Failure> {
        let kept = self.target.join(binary.file_name().ok_or("a binary has a name")?);
        fs::copy(binary, &kept)?;
        Ok(kept)
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = stage::cargo(arguments);
        command.current_dir(&self.path).env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

/// Of the text of all files with mutations, up to their unit tests, which are never mutated.
fn hash_of(mutants: &[Mutant]) -> Result<u64, Failure> {
    let mut hasher = DefaultHasher::new();
    for file in by_file(mutants).keys() {
        mutated_part(&fs::read_to_string(root().join(file))?).hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// Of each file with mutations by itself.
pub fn file_hashes(mutants: &[Mutant]) -> Result<BTreeMap<String, String>, Failure> {
    let mut hashes = BTreeMap::new();
    for file in by_file(mutants).keys() {
        let mut hasher = DefaultHasher::new();
        mutated_part(&fs::read_to_string(root().join(file))?).hash(&mut hasher);
        hashes.insert((*file).to_owned(), format!("{:016x}", hasher.finish()));
    }
    Ok(hashes)
}

fn mutated_part(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// One number a line.
pub fn numbers_in(text: &str) -> BTreeSet<usize> {
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Builds a test binary and says where it lies.
pub fn executable(command: &mut Command) -> Result<PathBuf, Failure> {
    let output = command.args(["--no-run", "--message-format", "json"]).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let built = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut built = built.filter_map(|line| line["executable"].as_str().map(PathBuf::from));
    built.next_back().filter(|_| output.status.success()).ok_or_else(|| "the tests could not be built".into())
}

/// All mutations of a file with their numbers.
pub fn by_file(mutants: &[Mutant]) -> BTreeMap<&str, Vec<(usize, &Mutant)>> {
    let mut files: BTreeMap<&str, Vec<(usize, &Mutant)>> = BTreeMap::new();
    for (number, mutant) in mutants.iter().enumerate() {
        files.entry(&mutant.file).or_default().push((number, mutant));
    }
    files
}

/// Those that can be woven in: a condition that binds a name on the way, for one, knows no other operator.
fn with_a_place(mutants: &[Mutant]) -> Result<BTreeSet<usize>, Failure> {
    let mut numbers = BTreeSet::new();
    for (file, own) in by_file(mutants) {
        let subjects = weave::subjects(&fs::read_to_string(root().join(file))?, &own)?;
        numbers.extend(subjects.into_iter().map(|(number, _)| number));
    }
    Ok(numbers)
}

fn numbers_of(message: &Value, woven: &BTreeMap<String, Woven>) -> BTreeSet<usize> {
    let spans = message["spans"].as_array().into_iter().flatten().filter(|span| span["is_primary"] == true);
    let mut numbers = BTreeSet::new();
    for span in spans {
        let woven = span["file_name"].as_str().and_then(|name| woven.get(name));
        let byte = span["byte_start"].as_u64().and_then(|byte| usize::try_from(byte).ok());
        if let (Some(woven), Some(byte)) = (woven, byte) {
            numbers.extend(woven.at(byte));
        }
    }
    numbers
}

fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if fs::read(path).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().ok_or("a file stands in a directory")?)?;
    Ok(fs::write(path, bytes)?)
}
