//! Accessibility by rule: axe-core looks at the page, as far as WCAG 2.2 A and AA can be judged by a program.

use std::{path::PathBuf, sync::OnceLock};

use serde_json::{Value, json};

use super::session::Browser;

const TAGS: [&str; 5] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const RUN: &str = "
    const [tags, done] = arguments;
    axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations', 'incomplete']})
        .then(done, error => done({error: String(error)}));";

impl Browser {
    #[track_caller]
    pub fn assert_accessible(&self) {
        let barriers = self.barriers();
        assert!(barriers.is_empty(), "{} keeps people out:\n{}", self.url(), barriers.join("\n"));
    }

    /// Rule, place and remedy of everything that keeps people out.
    #[track_caller]
    pub fn barriers(&self) -> Vec<String> {
        self.try_script(source()).expect("axe-core is brought in");
        let script = json!({"script": RUN, "args": [TAGS]});
        let found = self.post("/execute/async", script).expect("axe-core runs");
        assert!(found["passes"].is_array(), "axe-core: {}", found["error"]);
        // What it could not decide of contrast is text on something it cannot see through; a page can do without.
        let undecided = |finding: &&Value| finding["id"] == "color-contrast";
        let findings = list(&found["violations"]).iter().chain(list(&found["incomplete"]).iter().filter(undecided));
        findings.map(told).collect()
    }
}

fn told(finding: &Value) -> String {
    let places = list(&finding["nodes"]).iter().map(|node| {
        let remedy = node["failureSummary"].as_str().unwrap_or_default().replace('\n', "\n      ");
        format!("  {} {}\n      {remedy}", node["target"], node["html"])
    });
    let head = format!("{}: {} ({})", finding["id"], finding["help"], finding["helpUrl"]);
    std::iter::once(head).chain(places).collect::<Vec<_>>().join("\n")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let fallback =
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/node/node_modules/axe-core/axe.min.js");
        let path = std::env::var_os("MFA_TEST_AXE").map_or_else(fallback, PathBuf::from);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; cargo xtask test installs axe-core", path.display()))
    })
}
