//! People who add themselves: not at all by default, with an invitation, or freely.

use std::thread;

use serde_json::{Value, json};

use crate::harness::{ADA, Answer, CLIENT_ID, PASSWORD, Stage, run_host};

fn mode(mode: &'static str) -> Stage {
    Stage::with(|directory| directory.append_settings(&format!("[sign_up]\nmode = \"{mode}\"")))
}

fn sign_up(stage: &Stage, name: &str, password: &str, invite: Option<&str>) -> Answer {
    let mut body = json!({"username": name, "password": password});
    if let Some(invite) = invite {
        body["invite"] = invite.into();
    }
    stage.wire().post("/api/signup", &body)
}

fn invite(stage: &Stage, more: &[&str]) -> String {
    let told = run_host(&stage.directory.path(), &[&["user", "invite", "--json"], more].concat()).success().json();
    told["code"].as_str().expect("a code").to_owned()
}

fn signs_in(stage: &Stage, name: &str) -> bool {
    let body = json!({"client_id": CLIENT_ID, "username": name, "password": PASSWORD});
    stage.wire().post("/api/login", &body).status == 200
}

fn users(stage: &Stage) -> usize {
    run_host(&stage.directory.path(), &["user", "list", "--json"]).success().json().as_array().expect("a list").len()
}

#[test]
fn nobody_signs_up_unless_the_settings_say_so() {
    let stage = Stage::new();
    let code = invite(&stage, &[]);
    for invite in [None, Some(code.as_str())] {
        assert_eq!(sign_up(&stage, "cleo", PASSWORD, invite).expect(403)["code"], "sign_up_off");
    }
    assert_eq!(users(&stage), 2);
}

#[test]
fn an_invitation_lets_one_person_in() {
    let stage = mode("invite");
    let code = invite(&stage, &["--group", "family"]);
    let made = sign_up(&stage, " cleo ", PASSWORD, Some(&code.to_lowercase())).expect(201);
    assert_eq!(made["name"], "cleo");
    assert!(signs_in(&stage, "cleo"));
    let shown = run_host(&stage.directory.path(), &["user", "show", "cleo", "--json"]).success().json();
    assert_eq!((&shown["groups"], &shown["is_owner"]), (&json!(["family"]), &json!(false)), "{shown}");
    assert_eq!(sign_up(&stage, "dora", PASSWORD, Some(&code)).expect(403)["code"], "invalid_invite", "once");
    assert_eq!(users(&stage), 3);
    assert!(!stage.host().log().contains(&code));
    for file in stage.directory.store_files() {
        let text = std::fs::read_to_string(&file).expect("text");
        assert!(!text.contains(&code) && !text.contains(&code.replace('-', "")), "{}", file.display());
    }
}

#[test]
fn without_a_valid_invitation_nothing_is_told_of_names() {
    let mut stage = mode("invite");
    let code = invite(&stage, &[]);
    let told = |stage: &Stage, name: &str, invite: Option<&str>| {
        let answer = sign_up(stage, name, PASSWORD, invite);
        (answer.status, String::from_utf8(answer.body).expect("text"))
    };
    let unknown = told(&stage, "nobody-there", None);
    assert_eq!(unknown, told(&stage, ADA, Some("AAAA-BBBB-CCCC-DDDD-EEEE")));
    assert_eq!(unknown.0, 403);
    stage.clock.advance_s(7 * 24 * 3600 + 1);
    assert_eq!(unknown, told(&stage, "nobody-there", Some(&code)), "an invitation lives seven days");
    assert_eq!(users(&stage), 2);
}

#[test]
fn an_invitation_is_not_lost_on_a_name_that_is_taken_or_a_bad_password() {
    let mut stage = mode("invite");
    let code = invite(&stage, &[]);
    assert_eq!(sign_up(&stage, "ADA", PASSWORD, Some(&code)).expect(409)["code"], "name_taken");
    assert_eq!(sign_up(&stage, "cleo", "password1", Some(&code)).expect(400)["code"], "password_refused");
    stage.clock.advance_s(60);
    sign_up(&stage, "cleo", PASSWORD, Some(&code)).expect(201);
}

#[test]
fn one_invitation_used_many_times_at_once_lets_one_in() {
    let stage = mode("invite");
    let code = invite(&stage, &[]);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let uses: Vec<_> = (0..8)
            .map(|at| {
                let (stage, code) = (&stage, &code);
                scope.spawn(move || sign_up(stage, &format!("guest-{at}"), PASSWORD, Some(code)).status)
            })
            .collect();
        uses.into_iter().map(|used| used.join().expect("an answer")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(users(&stage), 3);
}

#[test]
fn one_name_wanted_many_times_at_once_is_had_by_one() {
    let stage = mode("open");
    let statuses: Vec<u16> = thread::scope(|scope| {
        let wishes: Vec<_> = (0..8)
            .map(|at| {
                let stage = &stage;
                let name = if at % 2 == 0 { "cleo" } else { "CLEO" };
                scope.spawn(move || sign_up(stage, name, PASSWORD, None).status)
            })
            .collect();
        wishes.into_iter().map(|wish| wish.join().expect("an answer")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(users(&stage), 3);
}

#[test]
fn sign_ups_of_a_source_are_slowed_down_whether_they_succeed_or_not() {
    let mut stage = mode("open");
    let statuses: Vec<u16> = (0..5).map(|at| sign_up(&stage, &format!("guest-{at}"), PASSWORD, None).status).collect();
    assert_eq!(statuses, [201, 201, 201, 429, 429]);
    assert!(signs_in(&stage, ADA), "who signs in is not slowed down by it");
    stage.clock.advance_s(2);
    assert_eq!(sign_up(&stage, "guest-9", PASSWORD, None).status, 201);
}

#[test]
fn names_that_could_deceive_are_refused() {
    let mut stage = mode("open");
    let long = "a".repeat(200);
    let names =
        ["", "   ", "a\nb", "ada\u{200b}", "\u{202e}ada", "ad\u{e1}\u{301}", "ada\u{3164}", &long, "Ada", " ada "];
    for name in names {
        let answer = sign_up(&stage, name, PASSWORD, None);
        assert!(matches!(answer.status, 400 | 409), "{name:?}: {}", answer.status);
        stage.clock.advance_s(61);
    }
    assert_eq!(users(&stage), 2);
}

#[test]
fn who_signs_up_gets_no_right_by_asking_for_it() {
    let stage = mode("open");
    for (name, value) in [("is_owner", Value::Bool(true)), ("groups", json!(["admins"])), ("id", json!("x"))] {
        let mut body = json!({"username": "cleo", "password": PASSWORD});
        body[name] = value;
        assert_eq!(stage.wire().post("/api/signup", &body).status, 400, "{name}");
    }
    assert_eq!(users(&stage), 2);
}
