//! Pages of a sign-in, in each state it can come to.

use super::Scene;
use crate::{
    browser::{Application, Browser},
    harness::{ADA, AT_HOME, Directory, Stage, run_host},
};

pub const SCENES: [Scene; 17] = [
    Scene { name: "sign-in", go: sign_in },
    Scene { name: "sign-in-ways", go: see_other_ways },
    Scene { name: "by-place", go: come_by_place },
    Scene { name: "by-place-choice", go: say_who_one_is },
    Scene { name: "sign-in-refused", go: give_wrong_password },
    Scene { name: "wrong-client", go: come_from_nowhere },
    Scene { name: "code", go: give_password },
    Scene { name: "code-wrong", go: give_wrong_code },
    Scene { name: "code-another-way", go: look_for_another_way },
    Scene { name: "code-wrong-backup", go: give_wrong_backup_code },
    Scene { name: "over", go: wait_too_long },
    Scene { name: "mailed-code", go: wait_for_code },
    Scene { name: "waiting-for-link", go: wait_for_link },
    Scene { name: "locked", go: guess_too_often },
    Scene { name: "forgotten", go: forget_password },
    Scene { name: "elsewhere", go: come_by_another_name },
    Scene { name: "new-password", go: come_with_one_time_code },
];

fn sign_in(browser: &Browser) -> Stage {
    let stage = Stage::new();
    browser.open(&Application::new().sign_in(&stage));
    browser.until_text("Sign in");
    stage
}

fn see_other_ways(browser: &Browser) -> Stage {
    let stage = Stage::with(Directory::with_trusted_network);
    browser.open(&Application::new().sign_in(&stage));
    browser.until_text("Other ways to sign in");
    stage
}

fn come_by_place(browser: &Browser) -> Stage {
    let stage = see_other_ways(browser);
    browser.press(AT_HOME);
    stage
}

fn say_who_one_is(browser: &Browser) -> Stage {
    let stage = come_by_place(browser);
    browser.press(&format!("Go on with “{AT_HOME}”"));
    stage
}

fn give_wrong_password(browser: &Browser) -> Stage {
    let stage = sign_in(browser);
    browser.fill("User name", ADA);
    browser.fill("Password", "not this one");
    browser.press("Sign in");
    browser.until_text("The user name or password is wrong");
    stage
}

fn come_from_nowhere(browser: &Browser) -> Stage {
    let stage = Stage::new();
    let nowhere = "client_id=http%3A%2F%2Fa.example%2F&redirect_uri=http%3A%2F%2Fb.example%2F";
    browser.open(&format!("{}/auth/authorize?response_type=code&{nowhere}", stage.host().base));
    browser.until_text("This application is not known");
    stage
}

fn give_password(browser: &Browser) -> Stage {
    let (stage, _, _) = Stage::ada_with_codes();
    browser.give_password(&stage, &Application::new());
    browser.until_text("Code from the app");
    stage
}

fn give_wrong_code(browser: &Browser) -> Stage {
    let (stage, ada, _) = Stage::ada_with_codes();
    browser.give_password(&stage, &Application::new());
    browser.fill("Code from the app", &ada.totp.wrong_code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("This is not the code");
    stage
}

fn look_for_another_way(browser: &Browser) -> Stage {
    let stage = give_password(browser);
    browser.press_here("Try another way");
    stage
}

fn give_wrong_backup_code(browser: &Browser) -> Stage {
    let stage = look_for_another_way(browser);
    browser.fill("Backup codes", "none of them");
    browser.press("Use this code");
    browser.until_text("This is not one of your backup codes");
    stage
}

fn wait_too_long(browser: &Browser) -> Stage {
    let mut stage = give_password(browser);
    stage.clock.advance_s(3600);
    browser.reload();
    browser.until_text("This sign-in is over");
    stage
}

fn wait_for_code(browser: &Browser) -> Stage {
    let stage = Stage::with(Directory::with_outbox);
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    browser.give_password(&stage, &Application::new());
    browser.until_text("Code from the e-mail");
    stage
}

fn wait_for_link(browser: &Browser) -> Stage {
    let stage = Stage::with(Directory::with_links);
    stage.set_up_email(&stage.login(ADA), "ada@example.org");
    browser.give_password(&stage, &Application::new());
    browser.until_text("a•••@example.org");
    stage
}

fn guess_too_often(browser: &Browser) -> Stage {
    let (stage, ada) = Stage::ada_with_totp();
    let application = Application::new();
    let flow_id = stage.begin_to_mfa(ADA);
    for _ in 0..5 {
        stage.submit_code(&flow_id, &ada.totp.wrong_code(stage.now_ms()));
    }
    browser.give_password(&stage, &application);
    browser.fill("Code from the app", &ada.totp.code(stage.now_ms()));
    browser.press("Confirm");
    browser.until_text("There were too many tries");
    stage
}

fn forget_password(browser: &Browser) -> Stage {
    let stage = Stage::with(|directory| {
        directory.with_outbox();
        directory.append_settings("[passwords]\nforgotten = \"mail\"");
    });
    browser.open(&Application::new().sign_in(&stage));
    browser.press("Forgot your password?");
    browser.until_text("Send a code");
    stage
}

fn come_by_another_name(browser: &Browser) -> Stage {
    let stage = Stage::with(|directory| {
        let settings = directory.settings();
        let named = format!("public_url = \"https://login.example.org\"\n{settings}");
        std::fs::write(directory.path().join("host.toml"), named).expect("host.toml is written");
    });
    browser.open(&Application::new().sign_in(&stage));
    browser.until_text("This address does not work for signing in");
    stage
}

fn come_with_one_time_code(browser: &Browser) -> Stage {
    let stage = Stage::new();
    let reset = run_host(&stage.directory.path(), &["--json", "user", "reset", ADA]).success().json();
    let code = reset["code"].as_str().expect("a code");
    browser.open(&Application::new().sign_in(&stage));
    browser.fill("User name", ADA);
    browser.fill("Password", code);
    browser.press("Sign in");
    browser.until_text("Choose a new password");
    stage
}
