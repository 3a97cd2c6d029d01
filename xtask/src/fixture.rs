//! `cargo xtask fixture NAME`: a configuration directory of today's version, with a login in progress, for every
//! later version to open and go on with.

use std::fs;

use serde_json::json;

use crate::{
    Failure,
    host::{self, CLIENT_ID},
    once::{Walk, expect},
    packages,
};

/// What a later version needs; libraries, sockets and locks are made anew.
const KEPT: [&str; 5] = ["host.toml", "secret.key", "storage.anchor", "clock.json", ".storage"];

pub fn run(name: &str) -> Result<(), Failure> {
    let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let target = crate::root().join("tests/fixtures").join(name);
    if !fits || target.exists() {
        return Err(format!("tests/fixtures/{name} is there already, or is no plain name").into());
    }
    packages::install_what_is_lacking(&["oathtool"])?;
    let binary = host::build_release()?;
    let throw_away = tempfile::tempdir()?;
    let directory = throw_away.path().join("config");
    let mut walk = Walk::begin(binary.clone(), directory.clone())?;
    host::with_password(&binary, &directory, &["user", "add", "bystander"], &host::random_password()?)?;

    let running = walk.start()?;
    let (_, done) = walk.log_in_with_password(&running)?;
    let token = running.exchange(&done)?;
    let secret = walk.set_up_totp(&running, &token)?;
    walk.advance_s(30)?;
    let (flow_id, step) = walk.log_in_with_password(&running)?;
    expect(&step, "form")?;
    // One attempt is used, so that a version that forgets attempts is found out as well.
    let wrong = running.submit_login(&flow_id, json!({"code": "000000"}))?;
    expect(&wrong, "form")?;
    running.kill9()?;

    let kept = target.join("config");
    fs::create_dir_all(&kept)?;
    for entry in KEPT {
        copy(&directory.join(entry), &kept.join(entry))?;
    }
    let expectation = json!({
        "user": walk.user(),
        "client_id": CLIENT_ID,
        "flow_id": flow_id,
        "totp_secret": secret,
        "clock": walk.clock(),
    });
    fs::write(target.join("expect.json"), format!("{expectation:#}\n"))?;
    println!("tests/fixtures/{name} holds a login in progress; its keys are for this test and nothing else");
    Ok(())
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> Result<(), Failure> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|extension| extension == "jsonl") {
                copy(&entry.path(), &to.join(entry.file_name()))?;
            }
        }
        return Ok(());
    }
    fs::copy(from, to).map_err(|error| format!("{}: {error}", from.display()))?;
    Ok(())
}
