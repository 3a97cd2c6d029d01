//! The `trusted_networks` provider: a choice instead of a password, for whoever really sits there and nobody else.

use serde_json::{Value, json};

use crate::harness::{
    ADA, Answer, BOB, CLIENT_ID, Directory, PASSWORD, PIN, REDIRECT_URI, Stage, assert_abort, assert_form, run_host,
    run_host_with_input,
};

const HOME: &str = "127.0.0.0/8";

fn with_network(directory: &Directory, more: &str, network: &str) {
    directory.append_settings(&format!(
        "[[provider]]\ntype = \"trusted_networks\"\n{more}\n[[provider.network]]\n{network}\n"
    ));
}

pub fn at_home(directory: &Directory) {
    with_network(directory, "", &format!("cidr = [\"{HOME}\"]"));
}

fn behind_a_proxy(directory: &Directory) {
    directory.replace_setting("name = \"Test host\"", "name = \"Test host\"\ntrusted_proxies = [\"127.0.0.1/32\"]");
}

fn begin(stage: &Stage) -> Value {
    stage.begin_with(json!({"handler": ["trusted_networks", null]})).expect(200)
}

/// A request with further headers.
fn send(stage: &Stage, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    stage.wire().send("POST", path, &all, Some(body.to_string().into_bytes())).expect("an answer")
}

fn begin_with(stage: &Stage, headers: &[(&str, &str)]) -> Value {
    let body = json!({"client_id": CLIENT_ID, "handler": ["trusted_networks", null], "redirect_uri": REDIRECT_URI});
    send(stage, "/auth/login_flow", headers, &body).expect(200)
}

/// Id and name of those the step lets one choose.
#[track_caller]
fn choices(step: &Value) -> Vec<(String, String)> {
    assert_form(step, "init");
    let field = &step["data_schema"][0];
    assert_eq!((&field["name"], &field["type"]), (&json!("user"), &json!("select")), "{step}");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let options = field["options"].as_array().expect("options");
    options.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

fn id_of(stage: &Stage, name: &str) -> String {
    let shown = run_host(&stage.directory.path(), &["user", "show", name, "--json"]).success().json();
    shown["id"].as_str().expect("an id").to_owned()
}

fn names(step: &Value) -> Vec<String> {
    choices(step).into_iter().map(|(_, name)| name).collect()
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == 400 || answer.json()["errors"]["base"] == "invalid_auth" || answer.json()["type"] == "abort"
}

#[test]
fn who_sits_in_the_network_chooses_who_they_are() {
    let stage = Stage::with(at_home);
    let step = begin(&stage);
    assert_eq!(names(&step), [ADA, BOB]);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    let unknown = stage.submit(flow_id, json!({"user": "0123456789abcdef0123456789abcdef"}));
    assert!(is_refused(&unknown), "{}", unknown.status);
    let done = stage.submit(flow_id, json!({"user": id_of(&stage, BOB)})).expect(200);
    let tokens = stage.tokens_of(&done);
    assert_eq!(stage.signed_in_name(&tokens), BOB);
    assert_eq!(stage.session(&tokens)["amr"], json!([]));
    let listed = stage.wire().get("/auth/providers").expect(200);
    assert!(listed.to_string().contains("trusted_networks"), "{listed}");
}

#[test]
fn elsewhere_nobody_is_listed_and_nobody_comes_in() {
    let stage = Stage::with(|directory| with_network(directory, "", "cidr = [\"192.168.0.0/16\"]"));
    let step = begin(&stage);
    assert_abort(&step, "not_allowed");
    assert!(!step.to_string().contains(ADA), "{step}");
    let listed = stage.wire().get("/auth/providers").expect(200);
    assert!(!listed.to_string().contains("trusted_networks"), "{listed}");
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    assert_eq!(stage.submit(flow_id, json!({"user": id_of(&stage, ADA)})).status, 404, "the flow is over");
}

#[test]
fn a_flow_begun_at_home_is_not_finished_elsewhere() {
    let stage = Stage::with(|directory| {
        behind_a_proxy(directory);
        with_network(directory, "", "cidr = [\"192.168.0.0/16\"]");
    });
    let step = begin_with(&stage, &[("x-forwarded-for", "192.168.1.9")]);
    assert_eq!(names(&step).len(), 2);
    let path = format!("/auth/login_flow/{}", step["flow_id"].as_str().expect("a flow id"));
    let body = json!({"client_id": CLIENT_ID, "user": id_of(&stage, ADA)});
    for header in [&[("x-forwarded-for", "203.0.113.9")][..], &[], &[("x-forwarded-for", "203.0.113.9, 192.168.1.9")]] {
        let answer = send(&stage, &path, header, &body);
        assert!(answer.status == 404 || answer.json()["reason"] == "not_allowed", "{header:?}: {}", answer.status);
    }
}

#[test]
fn only_the_real_address_counts() {
    // Not behind a proxy: any sign of one is of a proxy nobody named.
    let stage = Stage::with(at_home);
    for name in ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host", "cf-connecting-ip"] {
        assert_abort(&begin_with(&stage, &[(name, "127.0.0.1")]), "not_allowed");
    }
    // Behind one: the proxy's own address is nobody's, and what a client writes itself does not count.
    let stage = Stage::with(|directory| {
        behind_a_proxy(directory);
        with_network(directory, "", "cidr = [\"127.0.0.0/8\", \"192.168.0.0/16\"]");
    });
    assert_abort(&begin_with(&stage, &[]), "not_allowed");
    assert_abort(&begin_with(&stage, &[("x-forwarded-for", "127.0.0.1")]), "not_allowed");
    assert_abort(&begin_with(&stage, &[("x-forwarded-for", "192.168.1.9, 203.0.113.9")]), "not_allowed");
    assert_abort(&begin_with(&stage, &[("x-forwarded-for", "203.0.113.9, 192.168.1.9")]), "not_allowed");
    assert_abort(&begin_with(&stage, &[("x-forwarded-for", "unknown")]), "not_allowed");
    assert_eq!(names(&begin_with(&stage, &[("x-forwarded-for", "192.168.1.9")])).len(), 2);
    let told = run_host(&stage.directory.path(), &["config", "check"]).text();
    assert!(told.contains("127.0.0.0/8") && told.contains("proxies"), "a proxy in a trusted network is told: {told}");
}

