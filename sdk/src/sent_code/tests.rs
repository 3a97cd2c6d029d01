//! Uniform over the whole range, right once in its place and time, and masked addresses.

use super::*;
use crate::{
    call::{Call, Issue},
    message::TargetKind,
    protocol::{Context, User},
    random,
};

const NOW_MS: i64 = 1_767_225_600_000;

fn context() -> Context {
    Context {
        now_ms: NOW_MS,
        seed: String::new(),
        user: User::default(),
        channels: Vec::new(),
        mac_key: "0b".repeat(32),
        language: "en".to_owned(),
        public_url: String::new(),
        host_name: String::new(),
        restored_at_ms: None,
    }
}

fn ask(context: &Context, seed: u64) -> Call<'_, Issue> {
    Call::new(context, random::generator(&format!("{seed:064x}")).unwrap(), Issue)
}

/// 10,000 codes, each of a call of its own as in the host: another seed, the first digits of its stream.
fn codes() -> Vec<String> {
    let context = context();
    (0..10_000).map(|seed| SentCode::new(&ask(&context, seed), &["a"], 600).unwrap().1).collect()
}

fn chi_square(counts: &[u32]) -> f64 {
    let expected = f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
    counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
}

#[test]
fn ten_thousand_codes_pass_a_chi_square_test() {
    let codes = codes();
    // 99.9 % of fair draws stay below these: 9 and 99 degrees of freedom.
    let [digits_max, buckets_max] = [27.88, 148.23];
    for place in 0..CODE_DIGITS {
        let mut counts = [0; 10];
        codes.iter().for_each(|code| counts[usize::from(code.as_bytes()[place] - b'0')] += 1);
        assert!(chi_square(&counts) < digits_max, "place {place}: {counts:?}");
    }
    let mut buckets = [0; 100];
    codes.iter().for_each(|code| buckets[code.parse::<usize>().unwrap() / 10_000] += 1);
    assert!(chi_square(&buckets) < buckets_max, "{buckets:?}");
    let mut lasts = [0; 100];
    codes.iter().for_each(|code| lasts[code.parse::<usize>().unwrap() % 100] += 1);
    assert!(chi_square(&lasts) < buckets_max, "{lasts:?}");
}

#[test]
fn the_chi_square_test_finds_what_is_not_uniform() {
    // No leading zeros, and a digit that is a tenth less likely than the others.
    let mut buckets = [0; 100];
    buckets[10..].fill(111);
    assert!(chi_square(&buckets) > 148.23);
    assert!(chi_square(&[900, 1011, 1011, 1011, 1011, 1011, 1011, 1011, 1011, 1012]) > 9.0);
    assert!(chi_square(&[800, 1022, 1022, 1022, 1022, 1022, 1022, 1022, 1023, 1023]) > 27.88);
}

#[test]
fn leading_zeros_are_kept() {
    let codes = codes();
    assert!(codes.iter().all(|code| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit())));
    assert!(codes.iter().any(|code| code.starts_with("00")));
}

#[test]
fn it_is_right_in_its_place_and_nowhere_else() {
    let mut context = context();
    let (sent, code) = SentCode::new(&ask(&context, 1), &["login", "a@b"], 600).unwrap();
    let check =
        |context: &Context, bound_to: &[&str], code: &str| sent.check(&ask(context, 2), bound_to, code).unwrap();
    assert_eq!(check(&context, &["login", "a@b"], &code), Checked::Right);
    for (bound_to, code) in [
        (&["login", "a@c"][..], code.as_str()),
        (&["setup", "a@b"], &code),
        (&["login"], &code),
        (&["login", "a@b"], ""),
        (&["login", "a@b"], &code[..5]),
        (&["login", "a@b"], &format!("{code}0")),
    ] {
        assert_eq!(check(&context, bound_to, code), Checked::Wrong, "{bound_to:?} {code}");
    }
    context.mac_key = "0c".repeat(32);
    assert_eq!(check(&context, &["login", "a@b"], &code), Checked::Wrong);
    context.mac_key = String::new();
    assert!(sent.check(&ask(&context, 2), &["login", "a@b"], &code).is_err());
    assert!(SentCode::new(&ask(&context, 1), &["login", "a@b"], 600).is_err());
}

