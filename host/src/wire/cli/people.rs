//! Users as a person reads them.

use super::{
    render::{dash, yes},
    table::{printable, table},
};
use crate::flow::{Invited, UserDetails, UserReset, UserView};

pub fn users_table(users: &[UserView]) -> String {
    let rows: Vec<_> = users
        .iter()
        .map(|user| {
            vec![
                user.name.clone(),
                if user.is_active { "on" } else { "off" }.to_owned(),
                yes(user.is_owner),
                yes(user.has_password),
                dash(&user.methods.join(",")),
                user.created_at.rfc3339(),
                user.id.clone(),
            ]
        })
        .collect();
    table(&["NAME", "STATE", "OWNER", "PASSWORD", "MFA", "CREATED", "ID"], &rows)
}

pub fn details_text(details: &UserDetails) -> String {
    let user = &details.user;
    let text = |value: &Option<String>| dash(value.as_deref().unwrap_or_default());
    let state = match (user.is_active, user.must_change_password, details.reset_code_expires_at) {
        (false, _, _) => "off".to_owned(),
        (true, true, Some(until)) => format!("on, reset: only the one-time code signs in, until {}", until.rfc3339()),
        (true, true, None) => "on, reset, but the one-time code is gone: needs a new reset by an admin".to_owned(),
        (true, false, _) => "on".to_owned(),
    };
    let mut lines = vec![
        ("name", user.name.clone()),
        ("shown as", text(&details.display_name)),
        ("state", state),
        ("owner", yes(user.is_owner)),
        ("password", yes(user.has_password)),
        ("factors", dash(&user.methods.join(", "))),
        ("groups", dash(&user.groups.join(", "))),
        ("language", text(&details.language)),
        ("zone", text(&details.zone)),
        ("local only", yes(details.local_only)),
        ("created", user.created_at.rfc3339()),
        ("id", user.id.clone()),
    ];
    for (kind, list) in [("email", &details.email), ("phone", &details.phone)] {
        lines.extend(list.iter().map(|address| {
            let proof = address.proved_at.map_or("not proved".to_owned(), |at| format!("proved {}", at.rfc3339()));
            (kind, format!("{} ({proof})", address.value))
        }));
    }
    lines.iter().map(|(label, value)| format!("{label:<10} {}\n", printable(value))).collect()
}

pub fn reset_text(reset: &UserReset) -> String {
    let mut text = format!("user {}: the password opens nothing any more\n", printable(&reset.user.name));
    if !reset.removed.is_empty() {
        text.push_str(&format!("removed {}\n", printable(&reset.removed.join(", "))));
    }
    text.push_str(&format!(
        "one-time code {} (until {}): hand it to the user, who signs in with it and chooses a new password\n",
        reset.code.0,
        reset.expires_at.rfc3339()
    ));
    text
}

pub fn invited_text(invited: &Invited) -> String {
    let text = format!("invitation {} (for one person, until {})\n", invited.code.0, invited.expires_at.rfc3339());
    match invited.sign_up_is_off {
        false => text,
        true => format!("{text}nobody can use it yet: set mode = \"invite\" under [sign_up] in host.toml\n"),
    }
}
