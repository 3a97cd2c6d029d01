//! What a check found: one line and, unless all is well, one remedy each.

use serde::Serialize;
use serde_json::json;

use super::{
    failure::Failure,
    table::{print, print_json, printable},
};

/// How bad it is. In the order of their weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub level: Level,
    /// A word such as `clock`, for scripts too.
    pub subject: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    pub fn ok(subject: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject, message: message.into(), remedy: None }
    }

    pub fn warn(subject: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warn, subject, message: message.into(), remedy: Some(remedy.into()) }
    }

    pub fn fail(subject: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Fail, subject, message: message.into(), remedy: Some(remedy.into()) }
    }

    /// What ends another command, as a finding of this one.
    pub fn of_failure(subject: &'static str, failure: &Failure) -> Self {
        let (problem, remedy) = failure.words();
        // Some failures carry their remedy in their own words, behind the last semicolon.
        match problem.rsplit_once("; ") {
            Some((problem, inner)) if remedy.is_empty() => Self::fail(subject, problem, inner),
            _ => Self::fail(subject, problem, remedy),
        }
    }
}

/// The weight of the worst.
pub fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

/// Prints them all.
pub fn show(findings: &[Finding], json: bool) {
    if json {
        print_json(&json!({ "level": worst(findings), "findings": findings }));
    } else {
        print(&findings.iter().map(text_of).collect::<String>());
    }
}

fn text_of(finding: &Finding) -> String {
    let level = match finding.level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Fail => "fail",
    };
    let line = format!("{level:<4}  {:<11}  {}\n", finding.subject, printable(&finding.message));
    match &finding.remedy {
        Some(remedy) => format!("{line}{:19}{}\n", "", printable(remedy)),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_and_one_remedy_whatever_it_holds() {
        let text = text_of(&Finding::fail("modules", "a\nb\u{1b}[2J", "c\nd"));
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\u{1b}'));
        assert_eq!(text_of(&Finding::ok("clock", "synchronised")).lines().count(), 1);
    }

    #[test]
    fn a_failure_that_carries_its_remedy_is_parted() {
        let finding = Finding::of_failure("key", &Failure::failed("the key is open; run: chmod 600 k", ""));
        assert_eq!(
            (finding.message.as_str(), finding.remedy.as_deref()),
            ("the key is open", Some("run: chmod 600 k"))
        );
        let finding = Finding::of_failure("key", &Failure::failed("a; b", "c"));
        assert_eq!((finding.message.as_str(), finding.remedy.as_deref()), ("a; b", Some("c")));
    }
}
