//! A user's own methods with modules that say what a test wants: what is shown of them, and which change costs what.

use std::sync::{Arc, Mutex};

use mfa_sdk::{
    form::Form,
    protocol::{
        Answer, CodeTimes, Description, Device, DeviceChange, Kind, LoginReply, Operation, Overview, Reply, Request,
        SetupReply, VerdictReply,
    },
};
use serde_json::{Value, json};

use super::*;
use crate::{
    clock::Timestamp,
    flow::{
        record::{Address, Document, Enrolment, Factors, FactorsOpen, User},
        test_stage::{Log, NOW, TestStage, asker, enrolment, factors, interrupted, signed_in, user},
    },
    module_host::{pause, word},
};

const SETTINGS: &str = "[development]\n[[provider]]\ntype = \"local\"\n[[module]]\ntype = \"app\"\nkind = \"possession\"\n\
                        [[module]]\ntype = \"pin\"\nkind = \"knowledge\"\n[[module]]\ntype = \"asleep\"\n[[module]]\n\
                        type = \"key\"\nkind = \"possession\"\nstrength = \"strong\"\n[[module]]\ntype = \"mail\"\n\
                        kind = \"possession\"\n[[module]]\ntype = \"liar\"\nkind = \"possession\"\n[[module]]\n\
                        type = \"unsaid\"\n[[module]]\ntype = \"codes\"\nrecovery = true\n[[channel]]\nname = \"email\"\n\
                        type = \"outbox\"\ntarget = \"email\"\n[methods]\n";
const A_CODE_EACH: &str = "delete_needs_code = true\nprimary_needs_code = true\n";

/// What was asked of whom by which seed, in order.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// The devices of an app are the letters it keeps; the first was never written down.
fn overview(data: &Value) -> Overview {
    let ids = data.as_array().into_iter().flatten().filter_map(Value::as_str);
    let device = |(place, id): (usize, &str)| Device {
        id: id.to_owned(),
        name: format!("device {id}"),
        created_at_ms: i64::try_from(place).unwrap() * 1000,
        last_used_at_ms: (place > 0).then_some(5000),
    };
    let devices = ids.enumerate().map(device).collect();
    Overview { summary: Some("some devices".into()), devices, low: true }
}

fn changed(data: &Value, device: &str, change: &DeviceChange) -> Reply {
    let ids = data.as_array().into_iter().flatten().filter(|id| **id != device);
    let mut left: Vec<Value> = ids.cloned().collect();
    if let DeviceChange::Rename { name } = change {
        left.push(json!(name));
    }
    Reply::Changed { enrolment: (!left.is_empty()).then_some(Value::Array(left)) }
}

fn stage_under(methods: &str) -> (TestStage, Asked) {
    stage_that_stops(methods, |_| ())
}

/// The same with modules that do this before they answer what they are asked.
fn stage_that_stops(methods: &str, first: impl Fn(&str) + Send + Sync + 'static) -> (TestStage, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let form = || Form::new().text("code", 64);
    let play = move |id: &str, request: &Request| {
        let asked = format!("{id} {}", word(&request.operation));
        noted.lock().unwrap().push((asked.clone(), request.context.seed.clone()));
        first(&asked);
        match &request.operation {
            Operation::InputSchema {} => {
                Reply::Form { form: form(), code: Some(CodeTimes { period_s: 30, window: 1 }) }
            }
            Operation::SetupFlow { .. } => {
                let (form, state) = (form(), Value::Null);
                Reply::Setup(SetupReply::Form { form, state, messages: Vec::new(), error: None, error_text: None })
            }
            Operation::Overview { enrolment } => Reply::Overview(overview(&enrolment.data)),
            Operation::ChangeDevice { enrolment, device, change } => changed(&enrolment.data, device, change),
            Operation::InitializeLoginMfaStep { .. } => {
                Reply::Login(LoginReply { form: form(), challenge: None, messages: Vec::new() })
            }
            Operation::Validate { answer: Answer::Form { fields }, .. } if fields["code"] == "right" => {
                Reply::Verdict(VerdictReply::Accepted { enrolment: None, advice: None })
            }
            Operation::Validate { .. } => {
                Reply::Verdict(VerdictReply::Rejected { error: "invalid_code".to_owned(), challenge: None })
            }
            Operation::Depose { .. } => Reply::Deposed {},
            _ => Reply::Unsupported {},
        }
    };
    let of = |id: &str, kind| Description::new(id, format!("The {id}"), kind);
    let mut app = of("app", Kind::Possession).setup_message("Have it ready.");
    app.enrolment_version = 2;
    let descriptions = [
        app,
        of("pin", Kind::Knowledge),
        of("key", Kind::Possession),
        of("mail", Kind::Possession).sends(true),
        of("liar", Kind::Knowledge),
        of("unsaid", Kind::Possession),
        of("codes", Kind::Possession).recovery(true),
    ];
    (TestStage::playing(&format!("{SETTINGS}{methods}"), &descriptions, play), asked)
}

