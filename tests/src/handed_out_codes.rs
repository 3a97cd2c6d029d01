//! What an admin hands out, invitations and one-time codes, after the store was put back to an older state: which of
//! them were used since, nobody knows.

use serde_json::{Value, json};

use crate::harness::{
    BOB, CLIENT_ID, Outcome, PASSWORD, Stage, assert_form, put_back_what_was_before, run_host, run_host_with_input,
};

const NEW: &str = "a-quite-new-word-88";
const EVE: &str = "eve";

/// Two invitations and two one-time codes. One of each is used where `use_one_each` says so.
struct HandedOut {
    invitations: [String; 2],
    bobs_code: String,
    eves_code: String,
}

impl HandedOut {
    /// Eve is a user besides, so that there are two to reset.
    fn on(stage: &Stage) -> Self {
        run_host_with_input(&stage.directory.path(), &["user", "add", EVE], &format!("{PASSWORD}\n")).success();
        let invitations = ["family", "guests"].map(|group| code_of(stage, &["user", "invite", "--group", group]));
        Self { invitations, bobs_code: reset(stage, BOB), eves_code: reset(stage, EVE) }
    }

    fn use_one_each(&self, stage: &Stage) {
        sign_up(stage, "cleo", &self.invitations[0], 201);
        let (flow_id, step) = sign_in(stage, BOB, &self.bobs_code);
        assert_form(&step, "set_password");
        assert_eq!(stage.submit(&flow_id, json!({"new_password": NEW})).expect(200)["type"], "create_entry");
    }

    fn assert_named_as_ended(&self, outcome: &Outcome) {
        let told = outcome.json();
        let groups: Vec<&Value> =
            told["ended_invitations"].as_array().expect("a list").iter().map(|one| &one["groups"][0]).collect();
        assert!(
            groups.len() == 2 && groups.contains(&&json!("family")) && groups.contains(&&json!("guests")),
            "{told}"
        );
        assert_eq!(told["ended_reset_codes"], json!([BOB, EVE]), "{told}");
        let audited = &outcome.stderr;
        assert!(audited.contains("invitations_ended") && audited.contains("reset_code_ended"), "{audited}");
        let shown = format!("{}{audited}", outcome.stdout);
        assert!(self.invitations.iter().chain([&self.bobs_code]).all(|code| !shown.contains(code.as_str())), "{shown}");
    }

    /// Neither the used nor the unused ones open anything; an admin makes new ones, and those do.
    fn assert_dead(&self, stage: &mut Stage) {
        for invitation in &self.invitations {
            sign_up(stage, "dora", invitation, 403);
        }
        for (name, code) in [(BOB, &self.bobs_code), (EVE, &self.eves_code)] {
            for password in [code.as_str(), PASSWORD, NEW] {
                let (_, step) = sign_in(stage, name, password);
                assert_eq!(step["errors"]["base"], "invalid_auth", "{name} comes in by none of them: {step}");
            }
            let shown = run_host(&stage.directory.path(), &["user", "show", name]).success().stdout;
            assert!(shown.contains("needs a new reset by an admin"), "{shown}");
            stage.clock.advance_s(600);
        }
        assert_form(&sign_in(stage, EVE, &reset(stage, EVE)).1, "set_password");
        let invitation = code_of(stage, &["user", "invite"]);
        sign_up(stage, "dora", &invitation, 201);
    }
}

fn invited(directory: &crate::harness::Directory) {
    directory.append_settings("[sign_up]\nmode = \"invite\"");
}

fn code_of(stage: &Stage, arguments: &[&str]) -> String {
    let told = run_host(&stage.directory.path(), &[&["--json"], arguments].concat()).success().json();
    told["code"].as_str().expect("a code").to_owned()
}

fn reset(stage: &Stage, name: &str) -> String {
    code_of(stage, &["user", "reset", name])
}

#[track_caller]
fn sign_up(stage: &Stage, name: &str, invitation: &str, status: u16) {
    let body = json!({"username": name, "password": PASSWORD, "invite": invitation});
    stage.wire().post("/api/signup", &body).expect(status);
}

fn sign_in(stage: &Stage, name: &str, password: &str) -> (String, Value) {
    let flow_id = stage.begin();
    let fields = json!({"client_id": CLIENT_ID, "username": name, "password": password});
    let step = stage.submit(&flow_id, fields).expect(200);
    (flow_id, step)
}

#[test]
fn after_a_restore_none_is_good_again_used_or_not() {
    let mut stage = Stage::with(invited);
    let handed_out = HandedOut::on(&stage);
    let file = stage.directory.beside("backup");
    let name = file.to_str().expect("a UTF-8 path").to_owned();
    run_host(&stage.directory.path(), &["storage", "backup", &name]).success();
    handed_out.use_one_each(&stage);
    stage.stop();
    let restored = run_host(&stage.directory.path(), &["--json", "storage", "restore", &name, "--replace"]).success();
    stage.start();
    handed_out.assert_dead(&mut stage);
    handed_out.assert_named_as_ended(&restored);
    stage.stop();
    let again = run_host(&stage.directory.path(), &["storage", "restore", &name, "--replace"]).success();
    let told = &again.stdout;
    assert!(told.contains("2 invitations") && told.contains(BOB) && told.contains("mfa-host user reset"), "{told}");
}

#[test]
fn after_an_acknowledged_rollback_none_is_good_again_used_or_not() {
    let mut stage = Stage::with(invited);
    let handed_out = HandedOut::on(&stage);
    put_back_what_was_before(&mut stage, |stage| handed_out.use_one_each(stage));
    let acknowledged = run_host(&stage.directory.path(), &["--json", "storage", "acknowledge"]).success();
    stage.start();
    handed_out.assert_dead(&mut stage);
    handed_out.assert_named_as_ended(&acknowledged);
    stage.restart();
    let log = stage.host().log();
    assert!(!log.contains("invitations_ended") && !log.contains("reset_code_ended"), "once is enough: {log}");
    let (_, step) = sign_in(&stage, BOB, &handed_out.bobs_code);
    assert_eq!(step["errors"]["base"], "invalid_auth", "{step}");
}
