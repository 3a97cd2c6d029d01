//! What the types cannot say: ids that occur twice, values out of bounds, keys that belong to another kind.

use std::collections::BTreeSet;

use super::{
    Settings,
    bounds::{self, Bounded, CLIENT_ID_BYTES_MAX},
    check_channels,
    check_providers::providers,
    load::Mistake,
    types::CLAIM_SOURCES,
};

/// Makes a mistake of a place in the file, the problem and its remedy.
pub(super) type MistakeAt<'a> = &'a dyn Fn(&str, String, String) -> Mistake;

/// The first mistake, if there is one.
pub fn check(settings: &Settings, mistake: MistakeAt<'_>) -> Result<(), Mistake> {
    general(settings, mistake)?;
    numbers(settings, mistake)?;
    clients(settings, mistake)?;
    providers(settings, mistake)?;
    modules(settings, mistake)?;
    check_channels::check(settings, mistake)?;
    claims(settings, mistake)?;
    let tls = settings.tls.iter().flat_map(|tls| [("tls.certificate", &tls.certificate), ("tls.key", &tls.key)]);
    for (place, file) in tls {
        if file.as_os_str().is_empty() {
            let name = place.rsplit('.').next().unwrap_or(place);
            return Err(mistake(place, format!("{name} is empty"), "name a file or remove the key".into()));
        }
    }
    if settings.passwords.blocklist_file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
        let problem = "blocklist_file is empty".into();
        return Err(mistake("passwords.blocklist_file", problem, "name a file or remove the key".into()));
    }
    match settings.development.as_ref().and_then(|development| development.clock_file.as_ref()) {
        Some(file) if file.as_os_str().is_empty() => {
            Err(mistake("development.clock_file", "clock_file is empty".into(), "name a file or remove the key".into()))
        }
        _ => Ok(()),
    }
}

fn claims(settings: &Settings, mistake: MistakeAt<'_>) -> Result<(), Mistake> {
    let is_known = |source: &str| source.starts_with('=') || CLAIM_SOURCES.contains(&source);
    match settings.claims.iter().find(|(_, source)| !is_known(source)) {
        None => Ok(()),
        Some((name, source)) => {
            let remedy = format!("write one of {}, or = and a text", CLAIM_SOURCES.join(", "));
            Err(mistake(&format!("claims.{name}"), format!("{source:?} is nothing that is known of a user"), remedy))
        }
    }
}

fn general(settings: &Settings, mistake: MistakeAt<'_>) -> Result<(), Mistake> {
    if let Some(url) = &settings.public_url {
        let problem = if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            Some("public_url is not an http or https address")
        } else if url.path() != "/" {
            Some("public_url has a path")
        } else if url.query().is_some() || url.fragment().is_some() {
            Some("public_url has a query or fragment")
        } else if !url.username().is_empty() || url.password().is_some() {
            Some("public_url has a user name or password")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(mistake("public_url", problem.into(), "write it as https://login.example.org".into()));
        }
    }
    if !is_name(&settings.name) {
        return Err(mistake("name", "name is empty or too long".into(), NAME_REMEDY.into()));
    }
    let key_file = &settings.secret_key_file;
    if key_file.as_os_str().is_empty() || key_file.components().any(|part| part.as_os_str() == ".storage") {
        return Err(mistake(
            "secret_key_file",
            "secret_key_file is empty or inside .storage".into(),
            "keep the key apart from what it seals, for example \"secret.key\"".into(),
        ));
    }
    Ok(())
}

fn numbers(settings: &Settings, mistake: MistakeAt<'_>) -> Result<(), Mistake> {
    let all = bounds::of_limits(&settings.limits)
        .into_iter()
        .chain(bounds::of_argon2(&settings.argon2))
        .chain(bounds::of_delivery(&settings.delivery))
        .chain(bounds::of_people(&settings.passwords, &settings.sign_up))
        .chain(bounds::of_pages(&settings.pages));
    for Bounded { place, value, min, max } in all {
        if !(min..=max).contains(&value) {
            let name = place.rsplit('.').next().unwrap_or(place);
            return Err(mistake(
                place,
                format!("{name} = {value} is out of bounds"),
                format!("set it between {min} and {max}"),
            ));
        }
    }
    if settings.limits.request_timeout_s * 1000 <= settings.limits.module_deadline_ms {
        return Err(mistake(
            "limits.module_deadline_ms",
            "module_deadline_ms is not shorter than request_timeout_s".into(),
            "lower module_deadline_ms or raise request_timeout_s".into(),
        ));
    }
    Ok(())
}