#[test]
fn a_foreign_page_in_a_browser_at_home_gets_nothing() {
    let stage = Stage::with(at_home);
    // As after a rebinding of the page's own name to this host, with which a browser would read the answers.
    for headers in [
        &[("host", "evil.example")][..],
        &[("host", "evil.example"), ("origin", "http://evil.example")],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
    ] {
        let step = begin_with(&stage, headers);
        assert_abort(&step, "not_allowed");
        assert!(!step.to_string().contains(ADA), "{headers:?}: {step}");
    }
    let step = begin_with(&stage, &[("origin", "http://localhost:8126")]);
    assert_eq!(names(&step).len(), 2);
    let path = format!("/auth/login_flow/{}", step["flow_id"].as_str().expect("a flow id"));
    let body = json!({"client_id": CLIENT_ID, "user": id_of(&stage, ADA)});
    let answer = send(&stage, &path, &[("host", "evil.example")], &body);
    assert_eq!(answer.expect(200)["reason"], "not_allowed");
    let stage = Stage::with(|directory| {
        at_home(directory);
        directory.replace_setting("name = \"Test host\"", "name = \"Test host\"\npublic_url = \"http://home.example\"");
    });
    assert_eq!(names(&begin_with(&stage, &[("host", "home.example")])).len(), 2);
}

#[test]
fn lists_of_users_and_groups_are_kept() {
    let stage = Stage::with(|directory| {
        with_network(directory, "", &format!("cidr = [\"{HOME}\"]\nusers = [\"ADA\"]\ngroups = [\"family\"]"));
    });
    let step = begin(&stage);
    assert_eq!(names(&step), [ADA]);
    let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
    let bob = id_of(&stage, BOB);
    assert!(is_refused(&stage.submit(&flow_id, json!({"user": bob}))));
    run_host(&stage.directory.path(), &["user", "set", BOB, "--group", "family"]).success();
    assert_eq!(names(&begin(&stage)), [ADA, BOB]);
    stage.tokens_of(&stage.submit(&flow_id, json!({"user": bob})).expect(200));
    run_host(&stage.directory.path(), &["user", "disable", BOB]).success();
    assert_eq!(names(&begin(&stage)), [ADA]);
    let flow_id = begin(&stage)["flow_id"].as_str().expect("a flow id").to_owned();
    assert!(is_refused(&stage.submit(&flow_id, json!({"user": bob}))));
}

