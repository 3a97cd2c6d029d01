//! What ids, tokens and tags are made of, and what is taken for one.

use super::*;

fn keys(first: u8) -> TokenKeys {
    let key = || Zeroizing::new([first; 32]);
    TokenKeys { flow: key(), access: key(), seeds: key(), waiting: key(), pages: key() }
}

#[test]
fn codes_of_six_digits_reach_as_high_as_they_can() {
    // One in thirty is as high as this: none of a thousand would be once in a hundred million million.
    assert!((0..1000).any(|_| new_digits().as_str() >= "967296"));
}

#[test]
fn a_spoken_code_is_the_same_however_it_is_typed() {
    let code = new_spoken_code(3);
    assert_eq!((code.len(), code.split('-').count()), (14, 3));
    assert_ne!(code, new_spoken_code(3));
    assert_eq!(folded_spoken_code(&code.to_lowercase()), code.replace('-', ""));
    assert_eq!(folded_spoken_code(" o1-Li \u{a0}z"), "0111Z");
}

#[test]
fn a_spoken_code_uses_every_letter_and_an_id_is_never_had_twice() {
    let code = new_spoken_code(400);
    assert!(SPOKEN.iter().all(|letter| code.contains(char::from(*letter))), "{code}");
    for (make, length) in [(new_flow_id as fn() -> String, 43), (new_record_id, 32), (new_seed, 64)] {
        let (one, other) = (make(), make());
        assert_eq!((one.len(), other.len()), (length, length));
        assert_ne!(one, other);
    }
    assert_ne!(FlowToken::new_nonce(), FlowToken::new_nonce());
    assert_eq!(FlowToken::new_nonce().len(), 22);
}

#[test]
fn a_name_is_the_same_in_any_case_and_between_blanks() {
    assert_eq!(folded_name_hash(" Ada\t"), hash("ada"));
    assert_ne!(folded_name_hash("ada"), folded_name_hash("adb"));
    assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!((short_hash("abc").as_str(), short_hash("abd").len()), ("ungWv48Bz-pBQUDeXa4iIw", 22));
    assert_eq!((short(&hash("abc")), short("abc")), ("ba7816bf", "abc"));
}

fn flow_token() -> FlowToken {
    FlowToken {
        nonce: FlowToken::new_nonce(),
        created_ms: 1_000_000,
        provider: ProviderId { kind: "local".to_owned(), id: None },
        client_hash: short_hash("http://127.0.0.1/"),
        redirect_hash: short_hash("http://127.0.0.1/callback"),
        code_challenge: None,
        state: Some("x".to_owned()),
        proof_for: None,
    }
}

#[test]
fn a_flow_id_opens_with_its_key_and_no_byte_of_it_may_change() {
    let token = flow_token();
    let sealed = token.seal(&keys(1));
    assert_eq!(FlowToken::open(&sealed, &keys(1)), Some(token));
    assert_eq!(FlowToken::open(&sealed, &keys(2)), None);
    let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        assert_eq!(FlowToken::open(&URL_SAFE_NO_PAD.encode(changed), &keys(1)), None, "byte {place}");
    }
    for text in ["", "a", "%", &"A".repeat(5000)] {
        assert_eq!(FlowToken::open(text, &keys(1)), None);
    }
}

#[test]
fn the_longest_token_is_taken_and_a_longer_one_is_not_even_looked_at() {
    let sealed = |state_bytes| {
        let token = FlowToken { state: Some("x".repeat(state_bytes)), ..flow_token() };
        token.seal(&keys(1))
    };
    let fits = (0..TOKEN_BYTES_MAX).map(sealed).find(|id| id.len() == TOKEN_BYTES_MAX).unwrap();
    assert!(FlowToken::open(&fits, &keys(1)).is_some());
    let longer = (0..TOKEN_BYTES_MAX).map(sealed).find(|id| id.len() > TOKEN_BYTES_MAX).unwrap();
    assert_eq!(FlowToken::open(&longer, &keys(1)), None);

    let bare = access_token("", Timestamp(77), &keys(1)).len();
    let opened = |bytes: usize| {
        let token = access_token(&"0".repeat(bytes - bare), Timestamp(77), &keys(1));
        assert_eq!(token.len(), bytes);
        open_access_token(&token, &keys(1))
    };
    assert!(opened(TOKEN_BYTES_MAX).is_some());
    assert_eq!(opened(TOKEN_BYTES_MAX + 1), None);
}

#[test]
fn an_access_token_carries_its_end_and_neither_can_be_changed() {
    let token = access_token("00112233445566778899aabbccddeeff", Timestamp(77), &keys(1));
    let opened = open_access_token(&token, &keys(1));
    assert_eq!(opened, Some(("00112233445566778899aabbccddeeff".to_owned(), Timestamp(77))));
    assert_eq!(open_access_token(&token.replace(".77.", ".78."), &keys(1)), None);
    assert_eq!(open_access_token(&token, &keys(2)), None);
}

#[test]
fn a_flow_begun_again_has_the_same_first_seed_and_another_flow_or_host_another_one() {
    let seed = first_seed("flow", &keys(1));
    assert_eq!((seed.len(), first_seed("flow", &keys(1))), (64, seed.clone()));
    assert_ne!(first_seed("other", &keys(1)), seed);
    assert_ne!(first_seed("flow", &keys(2)), seed);
}

#[test]
fn a_links_number_has_two_digits_and_every_one_comes() {
    let numbers: std::collections::BTreeSet<u8> = (0..5000).map(|_| new_link_number()).collect();
    assert!(numbers.into_iter().eq(10..=99));
}

#[test]
fn a_waiting_browser_is_of_its_flow_and_host_alone() {
    let tag = waiting_tag("flow", &keys(1));
    assert_eq!((tag.len(), waiting_tag("flow", &keys(1))), (43, tag.clone()));
    assert_ne!(waiting_tag("other", &keys(1)), tag);
    assert_ne!(waiting_tag("flow", &keys(2)), tag);
}

#[test]
fn only_what_looks_like_a_session_is_looked_up() {
    let code = new_result_code(&new_record_id());
    assert!(code.text.len() >= 32 && claimed_session(&code.text).is_some());
    for text in ["", "x.y", "../../user/1.z", "00112233445566778899AABBCCDDEEFG.x"] {
        assert_eq!(claimed_session(text), None);
    }
}

#[test]
fn the_challenge_of_rfc_7636_appendix_b_fits_its_verifier() {
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    assert!(fits_code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge));
    assert!(!fits_code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl", challenge));
}
