//! What the types cannot say of `[[provider]]`: keys of another kind, what a kind cannot be without, networks that are
//! none.

use std::collections::BTreeSet;

use super::{
    ProviderKind, ProviderSettings, Settings, bounds,
    bounds::Bounded,
    check::{ID_REMEDY, MistakeAt, NAME_REMEDY, SHA256_REMEDY, is_id, is_name, is_sha256, unique},
    load::Mistake,
};

const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(super) fn providers(settings: &Settings, mistake: MistakeAt<'_>) -> Result<(), Mistake> {
    let mut handlers = BTreeSet::new();
    for (index, provider) in settings.providers.iter().enumerate() {
        let place = format!("provider.{index}");
        if let Some(id) = provider.id.as_ref().filter(|id| !is_id(id)) {
            return Err(mistake(
                &format!("{place}.id"),
                format!("the provider id {id:?} is not usable"),
                ID_REMEDY.into(),
            ));
        }
        if provider.name.as_ref().is_some_and(|name| !is_name(name)) {
            return Err(mistake(
                &format!("{place}.name"),
                "the provider's name is not usable".into(),
                NAME_REMEDY.into(),
            ));
        }
        let handler = format!("{:?} {}", provider.kind, provider.id.as_deref().unwrap_or("(no id)"));
        unique(&mut handlers, handler, "provider", &format!("{place}.id"), mistake)?;
        provider_keys(provider, &place, mistake)?;
        credentials(provider, &place, mistake)?;
        command(settings, provider, &place, mistake)?;
        networks(provider, &place, mistake)?;
    }
    if !settings.providers.iter().any(|provider| provider.enabled) {
        return Err(mistake(
            "provider",
            "no provider is enabled, so nobody could sign in".into(),
            "add [[provider]] with type = \"local\"".into(),
        ));
    }
    Ok(())
}

/// A key only one kind has: its name, the kind, whether it is there, and what to write when the kind needs it.
struct Own {
    key: &'static str,
    kind: ProviderKind,
    is_set: bool,
    /// None: it may be left out.
    needed: Option<&'static str>,
}

fn own_keys(provider: &ProviderSettings) -> Vec<Own> {
    use ProviderKind::{CommandLine, LegacyApiPassword, Service, TrustedNetworks};
    let own = |key, kind, is_set, needed| Own { key, kind, is_set, needed };
    let file = provider.password_file.is_some();
    let credential = Some("add [[provider.credential]] with id, secret_sha256, clients");
    vec![
        own("user", LegacyApiPassword, provider.user.is_some(), Some("name the user it signs in")),
        own("password_file", LegacyApiPassword, file, Some("name the file with the password")),
        own("credential", Service, !provider.credentials.is_empty(), credential),
        own("command", CommandLine, provider.command.is_some(), Some("name the program by its absolute path")),
        own("args", CommandLine, !provider.args.is_empty(), None),
        own("environment", CommandLine, !provider.environment.is_empty(), None),
        own("meta", CommandLine, provider.meta, None),
        own("create_users", CommandLine, provider.create_users, None),
        own("allow_bypass_login", TrustedNetworks, provider.allow_bypass_login, None),
        own("network", TrustedNetworks, !provider.networks.is_empty(), Some("add [[provider.network]] with cidr")),
    ]
}

fn provider_keys(provider: &ProviderSettings, place: &str, mistake: MistakeAt<'_>) -> Result<(), Mistake> {
    for Own { key, kind, is_set, needed } in own_keys(provider) {
        let place = format!("{place}.{key}");
        if provider.kind != kind && is_set {
            let problem = format!("{key} belongs to {} only", kind.word());
            return Err(mistake(&place, problem, "remove it".into()));
        }
        if let (true, Some(remedy)) = (provider.kind == kind && !is_set, needed) {
            return Err(mistake(&place, format!("{} needs {key}", kind.word()), remedy.into()));
        }
    }
    if provider.user.as_ref().is_some_and(String::is_empty) {
        let place = format!("{place}.user");
        return Err(mistake(&place, "user is empty".into(), "name the user it signs in".into()));
    }
    if provider.password_file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
        let place = format!("{place}.password_file");
        return Err(mistake(&place, "password_file is empty".into(), "name the file with the password".into()));
    }
    Ok(())
}

