//! One's own second factors at the terminal: what there is, and what becomes of each. Signs in, does one thing, signs out.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{
    TerminalArguments,
    ask::Terminal,
    bearer,
    client::{Answer, Host},
    close,
    conversation::{Stop, fill, finish_proof, run, sign_in},
    display, is_module_id,
};
use crate::wire::cli::table::table;

/// What to do, to which of the user's methods.
pub enum Deed {
    List,
    Show { id: String },
    Devices { id: String },
    Rename { id: String, device: Option<String>, name: String },
    Activate { id: String },
    Deactivate { id: String },
    Primary { id: String },
    Remove { id: String, device: Option<String> },
    Test { id: String },
}

/// Does it, at a running host.
pub fn methods(arguments: &TerminalArguments, deed: &Deed) -> ExitCode {
    let mut terminal = Terminal::new(arguments.json);
    let ended = signed_in(arguments, deed, &mut terminal);
    close(ended, &mut terminal)
}

fn signed_in(arguments: &TerminalArguments, deed: &Deed, terminal: &mut Terminal) -> Result<(), Stop> {
    for id in deed.ids() {
        if !is_module_id(id) {
            return Err(Stop(format!("{id:?} cannot be an id")));
        }
    }
    let host = arguments.host(terminal)?;
    let tokens = sign_in(&host, arguments.user.as_deref(), terminal)?;
    let session = Session { host: &host, token: bearer(&tokens)?, user: arguments.user.as_deref() };
    let done = session.act(deed, terminal);
    // Nobody keeps these tokens, so their session ends here, whatever came of it.
    let signed_out = host.delete("/api/me/session", Some(session.token));
    let result = done?;
    signed_out?;
    if arguments.json {
        println!("{result}");
    } else {
        terminal.say(&deed.told(&result));
    }
    Ok(())
}

struct Session<'a> {
    host: &'a Host,
    token: &'a str,
    user: Option<&'a str>,
}

impl Session<'_> {
    fn act(&self, deed: &Deed, terminal: &mut Terminal) -> Result<Value, Stop> {
        let at = |id: &str, rest: &str| format!("/api/mfa/{id}{rest}");
        match deed {
            Deed::List => self.host.get("/api/mfa", Some(self.token))?.accepted(),
            Deed::Show { id } | Deed::Devices { id } => self.host.get(&at(id, ""), Some(self.token))?.accepted(),
            Deed::Rename { id, device: None, name } => {
                self.change("PATCH", &at(id, ""), json!({"label": name}), terminal)
            }
            Deed::Rename { id, device: Some(device), name } => {
                self.change("PATCH", &at(id, &format!("/devices/{device}")), json!({"name": name}), terminal)
            }
            Deed::Activate { id } => self.change("POST", &at(id, "/activate"), json!({}), terminal),
            Deed::Deactivate { id } => self.change("POST", &at(id, "/deactivate"), json!({}), terminal),
            Deed::Primary { id } => self.change("POST", &at(id, "/primary"), json!({}), terminal),
            Deed::Remove { id, device } => {
                let device = device.as_ref().map(|device| format!("/devices/{device}")).unwrap_or_default();
                self.change("DELETE", &at(id, &device), json!({}), terminal)
            }
            Deed::Test { id } => {
                let first = self.change("POST", &at(id, "/test"), json!({}), terminal)?;
                let answered = run(first, None, terminal, |flow_id, fields| self.answer_test(flow_id, fields))?;
                Ok(json!({"id": id, "works": answered["type"] == "create_entry"}))
            }
        }
    }

    fn answer_test(&self, flow_id: &str, fields: &Value) -> Result<Answer, Stop> {
        self.host.post(&format!("/api/mfa/test/{flow_id}"), Some(self.token), fields)
    }

    /// A change, with the proof or the code that the host wants with it; each is asked for once.
    fn change(&self, method: &str, path: &str, mut body: Value, terminal: &mut Terminal) -> Result<Value, Stop> {
        let (mut is_proved, mut has_code) = (false, false);
        loop {
            let answer = self.host.send(method, path, Some(self.token), &body)?;
            // The host knows best whose code it is: not always the method's that is changed.
            let asked = answer.body["method"].as_str().filter(|id| is_module_id(id)).map(str::to_owned);
            if answer.status.is_success() {
                return Ok(if answer.body.is_null() { json!({"done": true}) } else { answer.body });
            } else if answer.wants_fresh_proof() && !is_proved {
                terminal.say("This needs a fresh proof of your sign-in.");
                finish_proof(self.host, self.token, self.user, terminal)?;
                is_proved = true;
            } else if let Some(asked) = asked.filter(|_| !has_code) {
                terminal.say(&format!("This needs a code of {asked}."));
                self.add_code(&asked, &mut body, terminal)?;
                has_code = true;
            } else {
                return Err(Stop(answer.complaint()));
            }
        }
    }

    /// The answer to a trial's step: that is how a method which sends its codes sends one.
    fn add_code(&self, asked: &str, body: &mut Value, terminal: &mut Terminal) -> Result<(), Stop> {
        let begun = self.host.post(&format!("/api/mfa/{asked}/test"), Some(self.token), &json!({}))?;
        if begun.body["code"] == "is_recovery" {
            body["code"] = terminal.line("Code: ")?.into();
            return Ok(());
        }
        let step = begun.accepted()?;
        if step["type"] != "form" {
            return Err(Stop(step["text"].as_str().unwrap_or("the method cannot be asked now").to_owned()));
        }
        for line in display::lines(&step, true) {
            terminal.say(&line);
        }
        body["fields"] = Value::Object(fill(&step, None, terminal)?);
        body["flow_id"] = step["flow_id"].clone();
        Ok(())
    }
}

