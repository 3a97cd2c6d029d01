//! The password or token of a channel, from a file of the admin's or from the environment.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use crate::{
    secret_file,
    settings::ChannelSettings,
    words::{Place, Problem},
};

/// The secret of a channel; none if it has none. `place` is the channel's block.
///
/// # Errors
/// It is named and cannot be read.
pub fn of_channel(
    channel: &ChannelSettings,
    place: &str,
    config_directory: &Path,
) -> Result<Option<SecretString>, Problem> {
    if let Some(file) = &channel.secret_file {
        let wrong = |message: String, remedy: &str| Problem {
            place: Place::Setting(format!("{place}.secret_file")),
            message,
            remedy: remedy.to_owned(),
        };
        let bytes = secret_file::read(&config_directory.join(file)).map_err(|error| {
            let message = error.to_string();
            match message.split_once("; run: ") {
                Some((message, command)) => wrong(message.to_owned(), &format!("run: {command}")),
                None => wrong(message, "write the password or token into it, mode 0600"),
            }
        })?;
        let text = std::str::from_utf8(&bytes).ok().filter(|text| !text.contains(char::is_control));
        let text = text.ok_or_else(|| wrong("the secret is not one line of text".into(), "correct the file"))?;
        return Ok(Some(SecretString::from(text)));
    }
    let Some(name) = &channel.secret_env else { return Ok(None) };
    match std::env::var(name) {
        Ok(text) if !text.is_empty() && !text.contains(char::is_control) => Ok(Some(SecretString::from(text))),
        _ => Err(Problem {
            place: Place::Setting(format!("{place}.secret_env")),
            message: format!("the environment variable {name} is not set, or is not one line of text"),
            remedy: format!("start the host with {name} in its environment, or use secret_file"),
        }),
    }
}

/// A shorter piece of a secret says little, and stands in many an answer by chance.
const RUN_MIN: usize = 6;

/// The forms a secret takes on the wire; none of them may be repeated in an error.
pub fn forms(secret: Option<&SecretString>, user: Option<&str>) -> Vec<String> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let Some(secret) = secret.map(ExposeSecret::expose_secret) else { return Vec::new() };
    let user = user.unwrap_or_default();
    let encoded = [secret.to_owned(), format!("{user}:{secret}"), format!("\0{user}\0{secret}")];
    let mut forms: Vec<String> = encoded.iter().map(|text| STANDARD.encode(text)).collect();
    forms.push(secret.to_owned());
    // However it was escaped, letters and digits stay as they are.
    let runs = secret.split(|character: char| !character.is_ascii_alphanumeric());
    forms.extend(runs.filter(|run| run.len() >= RUN_MIN).map(str::to_owned));
    forms
}
