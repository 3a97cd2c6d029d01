//! One file per danger, purpose lines, sizes, and words that have no place.

use super::Source;

const LINES_MAX: usize = 400;

/// A danger: the words that are it, and the files that may hold them with the reason.
struct Danger {
    name: &'static str,
    words: &'static [&'static str],
    /// Only files under these paths are looked at.
    under: &'static [&'static str],
    allowed: &'static [(&'static str, &'static str)],
}

const DANGERS: [Danger; 6] = [
    Danger {
        name: "unsafe code",
        words: &["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"],
        under: &["host/", "sdk/", "modules/", "tests/src/", "xtask/"],
        allowed: &[
            ("sdk/abi/src/lib.rs", "the exported static"),
            ("host/src/module_host/load.rs", "dlopen and the layout check"),
            (
                "host/src/module_host/lockdown.rs",
                "system calls without a safe form, before a module's first instruction",
            ),
            ("host/src/system_clock.rs", "adjtimex, to read only"),
            ("host/src/allocator.rs", "one option of the allocator, and advice on memory"),
            ("host/src/scheduling.rs", "the policy by which threads get the processor"),
        ],
    },
    Danger {
        name: "abi_stable",
        words: &["abi_stable::", "abi_stable;"],
        under: &["host/src/", "sdk/", "modules/"],
        allowed: &[("sdk/abi/src/lib.rs", "names the types"), ("host/src/module_host/load.rs", "checks the layout")],
    },
    Danger {
        name: "dlopen",
        words: &["libloading", "dlopen("],
        under: &["host/src/", "sdk/", "modules/"],
        allowed: &[("host/src/module_host/load.rs", "the only dlopen")],
    },
    Danger {
        name: "file writing",
        words: &["fs::write(", "File::create", "OpenOptions", "fs::rename(", "fs::remove_", "fs::copy(", "set_len("],
        under: &["host/src/"],
        allowed: &[
            ("host/src/store/", "the store writes, nobody else keeps data"),
            ("host/src/keys.rs", "makes the key file, once"),
            ("host/src/flow/test_stage.rs", "the clock of unit tests"),
            ("host/src/settings/replace_file.rs", "whole files an admin asks for: settings, an installed module"),
            ("host/src/wire/cli/made.rs", "takes back what a command that failed had made"),
            ("host/src/wire/control/", "the control socket's own file"),
        ],
    },
    Danger {
        name: "a default that says yes",
        words: &["unwrap_or(true)"],
        under: &["host/src/flow/", "host/src/provider/", "host/src/module_host/", "host/src/store/"],
        allowed: &[],
    },
    Danger {
        name: "a factor's name in the host, which knows no factor",
        words: &["totp", "backup_code", "insecure_example", "webauthn"],
        under: &["host/src/"],
        allowed: &[
            ("host/src/wire/cli/init.rs", "enables a module for a new directory"),
            ("host/src/settings/warnings.rs", "names the command that enables a first module"),
        ],
    },
];

/// Split so that this file does not find itself.
const BANNED: [&str; 7] = [
    concat!("_OUT", "PUT@"),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("#[ig", "nore"),
    concat!("todo", "!("),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
];

pub fn mistakes(sources: &[Source]) -> Vec<String> {
    let mut mistakes = Vec::new();
    for source in sources {
        if source.is_rust() {
            mistakes.extend(shape(source));
            mistakes.extend(DANGERS.iter().flat_map(|danger| danger.found_in(source)));
        }
        mistakes.extend(banned(source));
    }
    mistakes
}

/// A purpose line first, and no endless file.
fn shape(source: &Source) -> Vec<String> {
    let mut mistakes = Vec::new();
    let opening = source.text.lines().find(|line| !line.starts_with("#![") && !line.trim().is_empty());
    if !opening.is_some_and(|line| line.starts_with("//!")) {
        mistakes.push(format!("{}:1: opens without a purpose line (//!)", source.path));
    }
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        mistakes.push(format!("{}:1: has {lines} lines; look for the second room at {LINES_MAX}", source.path));
    }
    mistakes
}

fn banned(source: &Source) -> Vec<String> {
    let of_line = |(index, line): (usize, &str)| {
        let word = BANNED.iter().find(|word| line.contains(**word))?;
        Some(format!("{}:{}: {word} has no place here", source.path, index + 1))
    };
    source.text.lines().enumerate().filter_map(of_line).collect()
}

impl Danger {
    fn found_in(&self, source: &Source) -> Vec<String> {
        let watched = self.under.iter().any(|path| source.path.starts_with(path));
        let allowed = self.allowed.iter().any(|(path, _reason)| source.path.starts_with(path));
        // Tests beside the code make and break files at will.
        let is_test = source.path.ends_with("tests.rs") || source.path.contains("/tests/");
        if !watched || allowed || is_test || source.path.starts_with("xtask/src/tidy/") {
            return Vec::new();
        }
        source
            .code_lines_without_tests()
            .filter(|(_, line)| self.words.iter().any(|word| line.contains(word)))
            .map(|(number, _)| format!("{}:{number}: {} belongs elsewhere", source.path, self.name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        mistakes(&[Source { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn dangers_outside_their_files_are_found() {
        for (path, line) in [
            ("host/src/flow/login.rs", "let x = unsafe { f() };"),
            ("host/src/wire/http.rs", "std::fs::write(path, text)?;"),
            ("host/src/module_host/worker.rs", "use libloading::Library;"),
            ("sdk/src/module.rs", "use abi_stable::std_types::RString;"),
            ("host/src/flow/login.rs", "if module == \"totp\" {"),
        ] {
            assert_eq!(found(path, &format!("//! A purpose.\n{line}\n")).len(), 1, "{path} {line}");
        }
    }

    #[test]
    fn dangers_in_their_files_in_comments_and_in_tests_are_left_alone() {
        for (path, text) in [
            ("host/src/module_host/load.rs", "//! A purpose.\nlet x = unsafe { f() };\n"),
            ("host/src/store/json/journal.rs", "//! A purpose.\nstd::fs::rename(a, b)?;\n"),
            ("host/src/flow/login.rs", "//! A purpose.\n// totp needs no word here\n"),
            (
                "host/src/flow/login.rs",
                "//! A purpose.\n#[cfg(test)]\nmod tests {\n    const MODULE: &str = \"totp\";\n}\n",
            ),
        ] {
            assert!(found(path, text).is_empty(), "{path}: {:?}", found(path, text));
        }
    }

    #[test]
    fn purpose_lines_sizes_and_banned_words_are_checked() {
        assert_eq!(found("host/src/a.rs", "fn f() {}\n").len(), 1);
        assert_eq!(found("host/src/a.rs", "#![forbid(unsafe_code)]\n//! A purpose.\n"), Vec::<String>::new());
        assert_eq!(found("host/src/a.rs", &format!("//! A purpose.\n{}", "\n".repeat(400))).len(), 1);
        assert_eq!(found("README.md", &format!("{}: later\n", BANNED[0])).len(), 1);
    }
}