fn command(
    settings: &Settings,
    provider: &ProviderSettings,
    place: &str,
    mistake: MistakeAt<'_>,
) -> Result<(), Mistake> {
    let Bounded { value, min, max, .. } = bounds::of_provider(provider.time_limit_s);
    let at = |key: &str| format!("{place}.{key}");
    if !(min..=max).contains(&value) {
        let problem = format!("time_limit_s = {value} is out of bounds");
        return Err(mistake(&at("time_limit_s"), problem, format!("set it between {min} and {max}")));
    }
    if provider.kind != ProviderKind::CommandLine {
        return Ok(());
    }
    if provider.time_limit_s >= settings.limits.request_timeout_s {
        let problem = "time_limit_s is not shorter than request_timeout_s".into();
        return Err(mistake(&at("time_limit_s"), problem, "lower time_limit_s or raise request_timeout_s".into()));
    }
    if provider.command.as_ref().is_some_and(|program| !program.is_absolute()) {
        let remedy = "name the program by its absolute path; no PATH is searched and no shell is used";
        return Err(mistake(&at("command"), "command is not an absolute path".into(), remedy.into()));
    }
    if provider.args.iter().any(|argument| argument.contains('\0')) {
        return Err(mistake(&at("args"), "an argument holds a NUL".into(), "remove it".into()));
    }
    let is_usable = |name: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        (1..=128).contains(&name.len()) && name.bytes().all(is_letter) && !name.as_bytes()[0].is_ascii_digit()
    };
    for (name, value) in &provider.environment {
        if !is_usable(name) || matches!(name.as_str(), "username" | "password") || value.contains('\0') {
            let problem = format!("the variable {name:?} is not usable");
            let remedy = "use letters, digits and _; username and password are the host's to set";
            return Err(mistake(&at("environment"), problem, remedy.into()));
        }
    }
    Ok(())
}

fn networks(provider: &ProviderSettings, place: &str, mistake: MistakeAt<'_>) -> Result<(), Mistake> {
    for (index, entry) in provider.networks.iter().enumerate() {
        let place = format!("{place}.network.{index}.cidr");
        if entry.cidr.is_empty() {
            let remedy = "write networks such as \"192.168.1.0/24\"";
            return Err(mistake(&place, "cidr is empty".into(), remedy.into()));
        }
        for (position, network) in entry.cidr.iter().enumerate() {
            let place = format!("{place}.{position}");
            if network.prefix_len() == 0 {
                let problem = format!("{network} is every address there is, and nobody would need a password");
                return Err(mistake(&place, problem, "name the networks you mean".into()));
            }
            if network.trunc() != *network {
                let problem = format!("{network} is an address within a network, not a network");
                return Err(mistake(&place, problem, format!("write {}, or the network you mean", network.trunc())));
            }
        }
    }
    Ok(())
}

fn credentials(provider: &ProviderSettings, place: &str, mistake: MistakeAt<'_>) -> Result<(), Mistake> {
    let mut ids = BTreeSet::new();
    for (index, credential) in provider.credentials.iter().enumerate() {
        let place = format!("{place}.credential.{index}");
        if !is_id(&credential.id) {
            let problem = format!("the credential id {:?} is not usable", credential.id);
            return Err(mistake(&format!("{place}.id"), problem, ID_REMEDY.into()));
        }
        unique(&mut ids, credential.id.clone(), "credential", &format!("{place}.id"), mistake)?;
        let place = format!("{place}.secret_sha256");
        if !is_sha256(&credential.secret_sha256) {
            return Err(mistake(&place, "secret_sha256 is not a SHA-256 in hexadecimal".into(), SHA256_REMEDY.into()));
        }
        if credential.secret_sha256.eq_ignore_ascii_case(SHA256_OF_NOTHING) {
            return Err(mistake(&place, "secret_sha256 is that of an empty secret".into(), SHA256_REMEDY.into()));
        }
    }
    Ok(())
}
