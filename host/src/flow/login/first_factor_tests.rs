//! The first factor on a real store: who comes in by a password, by a one-time code, and by where they sit.

use std::net::Ipv4Addr;

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::{ApiLogin, BeginLogin, finish::Finish};
use crate::{
    clock::Timestamp,
    flow::{
        Access, Asker, FlowError, Step,
        login::Turn,
        record::{
            self, AccessSession, AccessStage, Account, Document, FactorsOpen, Grant, MailedCode, ResetCode, Session,
            SessionStage, User,
        },
        test_stage::{Log, NOW, TestStage, access, asker, session, signed_in, user},
        token,
    },
};

const APP: &str = "https://app.example/";
const PASSWORD: &str = "correct horse battery";
const CODE: &str = "ABCD-EFGH-JKMN";
const END: Timestamp = Timestamp(NOW.0 + 60_000);

fn from_elsewhere() -> Asker {
    Asker { address: Ipv4Addr::new(192, 0, 2, 1).into(), ..asker() }
}

async fn begun(stage: &TestStage, kind: &str, id: Option<&str>, asker: &Asker) -> Step {
    let begin = BeginLogin {
        client_id: APP.to_owned(),
        handler: (kind.to_owned(), id.map(str::to_owned)),
        redirect_uri: APP.to_owned(),
        state: None,
        code_challenge: None,
        code_challenge_method: None,
    };
    stage.flows.begin_login(begin, asker).await.unwrap()
}

async fn answered(stage: &TestStage, begun: Step, fields: Value, asker: &Asker) -> Result<Step, FlowError> {
    let Step::Form(form) = begun else { panic!("a form") };
    let fields: Map<String, Value> = serde_json::from_value(fields).unwrap();
    stage.flows.submit_login(&form.flow_id, APP, fields, None, asker).await
}

/// What a step is, in a word: its id with the error of the form, the reason of its end, or that it is through.
fn word(step: &Step) -> String {
    match step {
        Step::Form(form) => match form.errors.get("base") {
            Some(error) => format!("{} {error}", form.step_id),
            None => form.step_id.to_owned(),
        },
        Step::Created(_) => "created".to_owned(),
        Step::Abort(abort) => abort.reason.clone(),
    }
}

async fn signed_in_as(stage: &TestStage, name: &str, password: &str, asker: &Asker) -> String {
    let begun = begun(stage, "local", None, asker).await;
    word(&answered(stage, begun, json!({"username": name, "password": password}), asker).await.unwrap())
}

#[tokio::test]
async fn a_password_lets_in_who_is_switched_on_and_where_they_may_come_from() {
    let stage = TestStage::new();
    let (mut off, mut at_home) = (user("off"), user("home"));
    off.open.is_active = false;
    at_home.open.local_only = true;
    for (id, user) in [("ada", &user("ada")), ("off", &off), ("home", &at_home)] {
        stage.put_person(id, user, Some(PASSWORD)).await;
    }
    let (here, elsewhere) = (asker(), from_elsewhere());
    let uncertain = Asker { is_certain: false, ..asker() };
    for (name, password, asker, expected) in [
        ("ada", PASSWORD, &here, "created"),
        (" ADA ", PASSWORD, &elsewhere, "created"),
        ("ada", "wrong", &here, "init invalid_auth"),
        ("nobody", PASSWORD, &here, "init invalid_auth"),
        ("off", PASSWORD, &here, "init invalid_auth"),
        ("home", PASSWORD, &here, "created"),
        ("home", PASSWORD, &elsewhere, "init invalid_auth"),
        ("home", PASSWORD, &uncertain, "init invalid_auth"),
    ] {
        assert_eq!(signed_in_as(&stage, name, password, asker).await, expected, "{name} {password} {asker:?}");
    }
}

async fn after_a_reset(limits: &str) -> TestStage {
    let stage = TestStage::with(&format!("[[provider]]\ntype = \"local\"\n{limits}"));
    let mut ada = user("ada");
    let phc = stage.phc(&token::folded_spoken_code(CODE)).await;
    ada.secret.reset = Some(ResetCode { phc, expires_at: END });
    ada.open.must_change_password = true;
    stage.put_person("ada", &ada, None).await;
    stage
}

