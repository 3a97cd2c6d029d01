//! Backup codes: as a set-up hands them out, as their user saves and uses them.

use serde_json::{Value, json};

use super::{ADA, Account, Answer, Directory, PASSWORD, Stage, Tokens, TotpSecret};

/// A batch of codes as it was shown.
#[derive(Clone)]
pub struct Codes {
    pub module: String,
    pub codes: Vec<String>,
    pub flow_id: String,
}

impl Codes {
    /// As `recovery`, `recovery_codes` or the answer of `regenerate` has them.
    #[track_caller]
    pub fn of(issued: &Value) -> Self {
        let text = |name: &str| issued[name].as_str().unwrap_or_else(|| panic!("{name} in {issued}")).to_owned();
        let codes = issued["codes"].as_array().unwrap_or_else(|| panic!("codes in {issued}"));
        let codes = codes.iter().map(|code| code.as_str().expect("a text").to_owned()).collect();
        Self { module: text("module"), codes, flow_id: text("flow_id") }
    }

    /// All batches of the end of a set-up.
    pub fn all(step: &Value) -> Vec<Self> {
        step["recovery"].as_array().into_iter().flatten().map(Self::of).collect()
    }

    /// Whether a text holds any of them.
    pub fn stand_in(&self, text: &str) -> bool {
        self.codes.iter().any(|code| text.contains(code.as_str()))
    }
}

/// Puts a way back in into the settings. A batch costs ten slow hashes, and the machine may have other work.
pub fn enable_backup_codes(directory: &Directory) {
    directory.append_settings(
        "[[module]]\ntype = \"backup_codes\"\nkind = \"possession\"\namr = [\"otp\"]\nrecovery = true\n",
    );
    directory.append_settings("[limits]\nsessions_per_user_max = 100\nmodule_deadline_ms = 25000\n");
}

impl Stage {
    /// The module of backup codes besides the usual ones.
    pub fn with_backup_codes() -> Self {
        Self::with(enable_backup_codes)
    }

    /// Ada with TOTP and codes that she has saved.
    pub fn ada_with_codes() -> (Self, Account, Codes) {
        let mut stage = Self::with_backup_codes();
        let (ada, codes) = stage.enrol_with_codes();
        (stage, ada, codes)
    }

    /// Signs Ada in, sets TOTP up, and saves the codes that come with it.
    pub fn enrol_with_codes(&mut self) -> (Account, Codes) {
        let tokens = self.login(ADA);
        let (totp, done) = self.prove_totp(&tokens);
        let codes = Codes::of(&done["recovery"][0]);
        self.save(&tokens, &codes);
        (Account { name: ADA, tokens, totp }, codes)
    }

    /// Sets TOTP up; the secret and the last answer. Time then moves on by one step.
    pub fn prove_totp(&mut self, tokens: &Tokens) -> (TotpSecret, Value) {
        let step = self.begin_setup(tokens, "totp").expect(200);
        let secret = TotpSecret(step["description_placeholders"]["code"].as_str().expect("a secret").to_owned());
        let flow_id = step["flow_id"].as_str().expect("a flow id");
        let done = self.submit_setup(tokens, flow_id, &json!({"code": secret.code(self.now_ms())})).expect(200);
        assert_eq!(done["type"], "create_entry", "{done}");
        self.clock.advance_s(30);
        (secret, done)
    }

    /// "I have saved them."
    #[track_caller]
    pub fn save(&self, tokens: &Tokens, codes: &Codes) {
        let done = self.submit_setup(tokens, &codes.flow_id, &json!({"saved": true})).expect(200);
        assert_eq!(done["type"], "create_entry", "{done}");
        assert!(!codes.stand_in(&done.to_string()), "codes are in one answer only: {done}");
    }

    pub fn regenerate(&self, tokens: &Tokens, module: &str, body: &Value) -> Answer {
        self.wire().post_as(&tokens.access, &format!("/api/mfa/{module}/regenerate"), body)
    }

    /// A new login of Ada with this recovery code.
    pub fn recover(&self, code: &str) -> Answer {
        let flow_id = self.begin();
        let step = self.submit(&flow_id, json!({"username": ADA, "password": PASSWORD})).expect(200);
        assert_eq!(step["step_id"], "mfa", "{step}");
        self.submit(&flow_id, json!({"recovery_code": code}))
    }
}
