//! A signed-in user: own methods, set-up flows, proofs. Every path and shape of `/api/` stands here once.

use serde_json::{Value, json};

use super::{ADA, Answer, PASSWORD, PIN, Stage, Tokens, assert_form, totp, totp_from};

/// A TOTP secret as its user's authenticator app keeps it.
#[derive(Clone)]
pub struct TotpSecret(pub String);

impl TotpSecret {
    pub fn code(&self, wall_ms: i64) -> String {
        totp(&self.0, wall_ms)
    }

    /// Six digits that are right in no step of the days around this moment: those that are right in one of them are
    /// no wrong code but a clock that is off.
    pub fn wrong_code(&self, wall_ms: i64) -> String {
        let near = totp_from(&self.0, wall_ms - 25 * 3_600_000, 2 * 25 * 120);
        (0..10)
            .map(|digit| digit.to_string().repeat(6))
            .find(|candidate| !near.contains(candidate))
            .expect("ten candidates, few of them a code of these days")
    }
}

/// A user with tokens and, once set up, a TOTP secret.
pub struct Account {
    pub name: &'static str,
    pub tokens: Tokens,
    pub totp: TotpSecret,
}

impl Stage {
    /// Signs a user in by password and sets TOTP up. Time moves on one step, so that the next code is a new one.
    pub fn enrol_totp(&mut self, name: &'static str) -> Account {
        let tokens = self.login(name);
        let totp = self.set_up_totp(&tokens);
        Account { name, tokens, totp }
    }

    /// Sets TOTP up for whoever holds these tokens, and moves time on by one step.
    pub fn set_up_totp(&mut self, tokens: &Tokens) -> TotpSecret {
        let step = self.begin_setup(tokens, "totp").expect(200);
        let secret = TotpSecret(placeholder(&step, "code"));
        let done = self.submit_setup(tokens, &flow_of(&step), &json!({"code": secret.code(self.now_ms())})).expect(200);
        assert_eq!(done["type"], "create_entry", "{done}");
        self.clock.advance_s(30);
        secret
    }

    /// As [`Stage::set_up_totp`], beside one that is there, under this name.
    pub fn add_totp(&mut self, tokens: &Tokens, name: &str) -> TotpSecret {
        let step = self.begin_setup(tokens, "totp").expect(200);
        let secret = TotpSecret(placeholder(&step, "code"));
        let fields = json!({"code": secret.code(self.now_ms()), "name": name});
        let done = self.submit_setup(tokens, &flow_of(&step), &fields).expect(200);
        assert_eq!(done["type"], "create_entry", "{done}");
        self.clock.advance_s(30);
        secret
    }

    /// Sets the PIN module up for whoever holds these tokens.
    pub fn set_up_pin(&self, tokens: &Tokens) {
        self.set_up_pin_of(tokens, "insecure_example", PIN);
    }

    pub fn set_up_pin_of(&self, tokens: &Tokens, module_id: &str, pin: &str) {
        let step = self.begin_setup(tokens, module_id).expect(200);
        let done = self.submit_setup(tokens, &flow_of(&step), &json!({"pin": pin})).expect(200);
        assert_eq!(done["type"], "create_entry", "{done}");
    }

    /// Ada with TOTP, the usual beginning.
    pub fn ada_with_totp() -> (Self, Account) {
        let mut stage = Self::new();
        let account = stage.enrol_totp(ADA);
        (stage, account)
    }

    /// A whole login with password and the code of the present step; time then moves on by one step.
    pub fn login_totp(&mut self, account: &Account) -> Tokens {
        let flow_id = self.begin_to_mfa(account.name);
        let step = self.submit_code(&flow_id, &account.totp.code(self.now_ms()));
        self.clock.advance_s(30);
        self.tokens_of(&step)
    }

    /// A whole login with password and PIN, the user's only factor.
    #[track_caller]
    pub fn login_with_pin(&self, name: &str, pin: &str) -> Tokens {
        let flow_id = self.begin_to_mfa(name);
        self.tokens_of(&self.submit(&flow_id, json!({"pin": pin})).expect(200))
    }

    pub fn begin_setup(&self, tokens: &Tokens, module_id: &str) -> Answer {
        self.wire().post_as(&tokens.access, &format!("/api/mfa/{module_id}/setup"), &json!({}))
    }

