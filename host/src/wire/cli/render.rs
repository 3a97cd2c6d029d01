//! An outcome as a person or a program reads it.

use std::{fmt::Write, path::Path};

use serde_json::{Value, json};

use super::{
    certificate::DAYS_WARN,
    failure::Failure,
    people,
    table::{print, print_json, printable, table},
};
use crate::{
    clock::Timestamp,
    flow::{OpenThings, SessionView},
    store::{Behind, RepairDeed},
    system_clock::SystemClock,
    tls::RENEW,
    wire::control::{
        CertificateState, ChannelLine, MethodLine, ModuleLine, Outcome, ROLLED_BACK_REMEDY, StatusReport, StorageCheck,
        StorageRepair,
    },
};

/// Prints the outcome; one that did not happen is a failure.
pub fn show(outcome: Outcome, json: bool) -> Result<(), Failure> {
    let outcome = match outcome {
        Outcome::Failed { problem, remedy } => return Err(Failure::failed(problem, remedy)),
        outcome => outcome,
    };
    if json {
        show_json(&outcome)
    } else {
        print(&text_of(&outcome))
    }
    Ok(())
}

fn show_json(outcome: &Outcome) {
    match outcome {
        Outcome::User { deed, user } => print_json(&json!({ "deed": deed, "user": user })),
        Outcome::Users { users } => print_json(users),
        Outcome::UserDetails { details } => print_json(details),
        Outcome::UserReset { reset } => print_json(reset),
        Outcome::Invited { invited } => print_json(invited),
        Outcome::Methods { methods, .. } => print_json(methods),
        Outcome::MethodsReset { user, removed } => print_json(&json!({ "user": user, "removed": removed })),
        Outcome::Sessions { sessions } => print_json(sessions),
        Outcome::Modules { modules } => print_json(modules),
        Outcome::Channels { channels } => print_json(channels),
        Outcome::ChannelTested { name, to } => print_json(&json!({ "channel": name, "to": to, "sent": true })),
        Outcome::Status { status } => print_json(status),
        Outcome::StorageChecked { check } => print_json(check),
        Outcome::StorageBackedUp { file, records, bytes } => {
            print_json(&json!({ "file": file, "records": records, "bytes": bytes }));
        }
        Outcome::StorageRestored { records, aside, ended } => {
            print_json(&with_ended(json!({ "records": records, "aside": aside }), ended));
        }
        Outcome::StorageRepaired { repair } => print_json(repair),
        Outcome::StorageAcknowledged { behind, ended } => {
            print_json(&with_ended(json!({ "behind": behind }), ended));
        }
        Outcome::Failed { .. } => {}
    }
}

fn text_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::User { deed, user } => format!("user {}: {}\n", printable(&user.name), deed.replace('_', " ")),
        Outcome::Users { users } => people::users_table(users),
        Outcome::UserDetails { details } => people::details_text(details),
        Outcome::UserReset { reset } => people::reset_text(reset),
        Outcome::Invited { invited } => people::invited_text(invited),
        Outcome::Methods { methods, .. } => methods_table(methods),
        Outcome::MethodsReset { user, removed } if removed.is_empty() => {
            format!("user {}: there was no second factor to remove\n", printable(user))
        }
        Outcome::MethodsReset { user, removed } => {
            format!("user {}: removed {}\n", printable(user), printable(&removed.join(", ")))
        }
        Outcome::Sessions { sessions } => sessions_table(sessions),
        Outcome::Modules { modules } => modules_text(modules),
        Outcome::Channels { channels } => channels_text(channels),
        Outcome::ChannelTested { name, to } => {
            format!("channel {}: the message to {} was taken\n", printable(name), printable(to))
        }
        Outcome::Status { status } => status_text(status),
        Outcome::StorageChecked { check } => check_text(check),
        Outcome::StorageBackedUp { file, records, bytes } => {
            format!(
                "{}: {records} records, {bytes} bytes; the key is not in it\n",
                printable(&file.display().to_string())
            )
        }
        Outcome::StorageRestored { records, aside, ended } => restored_text(*records, aside.as_deref(), ended),
        Outcome::StorageRepaired { repair } => repaired_text(repair),
        Outcome::StorageAcknowledged { behind, ended } => acknowledged_text(behind, ended),
        Outcome::Failed { .. } => String::new(),
    }
}

