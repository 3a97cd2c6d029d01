//! `/static/{file}`: style, script and an admin's pictures. All are read when the settings are, and none is looked for
//! on a request, so no path leads out of the folder.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use axum::{
    Extension,
    body::Bytes,
    extract::Path as Wanted,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{Look, brand};
use crate::{
    settings::PagesSettings,
    words::{Place, Problem, files_in},
};

pub const STYLE: &str = "style.css";
pub const SCRIPT: &str = "script.js";
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Endings that are served, and as what.
const KINDS: [(&str, &str); 8] = [
    (".css", "text/css; charset=utf-8"),
    (".js", "text/javascript; charset=utf-8"),
    (".svg", "image/svg+xml"),
    (".png", "image/png"),
    (".jpg", "image/jpeg"),
    (".webp", "image/webp"),
    (".ico", "image/x-icon"),
    (".woff2", "font/woff2"),
];

/// Every file by its name.
pub struct Files(BTreeMap<String, File>);

#[derive(Clone)]
struct File {
    kind: &'static str,
    content: Bytes,
    /// Changes with the content, and stands in the address.
    mark: String,
}

impl Files {
    /// What is built in with the admin's files in their places, and what of the admin's cannot be used.
    pub fn load(directory: &Path, pages: &PagesSettings) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut texts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        texts.insert(STYLE.to_owned(), include_bytes!("static/style.css").to_vec());
        texts.insert(SCRIPT.to_owned(), include_bytes!("static/script.js").to_vec());
        for path in files_in(directory, |_| true) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            match content(&path, &name) {
                Ok(content) => drop(texts.insert(name, content)),
                Err(message) => problems.push(Problem {
                    place: Place::Line { path, line: 1 },
                    message,
                    remedy: "mend or remove the file".to_owned(),
                }),
            }
        }
        if let Some(style) = texts.get_mut(STYLE) {
            // Behind the others, so that a colour of the settings counts for a style of the admin's as well.
            style.extend_from_slice(brand::style(pages).as_bytes());
        }
        let file = |(name, content): (String, Vec<u8>)| {
            let mark = HEXLOWER.encode(&Sha256::digest(&content)[..6]);
            kind_of(&name).map(|kind| (name, File { kind, content: content.into(), mark }))
        };
        let files = Self(texts.into_iter().filter_map(file).collect());
        if let Some(logo) = pages.logo.as_ref().filter(|logo| !files.0.contains_key(*logo)) {
            problems.push(Problem {
                place: Place::Setting("pages.logo".to_owned()),
                message: format!("there is no {logo} in {}", directory.display()),
                remedy: "put the picture there, or remove the setting".to_owned(),
            });
        }
        (files, problems)
    }

    /// The address under which browsers may keep a file for good.
    pub fn address(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|file| format!("/static/{name}?{}", file.mark))
    }
}

/// One file of style, script or brand.
pub async fn serve(Extension(look): Extension<Arc<Look>>, Wanted(name): Wanted<String>) -> Response {
    let Some(file) = look.files.0.get(&name) else { return StatusCode::NOT_FOUND.into_response() };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(file.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    ];
    (headers, file.content.clone()).into_response()
}

fn kind_of(name: &str) -> Option<&'static str> {
    KINDS.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, kind)| *kind)
}

fn content(path: &Path, name: &str) -> Result<Vec<u8>, String> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if kind_of(name).is_none() || !name.bytes().all(is_plain) || name.len() > 64 {
        let endings: Vec<&str> = KINDS.iter().map(|(ending, _)| *ending).collect();
        return Err(format!("files here have names of a-z, 0-9, _ and -, and end in {}", endings.join(", ")));
    }
    let content = std::fs::read(path).map_err(|error| error.to_string())?;
    if content.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admins_file_takes_the_place_and_odd_ones_are_told() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("style.css"), "body{}").unwrap();
        std::fs::write(directory.path().join("Logo.PNG"), "x").unwrap();
        std::fs::write(directory.path().join("logo.svg"), "<svg/>").unwrap();
        let logo = |name: &str| PagesSettings { logo: Some(name.to_owned()), ..PagesSettings::default() };
        let (files, problems) = Files::load(directory.path(), &logo("logo.svg"));
        assert_eq!(&files.0["style.css"].content[..], b"body{}");
        assert!(files.address("logo.svg").is_some() && files.address("Logo.PNG").is_none());
        assert_eq!(problems.len(), 1, "{problems:?}");
        let (_, problems) = Files::load(directory.path(), &logo("none.svg"));
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn an_address_changes_with_what_is_behind_it() {
        let directory = tempfile::tempdir().unwrap();
        let address = |pages: &PagesSettings| Files::load(directory.path(), pages).0.address(STYLE).unwrap();
        let coloured = PagesSettings { accent: Some("#123456".parse().unwrap()), ..PagesSettings::default() };
        assert_ne!(address(&PagesSettings::default()), address(&coloured));
    }
}
