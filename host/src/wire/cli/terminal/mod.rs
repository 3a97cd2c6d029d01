//! A login client for the terminal. It renders any step from its JSON alone, so a module from anywhere works here
//! without a line of code about it.

mod arguments;
mod ask;
pub mod client;
mod conversation;
mod display;
mod fields;
mod methods;

use std::process::ExitCode;

use serde_json::{Value, json};

pub use arguments::TerminalArguments;
pub use methods::{Deed, methods};

use ask::Terminal;
use client::{Answer, CLIENT_ID, Host};
use conversation::{Stop, finish_proof, run, sign_in};

/// Signs in at a running host and says who is signed in and by what.
///
/// With `json` the tokens are printed as JSON: **they are secrets**. Without it they are not shown at all.
pub fn login(arguments: &TerminalArguments) -> ExitCode {
    let mut terminal = Terminal::new(arguments.json);
    let ended = log_in(arguments, &mut terminal);
    close(ended, &mut terminal)
}

/// Signs in and sets up a module, to the end.
pub fn setup(arguments: &TerminalArguments, module: &str) -> ExitCode {
    let mut terminal = Terminal::new(arguments.json);
    let ended = set_up(arguments, module, &mut terminal);
    close(ended, &mut terminal)
}

fn close(ended: Result<(), Stop>, terminal: &mut Terminal) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop(text)) => {
            terminal.complain(&text);
            ExitCode::FAILURE
        }
    }
}

fn log_in(arguments: &TerminalArguments, terminal: &mut Terminal) -> Result<(), Stop> {
    let host = arguments.host(terminal)?;
    let tokens = sign_in(&host, arguments.user.as_deref(), terminal)?;
    if arguments.json {
        println!("{tokens}");
        return Ok(());
    }
    let me = host.get("/api/me", Some(bearer(&tokens)?))?.accepted()?;
    terminal.say(&greeting(&me));
    Ok(())
}

fn set_up(arguments: &TerminalArguments, module: &str, terminal: &mut Terminal) -> Result<(), Stop> {
    if !is_module_id(module) {
        return Err(Stop(format!("{module:?} cannot be the id of a module")));
    }
    let host = arguments.host(terminal)?;
    let tokens = sign_in(&host, arguments.user.as_deref(), terminal)?;
    let token = bearer(&tokens)?;
    let done = set_up_signed_in(&host, token, module, arguments.user.as_deref(), terminal);
    // Nobody keeps these tokens, so their session ends here, whatever came of the set-up.
    let signed_out = host.delete("/api/me/session", Some(token));
    done?;
    signed_out?;
    if arguments.json {
        println!("{}", json!({"module": module, "is_setup": true}));
    } else {
        terminal.say(&format!("\n{module} is set up. From the next sign-in on it is asked for."));
    }
    Ok(())
}

fn set_up_signed_in(
    host: &Host,
    token: &str,
    module: &str,
    user: Option<&str>,
    terminal: &mut Terminal,
) -> Result<(), Stop> {
    let begin = || host.post(&format!("/api/mfa/{module}/setup"), Some(token), &json!({}));
    let mut answer = begin()?;
    if answer.wants_fresh_proof() {
        terminal.say("This needs a fresh proof of your sign-in.");
        finish_proof(host, token, user, terminal)?;
        answer = begin()?;
    }
    let first = answer.accepted()?;
    let send = |flow_id: &str, fields: &Value| host.post(&format!("/api/mfa/setup/{flow_id}"), Some(token), fields);
    let early = first["recovery_codes"].clone();
    say_codes(&early, terminal);
    let created = run(first, user, terminal, send)?;
    say_codes(&created["recovery"], terminal);
    for issued in [&early, &created["recovery"]].into_iter().filter_map(Value::as_array).flatten() {
        let flow_id = issued["flow_id"].as_str().unwrap_or_default();
        let asked = host.get(&format!("/api/mfa/setup/{flow_id}"), Some(token)).and_then(Answer::accepted);
        // The factor is set up, whatever becomes of its codes.
        if let Err(Stop(reason)) = asked.and_then(|asked| run(asked, user, terminal, send)) {
            terminal.complain(&format!("these codes count for nothing, make new ones: {reason}"));
        }
    }
    Ok(())
}

/// Codes are in one answer only, so they are said before anything else can fail.
fn say_codes(issued: &Value, terminal: &mut Terminal) {
    for issued in issued.as_array().into_iter().flatten() {
        terminal.say(&format!("\n{}:", issued["name"].as_str().unwrap_or_default()));
        for code in issued["codes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            terminal.say(&format!("  {code}"));
        }
    }
}

/// Whether it is one segment of a path; a dot alone, or two, would lead out of it.
fn is_module_id(id: &str) -> bool {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !matches!(id, "" | "." | "..") && id.bytes().all(is_id)
}

fn bearer(tokens: &Value) -> Result<&str, Stop> {
    tokens["access_token"].as_str().ok_or_else(|| Stop("the host gave no access token".to_owned()))
}

fn greeting(me: &Value) -> String {
    let name = me["user"]["name"].as_str().unwrap_or("somebody");
    let amr: Vec<&str> = me["session"]["amr"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let method = match me["session"]["mfa_method_used"].as_str() {
        Some(method) => format!("mfa_method_used: {method}"),
        None => "no second factor".to_owned(),
    };
    format!("\nSigned in as {name} ({method}; amr: {}) for {CLIENT_ID}.", amr.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_names_user_method_and_amr() {
        let me =
            json!({"user": {"name": "anna"}, "session": {"amr": ["pwd", "otp", "mfa"], "mfa_method_used": "totp"}});
        let text = greeting(&me);
        assert!(text.contains("Signed in as anna (mfa_method_used: totp; amr: pwd otp mfa)"), "{text}");
        let me = json!({"user": {"name": "anna"}, "session": {"amr": ["pwd"], "mfa_method_used": null}});
        assert!(greeting(&me).contains("no second factor"));
    }
}