/// Ada with a mail address, these factors, and these devices of the app.
async fn has(stage: &TestStage, modules: &[&str], devices: Value) {
    let mut ada: User = user("ada");
    let value = "ada@example.org".to_owned();
    ada.secret.addresses.email = vec![Address { value, added_at: NOW, proved_at: Some(NOW), by_code: false }];
    stage.put("user/ada", &ada).await;
    stage.put_factors("ada", modules).await;
    let mut app = enrolment("app");
    app.secret.data = devices;
    stage.put("enrolment/ada/app", &app).await;
}

fn ada() -> Access {
    Access { first_factor_at: Some(NOW), factor_at: Some(NOW), ..signed_in("ada", 0) }
}

fn a_code(code: &str) -> Confirmation {
    Confirmation { code: Some(code.to_owned()), ..Confirmation::default() }
}

async fn remove(stage: &TestStage, device: &str, given: &Confirmation) -> &'static str {
    refused_with(stage.flows.remove_device(&ada(), "app", device, given, &asker()).await)
}

async fn rename(stage: &TestStage, device: &str, name: &str) -> &'static str {
    refused_with(stage.flows.rename_device(&ada(), "app", device, name, &asker()).await)
}

async fn app(stage: &TestStage) -> Enrolment {
    stage.read("enrolment/ada/app").await
}

async fn listed(stage: &TestStage) -> FactorsOpen {
    stage.read::<Factors>("factors/ada").await.open
}

fn is_asked(asked: &Asked, what: &str) -> bool {
    asked.lock().unwrap().iter().any(|(asked, _)| asked == what)
}

fn refused_with<T>(answer: Result<T, FlowError>) -> &'static str {
    match answer {
        Ok(_) => "not at all",
        Err(FlowError::NotPossible { code, .. }) => code,
        Err(FlowError::Refused { word, .. }) => word,
        Err(FlowError::NotFound { .. }) => "not_found",
        Err(FlowError::StaleProof { .. }) => "stale_proof",
        Err(FlowError::InvalidCode { .. }) => "invalid_code",
        Err(FlowError::ModuleUnavailable { .. }) => "module_unavailable",
        Err(_) => "something else",
    }
}

fn methods_text(methods: &[MethodView], id: &str) -> Option<String> {
    methods.iter().find(|method| method.id == id).and_then(|method| method.strength_text.clone())
}

#[tokio::test]
async fn how_strong_a_method_is_rests_on_the_admins_word_and_what_the_module_takes_back() {
    let (stage, _) = stage_under("");
    for (language, good) in [("en", "Good. Somebody"), ("de", "Gut. Man")] {
        let methods = stage.flows.methods(&ada(), &Asker { language: language.to_owned(), ..asker() }).await.unwrap();
        let strength = |id: &str| methods.iter().find(|method| method.id == id).unwrap().strength.clone();
        for basic in ["pin", "mail", "liar", "unsaid"] {
            assert_eq!(strength(basic).as_deref(), Some("basic"), "{basic}");
        }
        assert_eq!((strength("app").as_deref(), strength("key").as_deref()), (Some("good"), Some("strong")));
        assert_eq!((strength("codes"), strength("asleep")), (None, None));
        let app = methods.iter().find(|method| method.id == "app").unwrap();
        assert!(app.strength_text.as_ref().unwrap().starts_with(good));
        assert_eq!(app.setup_message.as_deref(), Some("Have it ready."));
        let said = |id: &str| stage.flows.strength_in_words(id, language);
        assert_eq!((said("app"), said("pin")), (app.strength_text.clone(), methods_text(&methods, "pin")));
        assert_eq!((said("codes"), said("asleep"), said("gone")), (None, None, None));
    }
}

