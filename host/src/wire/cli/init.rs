//! `init`: makes a configuration directory, whole or not at all.

use std::path::Path;

use secrecy::SecretString;
use serde_json::json;

use super::{
    admin,
    failure::Failure,
    made::{Made, make_directory},
    modules, password,
    self_signed::{self, Certificate},
    table::{print, print_json, printable},
};
use crate::{
    clock::Clock,
    flow::PeopleError,
    keys::MasterKey,
    settings::{self, FILE_NAME, FileMode, replace_file},
    store::Store,
};

const SAMPLE: &str = include_str!("../../../../config/host.sample.toml");
/// The module a new host begins with; `SAMPLE` names it.
const FIRST_MODULE: &str = "totp";
const STORE_DIRECTORY: &str = ".storage";
/// Where `SAMPLE` listens.
const PORT: u16 = 8126;

/// Makes the directory with settings, key, store, modules and the owner.
/// With `tls_names` it answers HTTPS under these and its own.
pub fn run(directory: &Path, user: &str, tls_names: Option<&[String]>, json: bool) -> Result<(), Failure> {
    super::logging::start("warn");
    refuse_initialised(directory)?;
    // No settings name another clock yet.
    let now = Clock::system().now().wall;
    let certificate = tls_names.map(|names| self_signed::make(names, PORT, now)).transpose()?;
    let password = password::ask(user)?;
    let mut made = Made::default();
    make_directory(directory, 0o700, &mut made)?;
    let found = install_modules(directory, &mut made)?;
    if let Some(certificate) = &certificate {
        self_signed::write(directory, certificate, &mut made)?;
    }
    write_settings(directory, &found, certificate.as_ref(), &mut made)?;
    let owner = admin::runtime()?.block_on(make_store(directory, user, &password, &mut made))?;
    made.is_complete = true;
    tell(directory, &owner, &found, certificate.as_ref(), json);
    Ok(())
}

fn refuse_initialised(directory: &Path) -> Result<(), Failure> {
    for name in [FILE_NAME, "secret.key", STORE_DIRECTORY] {
        if directory.join(name).symlink_metadata().is_ok() {
            return Err(Failure::failed(
                format!("{} is initialised already: it holds {name}", directory.display()),
                format!(
                    "use it (mfa-host --config {0} serve, mfa-host --config {0} user add NAME), or choose another \
                     directory with --config",
                    directory.display()
                ),
            ));
        }
    }
    Ok(())
}

/// A module that came with the program.
struct Found {
    module_type: String,
    /// What it says of itself. It counts: the module is as trusted as the program beside it.
    claims: String,
}

/// Copies the modules found beside the program.
fn install_modules(directory: &Path, made: &mut Made) -> Result<Vec<Found>, Failure> {
    let target = directory.join("modules");
    make_directory(&target, 0o755, made)?;
    let mut found = Vec::new();
    for (module_type, file) in modules::beside_the_program() {
        let inspection = match modules::inspected(&file) {
            Ok(inspection) => inspection,
            Err(failure) => {
                eprintln!("mfa-host: left out: {failure}");
                continue;
            }
        };
        let installed = target.join(format!("{module_type}.so"));
        if installed.symlink_metadata().is_err() {
            made.paths.push(installed);
        }
        modules::put(&target, &module_type, &inspection.bytes)?;
        found.push(Found { module_type, claims: settings::claims(&inspection.description) });
    }
    Ok(found)
}

fn write_settings(
    directory: &Path,
    found: &[Found],
    certificate: Option<&Certificate>,
    made: &mut Made,
) -> Result<(), Failure> {
    let mut text = match certificate {
        Some(certificate) => self_signed::switched_on(directory, SAMPLE, certificate)?,
        None => SAMPLE.to_owned(),
    };
    for Found { module_type, claims } in found.iter().filter(|found| found.module_type != FIRST_MODULE) {
        text.push_str(&format!("\n[[module]]\ntype = \"{module_type}\"\n{claims}enabled = false\n"));
    }
    let path = directory.join(FILE_NAME);
    made.paths.push(path.clone());
    replace_file(&path, text.as_bytes(), FileMode::Exactly(0o600)).map_err(|error| {
        Failure::failed(
            format!("write {}: {error}", path.display()),
            "make room on the disk or choose another directory",
        )
    })
}

