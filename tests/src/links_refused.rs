//! Clicks that confirm nothing: without the number, with wrong ones, of another's login, from another site, or on a link
//! that a newer one has replaced.

use serde_json::{Value, json};

use crate::harness::{
    ADA, Answer, BOB, Directory, Stage, another_number, assert_abort, assert_form, assert_invalid_flow, at_once,
    number_of, read_lines, result_of, write_lines,
};

fn stage_with_links() -> Stage {
    let stage = Stage::with(Directory::with_links);
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    stage
}

#[track_caller]
fn waiting_as(stage: &Stage, name: &str) -> (String, String, String) {
    let flow_id = stage.begin();
    let step = stage.submit_password(&flow_id, name);
    assert_form(&step, "mfa");
    (flow_id, stage.sent_link(), number_of(&step))
}

fn poll(stage: &Stage, flow_id: &str) -> Value {
    stage.submit(flow_id, json!({})).expect(200)
}

#[track_caller]
fn assert_page(answer: &Answer, status: u16, words: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, status, "{text}");
    assert!(text.contains(words), "{words} in {text}");
}

#[test]
fn three_wrong_numbers_end_link_and_login() {
    let stage = stage_with_links();
    let (flow_id, link, number) = waiting_as(&stage, ADA);
    let wrong = another_number(&number);
    for _ in 0..2 {
        assert_page(&stage.wire().confirm(&link, Some(&wrong)), 403, "not the number");
        assert_form(&poll(&stage, &flow_id), "mfa");
    }
    assert_page(&stage.wire().confirm(&link, Some(&wrong)), 403, "Too many wrong numbers");
    assert_page(&stage.wire().confirm(&link, Some(&number)), 404, "leads nowhere");
    assert_abort(&poll(&stage, &flow_id), "link_refused");
    assert_invalid_flow(&stage.submit(&flow_id, json!({})));
}

#[test]
fn the_third_number_may_be_the_right_one_and_counts_against_nobody() {
    let stage = stage_with_links();
    for _ in 0..3 {
        let (flow_id, link, number) = waiting_as(&stage, ADA);
        for _ in 0..2 {
            assert_page(&stage.wire().confirm(&link, Some(&another_number(&number))), 403, "not the number");
        }
        assert_page(&stage.wire().confirm(&link, Some(&number)), 200, "go back");
        result_of(&poll(&stage, &flow_id));
    }
}

#[test]
fn wrong_numbers_count_across_logins_and_a_lock_refuses_the_right_one_too() {
    let mut stage = stage_with_links();
    let (first, link, number) = waiting_as(&stage, ADA);
    for _ in 0..3 {
        stage.wire().confirm(&link, Some(&another_number(&number)));
    }
    assert_abort(&poll(&stage, &first), "link_refused");
    let (confirmed, link, number) = waiting_as(&stage, ADA);
    assert_page(&stage.wire().confirm(&link, Some(&number)), 200, "go back");
    let (flow_id, link, number) = waiting_as(&stage, ADA);
    // A crash gives none of them back.
    for _ in 0..2 {
        assert_page(&stage.wire().confirm(&link, Some(&another_number(&number))), 403, "not the number");
        stage.crash();
    }
    let locked = stage.wire().confirm(&link, Some(&number));
    assert_page(&locked, 429, "Too many wrong answers");
    assert_eq!(locked.header("retry-after"), Some("60"));
    let cookie = stage.directory.waiting_cookie(&flow_id);
    assert_page(&stage.wire().confirm_with(&link, &[("cookie", &cookie)], "confirm=yes"), 429, "1 min");
    assert_eq!(stage.submit(&confirmed, json!({})).status, 429, "nor does a confirmed one pass now");
    stage.clock.advance_s(60);
    result_of(&poll(&stage, &confirmed));
    assert_page(&stage.wire().confirm(&link, Some(&number)), 200, "go back");
    result_of(&poll(&stage, &flow_id));
}

