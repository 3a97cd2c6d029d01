//! wire → flow → module host → module, and flow → store: one way, and nobody imports upward.

use super::Source;

/// A folder of the host and the folders it must not know.
const LINES: [(&str, &[&str]); 7] = [
    ("host/src/store/", &["flow", "wire", "module_host", "provider", "delivery", "settings", "words"]),
    ("host/src/settings/", &["flow", "wire", "module_host", "provider", "delivery", "store", "words"]),
    ("host/src/provider/", &["flow", "wire", "module_host", "store", "delivery", "words"]),
    ("host/src/module_host/", &["flow", "wire", "provider", "store", "delivery", "words"]),
    ("host/src/words/", &["flow", "wire", "module_host", "provider", "store", "delivery"]),
    ("host/src/delivery/", &["flow", "wire", "module_host", "provider", "store"]),
    ("host/src/flow/", &["wire"]),
];

pub fn mistakes(sources: &[Source]) -> Vec<String> {
    sources.iter().filter(|source| source.is_rust() && source.path.starts_with("host/src/")).flat_map(of_file).collect()
}

fn of_file(source: &Source) -> Vec<String> {
    let Some((folder, forbidden)) = LINES.iter().find(|(folder, _)| source.path.starts_with(folder)) else {
        return Vec::new();
    };
    let mut mistakes = Vec::new();
    let mut block: Option<usize> = None;
    let mut nested = String::new();
    for (number, line) in source.code_lines() {
        for word in *forbidden {
            if line.contains(&format!("crate::{word}::")) || line.contains(&format!("crate::{word};")) {
                mistakes.push(format!("{}:{number}: {folder} must not know {word}", source.path));
            }
        }
        // `use crate::{ … };` may span lines; its members stand without the word `crate`.
        if line.trim() == "use crate::{" || line.trim_start().starts_with("use crate::{") {
            (block, nested) = (Some(number), String::new());
        }
        if let Some(start) = block {
            nested.push_str(line);
            if line.contains(';') {
                let members = members_of(&nested);
                for word in forbidden.iter().filter(|word| members.iter().any(|member| member == *word)) {
                    mistakes.push(format!("{}:{start}: {folder} must not know {word}", source.path));
                }
                block = None;
            }
        }
    }
    mistakes
}

/// First segments of the members of a `use crate::{…};`.
fn members_of(text: &str) -> Vec<String> {
    let inner = text.split_once("use crate::{").map_or("", |(_, inner)| inner);
    let (mut members, mut depth) = (vec![String::new()], 0_u32);
    for character in inner.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            _ => members.iter_mut().rev().take(1).for_each(|member| member.push(character)),
        }
    }
    let first_segment = |member: String| member.split("::").next().unwrap_or_default().trim().to_owned();
    members.into_iter().map(first_segment).filter(|member| !member.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn members_of_a_nested_import_are_its_first_segments() {
        let text = "use crate::{ clock::Clock, flow::{Step, wire::X}, settings, store::Store };";
        assert_eq!(members_of(text), ["clock", "flow", "settings", "store"]);
    }

    #[test]
    fn an_import_upward_is_found_however_it_is_written() {
        for text in [
            "use crate::wire::http;",
            "use crate::{\n    clock::Clock,\n    wire::{http, cli},\n};",
            "use crate::{clock, wire};",
            "fn f() { crate::wire::http::serve() }",
        ] {
            assert_eq!(mistakes(&[source("host/src/flow/login.rs", text)]).len(), 1, "{text}");
        }
    }

    #[test]
    fn downward_imports_and_comments_are_left_alone() {
        let text = "use crate::{clock::Clock, store::Store};\n// crate::wire::http would be upward\n";
        assert!(mistakes(&[source("host/src/flow/login.rs", text)]).is_empty());
        assert!(mistakes(&[source("host/src/wire/http.rs", "use crate::flow::Flows;")]).is_empty());
        assert_eq!(mistakes(&[source("host/src/store/json.rs", "use crate::flow::Flows;")]).len(), 1);
    }
}