#[tokio::test]
async fn a_one_time_code_leads_to_a_new_password_until_its_end_and_nowhere_else() {
    let stage = after_a_reset("").await;
    let here = asker();
    assert_eq!(signed_in_as(&stage, "ada", "ABCD-EFGH-JKMX", &here).await, "init invalid_auth");
    stage.move_clock_to(END);
    assert_eq!(signed_in_as(&stage, "ada", &CODE.to_lowercase(), &here).await, "set_password");
    let plain = stage.flows.api_login(APP, "ada", &SecretString::from(CODE), &here).await;
    assert!(matches!(plain, Err(FlowError::NotPossible { code: "must_set_password", .. })));
    stage.move_clock_to(Timestamp(END.0 + 1));
    assert_eq!(signed_in_as(&stage, "ada", CODE, &here).await, "init invalid_auth");
}

#[tokio::test]
async fn the_oldest_login_gives_way_to_one_too_many_and_an_end_takes_only_itself_from_the_list() {
    let stage = after_a_reset("[limits]\nsessions_per_user_max = 2").await;
    let here = asker();
    let mut flows = Vec::new();
    for _ in 0..3 {
        let begun = begun(&stage, "local", None, &here).await;
        let step = answered(&stage, begun, json!({"username": "ada", "password": CODE}), &here).await.unwrap();
        let Step::Form(form) = step else { panic!("a form") };
        flows.push(form.flow_id);
    }
    let keys: Vec<String> = flows.iter().map(|flow| format!("session/{}", token::hash(flow))).collect();
    let superseded = SessionStage::Ended { reason: "superseded".to_owned() };
    assert_eq!(stage.read::<Session>(&keys[0]).await.open.stage, superseded);
    let listed = async || {
        let account: Account = stage.read("account/ada").await;
        account.open.sessions.into_iter().map(|open| open.flow).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [token::hash(&flows[1]), token::hash(&flows[2])]);
    stage.flows.abort_login(&flows[1]).await.unwrap();
    assert_eq!(listed().await, [token::hash(&flows[2])]);
}

fn at_home(more: &str) -> TestStage {
    let settings = format!(
        "[[provider]]\ntype = \"local\"\n[[provider]]\ntype = \"trusted_networks\"\n{more}\n\
         [[provider.network]]\ncidr = [\"127.0.0.0/8\"]\nusers = [\"ada\", \"bob\", \"off\"]"
    );
    TestStage::with(&settings)
}

#[tokio::test]
async fn who_sits_in_the_network_chooses_among_its_users_and_nobody_else_learns_them() {
    let stage = at_home("");
    let (mut off, mut bob) = (user("off"), user("bob"));
    off.open.is_active = false;
    bob.open.display_name = Some("Aardvark".to_owned());
    for (id, user) in [("0ada", user("ada")), ("1bob", bob), ("2off", off), ("3eve", user("eve"))] {
        stage.put_person(id, &user, None).await;
    }
    let here = asker();
    let step = begun(&stage, "trusted_networks", None, &here).await;
    let Step::Form(form) = &step else { panic!("a form") };
    let shown = format!("{:?}", form.fields[0].input);
    assert!(shown.contains("(\"1bob\", \"Aardvark\"), (\"0ada\", \"ada\")"), "by the name that is shown: {shown}");
    assert!(!shown.contains("off") && !shown.contains("eve"), "{shown}");
    for (id, expected) in [("0ada", "created"), ("2off", "init invalid_auth"), ("3eve", "init invalid_auth")] {
        let begun = begun(&stage, "trusted_networks", None, &here).await;
        assert_eq!(word(&answered(&stage, begun, json!({"user": id}), &here).await.unwrap()), expected, "{id}");
    }
    assert_eq!(word(&begun(&stage, "trusted_networks", None, &from_elsewhere()).await), "not_allowed");
    let moved = answered(&stage, step, json!({"user": "0ada"}), &from_elsewhere()).await.unwrap();
    assert_eq!(word(&moved), "not_allowed");
}