fn clients(settings: &Settings, mistake: MistakeAt<'_>) -> Result<(), Mistake> {
    let mut ids = BTreeSet::new();
    for (index, client) in settings.clients.iter().enumerate() {
        let place = format!("client.{index}.id");
        if client.id.is_empty()
            || client.id.len() > CLIENT_ID_BYTES_MAX
            || client.id.chars().any(|c| c.is_control() || c == ' ')
        {
            return Err(mistake(
                &place,
                format!("the client id {:?} is not usable", client.id),
                format!("use 1 to {CLIENT_ID_BYTES_MAX} bytes without spaces"),
            ));
        }
        unique(&mut ids, client.id.clone(), "client", &place, mistake)?;
        if client.name.as_ref().is_some_and(|name| !is_name(name)) {
            let place = format!("client.{index}.name");
            return Err(mistake(&place, "the client's name is not usable".into(), NAME_REMEDY.into()));
        }
        for (position, uri) in client.redirect_uris.iter().enumerate() {
            if let Err(problem) = check_redirect_uri(uri) {
                return Err(mistake(
                    &format!("client.{index}.redirect_uris.{position}"),
                    format!("the redirect URI {uri:?} {problem}"),
                    "write the full address the client is called back at".into(),
                ));
            }
        }
    }
    Ok(())
}

fn check_redirect_uri(uri: &str) -> Result<(), String> {
    let url = url::Url::parse(uri).map_err(|error| format!("is not an address ({error})"))?;
    if matches!(url.scheme(), "javascript" | "data" | "vbscript" | "file" | "blob" | "about") {
        return Err(format!("has the scheme {}, which a login never leads to", url.scheme()));
    }
    if url.fragment().is_some() {
        return Err("has a fragment (RFC 6749 section 3.1.2 forbids it)".into());
    }
    Ok(())
}

fn modules(settings: &Settings, mistake: MistakeAt<'_>) -> Result<(), Mistake> {
    let mut ids = BTreeSet::new();
    for (index, module) in settings.modules.iter().enumerate() {
        let place = |key: &str| format!("module.{index}.{key}");
        let kind = &module.module_type;
        if !is_id(kind) || kind.contains('-') {
            let problem = format!("the module type {kind:?} is not usable");
            return Err(mistake(&place("type"), problem, "use 1 to 64 of a-z, 0-9 and _".into()));
        }
        if !is_id(module.id()) {
            let problem = format!("the module id {:?} is not usable", module.id());
            return Err(mistake(&place("id"), problem, ID_REMEDY.into()));
        }
        let key = if module.id.is_some() { "id" } else { "type" };
        if ["setup", "test"].contains(&module.id()) {
            let problem = format!("the module id {:?} is a word of the interface's own addresses", module.id());
            return Err(mistake(&place(key), problem, "give the module another id".into()));
        }
        unique(&mut ids, module.id().to_owned(), "module", &place(key), mistake)?;
        if module.name.as_ref().is_some_and(|name| !is_name(name)) {
            return Err(mistake(&place("name"), "the module's name is not usable".into(), NAME_REMEDY.into()));
        }
        if let Some(word) = module.amr.iter().find(|word| !AMR_VALUES.contains(&word.as_str())) {
            let problem = format!("amr holds {word:?}, which no single method earns (RFC 8176)");
            return Err(mistake(&place("amr"), problem, format!("use some of {}", AMR_VALUES.join(", "))));
        }
        if module.sha256.as_ref().is_some_and(|hash| !is_sha256(hash)) {
            return Err(mistake(
                &place("sha256"),
                "sha256 is not a SHA-256 in hexadecimal".into(),
                SHA256_REMEDY.into(),
            ));
        }
    }
    Ok(())
}

/// The values of RFC 8176 section 2 a second factor may earn: `mfa` and `pwd` are the host's to say.
const AMR_VALUES: [&str; 18] = [
    "face", "fpt", "geo", "hwk", "iris", "kba", "mca", "otp", "pin", "rba", "retina", "sc", "sms", "swk", "tel",
    "user", "vbm", "wia",
];
pub(super) const ID_REMEDY: &str = "use 1 to 64 of a-z, 0-9, _ and -";
pub(super) const NAME_REMEDY: &str = "use 1 to 128 characters without control characters";
pub(super) const SHA256_REMEDY: &str = "write the 64 hexadecimal digits that sha256sum prints";

pub(super) fn unique(
    seen: &mut BTreeSet<String>,
    id: String,
    what: &str,
    place: &str,
    mistake: MistakeAt<'_>,
) -> Result<(), Mistake> {
    if seen.contains(&id) {
        return Err(mistake(place, format!("the {what} {id} is there twice"), "give one of them another id".into()));
    }
    seen.insert(id);
    Ok(())
}

pub(super) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

pub(super) fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.chars().count()) && !name.trim().is_empty() && !name.chars().any(char::is_control)
}

pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
