//! The end of a flow that passed: what the new access session is stamped with, and what the client gets.

use mfa_sdk::protocol::Kind;

use super::{ProviderId, Turn};
use crate::{
    clock::Timestamp,
    flow::{
        FlowError, Tokens,
        access::issue_tokens,
        engine::Engine,
        record::{
            AccessOpen, AccessSecret, AccessSession, AccessStage, CameFrom, Document, Found, Grant, Session, Unknown,
            key,
        },
        token,
    },
    settings::Settings,
    store::{Change, Expectation},
};

/// What the client gets for a flow that passed.
pub struct Granted {
    pub result_code: Option<String>,
    pub state: Option<String>,
    pub tokens: Option<Tokens>,
    /// What the module has to say to the person.
    pub advice: Option<String>,
}

/// The part of the last commit that makes the access session.
pub struct Proved {
    pub changes: Vec<Change>,
    pub expectations: Vec<Expectation>,
    pub granted: Granted,
}

impl Proved {
    /// Of a flow that gives nothing, or goes on before it does.
    pub(super) fn nothing_yet() -> Self {
        let granted = Granted { result_code: None, state: None, tokens: None, advice: None };
        Self { changes: Vec::new(), expectations: Vec::new(), granted }
    }
}

/// A flow that passed, with the module that said so.
pub struct Finish<'a> {
    session: &'a Session,
    module: Option<&'a str>,
    /// When the module said so.
    factor_at: Option<Timestamp>,
    now: Timestamp,
    flow_hash: String,
    came_from: CameFrom,
}

impl<'a> Finish<'a> {
    pub(super) fn new(turn: &Turn<'_>, session: &'a Session, module: Option<&'a str>) -> Self {
        let factor_at = module.map(|_| turn.now.wall);
        let came_from = CameFrom { address: turn.asker.address, browser: turn.asker.browser.clone() };
        Self { session, module, factor_at, now: turn.now.wall, flow_hash: turn.flow_hash().to_owned(), came_from }
    }

    /// A flow whose module said so some steps ago.
    pub(super) fn later(
        turn: &Turn<'_>,
        session: &'a Session,
        module: Option<&'a str>,
        factor_at: Option<Timestamp>,
    ) -> Self {
        Self { factor_at, ..Self::new(turn, session, module) }
    }

    /// The access session, new or (for a proof) made fresh.
    pub(super) async fn access(&self, engine: &Engine) -> Result<Proved, FlowError> {
        match &self.session.secret.grant {
            Grant::Proof { access } => self.refresh_proof(engine, access).await,
            Grant::Trial => Ok(Proved::nothing_yet()),
            Grant::Tokens => self.new_access(engine, None).await,
            Grant::Code { redirect_hash, code_challenge, state } => {
                let bound = (redirect_hash.clone(), code_challenge.clone(), state.clone());
                self.new_access(engine, Some(bound)).await
            }
        }
    }

    async fn new_access(
        &self,
        engine: &Engine,
        code: Option<(String, Option<String>, Option<String>)>,
    ) -> Result<Proved, FlowError> {
        let limits = &engine.settings.limits;
        let id = token::new_record_id();
        let found: Found<AccessSession> = Found::nothing_at(key::access(&id)).ok_or(FlowError::UnknownFlow)?;
        let mut open = self.stamped(engine);
        let mut secret = AccessSecret {
            code_hash: None,
            redirect_hash: None,
            code_challenge: None,
            refresh_hash: None,
            came_from: Some(self.came_from.clone()),
        };
        let granted = match code {
            Some((redirect_hash, code_challenge, state)) => {
                let result = token::new_result_code(&id);
                open.stage = AccessStage::Issued { code_expires_at: self.now.plus_s(limits.result_code_lifetime_s) };
                secret.code_hash = Some(result.hash);
                secret.redirect_hash = Some(redirect_hash);
                secret.code_challenge = code_challenge;
                Granted { result_code: Some(result.text), state, tokens: None, advice: None }
            }
            None => {
                let (tokens, refresh_hash) = issue_tokens(engine, &id, self.now);
                open.stage = AccessStage::Active { expires_at: self.now.plus_s(limits.refresh_token_lifetime_s) };
                secret.refresh_hash = Some(refresh_hash);
                Granted { result_code: None, state: None, tokens: Some(tokens), advice: None }
            }
        };
        Ok(Proved {
            changes: vec![found.put(&Document { open, secret })],
            expectations: vec![found.unchanged()],
            granted,
        })
    }

