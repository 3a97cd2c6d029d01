//! What is wrong with `[[channel]]` blocks: keys that are missing or belong to another type, addresses that are none.

use std::collections::BTreeSet;

use mfa_sdk::TargetKind;

use super::{
    Settings,
    bounds::{self, Bounded},
    channel::{ChannelKind, ChannelSettings, Encryption},
    check::{ID_REMEDY, MistakeAt, NAME_REMEDY, is_id, is_name, unique},
    gateway::{PLACES, places},
    load::Mistake,
};

/// The key, what is wrong with it, and what to do.
type Wrong = (&'static str, String, &'static str);

/// The first mistake, if there is one.
pub fn check(settings: &Settings, mistake: MistakeAt<'_>) -> Result<(), Mistake> {
    let mut names = BTreeSet::new();
    for (index, channel) in settings.channels.iter().enumerate() {
        let place = |key: &str| format!("channel.{index}.{key}");
        let told = |(key, problem, remedy): Wrong| mistake(&place(key), problem, remedy.to_owned());
        if !is_id(&channel.name) {
            let problem = format!("the channel name {:?} is not usable", channel.name);
            return Err(mistake(&place("name"), problem, ID_REMEDY.into()));
        }
        unique(&mut names, channel.name.clone(), "channel", &place("name"), mistake)?;
        for Bounded { place: name, value, min, max } in bounds::of_channel(channel) {
            let name = name.rsplit('.').next().unwrap_or(name);
            if !(min..=max).contains(&value) {
                let problem = format!("{name} = {value} is out of bounds");
                return Err(mistake(&place(name), problem, format!("set it between {min} and {max}")));
            }
        }
        of_every_type(channel).map_err(told)?;
        of_targets(channel).map_err(told)?;
        match channel.kind {
            ChannelKind::Email => of_email(channel).map_err(told)?,
            ChannelKind::Http => of_http(channel).map_err(told)?,
            ChannelKind::Outbox if settings.development.is_none() => {
                let problem = "an outbox shows messages instead of sending them, which is for development only";
                return Err(mistake(&place("type"), problem.into(), "add [development], or use email or http".into()));
            }
            ChannelKind::Outbox => {}
        }
    }
    Ok(())
}