#[tokio::test]
async fn only_a_password_that_was_typed_makes_a_session_that_proved_one() {
    let (stage, here) = (at_home(""), asker());
    stage.put_person("ada", &user("ada"), Some(PASSWORD)).await;
    let by_network = begun(&stage, "trusted_networks", None, &here).await;
    assert_eq!(word(&answered(&stage, by_network, json!({"user": "ada"}), &here).await.unwrap()), "created");
    assert_eq!(signed_in_as(&stage, "ada", PASSWORD, &here).await, "created");
    let made = record::scan::<AccessSession>(&stage.flows.engine.store, "access/").await.unwrap();
    let mut proved: Vec<_> =
        made.iter().map(|(_, _, session)| (&*session.open.provider.kind, session.open.password_at)).collect();
    proved.sort();
    assert_eq!(proved, [("local", Some(NOW)), ("trusted_networks", None)]);
}

#[tokio::test]
async fn the_only_user_of_a_network_comes_in_at_once_where_the_settings_want_it() {
    let here = asker();
    for (more, expected) in [("allow_bypass_login = true", "created"), ("", "init")] {
        let stage = at_home(more);
        let mut off = user("off");
        off.open.is_active = false;
        stage.put_person("0ada", &user("ada"), None).await;
        stage.put_person("1off", &off, None).await;
        assert_eq!(word(&begun(&stage, "trusted_networks", None, &here).await), expected, "{more}");
        stage.put_person("2bob", &user("bob"), None).await;
        assert_eq!(word(&begun(&stage, "trusted_networks", None, &here).await), "init", "two to choose from");
    }
    let nobody = at_home("allow_bypass_login = true");
    assert_eq!(word(&begun(&nobody, "trusted_networks", None, &here).await), "not_allowed");
}

#[tokio::test]
async fn the_plainer_login_takes_the_local_provider_that_is_enabled() {
    let settings = "[[provider]]\ntype = \"local\"\nid = \"off\"\nenabled = false\n\
        [[provider]]\ntype = \"trusted_networks\"\n[[provider.network]]\ncidr = [\"10.0.0.0/8\"]\n\
        [[provider]]\ntype = \"local\"\nid = \"on\"";
    let stage = TestStage::with(settings);
    stage.put_person("ada", &user("ada"), Some(PASSWORD)).await;
    let login = async |password: &str| stage.flows.api_login(APP, "ada", &SecretString::from(password), &asker()).await;
    let Ok(ApiLogin::Tokens(tokens)) = login(PASSWORD).await else { panic!("tokens") };
    let record: AccessSession = stage.read(&format!("access/{}", tokens.session_id)).await;
    assert_eq!(record.open.provider.id.as_deref(), Some("on"));
    assert!(matches!(login("wrong").await, Err(FlowError::InvalidAuth)));
}

#[tokio::test]
async fn a_proof_freshens_a_session_of_the_same_user_and_no_other() {
    let (stage, asker) = (TestStage::new(), asker());
    stage.put("access/own", &access("ada", AccessStage::Active { expires_at: END })).await;
    let turn = Turn::new(&stage.flows.engine, "f", &asker);
    for (whose, is_taken) in [("ada", true), ("bob", false)] {
        let mut record = session(whose, END, END);
        record.secret.grant = Grant::Proof { access: "own".to_owned() };
        let proved = Finish::new(&turn, &record, None).access(&stage.flows.engine).await;
        assert_eq!(proved.is_ok(), is_taken, "{whose}");
    }
}

#[tokio::test]
async fn who_has_no_password_signs_in_with_none() {
    let stage = TestStage::new();
    stage.put_person("ada", &user("ada"), None).await;
    assert_eq!(signed_in_as(&stage, "ada", "x", &asker()).await, "init invalid_auth");
}

#[tokio::test]
async fn the_log_tells_of_a_login_that_passed_and_of_one_that_ended() {
    let stage = TestStage::new();
    stage.put_person("ada", &user("ada"), Some(PASSWORD)).await;
    let log = Log::begin();
    assert_eq!(signed_in_as(&stage, "ada", PASSWORD, &asker()).await, "created");
    let passed = log.lines_with("login_passed");
    assert!(passed.len() == 1 && passed[0].contains("\"local\"") && passed[0].contains("none"), "{passed:?}");
    stage.put(&format!("session/{}", token::hash("f")), &session("ada", END, END)).await;
    stage.flows.abort_login("f").await.unwrap();
    let ended = log.lines_with("login_ended");
    assert!(ended.len() == 1 && ended[0].contains("aborted"), "{ended:?}");
}

