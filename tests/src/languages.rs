//! The reader's language: the browser's until it is known who signs in, then the user's own; for the host's words and a
//! module's alike. And times in the user's zone.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{
    ADA, BOB, CLIENT_ID, Directory, PASSWORD, REDIRECT_URI, Stage, assert_abort, assert_form, run_host,
};

/// Longer than any change takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a browser asks for that reads French before German.
const FRENCH: &str = "it, de;q=0.3, fr-CA;q=0.9";

fn asked(stage: &Stage, language: &str, path: &str, body: &Value) -> Value {
    let headers = [("content-type", "application/json"), ("accept-language", language)];
    let answer = stage.wire().send("POST", path, &headers, Some(body.to_string().into_bytes()));
    answer.expect("an answer").expect(200)
}

fn begin(stage: &Stage, language: &str) -> Value {
    let body = json!({"client_id": CLIENT_ID, "handler": ["local", null], "redirect_uri": REDIRECT_URI});
    asked(stage, language, "/auth/login_flow", &body)
}

fn submit(stage: &Stage, language: &str, flow: &Value, mut fields: Value) -> Value {
    fields["client_id"] = CLIENT_ID.into();
    let flow = flow["flow_id"].as_str().expect("a flow id");
    asked(stage, language, &format!("/auth/login_flow/{flow}"), &fields)
}

fn set(stage: &Stage, name: &str, option: &str, value: &str) {
    run_host(&stage.directory.path(), &["user", "set", name, option, value]).success();
}

#[test]
fn until_somebody_is_known_the_browser_says_the_language_and_then_the_user() {
    let mut stage = Stage::new();
    let tokens = stage.login(ADA);
    stage.set_up_pin(&tokens);
    set(&stage, ADA, "--language", "de");
    let init = begin(&stage, FRENCH);
    assert_eq!(init["data_schema"][0]["label"], "Nom d’utilisateur", "{init}");
    let wrong = submit(&stage, FRENCH, &init, json!({"username": ADA, "password": "wrong"}));
    assert_eq!(wrong["errors"], json!({"base": "invalid_auth"}), "words of machines stay: {wrong}");
    assert_eq!(wrong["error_texts"]["base"], "Le nom d’utilisateur ou le mot de passe est incorrect.", "{wrong}");
    let mfa = submit(&stage, FRENCH, &init, json!({"username": ADA, "password": PASSWORD}));
    assert_form(&mfa, "mfa");
    let wrong = submit(&stage, FRENCH, &mfa, json!({"pin": "0000"}));
    assert_eq!(wrong["errors"]["base"], "invalid_code", "{wrong}");
    assert_eq!(wrong["error_texts"]["base"], "Das ist nicht Ihre PIN.", "{wrong}");
    stage.clock.advance_s(100_000);
    let late = submit(&stage, FRENCH, &mfa, json!({"pin": "0000"}));
    assert_abort(&late, "login_expired");
    assert_eq!(late["text"], "Diese Anmeldung hat zu lange gedauert. Beginnen Sie neu.", "{late}");

    set(&stage, ADA, "--language", "xx");
    let init = begin(&stage, "zh-CN");
    let mfa = submit(&stage, "zh-CN", &init, json!({"username": ADA, "password": PASSWORD}));
    let wrong = submit(&stage, "zh-CN", &mfa, json!({"pin": "0000"}));
    assert_eq!(
        wrong["error_texts"]["base"], "这不是您的 PIN 码。",
        "without words for that setting the browser says: {wrong}"
    );
}

#[test]
fn everything_under_a_session_is_in_the_users_language() {
    let mut stage = Stage::new();
    let tokens = stage.login(BOB);
    set(&stage, BOB, "--language", "es");
    let list = stage.methods(&tokens);
    let said = list.iter().filter_map(|method| method["strength_text"].as_str()).collect::<Vec<_>>();
    assert!(!said.is_empty() && said.iter().all(|text| text.contains("Mejor") || text.contains("Bueno")), "{said:?}");
    let step = stage.begin_setup(&tokens, "totp").expect(200);
    assert_eq!(step["title"], "Configurar una aplicación de autenticación", "{step}");
    let flow = step["flow_id"].as_str().expect("a flow id").to_owned();
    stage.clock.advance_s(601);
    let late = stage.submit_setup(&tokens, &flow, &json!({"code": "000000"})).expect(200);
    assert_abort(&late, "setup_expired");
    assert_eq!(late["text"], "Esta configuración ha tardado demasiado. Empiece de nuevo.", "{late}");
}