fn of_every_type(channel: &ChannelSettings) -> Result<(), Wrong> {
    if !is_name(channel.label()) {
        return Err(("label", "the channel's label is empty or too long".into(), NAME_REMEDY));
    }
    if channel.port == Some(0) {
        return Err(("port", "port = 0 is no port".into(), "set it between 1 and 65535, or remove the key"));
    }
    let (email, http) = (channel.kind == ChannelKind::Email, channel.kind == ChannelKind::Http);
    let keys: [(&'static str, bool, bool); 15] = [
        ("host", channel.host.is_some(), email),
        ("port", channel.port.is_some(), email),
        ("encryption", channel.encryption.is_some(), email),
        ("from", channel.from.is_some(), email),
        ("subject_prefix", channel.subject_prefix.is_some(), email),
        ("preset", channel.preset.is_some(), http),
        ("url", channel.url.is_some(), http),
        ("method", channel.method.is_some(), http),
        ("headers", !channel.headers.is_empty(), http),
        ("format", channel.format.is_some(), http),
        ("body", channel.body.is_some(), http),
        ("secret_file", channel.secret_file.is_some(), email || http),
        ("secret_env", channel.secret_env.is_some(), email || http),
        ("user", channel.user.is_some(), email || http),
        ("ca_file", channel.ca_file.is_some(), email || http),
    ];
    if let Some((key, ..)) = keys.iter().find(|(_, is_set, belongs)| *is_set && !belongs) {
        return Err((key, format!("{key} does not belong to a channel of this type"), "remove it"));
    }
    if channel.secret_file.is_some() && channel.secret_env.is_some() {
        return Err(("secret_env", "the secret has two places".into(), "keep secret_file or secret_env"));
    }
    for (key, is_empty) in [
        ("secret_file", channel.secret_file.as_ref().is_some_and(|file| file.as_os_str().is_empty())),
        ("ca_file", channel.ca_file.as_ref().is_some_and(|file| file.as_os_str().is_empty())),
        ("secret_env", channel.secret_env.as_ref().is_some_and(|name| name.is_empty() || name.contains(['=', '\0']))),
        ("user", channel.user.as_ref().is_some_and(|user| user.is_empty() || user.contains(char::is_control))),
    ] {
        if is_empty {
            return Err((key, format!("{key} is empty or not usable"), "give it a value, or remove the key"));
        }
    }
    let has_secret = channel.secret_file.is_some() || channel.secret_env.is_some();
    match &channel.user {
        Some(_) if !has_secret => Err(("user", "user has no secret".into(), "name it with secret_file or secret_env")),
        Some(user) if http && user.contains(':') => {
            Err(("user", "a user of Basic authentication has no colon (RFC 7617)".into(), "correct the name"))
        }
        _ => Ok(()),
    }
}

fn of_targets(channel: &ChannelSettings) -> Result<(), Wrong> {
    let Some(target) = channel.target() else {
        return Err(("target", "target is missing".into(), "set it to email, phone, text or listed"));
    };
    if channel.kind == ChannelKind::Email && target != TargetKind::Email {
        return Err(("target", "the target of an email channel is an e-mail address".into(), "remove the key"));
    }
    let listed = target == TargetKind::Listed;
    if listed && channel.targets.is_empty() {
        return Err(("targets", "targets is empty, so nobody could be reached".into(), "list what can be chosen"));
    }
    if !listed && !channel.targets.is_empty() {
        return Err(("targets", "targets belongs to target = \"listed\" only".into(), "remove it"));
    }
    if channel.targets.iter().any(|name| name.is_empty() || name.len() > 256 || name.contains(char::is_control)) {
        return Err(("targets", "a listed target is empty, too long or not printable".into(), "correct it"));
    }
    let phone = target == TargetKind::Phone;
    if phone && channel.prefixes.is_empty() {
        let remedy = "list the countries you send to, for example prefixes = [\"+49\"]";
        return Err(("prefixes", "prefixes is empty, so no number is allowed".into(), remedy));
    }
    if !phone && !channel.prefixes.is_empty() {
        return Err(("prefixes", "prefixes belongs to target = \"phone\" only".into(), "remove it"));
    }
    let is_prefix = |prefix: &str| {
        prefix
            .strip_prefix('+')
            .is_some_and(|digits| digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    match channel.prefixes.iter().find(|prefix| !is_prefix(prefix)) {
        Some(prefix) => Err(("prefixes", format!("{prefix:?} is not how a number begins"), "write it as +49")),
        None => Ok(()),
    }
}

fn of_email(channel: &ChannelSettings) -> Result<(), Wrong> {
    let host = channel.host.as_deref().unwrap_or_default();
    let is_address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    if !is_address && url::Host::parse(host).is_err() {
        return Err(("host", "an email channel needs host, the mail server".into(), "write it as mail.example.org"));
    }
    if channel.encryption == Some(Encryption::None) && !is_this_machine(host) {
        let problem = format!("encryption = \"none\" would send passwords and codes readable to {host}");
        return Err(("encryption", problem, "use starttls or tls; none is for a server on this machine"));
    }
    let from = channel.from.as_deref().unwrap_or_default();
    if from.contains(char::is_control) || from.parse::<lettre::message::Mailbox>().is_err() {
        return Err((
            "from",
            "an email channel needs from, the sender's address".into(),
            "write it as Name <a@example.org>",
        ));
    }
    if channel.user.is_none() && (channel.secret_file.is_some() || channel.secret_env.is_some()) {
        return Err(("user", "there is a password and no user".into(), "name the user of the mail server"));
    }
    let prefix = channel.subject_prefix.as_deref().unwrap_or_default();
    if prefix.contains(char::is_control) || prefix.chars().count() > 40 {
        return Err(("subject_prefix", "subject_prefix is not usable".into(), "use at most 40 printable characters"));
    }
    Ok(())
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn of_http(channel: &ChannelSettings) -> Result<(), Wrong> {
    let request = channel.request().map_err(|(key, problem)| {
        let remedy = if key == "url" { "write the whole address, https://…" } else { "correct body or format" };
        (key, problem, remedy)
    })?;
    for (key, text) in request.texts() {
        if let Some(place) = places(text).find(|place| !PLACES.contains(place)) {
            let problem = format!("there is nothing to fill {{{place}}} with");
            return Err((key, problem, "use {to}, {subject}, {text}, {message_id}, {host_name} or {secret}"));
        }
    }
    // A place may stand behind the server's name only, so that no value can choose the server.
    let end = request.url.find("://").map_or(0, |start| start + 3);
    let authority = request.url[end..].split(['/', '?', '#']).next().unwrap_or_default();
    let filled = request.url.replace(['{', '}'], "x");
    let problem = match url::Url::parse(&filled) {
        _ if authority.contains(['{', '}']) => Some("url has a place in the name of the server"),
        Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() => {
            Some("url is not http or https")
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => Some("url has a user name or password"),
        Ok(url) if url.fragment().is_some() => Some("url has a fragment"),
        Err(_) => Some("url is not an address"),
        Ok(_) if channel.preset.is_some() && channel.url.as_deref().is_some_and(|url| url.contains(['{', '?'])) => {
            Some("url of a preset is the gateway's address alone")
        }
        Ok(_) => None,
    };
    if let Some(problem) = problem {
        return Err(("url", problem.into(), "write it as https://gateway.example.org/send"));
    }
    for (name, value) in &channel.headers {
        if axum::http::HeaderName::from_bytes(name.as_bytes()).is_err() || value.contains(char::is_control) {
            return Err(("headers", format!("{name:?} is not a header, or its value is none"), "correct it"));
        }
        if ["content-length", "transfer-encoding", "host", "connection"].contains(&name.to_ascii_lowercase().as_str()) {
            return Err(("headers", format!("the header {name} is the host's own"), "remove it"));
        }
    }
    let is_used = request.texts().iter().any(|(_, text)| places(text).any(|place| place == "secret"));
    let has_secret = channel.secret_file.is_some() || channel.secret_env.is_some();
    match (is_used, has_secret) {
        (true, false) => {
            Err(("url", "{secret} stands in the request, and there is none".into(), "add secret_file or secret_env"))
        }
        (false, true) if channel.user.is_none() => Err((
            "secret_file",
            "the secret is used nowhere".into(),
            "put {secret} into a header or the body, or add user",
        )),
        _ => Ok(()),
    }
}
