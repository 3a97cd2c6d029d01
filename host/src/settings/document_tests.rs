//! `docs/settings.md` and `config/host.sample.toml` say what the types say. Keys and meanings are read from `types.rs`,
//! `provider_types.rs`, `channel.rs`, `recovery.rs` and `tls.rs`, defaults and bounds from the values a host runs with, rules for texts from what
//! the checks answer to an empty one. `cargo xtask settings-doc` writes the document anew.

use std::{collections::BTreeSet, fmt::Write, path::Path};

use super::{
    Argon2Settings, DeliverySettings, Limits, PagesSettings, Passwords, RecoverySettings, Settings, SignUp,
    TlsSettings,
    bounds::{self, Bounded},
    load::{Mistake, parse},
};

/// Set by `cargo xtask settings-doc`.
const WRITE_VARIABLE: &str = "MFA_SETTINGS_DOC";
const TYPES: &str = concat!(
    include_str!("types.rs"),
    include_str!("provider_types.rs"),
    include_str!("channel.rs"),
    include_str!("recovery.rs"),
    include_str!("pages.rs"),
    include_str!("people.rs"),
    include_str!("tls.rs")
);
const SAMPLE: &str = include_str!("../../../config/host.sample.toml");
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
const LOCAL: &str = "[[provider]]\ntype = \"local\"\n";

/// A table of the file, and the least of it that loads; a key is put behind it.
struct Section {
    heading: &'static str,
    structure: &'static str,
    /// Stands before the keys.
    before: &'static str,
    /// Keys it cannot be without.
    keys: &'static [(&'static str, &'static str)],
    after: &'static str,
}

const SECTIONS: [Section; 17] = [
    Section { heading: "Top level", structure: "Settings", before: "", keys: &[], after: LOCAL },
    Section { heading: "`[tls]`", structure: "TlsSettings", before: "[tls]\n", keys: &[], after: LOCAL },
    Section { heading: "`[limits]`", structure: "Limits", before: "[limits]\n", keys: &[], after: LOCAL },
    Section { heading: "`[argon2]`", structure: "Argon2Settings", before: "[argon2]\n", keys: &[], after: LOCAL },
    Section { heading: "`[delivery]`", structure: "DeliverySettings", before: "[delivery]\n", keys: &[], after: LOCAL },
    Section { heading: "`[passwords]`", structure: "Passwords", before: "[passwords]\n", keys: &[], after: LOCAL },
    Section { heading: "`[sign_up]`", structure: "SignUp", before: "[sign_up]\n", keys: &[], after: LOCAL },
    Section { heading: "`[methods]`", structure: "Methods", before: "[methods]\n", keys: &[], after: LOCAL },
    Section { heading: "`[recovery]`", structure: "RecoverySettings", before: "[recovery]\n", keys: &[], after: LOCAL },
    Section { heading: "`[pages]`", structure: "PagesSettings", before: "[pages]\n", keys: &[], after: LOCAL },
    Section {
        heading: "`[[client]]`",
        structure: "Client",
        before: "[[client]]\n",
        keys: &[("id", "\"a\"")],
        after: LOCAL,
    },
    Section {
        heading: "`[[provider]]`",
        structure: "ProviderSettings",
        before: "[[provider]]\n",
        keys: &[("type", "\"legacy_api_password\""), ("user", "\"a\""), ("password_file", "\"f\"")],
        after: "",
    },
    Section {
        heading: "`[[provider.credential]]`",
        structure: "ServiceCredential",
        before: "[[provider]]\ntype = \"service\"\n[[provider.credential]]\n",
        keys: &[
            ("id", "\"a\""),
            ("secret_sha256", "\"0000000000000000000000000000000000000000000000000000000000000000\""),
        ],
        after: "",
    },
    Section {
        heading: "`[[provider.network]]`",
        structure: "TrustedNetwork",
        before: "[[provider]]\ntype = \"trusted_networks\"\n[[provider.network]]\n",
        keys: &[("cidr", "[\"10.0.0.0/8\"]")],
        after: "",
    },
    Section {
        heading: "`[[module]]`",
        structure: "ModuleSettings",
        before: "[[module]]\n",
        keys: &[("type", "\"a\"")],
        after: LOCAL,
    },
    Section {
        heading: "`[[channel]]`",
        structure: "ChannelSettings",
        before: "[[channel]]\n",
        keys: &[("name", "\"a\""), ("type", "\"email\""), ("host", "\"localhost\""), ("from", "\"a@example.org\"")],
        after: LOCAL,
    },
    Section {
        heading: "`[development]`",
        structure: "Development",
        before: "[development]\n",
        keys: &[],
        after: LOCAL,
    },
];