#[tokio::test]
async fn a_provider_may_leave_second_factors_out_and_then_none_is_asked() {
    let listed = FactorsOpen::default().with_confirmed("pin", "pin", false, NOW);
    for (more, expected) in [("support_mfa = true", "module_unavailable"), ("support_mfa = false", "created")] {
        let stage = at_home(more);
        stage.put_person("ada", &user("ada"), None).await;
        stage.put("factors/ada", &Document { open: listed.clone(), secret: () }).await;
        let begun = begun(&stage, "trusted_networks", None, &asker()).await;
        let step = answered(&stage, begun, json!({"user": "ada"}), &asker()).await.unwrap();
        assert_eq!(word(&step), expected, "{more}");
    }
}

#[tokio::test]
async fn a_hash_of_another_cost_is_made_anew_at_the_next_right_password_and_one_of_this_cost_is_not() {
    let former = TestStage::new().phc(PASSWORD).await;
    let stage = TestStage::with("[[provider]]\ntype = \"local\"\n[argon2]\niterations = 3");
    let mut ada = user("ada");
    ada.secret.password = Some(former.clone());
    stage.put_person("ada", &ada, None).await;
    let kept = async || stage.read::<User>("user/ada").await.secret.password.unwrap();
    assert_eq!(signed_in_as(&stage, "ada", "wrong", &asker()).await, "init invalid_auth");
    assert_eq!(kept().await, former);
    assert_eq!(signed_in_as(&stage, "ada", PASSWORD, &asker()).await, "created");
    let renewed = kept().await;
    assert!(renewed != former && renewed.contains("t=3"));
    assert_eq!(signed_in_as(&stage, "ada", PASSWORD, &asker()).await, "created");
    assert_eq!(kept().await, renewed);
}

#[tokio::test]
async fn a_new_password_ends_the_sessions_of_before_and_only_its_own_login() {
    let (stage, here) = (after_a_reset("").await, asker());
    let mut ada: User = stage.read("user/ada").await;
    ada.open.epoch = 5;
    stage.put("user/ada", &ada).await;
    let mut flows = Vec::new();
    for _ in 0..2 {
        let begun = begun(&stage, "local", None, &here).await;
        let step = answered(&stage, begun, json!({"username": "ada", "password": CODE}), &here).await.unwrap();
        flows.push(step);
    }
    let Step::Form(other) = flows.remove(0) else { panic!("a form") };
    let own = flows.remove(0);
    let Step::Form(form) = &own else { panic!("a form") };
    assert_eq!(form.fields[0].name, "new_password");
    let done = answered(&stage, own, json!({"new_password": PASSWORD}), &here).await.unwrap();
    assert_eq!(word(&done), "created");
    let ada: User = stage.read("user/ada").await;
    assert_eq!((ada.open.epoch, ada.open.must_change_password, ada.secret.reset.is_none()), (6, false, true));
    let account: Account = stage.read("account/ada").await;
    let left: Vec<String> = account.open.sessions.into_iter().map(|open| open.flow).collect();
    assert_eq!(left, [token::hash(&other.flow_id)]);
    assert_eq!(signed_in_as(&stage, "ada", PASSWORD, &here).await, "created");
}

#[tokio::test]
async fn a_name_nobody_has_costs_what_the_known_ones_cost() {
    let former = TestStage::new().phc(PASSWORD).await;
    let stage = TestStage::with("[[provider]]\ntype = \"local\"\n[argon2]\niterations = 3");
    let mut ada = user("ada");
    ada.secret.password = Some(former);
    stage.put_person("ada", &ada, None).await;
    let cost = || stage.flows.engine.passwords.decoy_iterations("nobody");
    assert_eq!(cost(), 3, "nothing is known yet");
    stage.flows.learn_password_costs().await.unwrap();
    assert_eq!(cost(), 2);
    assert_eq!(signed_in_as(&stage, "ada", PASSWORD, &asker()).await, "created");
    assert_eq!(cost(), 3, "the only older hash was made anew");
}

