//! Access sessions on a real store: what a code, a refresh token and an access token open, for whom and how long.

use super::{
    TokenError, Tokens,
    record::{AccessSession, AccessStage, Found, key},
    test_stage::{NOW, TestStage, access, user},
    token,
};
use crate::clock::Timestamp;

const SESSION: &str = "00112233445566778899aabbccddeeff";
const KEY: &str = "access/00112233445566778899aabbccddeeff";
const END: Timestamp = Timestamp(NOW.0 + 60_000);
const AN_HOUR_S: u64 = 3600;

/// A session whose result code is out, and the code.
async fn issued() -> (TestStage, String) {
    let stage = TestStage::new();
    stage.put("user/ada", &user("ada")).await;
    let code = token::new_result_code(SESSION);
    let mut record = access("ada", AccessStage::Issued { code_expires_at: END });
    record.secret.code_hash = Some(code.hash);
    record.secret.redirect_hash = Some(token::short_hash("app:/back"));
    stage.put(KEY, &record).await;
    (stage, code.text)
}

#[tokio::test]
async fn a_code_is_good_once_for_its_client_its_redirect_and_its_time() {
    let (stage, code) = issued().await;
    let (flows, other) = (&stage.flows, token::new_result_code(SESSION).text);
    let back = Some("app:/back");
    for (client, code, redirect, verifier) in [
        ("other", &code, back, None),
        ("app", &other, back, None),
        ("app", &code, Some("app:/other"), None),
        ("app", &code, back, Some("a verifier nobody asked for")),
    ] {
        let refused = flows.exchange_code(client, code, redirect, verifier).await;
        assert!(matches!(refused, Err(TokenError::InvalidGrant)), "{client} {redirect:?} {verifier:?}");
    }
    stage.move_clock_to(Timestamp(END.0 + 1));
    assert!(flows.exchange_code("app", &code, back, None).await.is_err(), "too late");
    stage.move_clock_to(END);
    let tokens = flows.exchange_code("app", &code, back, None).await.unwrap();
    assert_eq!(flows.authenticate(&tokens.access_token).await.unwrap().user_name, "ada");
    assert!(flows.exchange_code("other", &code, back, None).await.is_err());
    assert!(stage.has(KEY).await, "another client's mistake ends nothing");
    assert!(flows.exchange_code("app", &code, back, None).await.is_err());
    assert!(!stage.has(KEY).await, "a code used twice ends what it gave");
}

async fn active() -> (TestStage, Tokens) {
    let (stage, code) = issued().await;
    let tokens = stage.flows.exchange_code("app", &code, None, None).await.unwrap();
    (stage, tokens)
}

#[tokio::test]
async fn a_refresh_token_is_good_for_its_client_and_its_time_and_moves_the_end_seldom() {
    let (stage, tokens) = active().await;
    let (flows, refresh) = (&stage.flows, tokens.refresh_token.unwrap());
    let lifetime_s = flows.settings().limits.refresh_token_lifetime_s;
    let end_of_record = async || {
        let found: Found<AccessSession> = flows.engine.read(key::access(SESSION)).await.unwrap();
        match found.record.unwrap().open.stage {
            AccessStage::Active { expires_at } => expires_at,
            AccessStage::Issued { .. } => panic!("it was exchanged"),
        }
    };
    let other = token::new_refresh_token(SESSION).text;
    assert!(flows.refresh(Some("other"), &refresh).await.is_err());
    assert!(flows.refresh(None, &other).await.is_err());
    let first_end = NOW.plus_s(lifetime_s);
    for (after_s, end) in [(AN_HOUR_S, first_end), (AN_HOUR_S + 1, first_end.plus_s(AN_HOUR_S + 1))] {
        stage.move_clock_to(NOW.plus_s(after_s));
        let refreshed = flows.refresh(Some("app"), &refresh).await.unwrap();
        assert!(flows.authenticate(&refreshed.access_token).await.is_ok() && refreshed.refresh_token.is_none());
        assert_eq!(end_of_record().await, end);
    }
    let last = end_of_record().await;
    stage.move_clock_to(Timestamp(last.0 + 1));
    assert!(flows.refresh(Some("app"), &refresh).await.is_err());
    stage.move_clock_to(last);
    assert!(flows.refresh(None, &refresh).await.is_ok());
}

#[tokio::test]
async fn an_access_token_ends_with_its_time_and_with_its_session() {
    let (stage, tokens) = active().await;
    let flows = &stage.flows;
    let end = NOW.plus_s(tokens.expires_in_s);
    for (moment, is_good) in [(NOW, true), (end, true), (Timestamp(end.0 + 1), false)] {
        stage.move_clock_to(moment);
        assert_eq!(flows.authenticate(&tokens.access_token).await.is_ok(), is_good, "{moment:?}");
    }
    stage.move_clock_to(NOW);
    let who = flows.authenticate(&tokens.access_token).await.unwrap();
    flows.sign_out(&who).await.unwrap();
    assert!(flows.authenticate(&tokens.access_token).await.is_err() && !stage.has(KEY).await);
}

#[tokio::test]
async fn only_a_token_of_the_session_revokes_it() {
    for is_refresh in [true, false] {
        let (stage, tokens) = active().await;
        let forged = token::new_refresh_token(SESSION).text;
        stage.flows.revoke(&forged).await.unwrap();
        stage.flows.revoke("nothing").await.unwrap();
        assert!(stage.has(KEY).await);
        let own = if is_refresh { tokens.refresh_token.unwrap() } else { tokens.access_token };
        stage.flows.revoke(&own).await.unwrap();
        assert!(!stage.has(KEY).await);
    }
}

#[tokio::test]
async fn a_session_whose_own_end_came_or_whose_code_is_still_out_opens_nothing() {
    let stage = TestStage::new();
    stage.put("user/ada", &user("ada")).await;
    let bearer = token::access_token(SESSION, END.plus_s(60), &stage.flows.engine.tokens);
    stage.put(KEY, &access("ada", AccessStage::Active { expires_at: END })).await;
    for (moment, is_good) in [(END, true), (Timestamp(END.0 + 1), false)] {
        stage.move_clock_to(moment);
        assert_eq!(stage.flows.authenticate(&bearer).await.is_ok(), is_good);
    }
    stage.put(KEY, &access("ada", AccessStage::Issued { code_expires_at: END.plus_s(60) })).await;
    assert!(stage.flows.authenticate(&bearer).await.is_err());
}

#[tokio::test]
async fn a_browser_of_the_pages_is_known_by_its_own_token_until_its_session_ends() {
    let stage = TestStage::new();
    stage.put("user/ada", &user("ada")).await;
    let (own, forged) = (token::new_refresh_token(SESSION), token::new_refresh_token(SESSION).text);
    let mut of_pages = access("ada", AccessStage::Active { expires_at: END });
    of_pages.secret.refresh_hash = Some(own.hash);
    let mut of_a_client = of_pages.clone();
    of_pages.open.is_of_pages = true;
    of_a_client.open.is_of_pages = false;
    let past = Timestamp(END.0 + 1);
    for (session, token, moment, is_known) in [
        (&of_pages, &own.text, END, true),
        (&of_pages, &own.text, past, false),
        (&of_pages, &forged, END, false),
        (&of_a_client, &own.text, END, false),
    ] {
        stage.put(KEY, session).await;
        stage.move_clock_to(moment);
        let known = stage.flows.authenticate_browser(token).await;
        assert_eq!(known.map(|access| access.user_name).ok().as_deref(), is_known.then_some("ada"), "{moment:?}");
    }
}