#[test]
fn what_is_no_number_spends_no_attempt_and_what_is_no_click_does_nothing() {
    let stage = stage_with_links();
    let (flow_id, link, number) = waiting_as(&stage, ADA);
    for text in ["", " ", "4", "421", "4a", "-1", "4.", "٤٢", "１２"] {
        assert_page(&stage.wire().confirm(&link, Some(text)), 400, "two digits");
    }
    for form in [
        "",
        "confirm=no",
        "number=42",
        "confirm=yes&not_me=yes",
        "confirm=yes&confirm=yes",
        "confirm=yes&more=1",
        "confirm=%zz",
        "%00=1",
    ] {
        assert_page(&stage.wire().confirm_with(&link, &[], form), 400, "cannot be read");
    }
    let json = stage.wire().post(&link, &json!({"confirm": "yes", "number": number}));
    assert_page(&json, 415, "cannot be read");
    let large = stage.wire().confirm_with(&link, &[], &format!("confirm=yes&number={}", "4".repeat(70_000)));
    assert_page(&large, 413, "cannot be read");
    assert_form(&poll(&stage, &flow_id), "mfa");
    assert_page(&stage.wire().confirm(&link, Some(&format!(" {number} "))), 200, "go back");
    result_of(&poll(&stage, &flow_id));
}

#[test]
fn a_page_of_another_site_confirms_and_ends_nothing() {
    let stage = stage_with_links();
    let (flow_id, link, number) = waiting_as(&stage, ADA);
    let form = format!("confirm=yes&number={number}");
    for headers in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "http://127.0.0.1:1")],
        &[("origin", "null"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ] {
        for form in [&*form, "not_me=yes"] {
            assert_page(&stage.wire().confirm_with(&link, headers, form), 403, "Another site");
        }
    }
    assert_form(&poll(&stage, &flow_id), "mfa");
    // As browsers send the page's own form: it lets no referrer out.
    let own = [("origin", "null"), ("sec-fetch-site", "same-origin")];
    assert_page(&stage.wire().confirm_with(&link, &own, &form), 200, "go back");
    result_of(&poll(&stage, &flow_id));
}

#[test]
fn a_link_confirms_no_login_but_its_own() {
    let stage = stage_with_links();
    stage.set_up_email(&stage.login(BOB), "bob@example.org");
    let (of_ada, adas_link, adas_number) = waiting_as(&stage, ADA);
    let (of_bob, bobs_link, bobs_number) = waiting_as(&stage, BOB);
    let bobs_cookie = stage.directory.waiting_cookie(&of_bob);
    let with_cookie = stage.wire().confirm_with(&adas_link, &[("cookie", &bobs_cookie)], "confirm=yes");
    assert_page(&with_cookie, 400, "two digits");
    if adas_number != bobs_number {
        assert_page(&stage.wire().confirm(&adas_link, Some(&bobs_number)), 403, "not the number");
    }
    assert_page(&stage.wire().confirm(&adas_link, Some(&adas_number)), 200, "go back");
    assert_form(&poll(&stage, &of_bob), "mfa");
    let tokens = stage.tokens_of(&poll(&stage, &of_ada));
    assert_eq!(stage.signed_in_name(&tokens), ADA);
    assert_page(&stage.wire().not_me(&adas_link), 404, "leads nowhere");
    assert_form(&poll(&stage, &of_bob), "mfa");
    assert_page(&stage.wire().confirm(&bobs_link, Some(&bobs_number)), 200, "go back");
    assert_eq!(stage.signed_in_name(&stage.tokens_of(&poll(&stage, &of_bob))), BOB);
}

#[test]
fn a_resend_a_change_of_method_and_their_own_end_kill_the_former_link() {
    let mut stage = Stage::with(Directory::with_links);
    let tokens = stage.login(ADA);
    stage.set_up_email(&tokens, "ada@example.org");
    stage.set_up_pin(&tokens);
    let flow_id = stage.begin();
    assert_form(&stage.submit_password(&flow_id, ADA), "select_mfa_module");
    let step = stage.submit(&flow_id, json!({"multi_factor_auth_module": "email"})).expect(200);
    let (first, first_number) = (stage.sent_link(), number_of(&step));
    stage.clock.advance_s(30);
    let step = stage.wish(&flow_id, &json!({"resend": true})).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
    let (second, second_number) = (stage.sent_link(), number_of(&step));
    assert_ne!(first, second);
    assert_page(&stage.wire().get(&first), 404, "leads nowhere");
    assert_page(&stage.wire().confirm(&first, Some(&first_number)), 404, "leads nowhere");
    // A click and then another message: what was confirmed was the former step.
    assert_page(&stage.wire().confirm(&second, Some(&second_number)), 200, "go back");
    stage.clock.advance_s(30);
    let step = stage.wish(&flow_id, &json!({"resend": true})).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
    assert_form(&poll(&stage, &flow_id), "mfa");
    let (third, third_number) = (stage.sent_link(), number_of(&step));
    let step = stage.wish(&flow_id, &json!({"multi_factor_auth_module": "insecure_example"})).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
    assert!(step["description_placeholders"].get("link_number").is_none(), "{step}");
    assert_page(&stage.wire().confirm(&third, Some(&third_number)), 404, "leads nowhere");
    result_of(&stage.submit(&flow_id, json!({"pin": crate::harness::PIN})).expect(200));
}