impl Section {
    /// What is wrong with the section when `key` has this value.
    fn mistake(&self, key: &str, value: &str) -> Option<Mistake> {
        let mut text = self.before.to_owned();
        for (other, valid) in self.keys.iter().filter(|(other, _)| *other != key) {
            writeln!(text, "{other} = {valid}").unwrap();
        }
        writeln!(text, "{key} = {value}").unwrap();
        parse(Path::new("host.toml"), &format!("{text}{}", self.after)).err()
    }
}

/// A key as its type declares it.
struct Key {
    name: String,
    rust_type: String,
    meaning: String,
    /// Of its `#[serde(…)]`.
    attribute: String,
}

/// The comment above a structure, and its keys. The file is formatted, so that lines say enough.
fn declared(structure: &str) -> (String, Vec<Key>) {
    let (mut comment, mut attribute, mut keys) = (String::new(), String::new(), Vec::new());
    let (mut meaning, mut is_inside) = (String::new(), false);
    for line in TYPES.lines() {
        let trimmed = line.trim();
        if let Some(words) = trimmed.strip_prefix("///") {
            comment.push_str(words);
        } else if trimmed.starts_with("#[") {
            attribute.push_str(trimmed);
        } else if trimmed == format!("pub struct {structure} {{") {
            meaning = std::mem::take(&mut comment);
            is_inside = true;
        } else if is_inside && line == "}" {
            return (meaning.trim().to_owned(), keys);
        } else {
            if let Some((name, rust_type)) = trimmed.strip_prefix("pub ").and_then(|rest| rest.split_once(": "))
                && is_inside
                && !attribute.contains("serde(skip)")
            {
                let renamed = attribute.split_once("rename = \"").and_then(|(_, rest)| rest.split_once('"'));
                keys.push(Key {
                    name: renamed.map_or(name, |(renamed, _)| renamed).to_owned(),
                    rust_type: rust_type.trim_end_matches(',').to_owned(),
                    meaning: comment.trim().to_owned(),
                    attribute: attribute.clone(),
                });
            }
            comment.clear();
            attribute.clear();
        }
    }
    panic!("there is no structure {structure}");
}

fn numbers() -> Vec<Bounded> {
    let of_channels = SECTIONS.iter().find(|section| section.structure == "ChannelSettings").expect("a section");
    let limits = bounds::of_limits(&Limits::default()).into_iter();
    let delivery = bounds::of_delivery(&DeliverySettings::default());
    let people = bounds::of_people(&Passwords::default(), &SignUp::default());
    let pages = bounds::of_pages(&PagesSettings::default());
    let least = format!(
        "{}{}",
        of_channels.before,
        of_channels.keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect::<String>()
    );
    let channel =
        parse(Path::new("host.toml"), &format!("{least}{LOCAL}")).expect("the least channel loads").channels.remove(0);
    limits
        .chain(bounds::of_argon2(&Argon2Settings::default()))
        .chain(delivery)
        .chain(people)
        .chain(pages)
        .chain([bounds::of_any_provider()])
        .chain(bounds::of_channel(&channel))
        .collect()
}