#[tokio::test]
async fn a_factor_was_proved_when_its_module_said_so_and_not_when_the_login_ended() {
    let (stage, asker) = (TestStage::new(), asker());
    let engine = &stage.flows.engine;
    let record = session("ada", END, END);
    let said_at = Timestamp(NOW.0 - 30_000);
    let turn = Turn::new(engine, "f", &asker);
    let later = Finish::later(&turn, &record, Some("pin"), Some(said_at)).access(engine).await.unwrap();
    let session_id = later.granted.tokens.unwrap().session_id;
    engine.store.commit(later.changes, later.expectations).await.unwrap();
    let access: AccessSession = stage.read(&format!("access/{session_id}")).await;
    assert_eq!((access.open.factor_at, access.open.mfa_verified_at), (Some(said_at), Some(said_at)));
    assert_eq!((access.open.created_at, access.open.mfa_method_used.as_deref()), (NOW, Some("pin")));
}

#[tokio::test]
async fn a_mailed_code_stands_beside_the_password_to_its_end_and_in_no_proof() {
    let (stage, here) = (TestStage::new(), asker());
    let mut ada = user("ada");
    let (name, folded) = (token::folded_name_hash("ada"), token::folded_spoken_code(CODE));
    let mac = stage.flows.engine.messages.code_mac("forgotten password", &name, &folded);
    ada.secret.mailed_codes = vec![MailedCode { mac, expires_at: END }];
    stage.put_person("ada", &ada, Some(PASSWORD)).await;
    let own = Access { client_id: APP.to_owned(), ..signed_in("ada", 0) };
    stage.put(&format!("access/{}", own.session_id), &access("ada", AccessStage::Active { expires_at: END })).await;
    let prove = async |password: &str| {
        let begun = stage.flows.begin_proof(&own, &here).await.unwrap();
        word(&answered(&stage, begun, json!({"password": password}), &here).await.unwrap())
    };
    stage.move_clock_to(END);
    assert_eq!(signed_in_as(&stage, "ada", "ABCD-EFGH-JKMX", &here).await, "init invalid_auth");
    assert_eq!(signed_in_as(&stage, " ADA ", &CODE.to_lowercase(), &here).await, "set_password");
    assert_eq!((&*prove(CODE).await, &*prove(PASSWORD).await), ("init invalid_auth", "created"));
    assert_eq!(signed_in_as(&stage, "ada", PASSWORD, &here).await, "created");
    stage.move_clock_to(Timestamp(END.0 + 1));
    assert_eq!(signed_in_as(&stage, "ada", CODE, &here).await, "init invalid_auth");
}

#[tokio::test]
async fn whom_a_program_accepts_and_nobody_knows_is_added_where_the_settings_say_so() {
    let (shell, here) = (std::fs::canonicalize("/bin/sh").unwrap(), asker());
    for (create_users, expected) in [(true, "created"), (false, "init invalid_auth")] {
        let program = format!("command = {shell:?}\nargs = [\"-c\", \"test $username-$password = bob-right\"]");
        let settings = format!("[[provider]]\ntype = \"command_line\"\n{program}\ncreate_users = {create_users}");
        let stage = TestStage::with(&settings);
        let sign_in = async |password: &str| {
            let begun = begun(&stage, "command_line", None, &here).await;
            let fields = json!({"username": "bob", "password": password});
            word(&answered(&stage, begun, fields, &here).await.unwrap())
        };
        let is_known = async || stage.flows.engine.user_by_name("bob").await.unwrap().is_some();
        assert_eq!((&*sign_in("wrong").await, is_known().await), ("init invalid_auth", false));
        assert_eq!((&*sign_in("right").await, is_known().await), (expected, create_users));
    }
}

#[tokio::test]
async fn only_an_address_of_the_client_is_led_to() {
    let stage = TestStage::new();
    let leads = |to: &str| stage.flows.check_client(APP, to).is_ok();
    assert!(leads("https://app.example/back") && !leads("https://elsewhere.example/back"));
}
