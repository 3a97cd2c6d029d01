//! Module files and the switches in `host.toml`. Neither needs the store, so both work alike with a running host.

use std::path::Path;

use serde_json::json;

use super::{
    admin, directory,
    failure::Failure,
    table::{print, print_json},
};
use crate::{
    module_host::{self, Inspection, ModuleState},
    settings::{self, EditError, Edited, FileMode, Limits, replace_file},
};

const PREFIX: &str = "libmfa_module_";

/// `module enable` and `module disable`.
pub fn switch(config_directory: &Path, id: &str, enabled: bool, json: bool) -> Result<(), Failure> {
    directory::refuse_foreign(config_directory)?;
    let file = config_directory.join("modules").join(format!("{id}.so"));
    if enabled && !file.is_file() && !is_configured(config_directory, id)? {
        return Err(Failure::failed(
            format!("there is no module {id}: {} is not there, and host.toml has no block for it", file.display()),
            "put its file in place first: mfa-host module install FILE",
        ));
    }
    let described = if enabled && file.is_file() { inspected(&file).ok() } else { None };
    let hint = described.map(|inspection| settings::claims(&inspection.description));
    let edited =
        settings::set_module_enabled(config_directory, id, enabled, hint.as_deref()).map_err(|error| match error {
            EditError::Settings(error) => Failure::from(error),
            EditError::UnknownModule(_) => Failure::failed(error, "`mfa-host module list` shows which there are"),
            EditError::OtherForm => Failure::unusable(error, "write one [[module]] block for each module"),
            EditError::WouldNotLoad(_) => Failure::unusable(error, "a module's id has 1 to 64 of a-z, 0-9 and _"),
            EditError::Write { .. } => Failure::failed(error, "make room on the disk or mend the permissions of DIR"),
        })?;
    let changed = edited == Edited::Changed;
    if json {
        print_json(&json!({ "id": id, "enabled": enabled, "changed": changed }));
        return Ok(());
    }
    let word = if enabled { "enabled" } else { "disabled" };
    if changed {
        print(&format!("module {id}: {word} in host.toml; a running host takes it over at once\n"));
    } else {
        print(&format!("module {id}: was {word} already\n"));
    }
    Ok(())
}

fn is_configured(config_directory: &Path, id: &str) -> Result<bool, Failure> {
    Ok(settings::load(config_directory)?.modules.iter().any(|module| module.id() == id))
}

/// `module install FILE`.
pub fn install(config_directory: &Path, file: &Path, json: bool) -> Result<(), Failure> {
    directory::refuse_foreign(config_directory)?;
    let module_type = type_of_file(file).ok_or_else(|| {
        Failure::unusable(
            format!("{} is not named like a module", file.display()),
            "a module's file is TYPE.so or libmfa_module_TYPE.so; TYPE has 1 to 64 of a-z, 0-9 and _",
        )
    })?;
    let inspection = inspected(file)?;
    if inspection.description.module_type != module_type {
        return Err(Failure::unusable(
            format!("{} says it is the module {}", file.display(), inspection.description.module_type),
            format!("name the file libmfa_module_{}.so", inspection.description.module_type),
        ));
    }
    put(&config_directory.join("modules"), &module_type, &inspection.bytes)?;
    if json {
        print_json(&json!({ "type": module_type, "installed": true, "sha256": inspection.sha256 }));
    } else {
        print(&format!(
            "module {module_type}: installed; a running host that has it switched on takes it over at once\n"
        ));
        print(&format!(
            "to pin this very file, write into its block in host.toml: sha256 = \"{}\"\n",
            inspection.sha256
        ));
    }
    Ok(())
}

/// Writes a module's file whole or not at all, readable by the worker and writable by the owner only.
pub fn put(directory: &Path, module_type: &str, content: &[u8]) -> Result<(), Failure> {
    let target = directory.join(format!("{module_type}.so"));
    replace_file(&target, content, FileMode::Exactly(0o644)).map_err(|error| {
        Failure::failed(
            format!("write {}: {error}", target.display()),
            "make room on the disk or mend the permissions of DIR/modules",
        )
    })
}

/// The file as a worker of its own finds it, loaded and described.
pub fn inspected(file: &Path) -> Result<Inspection, Failure> {
    let inspection = admin::runtime()?.block_on(module_host::inspect(file, &Limits::default()));
    inspection.map_err(|state| match state {
        ModuleState::Failed { reason, remedy } => Failure::failed(format!("{}: {reason}", file.display()), remedy),
        other => Failure::failed(format!("{}: {other:?}", file.display()), "name the file of a module"),
    })
}

/// `totp` of `libmfa_module_totp.so` and of `totp.so`.
pub fn type_of_file(file: &Path) -> Option<String> {
    let stem = file.file_name()?.to_str()?.strip_suffix(".so")?;
    let module_type = stem.strip_prefix(PREFIX).unwrap_or(stem);
    let fits = (1..=64).contains(&module_type.len())
        && module_type.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    fits.then(|| module_type.to_owned())
}

/// The modules that were built beside the program, by type.
pub fn beside_the_program() -> Vec<(String, std::path::PathBuf)> {
    let directory = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned));
    let Some(entries) = directory.and_then(|directory| std::fs::read_dir(directory).ok()) else { return Vec::new() };
    let mut found: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX)))
        .filter_map(|path| Some((type_of_file(&path)?, path)))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_says_the_type_and_leads_nowhere_else() {
        let of = |name: &str| type_of_file(Path::new(name));
        assert_eq!(of("target/release/libmfa_module_totp.so").as_deref(), Some("totp"));
        assert_eq!(of("backup_codes.so").as_deref(), Some("backup_codes"));
        for name in ["totp", ".so", "libmfa_module_.so", "To.so", "a-b.so", "..so", "a b.so", "x.so/.."] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