fn type_in_words(section: &Section, key: &Key) -> String {
    let inner = key.rust_type.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>'));
    let words = match inner.unwrap_or(&key.rust_type) {
        "String" => "text",
        "PathBuf" => "path",
        "bool" => "`true` or `false`",
        "u16" | "u32" | "u64" | "usize" => "whole number",
        "SocketAddr" => "address and port",
        "url::Url" => "URL",
        "Vec<IpNet>" => "list of networks",
        "Vec<String>" => "list of texts",
        "BTreeMap<String, String>" => "table of texts",
        "toml::Value" => "table or text",
        "toml::Table" | "Limits" | "Argon2Settings" | "DeliverySettings" | "Passwords" | "SignUp" | "Methods"
        | "RecoverySettings" | "PagesSettings" | "TlsSettings" | "Development" => "table",
        "Colour" => "colour such as `#0b57d0`",
        "Vec<Client>"
        | "Vec<ProviderSettings>"
        | "Vec<ModuleSettings>"
        | "Vec<ServiceCredential>"
        | "Vec<ChannelSettings>"
        | "Vec<TrustedNetwork>" => "list of tables",
        "ProviderKind"
        | "SignUpMode"
        | "mfa_sdk::protocol::Kind"
        | "ChannelKind"
        | "TargetKind"
        | "Encryption"
        | "Preset"
        | "Method"
        | "BodyFormat"
        | "IssueAt"
        | "ForgottenPassword"
        | "Strength"
        | "RecoveryScope" => return variants(section, key),
        other => panic!("say in document_tests.rs how the type {other} is called in the document"),
    };
    words.to_owned()
}

/// The words an enumeration allows, as the parser lists them.
fn variants(section: &Section, key: &Key) -> String {
    let problem = section.mistake(&key.name, "\"\"").expect("an empty word is none of them").problem;
    quoted(problem.split_once("expected").expect("the parser lists what it expects").1).join(", ")
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(|word| format!("`{word}`")).collect()
}

fn default_in_words(section: &Section, key: &Key) -> String {
    if let Some(number) = numbers().iter().find(|number| number.place == place(section, key)) {
        return number.value.to_string();
    }
    let settings = parse(Path::new("host.toml"), LOCAL).expect("the least settings load");
    match key.attribute.split_once("default = \"default::").map(|(_, rest)| rest.split('"').next().unwrap_or_default())
    {
        Some(function) => default_of(&settings, function),
        None if key.rust_type == "SignUpMode" => "`\"off\"`".to_owned(),
        None if section.structure == "Methods" => {
            let shown = format!("{:?}", settings.methods);
            let (_, rest) = shown.split_once(&format!("{}: ", key.name)).expect("the key is a field");
            format!("`{}`", rest.split([',', ' ']).next().unwrap_or_default())
        }
        None if key.rust_type == "ForgottenPassword" => "`\"off\"`".to_owned(),
        None if key.rust_type == "IssueAt" => "`\"confirm\"`".to_owned(),
        None if key.rust_type == "RecoveryScope" => "`\"user\"`".to_owned(),
        None if key.rust_type == "bool" => "`false`".to_owned(),
        None if section.structure == "TlsSettings" => {
            let TlsSettings { certificate, key: secret } = TlsSettings::default();
            format!("`\"{}\"`", if key.name == "key" { secret } else { certificate }.display())
        }
        None if matches!(section.structure, "Passwords" | "PagesSettings") => "–".to_owned(),
        None if !key.attribute.contains("default") => "must be set".to_owned(),
        None if key.rust_type.starts_with("Vec<") => "`[]`".to_owned(),
        None => "–".to_owned(),
    }
}

fn default_of(settings: &Settings, function: &str) -> String {
    match function {
        "listen" => format!("`\"{}\"`", settings.listen),
        "name" => format!("`\"{}\"`", settings.name),
        "secret_key_file" => format!("`\"{}\"`", settings.secret_key_file.display()),
        "yes" => format!("`{}`", settings.providers[0].enabled),
        other => panic!("say in document_tests.rs where the default {other} is seen"),
    }
}

fn bounds_in_words(section: &Section, key: &Key) -> String {
    if let Some(Bounded { min, max, .. }) = numbers().iter().find(|number| number.place == place(section, key)) {
        return format!("{min} to {max}");
    }
    assert!(!matches!(key.rust_type.as_str(), "u32" | "u64" | "usize"), "{} needs bounds in bounds.rs", key.name);
    if type_in_words(section, key).contains("table") {
        return "–".to_owned();
    }
    let unusable = match key.rust_type.as_str() {
        // The parser takes only what is a URL at all; the checks then want more of it.
        "Option<url::Url>" => "\"ftp://x\"",
        "Vec<String>" => "[\"\"]",
        _ => "\"\"",
    };
    match section.mistake(&key.name, unusable) {
        // What the parser says itself is about the type, which has a column of its own.
        // One that says to remove the key is about its block's type, as the key's meaning says.
        Some(mistake) if !["correct the value", "remove it"].iter().any(|begin| mistake.remedy.starts_with(begin)) => {
            mistake.remedy
        }
        _ => "–".to_owned(),
    }
}