#[tokio::test]
async fn what_there_is_to_say_of_a_method_comes_from_its_module() {
    let (stage, asked) = stage_under("");
    has(&stage, &["app", "asleep"], json!(["a", "b"])).await;
    let details = async |module: &str| stage.flows.method_details(&ada(), module, &asker()).await.ok().unwrap();
    let of_app = details("app").await;
    assert_eq!((of_app.method.id.as_str(), of_app.code.map(|code| code.period_s)), ("app", Some(30)));
    assert_eq!(of_app.setup_fields.unwrap()[0].name, "code");
    let overview = of_app.overview.unwrap();
    assert_eq!((overview.summary.as_deref(), overview.low), (Some("some devices"), true));
    let moments: Vec<_> = overview.devices.iter().map(|device| (device.created_at, device.last_used_at)).collect();
    assert_eq!(moments, [(None, None), (Some(Timestamp(1000)), Some(Timestamp(5000)))]);
    assert!(asked.lock().unwrap().iter().all(|(_, seed)| seed.len() == 64), "each by a seed");
    let of_asleep = details("asleep").await;
    assert!(of_asleep.code.is_none() && of_asleep.setup_fields.is_none() && of_asleep.overview.is_none());
    let of_pin = details("pin").await;
    assert!(of_pin.code.is_some() && of_pin.overview.is_none(), "the user has none");
    let unknown = stage.flows.method_details(&ada(), "gone", &asker()).await;
    assert_eq!(refused_with(unknown), "not_found");
}

#[tokio::test]
async fn a_whole_method_takes_the_code_the_settings_want() {
    let (stage, _) = stage_under(A_CODE_EACH);
    has(&stage, &["pin", "app"], json!(["a"])).await;
    let delete = async |given: &Confirmation| stage.flows.delete_method(&ada(), "app", given, &asker()).await;
    assert!(delete(&Confirmation::default()).await.is_err());
    assert_eq!(refused_with(delete(&a_code("wrong")).await), "invalid_code");
    assert_eq!(refused_with(delete(&a_code("right")).await), "not at all");
    assert!(listed(&stage).await.of("app").is_none());
}

#[tokio::test]
async fn another_primary_takes_the_code_of_the_former_and_what_is_so_already_takes_none() {
    let (stage, asked) = stage_under(A_CODE_EACH);
    has(&stage, &["pin", "app"], json!(["a"])).await;
    let wish = async |module: &str, given: &Confirmation| {
        stage.flows.change_method(&ada(), module, Wish::MakePrimary, given, &asker()).await
    };
    assert!(wish("app", &Confirmation::default()).await.is_err());
    assert!(wish("pin", &Confirmation::default()).await.is_ok_and(|method| method.id == "pin" && method.is_primary));
    assert!(!is_asked(&asked, "pin validate"));
    assert!(wish("app", &a_code("right")).await.is_ok_and(|method| method.id == "app" && method.is_primary));
    assert!(is_asked(&asked, "pin validate") && listed(&stage).await.of("app").unwrap().primary);
    let by_factor_alone = Access { first_factor_at: None, ..ada() };
    let off = async |access: &Access| {
        let none = Confirmation::default();
        stage.flows.change_method(access, "pin", Wish::Deactivate, &none, &asker()).await
    };
    assert_eq!(refused_with(off(&by_factor_alone).await), "stale_proof");
    assert!(off(&ada()).await.is_ok_and(|method| method.id == "pin" && !method.is_active));
}

