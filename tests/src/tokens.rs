//! What a login gives: a result code that is good once, tokens that can be refreshed and taken back.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{ADA, Answer, CLIENT_ID, REDIRECT_URI, Stage, Tokens, result_of};

fn exchange_as(stage: &Stage, client_id: &str, code: &str, verifier: Option<&str>) -> Answer {
    let mut fields = vec![("grant_type", "authorization_code"), ("client_id", client_id), ("code", code)];
    fields.extend(verifier.map(|verifier| ("code_verifier", verifier)));
    stage.wire().post_form("/auth/token", &fields)
}

fn refresh(stage: &Stage, client_id: &str, token: &str) -> Answer {
    let fields = [("grant_type", "refresh_token"), ("client_id", client_id), ("refresh_token", token)];
    stage.wire().post_form("/auth/token", &fields)
}

#[test]
fn the_token_answer_has_the_established_shape() {
    let stage = Stage::new();
    let answer = stage.exchange(&result_of(&stage.submit_password(&stage.begin(), ADA)));
    let tokens = answer.expect(200);
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 1800);
    assert!(tokens["access_token"].is_string() && tokens["refresh_token"].is_string());
    assert!(answer.header("cache-control").is_some_and(|value| value.contains("no-store")), "{:?}", answer.headers);
}

#[test]
fn a_result_code_is_good_once() {
    let stage = Stage::new();
    let code = result_of(&stage.submit_password(&stage.begin(), ADA));
    stage.exchange(&code).expect(200);
    assert_eq!(stage.exchange(&code).expect(400)["error"], "invalid_grant");
}

#[test]
fn of_many_exchanges_at_once_one_wins() {
    let stage = Stage::new();
    let code = result_of(&stage.submit_password(&stage.begin(), ADA));
    let won = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| stage.exchange(&code).status)).collect();
        tries.into_iter().map(|run| run.join().expect("a try ends")).filter(|&status| status == 200).count()
    });
    assert_eq!(won, 1);
}

#[test]
fn a_result_code_is_bound_to_its_client() {
    let stage = Stage::new();
    let code = result_of(&stage.submit_password(&stage.begin(), ADA));
    assert_eq!(exchange_as(&stage, "http://127.0.0.1:10/", &code, None).status, 400);
    assert_eq!(exchange_as(&stage, "mfa-host-cli", &code, None).status, 400);
}

#[test]
fn pkce_is_kept_where_it_was_begun() {
    let verifier = "a-verifier-of-forty-three-characters-or-more-0123";
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let stage = Stage::new();
    let code = |stage: &Stage| {
        let asked = json!({"code_challenge": challenge, "code_challenge_method": "S256"});
        let step = stage.begin_with(asked).expect(200);
        result_of(&stage.submit_password(step["flow_id"].as_str().expect("a flow id"), ADA))
    };
    assert_eq!(exchange_as(&stage, CLIENT_ID, &code(&stage), None).status, 400, "no verifier");
    assert_eq!(exchange_as(&stage, CLIENT_ID, &code(&stage), Some(&"x".repeat(43))).status, 400, "another verifier");
    assert_eq!(exchange_as(&stage, CLIENT_ID, &code(&stage), Some(&challenge)).status, 400, "the challenge itself");
    exchange_as(&stage, CLIENT_ID, &code(&stage), Some(verifier)).expect(200);
}

#[test]
fn a_weaker_pkce_method_is_refused() {
    let stage = Stage::new();
    let asked = json!({"code_challenge": "x".repeat(43), "code_challenge_method": "plain"});
    assert_eq!(stage.begin_with(asked).status, 400);
}

#[test]
fn refresh_gives_access_and_keeps_the_stamp() {
    let (mut stage, ada) = Stage::ada_with_totp();
    let tokens = stage.login_totp(&ada);
    let before = stage.session(&tokens);
    stage.clock.advance_s(600);
    let renewed = refresh(&stage, CLIENT_ID, &tokens.refresh).expect(200);
    assert_eq!(renewed["expires_in"], 1800);
    let renewed =
        Tokens { access: renewed["access_token"].as_str().expect("a token").to_owned(), refresh: tokens.refresh };
    assert_ne!(renewed.access, tokens.access);
    let after = stage.session(&renewed);
    for stamp in ["id", "mfa_method_used", "mfa_verified_at", "auth_time", "amr"] {
        assert_eq!(before[stamp], after[stamp], "a refresh proves nothing new");
    }
}

#[test]
fn a_refresh_token_is_bound_to_its_client() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    assert_eq!(refresh(&stage, "http://127.0.0.1:10/", &tokens.refresh).status, 400);
    refresh(&stage, CLIENT_ID, &tokens.refresh).expect(200);
}

#[test]
fn tokens_of_one_kind_are_not_of_the_other() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    assert_eq!(refresh(&stage, CLIENT_ID, &tokens.access).status, 400);
    let swapped = Tokens { access: tokens.refresh.clone(), refresh: tokens.access.clone() };
    assert_eq!(stage.me(&swapped).status, 401);
    let flow_id = stage.begin();
    assert_eq!(stage.me(&Tokens { access: flow_id, refresh: String::new() }).status, 401);
}

