//! From the file to settings that were checked, or to the first mistake in it.

use std::path::{Path, PathBuf};

use super::{Settings, check, locate};

/// The settings file in a configuration directory.
pub const FILE_NAME: &str = "host.toml";

/// What an address to listen on looks like.
pub const ADDRESS_EXPECTED: &str = "an address and a port are expected, such as 127.0.0.1:8126 or [::1]:8126";

/// A settings file larger than this is a mistake, not a configuration.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("there is no settings file {0}; `mfa-host --config DIR init --user NAME` makes one")]
    Missing(PathBuf),
    #[error("read {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path}:1: the file has {bytes} bytes, more than {FILE_BYTES_MAX}; it is not a settings file")]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error(transparent)]
    Mistake(#[from] Mistake),
}

/// One mistake in the file, with the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {problem}; {remedy}")]
pub struct Mistake {
    pub path: PathBuf,
    /// Counted from 1.
    pub line: usize,
    pub problem: String,
    pub remedy: String,
}

/// Reads and checks `config_directory/host.toml`.
///
/// # Errors
/// The file is missing, unreadable, too large, or holds a mistake.
pub fn load(config_directory: &Path) -> Result<Settings, SettingsError> {
    Ok(load_with_text(config_directory)?.0)
}

/// Like [`load`], with the text the settings were read from.
pub fn load_with_text(config_directory: &Path) -> Result<(Settings, String), SettingsError> {
    let path = config_directory.join(FILE_NAME);
    let text = read(&path)?;
    let settings = parse(&path, &text)?;
    Ok((settings, text))
}

fn read(path: &Path) -> Result<String, SettingsError> {
    let unreadable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => SettingsError::Missing(path.to_owned()),
        _ => SettingsError::Unreadable { path: path.to_owned(), source },
    };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(SettingsError::TooLarge { path: path.to_owned(), bytes });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// Settings from a text; `path` is only named in mistakes.
///
/// # Errors
/// The first mistake in the text.
pub fn parse(path: &Path, text: &str) -> Result<Settings, Mistake> {
    let mut settings: Settings = toml::from_str(text).map_err(|error| Mistake {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| locate::line_of_offset(text, span.start)),
        problem: problem_of(error.message()),
        remedy: remedy_for(error.message()).to_owned(),
    })?;
    check::check(&settings, &|place, problem, remedy| Mistake {
        path: path.to_owned(),
        line: locate::line_of_place(text, place),
        problem,
        remedy,
    })?;
    for (index, module) in settings.modules.iter_mut().enumerate() {
        module.line = locate::line_of_place(text, &format!("module.{index}"));
    }
    Ok(settings)
}

fn problem_of(message: &str) -> String {
    match message {
        // What the standard library says of a text that is no address.
        "invalid socket address syntax" => ADDRESS_EXPECTED.to_owned(),
        _ => message.replace('\n', " "),
    }
}

