//! A user's own addresses, from the code that is sent to one to the day it is taken away.

use super::{
    addresses::{AddressKind, AddressStep},
    *,
};
use crate::{
    clock::Timestamp,
    flow::{
        Access, FlowError,
        record::{Account, AccountOpen, Address, AddressProof, Addresses, Count, Document, FormerAddress, User},
        test_stage::{NOW, TestStage, asker, channel_that_refuses, interrupted, signed_in, user},
        token,
    },
};

const SETTINGS: &str = "[development]\n[[provider]]\ntype = \"local\"\n[delivery]\nresend_wait_s = 30\n";
const TWO: &str = "[[channel]]\nname = \"email\"\ntype = \"outbox\"\ntarget = \"email\"\n\
                   [[channel]]\nname = \"sms\"\ntype = \"outbox\"\ntarget = \"phone\"\n\
                   prefixes = [\"+49\"]\n";
const HER_MAIL: &str = "ada@example.org";

async fn stage_with(channels: &str) -> TestStage {
    let stage = TestStage::with(&format!("{SETTINGS}{channels}"));
    stage.put("user/ada", &user("ada")).await;
    stage
}

fn ada() -> Access {
    Access { first_factor_at: Some(NOW), ..signed_in("ada", 0) }
}

async fn begin(stage: &TestStage, kind: AddressKind, value: &str) -> Result<AddressStep, FlowError> {
    stage.flows.begin_address(&ada(), kind, value, &asker()).await
}

async fn prove(stage: &TestStage, flow_id: &str, code: &str) -> Result<UserDetails, FlowError> {
    stage.flows.prove_address(&ada(), flow_id, code, &asker()).await
}

async fn remove(stage: &TestStage, kind: AddressKind, value: &str) -> Result<(), FlowError> {
    stage.flows.remove_address(&ada(), kind, value, &asker()).await
}

/// The code of the latest message.
fn code(stage: &TestStage) -> String {
    let text = stage.flows.delivery().outbox().pop().unwrap().text;
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit())).unwrap().to_owned()
}

fn another(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

async fn addresses(stage: &TestStage) -> Addresses {
    stage.read::<User>("user/ada").await.secret.addresses
}

async fn proof(stage: &TestStage, flow_id: &str) -> AddressProof {
    stage.read(&format!("address/{}", token::hash(flow_id))).await
}

async fn wrong(stage: &TestStage) -> u32 {
    let account: Account = stage.read("account/ada").await;
    account.open.wrong.get("own.address").map_or(0, |count| count.in_a_row)
}

fn values(list: &[Address]) -> Vec<&str> {
    list.iter().map(|address| &*address.value).collect()
}

fn proved(value: &str, at: Timestamp) -> Address {
    Address { value: value.to_owned(), added_at: at, proved_at: Some(at), by_code: false }
}

async fn has(stage: &TestStage, addresses: Addresses) {
    let mut ada = user("ada");
    ada.secret.addresses = addresses;
    stage.put("user/ada", &ada).await;
}

fn refused_with<T>(answer: Result<T, FlowError>) -> &'static str {
    match answer {
        Ok(_) => "not at all",
        Err(FlowError::NotPossible { code, .. }) => code,
        Err(FlowError::UnknownFlow) => "unknown_flow",
        Err(FlowError::InvalidCode { .. }) => "invalid_code",
        Err(FlowError::InvalidRequest(_)) => "invalid_request",
        Err(FlowError::NotFound { .. }) => "not_found",
        Err(FlowError::Throttled { .. }) => "throttled",
        Err(FlowError::StaleProof { .. }) => "stale_proof",
        Err(_) => "something else",
    }
}

#[tokio::test]
async fn an_address_of_each_kind_is_ones_own_once_its_code_was_typed() {
    let stage = stage_with(TWO).await;
    for (kind, value, channel) in
        [(AddressKind::Email, HER_MAIL, "email"), (AddressKind::Phone, "+4915112345678", "sms")]
    {
        let step = begin(&stage, kind, value).await.unwrap();
        assert_eq!((step.delivery, step.resend_at), ("sent", NOW.plus_s(30)));
        assert_eq!(step.expires_at, NOW.plus_s(600));
        let message = stage.flows.delivery().outbox().pop().unwrap();
        assert_eq!((&*message.channel, &*message.to), (channel, value));
        assert_eq!(proof(&stage, &step.flow_id).await.open.kind, if channel == "sms" { "phone" } else { "email" });
        let code = code(&stage);
        assert_eq!(refused_with(prove(&stage, &step.flow_id, another(&code)).await), "invalid_code");
        assert_eq!((wrong(&stage).await, proof(&stage, &step.flow_id).await.open.attempts_used), (1, 1));
        let (first, rest) = code.split_at(3);
        assert_eq!(refused_with(prove(&stage, &step.flow_id, &format!("{first} {rest}")).await), "not at all");
        assert_eq!(wrong(&stage).await, 0, "it was right");
        assert_eq!(refused_with(prove(&stage, &step.flow_id, &code).await), "unknown_flow", "and is used up");
    }
    let own = addresses(&stage).await;
    assert_eq!((values(&own.email), values(&own.phone)), (vec![HER_MAIL], vec!["+4915112345678"]));
    assert!(own.email[0].by_code && own.email[0].proved_at == Some(NOW) && own.email[0].added_at == NOW);
}