#[test]
fn a_network_asks_for_no_second_factor_unless_the_settings_say_otherwise() {
    for (more, asks) in [("", false), ("support_mfa = true\n", true)] {
        let stage = Stage::with(|directory| with_network(directory, more, &format!("cidr = [\"{HOME}\"]")));
        stage.set_up_pin(&stage.login(ADA));
        let flow_id = begin(&stage)["flow_id"].as_str().expect("a flow id").to_owned();
        let step = stage.submit(&flow_id, json!({"user": id_of(&stage, ADA)})).expect(200);
        if asks {
            assert_form(&step, "mfa");
            stage.tokens_of(&stage.submit(&flow_id, json!({"pin": PIN})).expect(200));
        } else {
            let session = stage.session(&stage.tokens_of(&step));
            assert_eq!((&session["mfa_method_used"], &session["mfa_verified_at"]), (&Value::Null, &Value::Null));
        }
    }
}

#[test]
fn sitting_in_a_network_proves_nothing_a_factor_could_be_changed_with() {
    let script = "#!/bin/sh\nexit 0\n";
    let stage = Stage::with(|directory| {
        use std::os::unix::fs::PermissionsExt;
        let path = directory.beside("yes");
        std::fs::write(&path, script).expect("the script is written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode is set");
        let path = std::fs::canonicalize(path).expect("it is there");
        let block =
            format!("[[provider]]\ntype = \"command_line\"\ncommand = \"{}\"\ncreate_users = true", path.display());
        directory.append_settings(&block);
        at_home(directory);
    });
    // A user without a password of the host's own, for whom the login itself would be proof enough.
    let step = stage.begin_with(json!({"handler": ["command_line", null]})).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id");
    stage.tokens_of(&stage.submit(flow_id, json!({"username": "cleo", "password": "x"})).expect(200));
    for name in [ADA, "cleo"] {
        let flow_id = begin(&stage)["flow_id"].as_str().expect("a flow id").to_owned();
        let tokens = stage.tokens_of(&stage.submit(&flow_id, json!({"user": id_of(&stage, name)})).expect(200));
        assert_eq!(stage.begin_setup(&tokens, "insecure_example").status, 401, "{name}");
    }
    // An owner who came in so acts on nobody.
    let flow_id = begin(&stage)["flow_id"].as_str().expect("a flow id").to_owned();
    let tokens = stage.tokens_of(&stage.submit(&flow_id, json!({"user": id_of(&stage, ADA)})).expect(200));
    let path = format!("/api/users/{}/reset", id_of(&stage, BOB));
    assert_eq!(stage.wire().post_as(&tokens.access, &path, &json!({})).status, 401);
}

#[test]
fn the_only_one_comes_in_without_a_choice_where_the_settings_want_it() {
    let only = format!("cidr = [\"{HOME}\"]\nusers = [\"{BOB}\"]");
    let stage = Stage::with(|directory| with_network(directory, "allow_bypass_login = true\n", &only));
    let done = begin(&stage);
    assert_eq!(stage.signed_in_name(&stage.tokens_of(&done)), BOB);
    assert_abort(&begin_with(&stage, &[("x-forwarded-for", "127.0.0.1")]), "not_allowed");
    let stage = Stage::with(|directory| with_network(directory, "", &only));
    assert_eq!(names(&begin(&stage)), [BOB]);
    let more = "allow_bypass_login = true\n";
    let stage = Stage::with(|directory| with_network(directory, more, &format!("cidr = [\"{HOME}\"]")));
    assert_eq!(names(&begin(&stage)).len(), 2, "two may choose");
}

#[test]
fn networks_that_are_none_are_told_with_their_line() {
    for (cidr, said) in [
        ("\"192.168.1.0/33\"", ""),
        ("\"192.168.1.7\"", ""),
        ("\"home\"", ""),
        ("\"10.0.0.0/8\", \"192.168.1.7/24\"", "192.168.1.0/24"),
        ("\"0.0.0.0/0\"", "every address"),
        ("\"::/0\"", "every address"),
        ("", "cidr is empty"),
    ] {
        let directory = Directory::new();
        let line = directory.settings().lines().count() + 6;
        with_network(&directory, "", &format!("cidr = [{cidr}]"));
        let outcome = run_host(&directory.path(), &["config", "check"]);
        assert_eq!(outcome.code, Some(2), "{cidr}");
        let text = outcome.text();
        assert!(text.contains(&format!("host.toml:{line}: ")) && text.contains(said), "{cidr}: {line} in {text}");
    }
}

#[test]
fn the_host_still_knows_its_passwords() {
    let stage = Stage::with(at_home);
    run_host_with_input(&stage.directory.path(), &["user", "passwd", BOB], &format!("{PASSWORD}\n")).success();
    assert_eq!(stage.signed_in_name(&stage.login(BOB)), BOB);
}