fn remedy_for(message: &str) -> &'static str {
    if message.starts_with("unknown field") {
        "remove the key or correct its spelling"
    } else if message.starts_with("missing field") {
        "add the key"
    } else if message.starts_with("duplicate") {
        "keep one of them"
    } else {
        "correct the value; config/host.sample.toml shows every key"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[provider]]\ntype = \"local\"\n";

    fn mistake(text: &str) -> Mistake {
        parse(Path::new("host.toml"), text).expect_err("a mistake")
    }

    #[test]
    fn the_sample_is_valid() {
        let sample = include_str!("../../../config/host.sample.toml");
        let settings = parse(Path::new("host.toml"), sample).unwrap();
        assert!(settings.modules.iter().any(|module| module.id() == "totp" && module.enabled));
    }

    #[test]
    fn every_mistake_names_its_line() {
        let hash = "0".repeat(64);
        let cases: &[(&str, usize, &str)] = &[
            ("\nlisten = 5\n", 2, "invalid"),
            ("\n\ncolour = 1\n", 3, "colour"),
            ("name = \"a\"\nname = \"b\"\n", 2, "duplicate"),
            ("\npublic_url = \"ftp://x\"\n", 2, "http"),
            ("public_url = \"https://x/login\"\n", 1, "path"),
            ("public_url = \"https://x/?a\"\n", 1, "query"),
            ("public_url = \"https://a:b@x\"\n", 1, "user"),
            ("\nname = \"\"\n", 2, "name"),
            ("secret_key_file = \".storage/key\"\n", 1, ".storage"),
            ("[limits]\n\nsession_lifetime_s = 0\n", 3, "session_lifetime_s"),
            ("[limits]\nbody_bytes_max = 99999999999\n", 2, "body_bytes_max"),
            ("[limits]\nmodule_slots = -1\n", 2, "invalid"),
            ("[limits]\nrequest_timeout_s = 2\nmodule_deadline_ms = 3000\n", 3, "request_timeout_s"),
            ("[argon2]\niterations = 1\nmemory_kib = 8\n", 3, "memory_kib"),
            ("[argon2]\nparallelism = 0\n", 2, "parallelism"),
            ("[[client]]\nid = \"a\"\n\n[[client]]\nid = \"a\"\n", 5, "twice"),
            ("[[client]]\nid = \"a\"\nredirect_uris = [\n  \"http://a/\",\n  \"nonsense\",\n]\n", 5, "nonsense"),
            ("[[client]]\nid = \"a\"\nname = \" \"\n", 3, "the client's name"),
            ("[[client]]\nid = \"a\"\nredirect_uris = [\"javascript:alert(1)\"]\n", 3, "javascript"),
            ("[[module]]\ntype = \"a\"\n[[module]]\ntype = \"a\"\n", 4, "twice"),
            ("[[module]]\ntype = \"a\"\n[[module]]\ntype = \"b\"\nid = \"a\"\n", 5, "twice"),
            ("[[module]]\ntype = \"../a\"\n", 2, "type"),
            ("[[module]]\ntype = \"a\"\nid = \"A\"\n", 3, "id"),
            ("[[module]]\ntype = \"a\"\nsha256 = \"12\"\n", 3, "sha256"),
            ("[[module]]\ntype = \"a\"\namr = [\"otp\", \"mfa\"]\n", 3, "mfa"),
            ("[[module]]\ntype = \"a\"\namr = [\"strong\"]\n", 3, "strong"),
            ("[[module]]\nid = \"a\"\n", 1, "type"),
            ("[[provider]]\ntype = \"legacy_api_password\"\n", 4, "user"),
            ("[[provider]]\ntype = \"legacy_api_password\"\nuser = \"a\"\n", 4, "password_file"),
            ("[[provider]]\ntype = \"local\"\nid = \"x\"\npassword_file = \"f\"\n", 7, "password_file"),
            ("[[provider]]\ntype = \"local\"\n", 4, "twice"),
            ("[[provider]]\ntype = \"service\"\n", 4, "credential"),
            ("[[provider]]\ntype = \"magic\"\n", 5, "magic"),
            ("[development]\nclock_file = \"\"\n", 2, "clock_file"),
            ("[delivery]\nsends_at_once_max = 0\n", 2, "sends_at_once_max"),
        ];
        for (text, line, word) in cases {
            let text =
                if text.contains("[[provider]]") { format!("{GOOD}\n{text}") } else { format!("{text}\n{GOOD}") };
            let mistake = mistake(&text);
            assert_eq!(mistake.line, *line, "{text}\n{mistake}");
            assert!(mistake.problem.contains(word), "{text}\n{mistake}");
            assert!(!mistake.remedy.is_empty());
        }
        let credential = format!(
            "{GOOD}[[provider]]\ntype = \"service\"\n[[provider.credential]]\nid = \"a\"\nsecret_sha256 = \"{hash}x\"\n"
        );
        assert_eq!(mistake(&credential).line, 7);
    }

    #[test]
    fn without_a_provider_nobody_could_sign_in() {
        assert!(mistake("").problem.contains("provider"));
        assert!(mistake("[[provider]]\ntype = \"local\"\nenabled = false\n").problem.contains("provider"));
    }

    #[test]
    fn an_error_reads_as_file_line_problem_remedy() {
        let text = mistake("x = 1\n").to_string();
        assert!(text.starts_with("host.toml:1: unknown field `x`"), "{text}");
        assert!(text.contains("; "), "{text}");
    }
}