#[test]
fn a_language_only_the_admin_has_is_one_of_the_hosts() {
    let stage = Stage::with(|directory: &Directory| {
        let folder = directory.path().join("translations");
        fs::create_dir_all(&folder).expect("a folder");
        let text = r#"{"step.label.username": "Nome de usuário", "step.label.nothing": "x"}"#;
        fs::write(folder.join("pt-BR.json"), text).expect("is written");
    });
    let label = |place: usize| begin(&stage, "pt-PT, de;q=0.5")["data_schema"][place]["label"].clone();
    assert_eq!((label(0), label(1)), (json!("Nome de usuário"), json!("Password")), "what it lacks is English");
    let check = run_host(&stage.directory.path(), &["config", "check"]);
    assert!(check.stdout.contains("pt-BR.json:1: there is no sentence step.label.nothing"), "{check:?}");
    let text = r#"{"step.label.username": "Usuário"}"#;
    fs::write(stage.directory.path().join("translations/pt-BR.json"), text).expect("is written");
    let end = Instant::now() + PATIENCE;
    while label(0) != "Usuário" {
        assert!(Instant::now() < end, "{}", stage.host().log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_notice_tells_the_time_in_the_users_zone_and_the_method_in_their_language() {
    let stage = Stage::with(Directory::with_outbox);
    run_host(
        &stage.directory.path(),
        &["user", "set", ADA, "--zone", "Asia/Kolkata", "--language", "fr", "--email", "ada@example.org", "--proved"],
    )
    .success();
    stage.set_up_pin(&stage.login(ADA));
    let told = |mails: &[Value]| {
        mails.iter().any(|mail| {
            let text = mail.to_string();
            ["Un second facteur a été ajouté", "Exemple non sécurisé (code PIN)", "2035-01-01 05:30 IST"]
                .iter()
                .all(|words| text.contains(words))
        })
    };
    let end = Instant::now() + PATIENCE;
    while !told(&stage.outbox()) {
        assert!(Instant::now() < end, "{:?}", stage.outbox());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn methods_are_called_by_their_names_in_the_readers_language_unless_the_admin_named_them() {
    let mut stage = Stage::with(|directory| {
        let pin = "type = \"insecure_example\"";
        directory.replace_setting(pin, &format!("{pin}\nname = \"Door code\""));
    });
    let tokens = stage.login(ADA);
    stage.set_up_totp(&tokens);
    stage.set_up_pin(&tokens);
    let named = |language: &str| {
        let bearer = format!("Bearer {}", tokens.access);
        let headers = [("authorization", bearer.as_str()), ("accept-language", language)];
        let listed = stage.wire().send("GET", "/api/mfa", &headers, None).expect("an answer").expect(200);
        let name = |id: &str| listed.as_array().into_iter().flatten().find(|method| method["id"] == id).cloned();
        ["totp", "insecure_example"].map(|id| name(id).expect("it is listed")["name"].clone())
    };
    assert_eq!(named("de"), ["Authenticator-App", "Door code"]);
    assert_eq!(named("zh"), ["身份验证器应用", "Door code"]);
    assert_eq!(named("en"), ["Authenticator app", "Door code"]);
    assert_eq!(named("it"), ["Authenticator app", "Door code"], "a language nobody has words in");
    let init = begin(&stage, FRENCH);
    let choice = submit(&stage, FRENCH, &init, json!({"username": ADA, "password": PASSWORD}));
    assert!(choice["data_schema"].to_string().contains("Application d’authentification"), "{choice}");
    let asked = submit(&stage, FRENCH, &choice, json!({"multi_factor_auth_module": "totp"}));
    assert_eq!(asked["description_placeholders"]["mfa_module_name"], "Application d’authentification", "{asked}");
}
