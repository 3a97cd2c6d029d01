//! What a new password has to be, whoever sets it.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::settings::Passwords;

/// The hash takes any length; more than this is no password but a load.
const BYTES_MAX: usize = 1024;
const BLOCKLIST_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What has to be left of a password without the user's or the host's name.
const CHARS_BESIDE_A_NAME: usize = 6;
/// Shorter names stand in too many good passwords by chance.
const NAME_CHARS_MIN: usize = 3;
/// What is put behind a common word to satisfy a rule makes it no better: a year, a digit, a mark.
const TAIL_CHARS_MAX: usize = 5;

/// Why a password is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordRefusal {
    #[error("the password is too short: at least {length_min} characters")]
    TooShort { length_min: usize },
    #[error("the password is too long: at most {BYTES_MAX} bytes")]
    TooLong,
    #[error("the password is one of those everybody tries first")]
    TooCommon,
    #[error("the password is little more than the name of the user or of this host")]
    IsAName,
    #[error("the password is the former one")]
    Unchanged,
    #[error("the list of refused passwords cannot be read: {path}: {source}")]
    NoBlocklist { path: PathBuf, source: std::io::Error },
}

impl PasswordRefusal {
    /// For programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too_short",
            Self::TooLong => "too_long",
            Self::TooCommon => "too_common",
            Self::IsAName => "is_a_name",
            Self::Unchanged => "unchanged",
            Self::NoBlocklist { .. } => "no_blocklist",
        }
    }
}

/// Reads the block list each time, so that an edit of it counts at once. Blocks: not for the threads of requests.
pub fn check(
    rules: &Passwords,
    config_directory: &Path,
    names: &[String],
    password: &SecretString,
) -> Result<(), PasswordRefusal> {
    let password = password.expose_secret();
    if password.chars().count() < rules.length_min {
        return Err(PasswordRefusal::TooShort { length_min: rules.length_min });
    }
    if password.len() > BYTES_MAX {
        return Err(PasswordRefusal::TooLong);
    }
    let folded = Zeroizing::new(password.trim().to_lowercase());
    if is_common(&folded) {
        return Err(PasswordRefusal::TooCommon);
    }
    if names.iter().any(|name| is_little_more_than(&folded, name)) {
        return Err(PasswordRefusal::IsAName);
    }
    match &rules.blocklist_file {
        Some(file) if is_listed(&config_directory.join(file), &folded)? => Err(PasswordRefusal::TooCommon),
        _ => Ok(()),
    }
}

/// Why no password can be set; none when the block list can be read, or there is none.
pub fn problem(rules: &Passwords, config_directory: &Path) -> Option<String> {
    let file = rules.blocklist_file.as_ref()?;
    is_listed(&config_directory.join(file), "").err().map(|error| error.to_string())
}

fn is_little_more_than(folded: &str, name: &str) -> bool {
    let name = name.trim().to_lowercase();
    name.chars().count() >= NAME_CHARS_MIN
        && folded.contains(&name)
        && folded.replace(&name, "").chars().count() < CHARS_BESIDE_A_NAME
}

fn is_common(folded: &str) -> bool {
    let base = folded.trim_end_matches(|end: char| !end.is_alphabetic());
    let tail = folded.chars().count() - base.chars().count();
    is_a_run(folded) || COMMON.contains(&folded) || (tail <= TAIL_CHARS_MAX && COMMON_WORDS.contains(&base))
}

/// `aaaaaaaa`, `12345678`, `hgfedcba`, `abababab`.
fn is_a_run(folded: &str) -> bool {
    let codes: Vec<i64> = folded.chars().map(|letter| i64::from(u32::from(letter))).collect();
    let steps: Vec<i64> = codes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let is_even = steps.windows(2).all(|pair| pair[0] == pair[1]) && steps.first().is_none_or(|step| step.abs() <= 1);
    let repeats = |length: usize| codes.len() > length && codes.iter().zip(&codes[length..]).all(|(a, b)| a == b);
    is_even || repeats(1) || repeats(2) || repeats(3)
}

fn is_listed(path: &Path, folded: &str) -> Result<bool, PasswordRefusal> {
    let failed = |source| PasswordRefusal::NoBlocklist { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > BLOCKLIST_BYTES_MAX {
        return Err(failed(std::io::Error::other("not a file of at most 64 MiB")));
    }
    let mut lines = BufReader::new(file.take(BLOCKLIST_BYTES_MAX));
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(false);
        }
        let word = String::from_utf8_lossy(&line);
        let word = word.trim();
        if !word.is_empty() && word.to_lowercase() == folded {
            return Ok(true);
        }
    }
}