/// As `bounds.rs` names it.
fn place(section: &Section, key: &Key) -> String {
    format!("{}.{}", section.before.trim().trim_matches(['[', ']']), key.name)
}

fn document() -> String {
    let mut text = "# Settings\n\nAll of `DIR/host.toml`. Written from the code by `cargo xtask settings-doc`; a test keeps it \
                    true. Times and sizes have\ntheir unit in the name. Unknown keys are refused, with the line they stand \
                    on. `mfa-host config check` says what is\nwrong with a file; `config/host.sample.toml` is one to begin \
                    with.\n"
        .to_owned();
    for section in &SECTIONS {
        let (meaning, keys) = declared(section.structure);
        write!(text, "\n## {}\n\n{meaning}\n\n", section.heading).unwrap();
        text.push_str("| key | type | default | bounds | meaning |\n|---|---|---|---|---|\n");
        for key in &keys {
            assert!(!key.meaning.is_empty(), "{}.{} has no comment", section.structure, key.name);
            let cells = [
                format!("`{}`", key.name),
                type_in_words(section, key),
                default_in_words(section, key),
                bounds_in_words(section, key),
                key.meaning.clone(),
            ];
            writeln!(text, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | ")).unwrap();
        }
    }
    text
}

#[test]
fn the_document_is_what_the_code_says() {
    let wanted = document();
    if std::env::var_os(WRITE_VARIABLE).is_some() {
        std::fs::write(DOCUMENT, wanted).expect("docs/settings.md can be written");
        return;
    }
    let there = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    assert!(there == wanted, "docs/settings.md is stale; run: cargo xtask settings-doc");
}

#[test]
fn the_document_has_all_keys_that_load_and_no_others() {
    for section in &SECTIONS {
        let problem = section.mistake("no_such_key", "1").expect("an unknown key is refused").problem;
        let (_, listed) = problem.split_once("expected").expect("the parser lists the keys");
        let listed: BTreeSet<String> = quoted(listed).into_iter().collect();
        let named = declared(section.structure).1.into_iter().map(|key| format!("`{}`", key.name)).collect();
        assert_eq!(listed, named, "{}", section.heading);
    }
}

#[test]
fn the_sample_shows_every_default() {
    for section in &SECTIONS[..8] {
        for key in declared(section.structure).1 {
            let default = default_in_words(section, &key).trim_matches('`').to_owned();
            let (key, is_shown) = (&key.name, matches!(default.as_str(), "–" | "[]"));
            let line = format!("#{key} = {default}");
            assert!(is_shown || SAMPLE.lines().any(|shown| shown == line), "config/host.sample.toml lacks {line:?}");
        }
    }
}

#[test]
fn the_sample_with_its_defaults_switched_on_is_the_default() {
    let (settings, _) = SAMPLE.split_once("[[client]]").expect("clients come after the plain settings");
    let switched_on: String = settings
        .lines()
        .map(|line| {
            let is_key =
                |rest: &&str| rest.starts_with(|first: char| first.is_ascii_lowercase()) && rest.contains(" = ");
            // A table that changes what the host does by being there.
            let is_meant = |rest: &&str| is_key(rest) || *rest == "[tls]";
            format!("{}\n", line.strip_prefix('#').filter(is_meant).unwrap_or(line))
        })
        .collect();
    let loaded = parse(Path::new("host.toml"), &format!("{switched_on}{LOCAL}")).expect("every key shown is one");
    assert_eq!((loaded.limits, loaded.argon2), (Limits::default(), Argon2Settings::default()));
    assert_eq!((loaded.delivery, loaded.sign_up), (DeliverySettings::default(), SignUp::default()));
    assert_eq!((loaded.recovery, loaded.pages), (RecoverySettings::default(), PagesSettings::default()));
    assert_eq!(loaded.tls, Some(TlsSettings::default()));
    assert_eq!(loaded.passwords.length_min, Passwords::default().length_min);
}
