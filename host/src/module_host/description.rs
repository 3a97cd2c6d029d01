//! What a module says of itself, believed only within bounds. It may lower what the host thinks of it, never raise it.

use mfa_sdk::{NAME_KEY, protocol::Description};

use super::check::is_name;

const RETRIES_MAX: u32 = 100;
const NAME_BYTES_MAX: usize = 100;
const WORD_BYTES_MAX: usize = 100;
const TEXTS_MAX: usize = 10_000;
const TEXT_BYTES_MAX: usize = 4096;

/// RFC 8176 section 2, without `mfa`: that is the host's to say, once two kinds of factor were given.
const AUTHENTICATION_METHODS: [&str; 19] = [
    "face", "fpt", "geo", "hwk", "iris", "kba", "mca", "otp", "pin", "pwd", "rba", "retina", "sc", "sms", "swk", "tel",
    "user", "vbm", "wia",
];

/// Parses and checks a description; `expected_type` is the name of the file it came from.
pub(super) fn validated(json: &str, expected_type: Option<&str>) -> Result<Description, String> {
    let description: Description =
        serde_json::from_str(json).map_err(|error| format!("its description is not well-formed: {error}"))?;
    if !is_name(&description.module_type) {
        return Err("its type is not 1–64 of a-z, 0-9 and _".to_owned());
    }
    if let Some(expected) = expected_type.filter(|expected| *expected != description.module_type) {
        return Err(format!("it is the module {} and not {expected}", description.module_type));
    }
    check_words(&description)?;
    if let Some(value) = description.amr.iter().find(|value| !AUTHENTICATION_METHODS.contains(&value.as_str())) {
        let shown: String = value.escape_debug().take(32).collect();
        return Err(format!("its amr value \"{shown}\" is not one a module may claim (RFC 8176, without mfa)"));
    }
    if description.retries_max > RETRIES_MAX {
        return Err(format!("its retries_max is more than {RETRIES_MAX}"));
    }
    if description.fixed_step && description.sends {
        return Err("its login step is said to be fixed, and to send something".to_owned());
    }
    if let Some(stamp) = &description.stamp {
        if !description.recovery {
            return Err("it names a stamp for its logins and is no way back in".to_owned());
        }
        if !is_name(stamp) {
            return Err("the stamp of its logins is not 1–64 of a-z, 0-9 and _".to_owned());
        }
    }
    check_texts(&description)?;
    Ok(description)
}

fn check_words(description: &Description) -> Result<(), String> {
    let names = description.texts.values().filter_map(|texts| texts.get(NAME_KEY)).chain([&description.name]);
    if names.clone().any(|name| name.trim().is_empty()) {
        return Err("it has no name".to_owned());
    }
    let others = [("version", &description.version), ("license", &description.license)];
    let others = others.map(|(what, text)| (what, text, WORD_BYTES_MAX));
    for (what, text, bytes_max) in names.map(|name| ("name", name, NAME_BYTES_MAX)).chain(others) {
        if text.len() > bytes_max || text.chars().any(char::is_control) {
            return Err(format!("its {what} is longer than {bytes_max} bytes or not plain text"));
        }
    }
    Ok(())
}

fn check_texts(description: &Description) -> Result<(), String> {
    if !description.texts.contains_key("en") {
        return Err("it has no English texts".to_owned());
    }
    let sentences = description.texts.values().flatten();
    if sentences.clone().count() > TEXTS_MAX {
        return Err(format!("it has more than {TEXTS_MAX} texts"));
    }
    let fits = |text: &str| (1..=TEXT_BYTES_MAX).contains(&text.len());
    if sentences.clone().any(|(key, sentence)| !fits(key) || sentence.len() > TEXT_BYTES_MAX)
        || description.setup_message.as_ref().is_some_and(|message| !fits(&message.key))
    {
        return Err(format!("one of its texts is longer than {TEXT_BYTES_MAX} bytes or has no key"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(change: impl FnOnce(&mut serde_json::Value)) -> Result<Description, String> {
        let mut sound = json!({
            "module_type": "totp", "name": "Authenticator app", "kind": "possession", "amr": ["otp"],
            "retries_max": 5, "version": "0.1.0", "license": "MIT", "texts": {"en": {"enter": "Enter it"}},
        });
        change(&mut sound);
        validated(&sound.to_string(), Some("totp"))
    }

    #[test]
    fn a_sound_description_is_believed() {
        assert_eq!(with(|_| ()).unwrap().retries_max, 5);
        assert!(with(|json| json["future"] = json!(1)).is_ok(), "an unknown field is ignored");
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        assert!(with(|json| json["module_type"] = json!("other")).unwrap_err().contains("module other and not totp"));
        assert!(with(|json| json["kind"] = json!("magic")).is_err());
        assert!(with(|json| json["amr"] = json!(["mfa"])).is_err());
        assert!(with(|json| json["stamp"] = json!("backup_code")).is_err(), "a factor is stamped with its id");
        let stamped = |stamp: &str| with(|json| (json["recovery"], json["stamp"]) = (json!(true), json!(stamp)));
        assert!(stamped("backup_code").is_ok() && stamped("Backup code").is_err());
        assert!(with(|json| json["amr"] = json!(["otp", "sup\u{7}er"])).is_err());
        assert!(with(|json| json["retries_max"] = json!(101)).is_err());
        assert!(with(|json| json["retries_max"] = json!(-1)).is_err());
        assert!(with(|json| json["name"] = json!("")).is_err());
        assert!(with(|json| json["name"] = json!("a\nb")).is_err());
        let named = |name: &str| with(|json| json["texts"]["de"] = json!({"module_name": name}));
        assert!(named("Authenticator-App").is_ok());
        for odd in ["", " ", "a\nb", &"x".repeat(101)] {
            assert!(named(odd).is_err(), "in no language: {odd:?}");
        }
        assert!(with(|json| json["version"] = json!("1".repeat(101))).is_err());
        assert!(with(|json| json["texts"] = json!({"de": {"enter": "Eingeben"}})).unwrap_err().contains("English"));
        assert!(with(|json| json["texts"]["en"][""] = json!("x")).is_err());
        assert!(with(|json| json["texts"]["en"]["long"] = json!("x".repeat(5000))).is_err());
        assert!(validated("[]", None).is_err());
    }
}