/// Words that make up most of the common passwords, alone or with a few digits or marks behind them.
const COMMON_WORDS: [&str; 72] = [
    "password",
    "passwort",
    "passw0rd",
    "p@ssword",
    "p@ssw0rd",
    "pa55word",
    "motdepasse",
    "contraseña",
    "contrasena",
    "wachtwoord",
    "parola",
    "senha",
    "qwerty",
    "qwertz",
    "azerty",
    "qwertyui",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfgh",
    "asdfghjk",
    "asdfghjkl",
    "zxcvbn",
    "zxcvbnm",
    "yxcvbnm",
    "welcome",
    "willkommen",
    "bienvenue",
    "letmein",
    "iloveyou",
    "ichliebedich",
    "tequiero",
    "admin",
    "administrator",
    "root",
    "superuser",
    "master",
    "secret",
    "geheim",
    "changeme",
    "default",
    "login",
    "access",
    "guest",
    "test",
    "testing",
    "sample",
    "example",
    "monkey",
    "dragon",
    "football",
    "baseball",
    "basketball",
    "superman",
    "batman",
    "pokemon",
    "starwars",
    "princess",
    "sunshine",
    "shadow",
    "michael",
    "jennifer",
    "charlie",
    "summer",
    "sommer",
    "winter",
    "spring",
    "autumn",
    "herbst",
    "computer",
    "internet",
    "freedom",
];

/// Others, as they are.
const COMMON: [&str; 40] = [
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx",
    "1qaz2wsx3edc",
    "1qaz!qaz",
    "q1w2e3r4",
    "q1w2e3r4t5",
    "qazwsxedc",
    "zaq12wsx",
    "zaq1zaq1",
    "!qaz2wsx",
    "qweasdzxc",
    "qwe123qwe",
    "123qweasd",
    "123qwe123",
    "qwerty123456",
    "12345678910",
    "1234567890",
    "0123456789",
    "0987654321",
    "9876543210",
    "1234512345",
    "12341234",
    "12344321",
    "11223344",
    "1122334455",
    "123321123",
    "147258369",
    "741852963",
    "159753456",
    "741852963",
    "a1b2c3d4",
    "abcd1234",
    "abc123456",
    "abcdef123",
    "trustno1",
    "correcthorsebatterystaple",
    "letmeinnow",
    "whatever1",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn word_of(rules: &Passwords, directory: &Path, password: &str) -> &'static str {
        let names = ["Ann Lee".to_owned(), "bo".to_owned(), "login.example.org".to_owned()];
        check(rules, directory, &names, &SecretString::from(password)).map_or_else(|refusal| refusal.word(), |()| "")
    }

    fn said(password: &str) -> &'static str {
        word_of(&Passwords::default(), Path::new("/"), password)
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for common in [
            "password",
            "PassWord1",
            "Password2024!",
            "qwertz123",
            " iloveyou ",
            "aaaaaaaa",
            "12345678",
            "87654321",
            "abcdefgh",
            "abababab",
            "abcabcabc",
            "1Q2W3E4R",
            "Summer2026!",
            "administrator",
        ] {
            assert_eq!(said(common), "too_common", "{common}");
        }
        for good in ["correct-horse-7Zq-battery", "password-of-a-good-length", "zt7.kk2p", "ßßüüääöö-ß", "4711-0815-x"]
        {
            assert_eq!(said(good), "", "{good}");
        }
    }

    #[test]
    fn length_is_counted_in_characters_and_bounded_in_bytes() {
        assert_eq!((said("ä".repeat(3).as_str()), said("kz7ä.ßx")), ("too_short", "too_short"));
        assert_eq!(said(&"kz7".repeat(400)), "too_long");
    }

    #[test]
    fn names_with_little_else_are_refused() {
        for name in ["ann lee1", "12ANN LEE34", "login.example.org", "ann leeann lee"] {
            assert_eq!(said(name), "is_a_name", "{name}");
        }
        assert_eq!((said("ann lee and her k9"), said("bobobo77x")), ("", ""));
    }

    #[test]
    fn a_list_counts_line_by_line_and_one_that_cannot_be_read_refuses_all() {
        let directory = tempfile::tempdir().unwrap();
        let rules = Passwords { blocklist_file: Some("list".into()), ..Passwords::default() };
        assert_eq!(word_of(&rules, directory.path(), "kranich und wal"), "no_blocklist");
        assert!(problem(&rules, directory.path()).is_some());
        std::fs::write(directory.path().join("list"), b"\n\xff\xfe\nKranich und Wal\r\nlast words").unwrap();
        assert!(problem(&rules, directory.path()).is_none());
        assert_eq!(word_of(&rules, directory.path(), "kranich UND wal"), "too_common");
        assert_eq!(word_of(&rules, directory.path(), "Last Words"), "too_common");
        assert_eq!(word_of(&rules, directory.path(), "kranich und"), "");
    }
}
