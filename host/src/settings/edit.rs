//! Changes to `host.toml` that keep its comments and order.

use std::path::Path;

use mfa_sdk::protocol::{Description, Kind};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{
    load::{self, FILE_NAME, Mistake, SettingsError},
    replace_file::{FileMode, replace_file},
};

/// What an edit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    Changed,
    /// It was so already; the file was not touched.
    Already,
}

#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file as it stands does not load; it has to be mended first.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("there is no module {0} in host.toml")]
    UnknownModule(String),
    #[error("the edit would leave a file that does not load ({0}); host.toml was not changed")]
    WouldNotLoad(Mistake),
    #[error("`module` in host.toml is not written as [[module]] blocks; edit it by hand")]
    OtherForm,
    #[error("write {path}: {source}; host.toml was not changed")]
    Write { path: std::path::PathBuf, source: std::io::Error },
}

/// What a module says its logins are worth, as lines for its block in `host.toml`. They count only when an admin
/// lets them stand there.
pub fn claims(description: &Description) -> String {
    let kind = match description.kind {
        Kind::Knowledge => "knowledge",
        Kind::Possession => "possession",
        Kind::Inherence => "inherence",
    };
    let amr: toml_edit::Array = description.amr.iter().map(String::as_str).collect();
    let recovery = if description.recovery { "recovery = true\n" } else { "" };
    format!("kind = \"{kind}\"\namr = {amr}\n{recovery}")
}

/// Switches the module `id` on or off. One that is not in the file yet is added, when it is to be switched on, with
/// its id as its type; its `claims` then stand above it as comments.
///
/// # Errors
/// The file does not load before or after the edit, has no such module to switch off, or cannot be written.
pub fn set_module_enabled(
    config_directory: &Path,
    id: &str,
    enabled: bool,
    claims: Option<&str>,
) -> Result<Edited, EditError> {
    let path = config_directory.join(FILE_NAME);
    let (_, text) = load::load_with_text(config_directory)?;
    let Some(edited) = with_module_enabled(&path, &text, id, enabled, claims)? else { return Ok(Edited::Already) };
    replace_file(&path, edited.as_bytes(), FileMode::KeepOr(0o600))
        .map_err(|source| EditError::Write { path, source })?;
    Ok(Edited::Changed)
}

/// The edited text, or none when nothing has to change.
fn with_module_enabled(
    path: &Path,
    text: &str,
    id: &str,
    enabled: bool,
    claims: Option<&str>,
) -> Result<Option<String>, EditError> {
    let mut document: DocumentMut = text.parse().map_err(|_| EditError::OtherForm)?;
    let modules = document.entry("module").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let modules = modules.as_array_of_tables_mut().ok_or(EditError::OtherForm)?;
    let position = modules.iter().position(|module| id_of(module) == Some(id));
    match position.and_then(|position| modules.get_mut(position)) {
        Some(module) => {
            if module.get("enabled").and_then(Item::as_bool).unwrap_or(true) == enabled {
                return Ok(None);
            }
            set_enabled(module, enabled);
        }
        None if enabled => {
            let mut module = Table::new();
            module.insert("type", value(id));
            module.decor_mut().set_prefix(format!("\n{}", as_comment(claims)));
            modules.push(module);
        }
        None => return Err(EditError::UnknownModule(id.to_owned())),
    }
    let edited = document.to_string();
    load::parse(path, &edited).map_err(EditError::WouldNotLoad)?;
    Ok(Some(edited))
}

fn as_comment(claims: Option<&str>) -> String {
    let Some(claims) = claims else { return String::new() };
    let lines: String = claims.lines().map(|line| format!("#   {line}\n")).collect();
    format!("# The module says of itself what follows. It counts once it stands in the block without the #.\n{lines}")
}

fn id_of(module: &Table) -> Option<&str> {
    module.get("id").or_else(|| module.get("type")).and_then(Item::as_str)
}

/// Keeps the comment behind the value.
fn set_enabled(module: &mut Table, enabled: bool) {
    if let Some(former) = module.get_mut("enabled").and_then(Item::as_value_mut) {
        let decor = former.decor().clone();
        *former = enabled.into();
        *former.decor_mut() = decor;
    } else {
        module.insert("enabled", value(enabled));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# my host\nname = \"a\" # shown\n\n[[provider]]\ntype = \"local\"\n\n# first\n[[module]]\ntype = \"totp\"\nenabled = false # not yet\n[module.config]\nperiod_s = 30\n\n# second\n[[module]]\ntype = \"pin\"\nid = \"pin-a\"\n# the end\n";

    fn edit(id: &str, enabled: bool) -> Result<Option<String>, EditError> {
        with_module_enabled(Path::new("host.toml"), TEXT, id, enabled, None)
    }

    #[test]
    fn only_the_one_value_changes() {
        assert_eq!(edit("totp", true).unwrap().unwrap(), TEXT.replace("enabled = false # not", "enabled = true # not"));
        let off = edit("pin-a", false).unwrap().unwrap();
        assert_eq!(off, TEXT.replace("id = \"pin-a\"\n", "id = \"pin-a\"\nenabled = false\n"));
    }

    #[test]
    fn what_is_so_already_is_not_touched() {
        assert!(edit("totp", false).unwrap().is_none());
        assert!(edit("pin-a", true).unwrap().is_none());
    }

    #[test]
    fn a_new_module_is_added_and_everything_else_stays() {
        let edited = edit("email", true).unwrap().unwrap();
        let without = edited.replacen("\n[[module]]\ntype = \"email\"\n", "", 1);
        assert_ne!(edited, without);
        assert_eq!(without, TEXT);
    }

    #[test]
    fn an_edit_that_would_not_load_is_refused() {
        assert!(matches!(edit("../evil", true), Err(EditError::WouldNotLoad(_))));
        assert!(matches!(edit("absent", false), Err(EditError::UnknownModule(_))));
    }

    #[test]
    fn a_broken_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        std::fs::write(&path, "nonsense = 1\n").unwrap();
        assert!(matches!(set_module_enabled(directory.path(), "totp", true, None), Err(EditError::Settings(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "nonsense = 1\n");
    }
}