#[tokio::test]
async fn a_primary_that_became_one_meanwhile_is_asked_for_its_own_code() {
    let (access, given, asker) = (ada(), a_code("right"), asker());
    let stage_with_three = async |stage: &TestStage| has(stage, &["pin", "app", "key"], json!(["a"])).await;
    let mut other = factors(&["key", "pin", "app"]);
    other.open.epoch += 1;
    let (pause, meanwhile) = pause();
    let stops = move |asked: &str| {
        if asked == "pin validate" {
            pause.here();
        }
    };
    let (stage, _) = stage_that_stops(A_CODE_EACH, stops);
    stage_with_three(&stage).await;
    let work = stage.flows.change_method(&access, "app", Wish::MakePrimary, &given, &asker);
    let change = async || stage.put("factors/ada", &other).await;
    let (done, is_changed) = meanwhile.happens(work, change).await;
    assert!(is_changed && matches!(done, Err(FlowError::CodeRequired { .. })));
    // Whenever else it happens, what is refused is not done.
    for nth in 1.. {
        let (stage, _) = stage_under(A_CODE_EACH);
        stage_with_three(&stage).await;
        let work = stage.flows.change_method(&access, "app", Wish::MakePrimary, &given, &asker);
        let change = async || stage.put("factors/ada", &other).await;
        let (done, is_changed) = interrupted(work, nth, change).await;
        if !is_changed {
            break;
        }
        let primary = listed(&stage).await.factors.iter().find(|factor| factor.primary).unwrap().module.clone();
        assert!(done.is_ok() || primary == "key", "wait {nth}: refused, and done all the same");
    }
}

#[tokio::test]
async fn the_user_is_told_of_a_change_and_not_of_a_name() {
    for (wish, messages) in
        [(Wish::Describe(Words { label: Some("mine".to_owned()), metadata: None }), 0), (Wish::MakePrimary, 1)]
    {
        let (stage, _) = stage_under("");
        has(&stage, &["pin", "app"], json!(["a"])).await;
        let changed = stage.flows.change_method(&ada(), "app", wish, &Confirmation::default(), &asker()).await;
        assert!(changed.is_ok());
        stage.all_sent().await;
        assert_eq!(stage.flows.delivery().outbox().len(), messages);
    }
}

#[tokio::test]
async fn a_way_back_of_single_factors_goes_on_without_the_one_that_goes() {
    let (stage, _) = stage_under("");
    has(&stage, &["pin", "app"], json!(["a"])).await;
    let both = factors(&["pin", "app"]).open.with_way_back("codes", "codes", Some("pin"), NOW);
    let open = both.with_way_back("codes", "codes", Some("app"), NOW);
    stage.put("factors/ada", &Document { open, secret: () }).await;
    let mut kept = enrolment("codes");
    for factor in ["pin", "app"] {
        let data = mfa_sdk::protocol::Enrolment { version: 1, data: json!(factor) };
        kept.secret.by_factor.insert(factor.to_owned(), data);
    }
    stage.put("enrolment/ada/codes", &kept).await;
    stage.flows.delete_method(&ada(), "app", &Confirmation::default(), &asker()).await.unwrap();
    let kept: Enrolment = stage.read("enrolment/ada/codes").await;
    assert_eq!(kept.secret.by_factor.keys().collect::<Vec<_>>(), ["pin"]);
}

#[tokio::test]
async fn the_log_says_what_became_of_a_method_and_by_whom() {
    let (stage, _) = stage_under("");
    has(&stage, &["pin", "app"], json!(["a"])).await;
    let log = Log::begin();
    let label = Words { label: Some("mine".to_owned()), metadata: None };
    for (wish, event) in [
        (Wish::Describe(label), "factor_described"),
        (Wish::Deactivate, "factor_deactivated"),
        (Wish::Activate, "factor_activated"),
        (Wish::MakePrimary, "factor_made_primary"),
    ] {
        let changed = stage.flows.change_method(&ada(), "app", wish, &Confirmation::default(), &asker()).await;
        let lines = log.lines_with(event);
        assert!(changed.is_ok() && lines.len() == 1, "{event}: {lines:?}");
        assert!(lines[0].contains("user:ada") && lines[0].contains("app"), "{lines:?}");
    }
}

#[path = "device_tests.rs"]
mod device_tests;