fn check_text(check: &StorageCheck) -> String {
    let mut text = match &check.damage {
        Some(damage) => format!(
            "DAMAGED: {}\n  stop the host, then run mfa-host storage check --repair, or restore a backup\n",
            printable(damage)
        ),
        None => format!("{} records\n", check.records),
    };
    for key in &check.tampered {
        let _ = writeln!(text, "{}: does not authenticate and is refused", printable(key));
    }
    if let Some(behind) = &check.behind {
        let _ = writeln!(text, "AN OLDER COPY WAS PUT BACK: {behind}; every login is refused\n  {ROLLED_BACK_REMEDY}");
    }
    if check.unfinished_bytes > 0 {
        let _ = writeln!(text, "{} bytes of a change that was never acknowledged", check.unfinished_bytes);
    }
    if check.is_good() {
        text.push_str("everything is as it was written\n");
    }
    text
}

fn restored_text(records: usize, aside: Option<&Path>, ended: &OpenThings) -> String {
    let mut text = format!("restored {records} records\n");
    if let Some(aside) = aside {
        let _ = writeln!(text, "the store that was here is now {}", printable(&aside.display().to_string()));
    }
    text.push_str(&ended_text(ended));
    text
}

fn with_ended(mut told: Value, ended: &OpenThings) -> Value {
    told["ended"] = json!(ended.sessions);
    told["ended_invitations"] = json!(ended.invitations);
    told["ended_reset_codes"] = json!(ended.reset_codes);
    told
}

fn ended_text(ended: &OpenThings) -> String {
    let mut text = match ended.sessions.len() {
        0 => "no session was open in it; those opened since are gone\n".to_owned(),
        count => format!(
            "ended {count} sessions and logins in progress; those opened since are gone too\n{}",
            sessions_table(&ended.sessions)
        ),
    };
    if !ended.invitations.is_empty() {
        let count = ended.invitations.len();
        let _ = writeln!(text, "ended {count} invitations, used or not; invite anew: mfa-host user invite");
    }
    if !ended.reset_codes.is_empty() {
        let names = printable(&ended.reset_codes.join(", "));
        let _ = writeln!(
            text,
            "the one-time codes of these users are dead, and nothing signs them in before a new reset: {names}\n  \
             mfa-host user reset NAME"
        );
    }
    text
}

fn acknowledged_text(behind: &Behind, ended: &OpenThings) -> String {
    let lost = match &behind.known {
        Some(known) => format!("what changed since, up to {known}, and what a repair could not keep, is lost"),
        None => "what changed since is lost; how much that was, nobody knows".to_owned(),
    };
    format!(
        "acknowledged: the store ends with {}; {lost}\nsecond factors set up since are gone, and those removed since are \
         back: mfa-host user list\n{}",
        behind.reaches,
        ended_text(ended)
    )
}

fn repaired_text(repair: &StorageRepair) -> String {
    let mut text = match repair.deed {
        RepairDeed::NothingToDo => "the store is not damaged; nothing was changed\n".to_owned(),
        RepairDeed::Finished => "the repair that was interrupted is finished\n".to_owned(),
        RepairDeed::Repaired => "repaired\n".to_owned(),
    };
    let _ = writeln!(text, "{} records", repair.records);
    for key in &repair.tampered {
        let _ = writeln!(text, "{}: does not authenticate and is refused", printable(key));
    }
    for loss in &repair.lost {
        let _ = writeln!(text, "LOST: {}: {}", printable(&loss.file), printable(&loss.what));
    }
    if let Some(aside) = &repair.aside {
        let _ = writeln!(text, "the damaged files are now in {}", printable(&aside.display().to_string()));
    }
    if let Some(behind) = &repair.behind {
        let _ = writeln!(
            text,
            "every login is refused until you decide: {behind}.\nWhat is lost may have held users, second factors or \
             their removal; who set one up in that time would sign in without it.\n  {ROLLED_BACK_REMEDY}"
        );
    }
    text
}

fn methods_table(methods: &[MethodLine]) -> String {
    let rows: Vec<_> = methods
        .iter()
        .map(|method| {
            vec![
                method.id.clone(),
                method.name.clone(),
                yes(method.is_setup),
                yes(method.is_active),
                yes(method.is_primary),
                yes(method.is_available),
                moment(method.last_used_at),
            ]
        })
        .collect();
    table(&["ID", "NAME", "SET UP", "ACTIVE", "PRIMARY", "AVAILABLE", "LAST USED"], &rows)
}

fn sessions_table(sessions: &[SessionView]) -> String {
    let rows: Vec<_> = sessions
        .iter()
        .map(|session| {
            vec![
                session.kind.clone(),
                session.user.clone(),
                dash(session.client_id.as_deref().unwrap_or_default()),
                session.created_at.rfc3339(),
                moment(session.expires_at),
                dash(session.mfa_method_used.as_deref().unwrap_or_default()),
                session.id.clone(),
            ]
        })
        .collect();
    table(&["KIND", "USER", "CLIENT", "CREATED", "EXPIRES", "MFA", "ID"], &rows)
}