#[test]
fn its_life_ends_and_cannot_be_lengthened() {
    let mut context = context();
    let (sent, code) = SentCode::new(&ask(&context, 1), &["a"], 86_400).unwrap();
    assert_eq!(sent.expires_at_ms, NOW_MS + 600_000, "ten minutes at most");
    let check = |context: &Context, sent: &SentCode, code: &str| sent.check(&ask(context, 2), &["a"], code).unwrap();
    context.now_ms = sent.expires_at_ms;
    assert_eq!(check(&context, &sent, &code), Checked::Right, "the last moment");
    context.now_ms += 1;
    assert_eq!(check(&context, &sent, &code), Checked::Expired);
    assert_eq!(check(&context, &sent, "000000"), Checked::Expired, "nothing tells which code was right");
    let later = SentCode { expires_at_ms: sent.expires_at_ms + 60_000, ..sent };
    assert_eq!(check(&context, &later, &code), Checked::Wrong);
}

#[test]
fn the_record_does_not_hold_the_code_and_debug_shows_neither_code_nor_key() {
    let context = context();
    let (sent, code) = SentCode::new(&ask(&context, 1), &["a"], 600).unwrap();
    assert!(!serde_json::to_string(&sent).unwrap().contains(&code));
    assert!(!format!("{context:?}").contains("0b0b"));
    let message = crate::Message::new("email", "a@b", "code").with("code", &code);
    assert!(!format!("{message:?}").contains(&code));
}

#[test]
fn a_masked_address_is_known_to_its_owner_only() {
    for (target, masked) in [
        ("ann@example.org", "a•••@example.org"),
        ("a@example.org", "•••@example.org"),
        ("änne@example.org", "ä•••@example.org"),
        ("+4915112345689", "+49•••••89"),
        ("+1234567", "+12•••••67"),
        ("+123", "•••"),
        ("secret-topic", "se•••"),
        ("@room", "•••"),
        ("@roomlong", "@r•••"),
        ("", "•••"),
        ("+49é5112345689", "+4•••"),
    ] {
        assert_eq!(mask(target), masked, "{target}");
    }
}

#[test]
fn the_settings_of_a_sending_module_have_their_bounds() {
    for (lifetime_s, fits) in [(0, false), (59, false), (60, true), (600, true), (601, false)] {
        assert_eq!(check_lifetime("lifetime_s", lifetime_s).is_ok(), fits, "{lifetime_s}");
    }
    assert_eq!(check_channel("include[1]", "").unwrap_err().path, "include[1]");
    assert!(check_channel("channel", "email").is_ok());
    let minutes =
        |lifetime_s| SentCodeSteps::form(lifetime_s).fields[0].help.clone().unwrap().values["minutes"].clone();
    assert_eq!((minutes(300), minutes(86_400)), ("5".to_owned(), "10".to_owned()), "never longer than a code lives");
}

#[test]
fn a_form_begins_with_the_address_of_the_channel_or_else_of_its_sort() {
    let addresses = |of: &[(&str, &str)]| User {
        addresses: of.iter().map(|(channel, to)| ((*channel).to_owned(), vec![(*to).to_owned()])).collect(),
        ..User::default()
    };
    let user = addresses(&[("email", "a@b.org"), ("mail", "c@d.org"), ("phone", "+491512345678")]);
    assert_eq!(user.address_for("mail", TargetKind::Email), Some("c@d.org"));
    assert_eq!(user.address_for("other", TargetKind::Email), Some("a@b.org"));
    assert_eq!(user.address_for("other", TargetKind::Phone), Some("+491512345678"));
    for kind in [TargetKind::Text, TargetKind::Listed] {
        assert_eq!(user.address_for("other", kind), None);
    }
    assert_eq!(user.address_for("mail", TargetKind::Listed), None, "the admin's list is all there is");
}