async fn make_store(directory: &Path, user: &str, password: &SecretString, made: &mut Made) -> Result<String, Failure> {
    let settings = settings::load(directory)?;
    let key_file = directory.join(&settings.secret_key_file);
    made.paths.push(key_file.clone());
    let keys = MasterKey::create(&key_file)?;
    made.paths.push(directory.join(STORE_DIRECTORY));
    Store::create(directory)?;
    let clock = admin::clock_of(directory, &settings);
    let (flows, store, _) = admin::flows_without_modules(directory, settings, clock, keys)?;
    let added = flows.add_user(&admin::own_actor(), user, password, true).await;
    store.close().await;
    added.map(|owner| owner.name).map_err(|error| {
        let remedy = match &error {
            PeopleError::PasswordRefused(_) => "choose another password; nothing was made",
            PeopleError::InvalidName => "choose another name with --user; nothing was made",
            _ => "nothing was made",
        };
        Failure::failed(error, remedy)
    })
}

fn tell(directory: &Path, owner: &str, found: &[Found], certificate: Option<&Certificate>, json: bool) {
    let module_types: Vec<&str> = found.iter().map(|found| found.module_type.as_str()).collect();
    let has_first = module_types.contains(&FIRST_MODULE);
    if json {
        let modules: Vec<_> = module_types
            .iter()
            .map(|module_type| json!({ "type": module_type, "enabled": *module_type == FIRST_MODULE }))
            .collect();
        let mut told = json!({ "config_directory": directory, "owner": owner, "modules": modules });
        if let Some(certificate) = certificate {
            told["tls"] = self_signed::as_json(directory, certificate);
        }
        print_json(&told);
    } else {
        let shown = directory.display();
        let listed: Vec<_> =
            module_types
                .iter()
                .map(|module_type| {
                    if *module_type == FIRST_MODULE { format!("{module_type} (on)") } else { (*module_type).to_owned() }
                })
                .collect();
        print(&format!("{shown} is ready; its owner is {}\n", printable(owner)));
        if !listed.is_empty() {
            print(&format!("modules: {}\n", listed.join(", ")));
        }
        if let Some(certificate) = certificate {
            print(&self_signed::as_text(directory, certificate, true));
        }
        print(&format!("start it with: mfa-host --config {shown} serve\n"));
    }
    if !has_first {
        eprintln!(
            "mfa-host: libmfa_module_{FIRST_MODULE}.so is not beside the program; without it there is no second factor\n  \
             run: mfa-host --config {} module install FILE",
            directory.display()
        );
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::wire::cli::terminal::client::{CLIENT_ID, REDIRECT_URI};

    fn found(module_type: &str) -> Found {
        Found { module_type: module_type.to_owned(), claims: "kind = \"knowledge\"\namr = [\"pin\"]\n".to_owned() }
    }

    #[test]
    fn the_sample_knows_the_terminal_and_the_first_module() {
        let settings = settings::parse(Path::new(FILE_NAME), SAMPLE).unwrap();
        let client = settings.clients.iter().find(|client| client.id == CLIENT_ID).unwrap();
        assert_eq!(client.redirect_uris, [REDIRECT_URI]);
        assert_eq!(settings.modules.len(), 1);
        assert_eq!(settings.modules[0].id(), FIRST_MODULE);
        assert_eq!(settings.listen.port(), PORT);
    }

    #[test]
    fn other_modules_are_there_and_off() {
        let directory = tempfile::tempdir().unwrap();
        let mut made = Made { paths: Vec::new(), is_complete: true };
        write_settings(directory.path(), &["insecure_example", "totp"].map(found), None, &mut made).unwrap();
        let settings = settings::load(directory.path()).unwrap();
        let enabled: Vec<_> = settings.modules.iter().map(|module| (module.id(), module.enabled)).collect();
        assert_eq!(enabled, [("totp", true), ("insecure_example", false)]);
    }

    #[test]
    fn a_failure_leaves_nothing_of_its_own_and_everything_else() {
        let outer = tempfile::tempdir().unwrap();
        std::fs::write(outer.path().join("kept"), "").unwrap();
        let directory = outer.path().join("new").join("config");
        let mut made = Made::default();
        make_directory(&directory, 0o700, &mut made).unwrap();
        write_settings(&directory, &[], None, &mut made).unwrap();
        assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
        drop(made);
        let left: Vec<_> = std::fs::read_dir(outer.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }

    #[test]
    fn what_is_initialised_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert!(refuse_initialised(directory.path()).is_ok());
        std::fs::create_dir(directory.path().join(STORE_DIRECTORY)).unwrap();
        assert!(refuse_initialised(directory.path()).is_err());
    }
}