#[test]
fn revoking_ends_the_session_and_always_answers_200() {
    let mut stage = Stage::new();
    let (one, two) = (stage.login(ADA), stage.login(ADA));
    assert_eq!(stage.wire().post_form("/auth/revoke", &[("token", &one.refresh)]).status, 200);
    assert_eq!(stage.me(&one).status, 401);
    assert_eq!(refresh(&stage, CLIENT_ID, &one.refresh).status, 400);
    stage.me(&two).expect(200);
    for unknown in ["", "nonsense", one.refresh.as_str()] {
        assert_eq!(stage.wire().post_form("/auth/revoke", &[("token", unknown)]).status, 200);
    }
    stage.restart();
    assert_eq!(stage.me(&one).status, 401);
    stage.me(&two).expect(200);
}

#[test]
fn mistakes_at_the_token_endpoint_have_their_names() {
    let stage = Stage::new();
    let ask = |fields: &[(&str, &str)]| {
        let answer = stage.wire().post_form("/auth/token", fields);
        assert!((400..500).contains(&answer.status), "{}", answer.status);
        answer.json()["error"].as_str().expect("an error").to_owned()
    };
    assert_eq!(ask(&[("grant_type", "password"), ("client_id", CLIENT_ID)]), "unsupported_grant_type");
    assert_eq!(ask(&[("grant_type", "authorization_code"), ("client_id", CLIENT_ID)]), "invalid_request");
    assert_eq!(ask(&[("grant_type", "refresh_token"), ("client_id", CLIENT_ID)]), "invalid_request");
    let unknown = [("grant_type", "refresh_token"), ("client_id", CLIENT_ID), ("refresh_token", "nonsense")];
    assert_eq!(ask(&unknown), "invalid_grant");
}

#[test]
fn a_bearer_is_asked_for_in_the_established_way() {
    let stage = Stage::new();
    for headers in [&[][..], &[("authorization", "Bearer nonsense")], &[("authorization", "Basic YTpi")]] {
        let answer = stage.wire().send("GET", "/api/me", headers, None).expect("an answer");
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")));
    }
}

#[test]
fn a_result_code_is_bound_to_its_redirect_uri_where_one_is_sent() {
    let stage = Stage::new();
    let code = result_of(&stage.submit_password(&stage.begin(), ADA));
    let exchange = |redirect_uri: &str| {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT_ID),
            ("code", &code),
            ("redirect_uri", redirect_uri),
        ];
        stage.wire().post_form("/auth/token", &fields)
    };
    for other in ["http://127.0.0.1:9/other", "http://127.0.0.1:9/callback/", "https://127.0.0.1:9/callback"] {
        assert_eq!(exchange(other).expect(400)["error"], "invalid_grant", "{other}");
    }
    exchange(REDIRECT_URI).expect(200);
}

#[test]
fn who_knows_a_sessions_id_cannot_end_or_refresh_it() {
    let stage = Stage::new();
    let tokens = stage.login(ADA);
    let session = tokens.refresh.trim_start_matches("mhr_").split('.').next().expect("an id");
    let forged = format!("mhr_{session}.{}", "A".repeat(43));
    assert_eq!(refresh(&stage, CLIENT_ID, &forged).status, 400);
    for token in [&forged, &format!("{session}.{}", "A".repeat(43)), &format!("mha_{session}.1.{}", "A".repeat(43))] {
        assert_eq!(stage.wire().post_form("/auth/revoke", &[("token", token)]).status, 200, "never told apart");
    }
    assert_eq!(stage.me(&tokens).status, 200);
    refresh(&stage, CLIENT_ID, &tokens.refresh).expect(200);
}

#[test]
fn applications_are_told_what_the_settings_say() {
    let stage = Stage::with(|directory| {
        directory.append_settings(
            "[claims]\nmail = \"user.email\"\nname = \"user.name\"\ngroups = \"user.groups\"\nhouse = \"=Example\"",
        );
    });
    let path = stage.directory.path();
    let set = ["user", "set", ADA, "--email", "ada@example.org", "--group", "family", "--proved"];
    crate::harness::run_host(&path, &set).success();
    let step = stage.submit_password(&stage.begin(), ADA);
    let answer = stage.exchange(&crate::harness::result_of(&step)).expect(200);
    let wanted = serde_json::json!({"mail": "ada@example.org", "name": ADA, "groups": ["family"], "house": "Example"});
    assert_eq!(answer["claims"], wanted);
    let tokens = crate::harness::Tokens::of(&answer);
    assert_eq!(stage.me(&tokens).expect(200)["claims"], wanted);
    let plain = serde_json::json!({"client_id": crate::harness::CLIENT_ID, "username": ADA, "password": crate::harness::PASSWORD});
    assert_eq!(stage.wire().post("/api/login", &plain).expect(200)["claims"], wanted);
    stage.directory.replace_setting("\"user.email\"", "\"user.shoe_size\"");
    let outcome = crate::harness::run_host(&path, &["config", "check"]);
    assert_eq!(outcome.code, Some(2), "{outcome:?}");
    assert!(outcome.text().contains("user.shoe_size") && outcome.text().contains("user.groups"), "{outcome:?}");
}