#[tokio::test]
async fn what_is_no_address_is_refused_and_what_no_channel_reaches_too() {
    let stage = stage_with("").await;
    assert_eq!(refused_with(begin(&stage, AddressKind::Email, "ada").await), "invalid_request");
    assert_eq!(refused_with(begin(&stage, AddressKind::Phone, HER_MAIL).await), "invalid_request");
    assert_eq!(refused_with(begin(&stage, AddressKind::Email, HER_MAIL).await), "no_channel");
    let stage = stage_with(&channel_that_refuses()).await;
    assert_eq!(refused_with(begin(&stage, AddressKind::Phone, "+4915112345678").await), "no_channel");
    assert_eq!(refused_with(begin(&stage, AddressKind::Email, HER_MAIL).await), "delivery_failed");
    let stage = stage_with(TWO).await;
    let stale = signed_in("ada", 0);
    let begun = stage.flows.begin_address(&stale, AddressKind::Email, HER_MAIL, &asker()).await;
    assert_eq!(refused_with(begun), "stale_proof");
    let sent = std::iter::repeat_n(NOW, 200).collect();
    stage.put("account/ada", &Document { open: AccountOpen { sent, ..AccountOpen::default() }, secret: () }).await;
    assert_eq!(refused_with(begin(&stage, AddressKind::Email, HER_MAIL).await), "throttled");
}

#[tokio::test]
async fn a_proof_is_its_users_own_in_the_same_epoch_and_in_its_time() {
    let stage = stage_with(TWO).await;
    let step = begin(&stage, AddressKind::Email, HER_MAIL).await.unwrap();
    let code = code(&stage);
    let fresh = |whose: Access| Access { first_factor_at: Some(NOW), ..whose };
    for other in [fresh(signed_in("bob", 0)), fresh(signed_in("ada", 1))] {
        let tried = stage.flows.prove_address(&other, &step.flow_id, &code, &asker()).await;
        assert_eq!(refused_with(tried), "unknown_flow", "{}", other.user_id);
    }
    stage.move_clock_to(NOW.plus_s(601));
    assert_eq!(refused_with(prove(&stage, &step.flow_id, &code).await), "unknown_flow", "it is over");
    stage.move_clock_to(NOW.plus_s(600));
    assert_eq!(refused_with(prove(&stage, &step.flow_id, &code).await), "not at all");
}

#[tokio::test]
async fn a_proof_takes_five_codes_and_none_while_the_user_has_to_wait() {
    let stage = stage_with(TWO).await;
    let step = begin(&stage, AddressKind::Email, HER_MAIL).await.unwrap();
    let code = code(&stage);
    let put_wrong = async |in_a_row, locked_until| {
        let wrong = [("own.address".to_owned(), Count { in_a_row, locked_until })].into();
        stage.put("account/ada", &Document { open: AccountOpen { wrong, ..AccountOpen::default() }, secret: () }).await;
    };
    put_wrong(5, Some(NOW.plus_s(9))).await;
    let waits = prove(&stage, &step.flow_id, &code).await;
    assert!(matches!(waits, Err(FlowError::Throttled { retry_after_s: 9 })));
    put_wrong(100, None).await;
    let waits = prove(&stage, &step.flow_id, &code).await;
    assert!(matches!(waits, Err(FlowError::Throttled { retry_after_s: 3600 })));
    for given in 1..=5 {
        put_wrong(0, None).await;
        assert_eq!(refused_with(prove(&stage, &step.flow_id, another(&code)).await), "invalid_code", "{given}");
        assert_eq!(proof(&stage, &step.flow_id).await.open.attempts_used, given);
    }
    put_wrong(0, None).await;
    assert_eq!(refused_with(prove(&stage, &step.flow_id, &code).await), "unknown_flow", "not even the right one");
}

