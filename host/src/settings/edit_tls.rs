//! `[tls]` and `public_url` written into `host.toml`, where its comments show them, else where TOML wants them.

use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, Value};

use super::{
    edit::EditError,
    load::{self, FILE_NAME},
    replace_file::{FileMode, replace_file},
};

const TLS_SHOWN: &str = "#[tls]";
const PUBLIC_URL_SHOWN: &str = "#public_url = ";

/// Switches `[tls]` on with the files it names by itself, and sets `public_url` where one is given.
///
/// # Errors
/// The file does not load before or after the edit, or cannot be written.
pub fn switch_tls_on(config_directory: &Path, public_url: Option<&str>) -> Result<(), EditError> {
    let path = config_directory.join(FILE_NAME);
    let (_, text) = load::load_with_text(config_directory)?;
    let edited = with_tls(&path, &text, public_url)?;
    replace_file(&path, edited.as_bytes(), FileMode::KeepOr(0o600)).map_err(|source| EditError::Write { path, source })
}

/// The text of settings with both.
pub fn with_tls(path: &Path, text: &str, public_url: Option<&str>) -> Result<String, EditError> {
    let (shown, meant) = (uncommented(text, public_url), inserted(text, public_url)?);
    // To take a `#` away may put a line into another table, or say a thing twice.
    let edited = if is_the_same(&shown, &meant) { shown } else { meant };
    load::parse(path, &edited).map_err(EditError::WouldNotLoad)?;
    Ok(edited)
}

fn inserted(text: &str, public_url: Option<&str>) -> Result<String, EditError> {
    let mut document: DocumentMut = text.parse().map_err(|_| EditError::OtherForm)?;
    document.entry("tls").or_insert_with(|| {
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n");
        Item::Table(table)
    });
    if let Some(url) = public_url {
        let mut wanted = Value::from(url);
        if let Some(former) = document.get("public_url").and_then(Item::as_value) {
            *wanted.decor_mut() = former.decor().clone();
        }
        document["public_url"] = Item::Value(wanted);
    }
    Ok(document.to_string())
}

fn uncommented(text: &str, public_url: Option<&str>) -> String {
    let lines = text.split_inclusive('\n').map(|line| match (line.trim_end(), public_url) {
        (TLS_SHOWN, _) => line.replacen('#', "", 1),
        (shown, Some(url)) if shown.starts_with(PUBLIC_URL_SHOWN) => {
            line.replacen(shown, &format!("public_url = {}", Value::from(url)), 1)
        }
        _ => line.to_owned(),
    });
    lines.collect()
}

fn is_the_same(one: &str, other: &str) -> bool {
    match (one.parse::<toml::Table>(), other.parse::<toml::Table>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://door.example:8126";

    fn edit(text: &str, public_url: Option<&str>) -> String {
        with_tls(Path::new(FILE_NAME), text, public_url).unwrap()
    }

    #[test]
    fn what_a_comment_shows_is_said_there() {
        let text = "# mine\n#public_url = \"https://x\"\n\n#[tls]\n#key = \"k\"\n\n[[provider]]\ntype = \"local\"\n";
        let edited = text.replace("#public_url = \"https://x\"", &format!("public_url = \"{URL}\""));
        assert_eq!(edit(text, Some(URL)), edited.replace("#[tls]", "[tls]"));
        assert_eq!(edit(text, None), text.replace("#[tls]", "[tls]"));
    }

    #[test]
    fn what_no_comment_shows_or_would_mean_another_thing_there_is_put_where_it_belongs() {
        let plain = "public_url = \"http://a:1\" # for now\n\n[[provider]]\ntype = \"local\" # ours\n";
        let expected = plain.replace("http://a:1", URL) + "\n[tls]\n";
        assert_eq!(edit(plain, Some(URL)), expected);
        // The name would be one of [tls].
        let within = "#[tls]\nname = \"a\"\n\n[[provider]]\ntype = \"local\"\n";
        let edited = edit(within, Some(URL));
        assert!(edited.contains("#[tls]\nname = \"a\"\n") && edited.ends_with("\n[tls]\n"), "{edited}");
        assert!(edited.contains(&format!("public_url = \"{URL}\"")), "{edited}");
    }

    #[test]
    fn what_is_there_stays() {
        let text = "[tls]\nkey = \"tls/key.pem\"\n\n[[provider]]\ntype = \"local\"\n";
        assert_eq!(edit(text, None), text);
        assert!(matches!(with_tls(Path::new(FILE_NAME), text, Some("no url")), Err(EditError::WouldNotLoad(_))));
    }
}