#[test]
fn a_link_dies_before_its_login_when_its_message_says_so() {
    let mut stage = Stage::with(|directory| {
        directory.with_links();
        directory.replace_setting("mode = \"link\"", "mode = \"link\"\nlifetime_s = 60");
    });
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    let (flow_id, link, number) = waiting_as(&stage, ADA);
    stage.clock.advance_ms(60_001);
    assert_page(&stage.wire().confirm(&link, Some(&number)), 404, "leads nowhere");
    let step = stage.wish(&flow_id, &json!({"resend": true})).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
    assert_page(&stage.wire().confirm(&stage.sent_link(), Some(&number_of(&step))), 200, "go back");
    result_of(&poll(&stage, &flow_id));
}

#[test]
fn a_click_whose_module_is_gone_ends_the_login_with_a_reason() {
    let mut stage = stage_with_links();
    let (flow_id, link, number) = waiting_as(&stage, ADA);
    stage.stop();
    let module =
        "[[module]]\ntype = \"email\"\nkind = \"possession\"\namr = [\"mca\"]\n[module.config]\nmode = \"link\"";
    stage.directory.replace_setting(module, "");
    stage.start();
    assert_page(&stage.wire().confirm(&link, Some(&number)), 503, "was ended");
    assert_abort(&poll(&stage, &flow_id), "unknown_error");
    assert_page(&stage.wire().get(&link), 404, "leads nowhere");
}

#[test]
fn a_link_altered_on_disk_confirms_nothing() {
    let mut stage = stage_with_links();
    let (flow_id, link, number) = waiting_as(&stage, ADA);
    stage.kill9();
    let mut lines = read_lines(&stage.directory.store_files());
    for line in lines.iter_mut().filter(|line| line.is_record_of("link")) {
        line.edit(|json| json["value"]["dead_at"] = "2036-01-01T00:00:00.000Z".into());
    }
    write_lines(&lines, true);
    stage.start();
    assert!(stage.host().log().contains("tampered_record_dropped"), "{}", stage.host().log());
    assert_page(&stage.wire().confirm(&link, Some(&number)), 404, "leads nowhere");
    assert_form(&poll(&stage, &flow_id), "mfa");
    stage.clock.advance_s(30);
    let step = stage.wish(&flow_id, &json!({"resend": true})).expect(200);
    let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
    assert_page(&stage.wire().confirm(&stage.sent_link(), Some(&number_of(&step))), 200, "go back");
    result_of(&poll(&stage, &flow_id));
}

#[test]
fn of_many_numbers_at_once_no_more_than_three_are_looked_at() {
    let stage = stage_with_links();
    let (flow_id, link, number) = waiting_as(&stage, ADA);
    let wrong = another_number(&number);
    let answers = at_once(20, |_| stage.wire().confirm(&link, Some(&wrong)).status);
    assert_eq!(answers.iter().filter(|status| **status == 403).count(), 3, "{answers:?}");
    assert!(answers.iter().all(|status| matches!(status, 403 | 404 | 503)), "{answers:?}");
    assert_abort(&poll(&stage, &flow_id), "link_refused");

    let (flow_id, link, number) = waiting_as(&stage, ADA);
    let answers = at_once(20, |_| stage.wire().confirm(&link, Some(&number)).status);
    assert!(answers.iter().filter(|status| **status == 200).count() <= 1, "{answers:?}");
    assert!(answers.iter().all(|status| matches!(status, 200 | 404 | 429 | 503)), "{answers:?}");
    if answers.contains(&200) {
        result_of(&poll(&stage, &flow_id));
    }
}
