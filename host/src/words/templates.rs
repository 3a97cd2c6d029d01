//! Templates: built in, and replaced one by one by an admin's files of the same names. One that does not work costs itself
//! alone. They are parsed once somebody wants to see one.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, syntax::SyntaxConfig};

use super::{
    files::{files_in, read},
    problem::{Place, Problem},
};

const FILE_BYTES_MAX: u64 = 256 * 1024;
const REASON_CHARACTERS: usize = 200;

/// Which templates there are, and what they may do.
pub struct Rules {
    /// Names and texts.
    pub built_in: &'static [(&'static str, &'static str)],
    /// An admin's file may be called so; others in the folder are of other rooms.
    pub prefix: &'static str,
    pub endings: &'static [&'static str],
    /// Steps one of them may take.
    pub steps_max: u64,
    /// Filters and functions of theirs.
    pub extend: Box<dyn Fn(&mut Environment<'static>) + Send + Sync>,
}

/// Templates ready to be shown.
pub struct Templates {
    rules: Rules,
    /// With the admin's files in their places; none if there are no such files.
    own: Option<Environment<'static>>,
    built_in: OnceLock<Environment<'static>>,
    /// Where the admin's stand, by name.
    paths: BTreeMap<String, PathBuf>,
}

impl Templates {
    /// What is built in with the admin's files of this folder in their places, and which of those cannot be used.
    pub fn load(rules: Rules, folder: &Path) -> (Self, Vec<Problem>) {
        let is_ours =
            |name: &str| name.starts_with(rules.prefix) && rules.endings.iter().any(|ending| name.ends_with(ending));
        let files = files_in(folder, is_ours);
        let own = (!files.is_empty()).then(|| rules.environment());
        let mut templates = Self { rules, own, built_in: OnceLock::new(), paths: BTreeMap::new() };
        let problems = files.into_iter().filter_map(|path| templates.take(path)).collect();
        (templates, problems)
    }

    /// Puts an admin's file in its place; what is wrong with it, if it stays out.
    fn take(&mut self, path: PathBuf) -> Option<Problem> {
        let name = path.file_name()?.to_str()?.to_owned();
        let own = self.own.as_mut()?;
        let taken = read(&path, FILE_BYTES_MAX).map_err(|message| (1, message)).and_then(|text| {
            let added = own.add_template_owned(name.clone(), text);
            added.map_err(|error| (error.line().unwrap_or(1), reason_of(&error)))
        });
        self.paths.insert(name.clone(), path);
        let (line, message) = taken.err()?;
        self.put_back(&name, line, &message)
    }

    /// The built-in one takes the place of an admin's that does not work; what to tell of it.
    pub fn put_back(&mut self, name: &str, line: usize, message: &str) -> Option<Problem> {
        let path = self.paths.remove(name)?;
        if let Some(own) = &mut self.own {
            own.remove_template(name);
            if let Some((name, text)) = self.rules.built_in.iter().find(|(built_in, _)| *built_in == name) {
                // They parse: a test of each room renders every one of them.
                let _ = own.add_template(name, text);
            }
        }
        Some(Problem {
            place: Place::Line { path, line },
            message: format!("the template cannot be used: {message}"),
            remedy: "correct it, or remove the file; the built-in one is used meanwhile".to_owned(),
        })
    }

    /// Names of the admin's that are in use.
    pub fn replaced(&self) -> impl Iterator<Item = &str> {
        self.paths.keys().map(String::as_str)
    }

    /// All of them, the admin's in their places.
    pub fn all(&self) -> &Environment<'static> {
        self.own.as_ref().unwrap_or_else(|| self.built_in())
    }

    /// What comes with the host.
    pub fn built_in(&self) -> &Environment<'static> {
        self.built_in.get_or_init(|| self.rules.environment())
    }
}

impl Rules {
    fn environment(&self) -> Environment<'static> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(self.steps_max));
        environment.set_recursion_limit(50);
        let escape = |name: &str| if name.ends_with(".txt") { AutoEscape::None } else { AutoEscape::Html };
        environment.set_auto_escape_callback(escape);
        if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            environment.set_syntax(syntax);
        }
        (self.extend)(&mut environment);
        for (name, text) in self.built_in {
            // They parse: a test of each room renders every one of them.
            let _ = environment.add_template(name, text);
        }
        environment
    }
}

/// In one short line, without a place: that is told apart.
pub fn reason_of(error: &minijinja::Error) -> String {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let line = format!("{}{detail}", error.kind());
    line.chars().map(|character| if character.is_control() { ' ' } else { character }).take(REASON_CHARACTERS).collect()
}