#[tokio::test]
async fn another_code_comes_from_its_moment_on_and_ends_the_former_one() {
    let stage = stage_with(TWO).await;
    let step = begin(&stage, AddressKind::Email, HER_MAIL).await.unwrap();
    let first = code(&stage);
    assert_eq!(refused_with(prove(&stage, &step.flow_id, another(&first)).await), "invalid_code");
    let again = async || stage.flows.resend_address(&ada(), &step.flow_id, &asker()).await;
    assert!(matches!(again().await, Err(FlowError::Throttled { retry_after_s: 30 })));
    stage.move_clock_to(Timestamp(NOW.plus_s(30).0 - 1));
    assert!(matches!(again().await, Err(FlowError::Throttled { retry_after_s: 1 })));
    stage.move_clock_to(NOW.plus_s(30));
    let next = again().await.unwrap();
    assert_eq!((&next.flow_id, next.expires_at, next.resend_at), (&step.flow_id, NOW.plus_s(600), NOW.plus_s(60)));
    assert_eq!(proof(&stage, &step.flow_id).await.open.attempts_used, 1, "attempts stay");
    if code(&stage) != first {
        assert_eq!(refused_with(prove(&stage, &step.flow_id, &first).await), "invalid_code");
    }
    let second = code(&stage);
    assert_eq!(refused_with(prove(&stage, &step.flow_id, &second).await), "not at all");
}

#[tokio::test]
async fn a_code_that_was_wrong_while_another_is_made_stays_counted() {
    let stage = stage_with(TWO).await;
    let step = begin(&stage, AddressKind::Email, HER_MAIL).await.unwrap();
    stage.move_clock_to(NOW.plus_s(30));
    let held = stage.flows.engine.queue("ada").await;
    let (access, asker) = (ada(), asker());
    let again = stage.flows.resend_address(&access, &step.flow_id, &asker);
    let is_wrong = async || {
        let mut tried = proof(&stage, &step.flow_id).await;
        tried.open.attempts_used = 1;
        stage.put(&format!("address/{}", token::hash(&step.flow_id)), &tried).await;
        drop(held);
    };
    let (again, is_interrupted) = interrupted(again, 1, is_wrong).await;
    assert!(is_interrupted && again.is_ok());
    assert_eq!(proof(&stage, &step.flow_id).await.open.attempts_used, 1);
}

#[tokio::test]
async fn an_address_that_was_proved_before_counts_from_then_and_only_its_own_entry_is_replaced() {
    let stage = stage_with(TWO).await;
    let long_ago = Timestamp(NOW.0 - 1_000_000);
    let not_proved = Address { proved_at: None, ..proved("new@example.org", long_ago) };
    let former = |value: &str| FormerAddress { value: value.to_owned(), told_until: NOW.plus_s(60) };
    let email = vec![proved(HER_MAIL, long_ago), proved("other@example.org", long_ago), not_proved];
    let former = vec![former(HER_MAIL), former("gone@example.org")];
    has(&stage, Addresses { email, phone: Vec::new(), former }).await;
    for value in [HER_MAIL, "new@example.org"] {
        let step = begin(&stage, AddressKind::Email, value).await.unwrap();
        let code = code(&stage);
        assert_eq!(refused_with(prove(&stage, &step.flow_id, &code).await), "not at all");
    }
    let own = addresses(&stage).await;
    assert_eq!(values(&own.email), ["other@example.org", HER_MAIL, "new@example.org"]);
    let since: Vec<Option<Timestamp>> = own.email.iter().map(|address| address.proved_at).collect();
    assert_eq!(since, [Some(long_ago), Some(long_ago), Some(NOW)]);
    let left: Vec<&str> = own.former.iter().map(|left| &*left.value).collect();
    assert_eq!(left, ["gone@example.org"], "what is back has not left");
}

#[tokio::test]
async fn one_address_goes_and_a_mail_address_is_told_for_a_while() {
    let stage = stage_with(TWO).await;
    let own = Addresses {
        email: vec![proved(HER_MAIL, NOW), proved("other@example.org", NOW)],
        phone: vec![proved("+4915112345678", NOW)],
        former: Vec::new(),
    };
    has(&stage, own).await;
    assert_eq!(refused_with(remove(&stage, AddressKind::Phone, HER_MAIL).await), "not_found");
    remove(&stage, AddressKind::Phone, "+4915112345678").await.unwrap();
    let kept: User = stage.read("user/ada").await;
    assert!(kept.secret.addresses.phone.is_empty() && kept.secret.addresses.former.is_empty());
    remove(&stage, AddressKind::Email, HER_MAIL).await.unwrap();
    let kept: User = stage.read("user/ada").await;
    assert_eq!(values(&kept.secret.addresses.email), ["other@example.org"]);
    assert_eq!(kept.secret.addresses.former[0].value, HER_MAIL);
    assert_eq!(refused_with(remove(&stage, AddressKind::Email, HER_MAIL).await), "not_found");
}