impl Deed {
    /// What it names that goes into a path.
    fn ids(&self) -> impl Iterator<Item = &str> {
        let (id, device) = match self {
            Self::List => (None, None),
            Self::Rename { id, device, .. } | Self::Remove { id, device } => (Some(id), device.as_ref()),
            Self::Show { id }
            | Self::Devices { id }
            | Self::Activate { id }
            | Self::Deactivate { id }
            | Self::Primary { id }
            | Self::Test { id } => (Some(id), None),
        };
        id.into_iter().chain(device).map(String::as_str)
    }

    /// The result for a person.
    fn told(&self, result: &Value) -> String {
        match self {
            Self::List => list_text(result),
            Self::Show { .. } => show_text(result),
            Self::Devices { .. } => devices_text(&result["overview"]["devices"]),
            Self::Rename { id, device: None, name } => format!("{id} is called {name:?}."),
            Self::Rename { device: Some(device), name, .. } => format!("device {device} is called {name:?}."),
            Self::Activate { id } => format!("{id} is active."),
            Self::Deactivate { id } => {
                format!("{id} is not asked for any more; `methods activate {id}` brings it back.")
            }
            Self::Primary { id } => format!("{id} is asked for first from now on."),
            Self::Remove { id, device: None } => format!("{id} is removed."),
            Self::Remove { id, device: Some(device) } => format!("device {device} of {id} is removed."),
            Self::Test { id } => format!("{id} works."),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

fn state(method: &Value) -> &'static str {
    let is = |name: &str| method[name] == true;
    match (is("is_setup"), is("is_active"), is("is_primary")) {
        (false, ..) => "not set up",
        (true, false, _) => "inactive",
        (true, true, false) => "active",
        (true, true, true) => "primary",
    }
}

fn list_text(methods: &Value) -> String {
    let row = |method: &Value| {
        let [id, name, label, used] = ["id", "name", "label", "last_used_at"].map(|key| text(&method[key]));
        vec![id, name, label, state(method).to_owned(), used]
    };
    let rows: Vec<_> = methods.as_array().into_iter().flatten().map(row).collect();
    table(&["ID", "NAME", "LABEL", "STATE", "LAST USED"], &rows).trim_end().to_owned()
}

fn show_text(method: &Value) -> String {
    let mut rows = vec![
        vec!["id".to_owned(), text(&method["id"])],
        vec!["name".to_owned(), text(&method["name"])],
        vec!["label".to_owned(), text(&method["label"])],
        vec!["state".to_owned(), state(method).to_owned()],
        vec!["set up".to_owned(), text(&method["created_at"])],
        vec!["last used".to_owned(), text(&method["last_used_at"])],
    ];
    if let Some(summary) = method["overview"]["summary"].as_str() {
        rows.push(vec!["in short".to_owned(), summary.to_owned()]);
    }
    if let Some(period_s) = method["code"]["period_s"].as_u64() {
        rows.push(vec!["a code lives".to_owned(), format!("{period_s} s")]);
    }
    table(&["", ""], &rows).trim().to_owned()
}

fn devices_text(devices: &Value) -> String {
    let row = |device: &Value| ["id", "name", "created_at", "last_used_at"].map(|key| text(&device[key])).to_vec();
    let rows: Vec<_> = devices.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        return "this method keeps no list of devices".to_owned();
    }
    table(&["ID", "NAME", "SET UP", "LAST USED"], &rows).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_told_with_their_state() {
        let method = |id: &str, setup: bool, active: bool, primary: bool| json!({"id": id, "name": "N", "label": null, "is_setup": setup, "is_active": active, "is_primary": primary});
        let methods = json!([
            method("a", true, true, true),
            method("b", true, true, false),
            method("c", true, false, false),
            method("d", false, false, false)
        ]);
        let told = list_text(&methods);
        let states: Vec<_> =
            told.lines().skip(1).map(|line| line.split("  ").map(str::trim).collect::<Vec<_>>()).collect();
        for (line, state) in states.iter().zip(["primary", "active", "inactive", "not set up"]) {
            assert!(line.contains(&state), "{line:?}");
        }
    }

    #[test]
    fn what_goes_into_a_path_is_looked_at_first() {
        let deed = Deed::Remove { id: "totp".to_owned(), device: Some("../..".to_owned()) };
        assert_eq!(deed.ids().filter(|id| !is_module_id(id)).collect::<Vec<_>>(), ["../.."]);
        assert!(!is_module_id("..") && !is_module_id("."));
    }
}