    pub fn submit_setup(&self, tokens: &Tokens, flow_id: &str, fields: &Value) -> Answer {
        self.wire().post_as(&tokens.access, &format!("/api/mfa/setup/{flow_id}"), fields)
    }

    pub fn cancel_setup(&self, tokens: &Tokens, flow_id: &str) -> Answer {
        self.wire().delete_as(&tokens.access, &format!("/api/mfa/setup/{flow_id}"))
    }

    /// The user's methods, as `GET /api/mfa` lists them.
    pub fn methods(&self, tokens: &Tokens) -> Vec<Value> {
        let listed = self.wire().get_as(&tokens.access, "/api/mfa").expect(200);
        listed.as_array().unwrap_or_else(|| panic!("a list, not {listed}")).clone()
    }

    /// One of them by id.
    pub fn method(&self, tokens: &Tokens, module_id: &str) -> Value {
        let methods = self.methods(tokens);
        methods.into_iter().find(|method| method["id"] == module_id).unwrap_or_else(|| panic!("{module_id} is listed"))
    }

    /// `activate`, `deactivate`, `primary` or `test`.
    pub fn method_deed(&self, tokens: &Tokens, module_id: &str, deed: &str, body: &Value) -> Answer {
        self.wire().post_as(&tokens.access, &format!("/api/mfa/{module_id}/{deed}"), body)
    }

    pub fn describe_method(&self, tokens: &Tokens, module_id: &str, body: &Value) -> Answer {
        self.wire().patch_as(&tokens.access, &format!("/api/mfa/{module_id}"), body)
    }

    /// One method in full.
    pub fn method_details(&self, tokens: &Tokens, module_id: &str) -> Value {
        self.wire().get_as(&tokens.access, &format!("/api/mfa/{module_id}")).expect(200)
    }

    /// The devices of a method, as its details list them.
    pub fn devices(&self, tokens: &Tokens, module_id: &str) -> Vec<Value> {
        let details = self.method_details(tokens, module_id);
        details["overview"]["devices"].as_array().unwrap_or_else(|| panic!("devices in {details}")).clone()
    }

    pub fn delete_method(&self, tokens: &Tokens, module_id: &str) -> Answer {
        self.wire().delete_as(&tokens.access, &format!("/api/mfa/{module_id}"))
    }

    pub fn me(&self, tokens: &Tokens) -> Answer {
        self.wire().get_as(&tokens.access, "/api/me")
    }

    /// The access session as `GET /api/me` shows it.
    pub fn session(&self, tokens: &Tokens) -> Value {
        self.me(tokens).expect(200)["session"].clone()
    }

    /// The user's name as `GET /api/me` shows it.
    pub fn signed_in_name(&self, tokens: &Tokens) -> String {
        let me = self.me(tokens).expect(200);
        me["user"]["name"].as_str().unwrap_or_else(|| panic!("a name in {me}")).to_owned()
    }

    /// Begins a proof: its first step, and the client id it is answered with.
    pub fn begin_proof(&self, tokens: &Tokens) -> (String, String) {
        let step = self.wire().post_as(&tokens.access, "/api/proof", &json!({})).expect(200);
        let client_id = step["client_id"].as_str().unwrap_or_else(|| panic!("a client id in {step}")).to_owned();
        (flow_of(&step), client_id)
    }

    /// A whole proof with password and code, for a session that has grown old.
    pub fn prove(&self, account: &Account, tokens: &Tokens) {
        let (flow_id, client_id) = self.begin_proof(tokens);
        let step = self.submit(&flow_id, json!({"client_id": client_id, "password": PASSWORD})).expect(200);
        assert_form(&step, "mfa");
        let code = account.totp.code(self.now_ms());
        let step = self.submit(&flow_id, json!({"client_id": client_id, "code": code})).expect(200);
        assert_eq!(step["type"], "create_entry", "{step}");
    }
}

/// The id of the flow a step belongs to.
#[track_caller]
fn flow_of(step: &Value) -> String {
    step["flow_id"].as_str().unwrap_or_else(|| panic!("a flow id in {step}")).to_owned()
}

/// A placeholder of a step.
#[track_caller]
fn placeholder(step: &Value, name: &str) -> String {
    step["description_placeholders"][name].as_str().unwrap_or_else(|| panic!("{name} in {step}")).to_owned()
}