    fn stamped(&self, engine: &Engine) -> AccessOpen {
        let session = &self.session.open;
        AccessOpen {
            user: session.user.clone(),
            user_epoch: session.user_epoch,
            client_id: session.client_id.clone(),
            provider: session.provider.clone(),
            created_at: self.now,
            auth_time: session.created_at,
            password_at: session.password_at,
            factor_at: self.factor_at,
            amr: methods_references(&engine.settings, &session.provider, self.module),
            mfa_method_used: self.module.map(|module| stamp(engine, module)),
            mfa_verified_at: self.factor_at,
            stage: AccessStage::Issued { code_expires_at: self.now },
            is_of_pages: false,
            unknown: Unknown::new(),
        }
    }

    async fn refresh_proof(&self, engine: &Engine, access: &str) -> Result<Proved, FlowError> {
        let found: Found<AccessSession> = engine.read(key::access(access)).await?;
        let mut record = found.record.clone().ok_or(FlowError::UnknownFlow)?;
        if record.open.user != self.session.open.user {
            return Err(FlowError::UnknownFlow);
        }
        if let Some(module) = self.module {
            record.open.factor_at = self.factor_at;
            record.open.mfa_method_used = Some(stamp(engine, module));
            record.open.mfa_verified_at = self.factor_at;
            record.open.amr = methods_references(&engine.settings, &record.open.provider, Some(module));
        }
        record.open.auth_time = self.session.open.created_at;
        record.open.password_at = self.session.open.password_at.or(record.open.password_at);
        Ok(Proved {
            changes: vec![found.put(&record)],
            expectations: vec![found.unchanged()],
            granted: Granted { result_code: None, state: None, tokens: None, advice: None },
        })
    }

    /// Tells the audit log, once the commit is durable.
    pub(super) fn tell(&self) {
        let user = &self.session.open.user;
        let flow = token::short(&self.flow_hash);
        let provider = &self.session.open.provider.kind;
        let method = self.module.unwrap_or("none");
        if let Grant::Trial = self.session.secret.grant {
            tracing::info!(target: "audit", event = "trial_passed", actor = format!("user:{user}"), user, method, flow);
            return;
        }
        tracing::info!(target: "audit", event = "login_passed", user, provider, method, flow);
    }
}

/// What a login by this module is stamped with: its id. A way back in may have a word of its own, as long as that passes
/// it off as no other module.
pub(in crate::flow) fn stamp(engine: &Engine, module: &str) -> String {
    let described = engine.modules.module(module).and_then(|module| module.description);
    let word = described.filter(|description| description.recovery).and_then(|description| description.stamp.clone());
    let is_free = |word: &String| !engine.settings.modules.iter().any(|other| other.id() == word);
    word.filter(is_free).unwrap_or_else(|| module.to_owned())
}

/// RFC 8176: `pwd` for a password, what the admin's settings say of the module, and `mfa` only for two kinds of factor.
/// What a module says of itself earns nothing here.
fn methods_references(settings: &Settings, provider: &ProviderId, module: Option<&str>) -> Vec<String> {
    let by_password = matches!(provider.kind.as_str(), "local" | "legacy_api_password" | "command_line");
    let mut references: Vec<String> = by_password.then(|| "pwd".to_owned()).into_iter().collect();
    let configured = module.and_then(|id| settings.modules.iter().find(|module| module.id() == id));
    if let Some(module) = configured {
        references.extend(module.amr.iter().cloned());
        if by_password && module.kind.is_some_and(|kind| kind != Kind::Knowledge) {
            references.push("mfa".to_owned());
        }
    }
    references
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn mfa_takes_a_password_and_a_factor_of_another_kind_by_the_word_of_the_settings() {
        let settings = r#"
            [[provider]]
            type = "local"

            [[module]]
            type = "totp"
            kind = "possession"
            amr = ["otp"]

            [[module]]
            type = "pin"
            kind = "knowledge"

            [[module]]
            type = "mute"
        "#;
        let settings = crate::settings::parse(Path::new("host.toml"), settings).unwrap();
        let earned = |provider: &str, module| {
            methods_references(&settings, &ProviderId { kind: provider.to_owned(), id: None }, module)
        };
        assert_eq!(earned("local", None), ["pwd"]);
        assert_eq!(earned("local", Some("totp")), ["pwd", "otp", "mfa"]);
        assert_eq!(earned("command_line", Some("totp")), ["pwd", "otp", "mfa"]);
        assert_eq!(earned("local", Some("pin")), ["pwd"]);
        assert_eq!(earned("local", Some("mute")), ["pwd"]);
        assert_eq!(earned("local", Some("gone")), ["pwd"]);
        assert_eq!(earned("trusted_networks", Some("totp")), ["otp"]);
        assert!(earned("service", None).is_empty());
    }
}