fn modules_text(modules: &[ModuleLine]) -> String {
    let rows: Vec<_> = modules
        .iter()
        .map(|module| {
            vec![
                module.id.clone(),
                module.module_type.clone(),
                module.name.clone(),
                yes(module.enabled),
                module.state.clone(),
                dash(module.version.as_deref().unwrap_or_default()),
            ]
        })
        .collect();
    let mut text = table(&["ID", "TYPE", "NAME", "ENABLED", "STATE", "VERSION"], &rows);
    for module in modules {
        if let Some(reason) = &module.reason {
            text.push_str(&format!("{}: {}\n", module.id, printable(reason)));
            if let Some(remedy) = &module.remedy {
                text.push_str(&format!("  {}\n", printable(remedy)));
            }
        }
    }
    text
}

fn channels_text(channels: &[ChannelLine]) -> String {
    let row = |channel: &ChannelLine| {
        let ChannelLine { name, kind, label, target, state, .. } = channel.clone();
        vec![name, kind, label, target, state]
    };
    let rows: Vec<_> = channels.iter().map(row).collect();
    let mut text = table(&["NAME", "TYPE", "LABEL", "TARGET", "STATE"], &rows);
    for channel in channels {
        if let (Some(reason), Some(remedy)) = (&channel.reason, &channel.remedy) {
            let _ = writeln!(text, "{}: {}\n  {}", channel.name, printable(reason), printable(remedy));
        }
    }
    text
}

fn status_text(status: &StatusReport) -> String {
    let mut lines = vec![
        format!("mfa-host {}", status.version),
        match &status.listening_on {
            Some(address) => format!("host      running, listening on {address}"),
            None => "host      stopped".to_owned(),
        },
        format!("directory {}", printable(&status.config_directory)),
    ];
    lines.push(match (&status.store.damage, &status.store.behind) {
        (None, None) => "store     sound".to_owned(),
        (Some(damage), _) => {
            format!("store     DAMAGED: {}\n          every login is refused; see docs/admin.md", printable(damage))
        }
        (None, Some(behind)) => format!(
            "store     AN OLDER COPY WAS PUT BACK: {behind}\n          every login is refused; {ROLLED_BACK_REMEDY}"
        ),
    });
    if !status.store.tampered.is_empty() {
        lines.push(format!(
            "store     records that do not authenticate: {}",
            printable(&status.store.tampered.join(", "))
        ));
    }
    let news = &status.settings.news;
    lines.push(match &news.problem {
        Some(problem) => format!("settings  the former ones are in force: {}", printable(problem)),
        None => "settings  in force".to_owned(),
    });
    if !news.at_next_start.is_empty() {
        lines.push(format!("settings  changed, takes effect at the next start: {}", news.at_next_start.join(", ")));
    }
    lines.extend(status.certificate.iter().flat_map(certificate_lines));
    let clock = match status.system_clock {
        SystemClock::Synchronised => "synchronised",
        SystemClock::NotSynchronised => "NOT synchronised; codes that follow the time may fail; start a time service",
        SystemClock::Unknown => "the system does not say whether it is synchronised",
    };
    lines.push(format!("clock     {clock}"));
    lines.extend(status.settings.warnings.iter().map(|warning| format!("warning   {}", printable(warning))));
    lines.push(status.users.map_or("users     unknown".to_owned(), |count| format!("users     {count}")));
    let mut text = format!("{}\n\n{}", lines.join("\n"), modules_text(&status.modules));
    if !status.channels.is_empty() {
        let _ = write!(text, "\n{}", channels_text(&status.channels));
    }
    text
}

fn certificate_lines(certificate: &CertificateState) -> Vec<String> {
    let (names, until) = (printable(&certificate.names.join(", ")), crate::clock::zoned(certificate.expires_at, None));
    let mut lines = vec![match certificate.days_left {
        ..0 => format!("tls       THE CERTIFICATE HAS EXPIRED on {until}: {names}\n          {RENEW}"),
        days @ ..DAYS_WARN => {
            format!("tls       certificate ends in {days} days, on {until}: {names}\n          {RENEW}")
        }
        days => format!("tls       certificate for {days} more days, until {until}: {names}"),
    }];
    if let (Some(problem), Some(remedy)) = (&certificate.problem, &certificate.remedy) {
        let (problem, remedy) = (printable(problem), printable(remedy));
        lines.push(format!("tls       the former certificate is in service: {problem}\n          {remedy}"));
    }
    lines
}

pub(super) fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

pub(super) fn dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), Timestamp::rfc3339)
}
