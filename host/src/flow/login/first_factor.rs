//! The first factor: a provider says who it is, or says no. Nothing of it is stored until it said yes.

use mfa_sdk::form::Fields;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::{
    Outcome, Turn,
    begin::{find_provider, first_factor_form},
    opening::Start,
    trusted,
};
use crate::{
    clock::Timestamp,
    flow::{
        Asker, FlowError,
        engine::Engine,
        lifetime::FUTURE_MAX_MS,
        record::{AccessSession, Found, Grant, ProviderId, Session, User, UserName, UserSecret, key},
        token::{self, FlowToken},
    },
    provider::{self, Expected},
    settings::{ProviderKind, ProviderSettings},
};

/// An application vouches for a user: HTTP Basic with the credential's id and secret.
#[derive(Clone)]
pub struct ServiceLogin {
    pub credential_id: String,
    pub credential_secret: SecretString,
}

/// Who passed the first factor, as read when it was checked.
pub struct Vouched {
    pub user: Found<User>,
    pub provider: ProviderId,
    /// Whether the user's own password was checked.
    pub by_password: bool,
    /// Whether an admin's one-time code was, which leads to a new password only.
    pub must_set_password: bool,
    /// Whether the provider leaves second factors to the host.
    pub supports_mfa: bool,
}

/// What the words given by name and password came to.
enum Verdict {
    Right,
    /// The one-time code of a reset.
    RightCode,
    Wrong,
}

impl From<bool> for Verdict {
    fn from(is_right: bool) -> Self {
        if is_right { Self::Right } else { Self::Wrong }
    }
}

/// What a client gives for the first factor.
pub struct Claim<'a> {
    pub client_id: &'a str,
    pub name: String,
    pub password: SecretString,
    pub service: Option<ServiceLogin>,
    /// Whether a session that is signed in already renews its proof.
    pub is_proof: bool,
}

impl Turn<'_> {
    /// What the flow id carries before the first factor; anything else is an unknown flow.
    pub(super) fn open_token(&self) -> Result<FlowToken, FlowError> {
        let token = FlowToken::open(self.flow_id, &self.engine.tokens).ok_or(FlowError::UnknownFlow)?;
        let is_forgotten = self.now.wall > self.forgotten_at(token.created_at());
        let is_of_the_future = token.created_at().since_ms(self.now.wall) > FUTURE_MAX_MS;
        if is_forgotten
            || is_of_the_future
            || self.engine.is_token_ended(self.flow_hash())
            || self.engine.is_token_too_old(token.created_at())
        {
            return Err(FlowError::UnknownFlow);
        }
        Ok(token)
    }

    /// When a flow id made then is unknown, after it was answered for a while that its flow is over.
    pub(super) fn forgotten_at(&self, created_at: Timestamp) -> Timestamp {
        created_at.plus_s(2 * self.engine.settings.limits.first_factor_lifetime_s)
    }

    /// Answers the first step. `place` is where the session will stand, and there is none yet.
    pub(super) async fn first_factor(
        &self,
        place: Found<Session>,
        client_id: &str,
        fields: Map<String, Value>,
        service: Option<ServiceLogin>,
    ) -> Result<Outcome, FlowError> {
        let token = self.open_token()?;
        if token.client_hash != token::short_hash(client_id) {
            return Err(FlowError::UnknownFlow);
        }
        if let Some(expired) = self.expired(&token)? {
            return Ok(expired);
        }
        let provider = find_provider(&self.engine.settings, &token.provider).ok_or(FlowError::UnknownFlow)?;
        if !self.engine.lets_in(provider, self.asker) {
            return Ok(self.not_allowed(token.provider));
        }
        let form = first_factor_form(provider.kind, token.proof_for.is_some());
        let fields = form.normalise(&fields).map_err(FlowError::InvalidInput)?;
        let claim = self.claim(client_id, &token, provider, &fields, service).await?;
        match self.engine.check_first_factor(provider, &token.provider, claim, self).await? {
            Some(vouched) => self.start(place, self.start_of(client_id, token, vouched)).await,
            None => Ok(Outcome::FirstFactor {
                provider: token.provider,
                error: Some("invalid_auth"),
                proof_of: token.proof_for,
            }),
        }
    }

    /// The first look after the end of life tells so; every later one finds no flow.
    fn expired(&self, token: &FlowToken) -> Result<Option<Outcome>, FlowError> {
        let lifetime_s = self.engine.settings.limits.first_factor_lifetime_s;
        if self.now.wall <= token.created_at().plus_s(lifetime_s) {
            return Ok(None);
        }
        if !self.engine.end_token(self.flow_hash(), self.forgotten_at(token.created_at())) {
            return Err(FlowError::UnknownFlow);
        }
        let (provider, reason) = (token.provider.clone(), "login_expired".to_owned());
        Ok(Some(Outcome::Aborted { provider, reason, language: None }))
    }

    async fn claim<'c>(
        &self,
        client_id: &'c str,
        token: &FlowToken,
        provider: &ProviderSettings,
        fields: &Fields,
        service: Option<ServiceLogin>,
    ) -> Result<Claim<'c>, FlowError> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = match (&token.proof_for, provider.kind) {
            (Some(access), _) => self.name_of(access).await?,
            (None, ProviderKind::Local | ProviderKind::CommandLine) => text("username"),
            (None, ProviderKind::TrustedNetworks) => text(trusted::USER),
            (None, ProviderKind::LegacyApiPassword) => provider.user.clone().unwrap_or_default(),
            (None, ProviderKind::Service) => text("user_id"),
        };
        let is_proof = token.proof_for.is_some();
        Ok(Claim { client_id, name, password: text("password").into(), service, is_proof })
    }

    async fn name_of(&self, access: &str) -> Result<String, FlowError> {
        let access: Found<AccessSession> = self.engine.read(key::access(access)).await?;
        let access = access.record.ok_or(FlowError::UnknownFlow)?;
        let user = self.engine.user_in_epoch(&access.open.user, access.open.user_epoch).await?;
        user.and_then(|user| user.record).map(|user| user.open.name).ok_or(FlowError::UnknownFlow)
    }

    fn start_of(&self, client_id: &str, token: FlowToken, vouched: Vouched) -> Start {
        let retain_until = self.forgotten_at(token.created_at());
        let grant = match token.proof_for {
            Some(access) => Grant::Proof { access },
            None => Grant::Code {
                redirect_hash: token.redirect_hash,
                code_challenge: token.code_challenge,
                state: token.state,
            },
        };
        Start { vouched, client_id: client_id.to_owned(), grant, retain_until, at_once: false }
    }
}

impl Engine {
    /// Whether the first factor is right. Unknown, switched off and wrong are one answer, at one cost.
    ///
    /// # Errors
    /// Throttled, busy, or the store's.
    pub(super) async fn check_first_factor(
        &self,
        provider: &ProviderSettings,
        provider_id: &ProviderId,
        claim: Claim<'_>,
        turn: &Turn<'_>,
    ) -> Result<Option<Vouched>, FlowError> {
        let Asker { address, .. } = *turn.asker;
        let admission = self.throttle.admit(address, &claim.name, &turn.now);
        let admission = admission.map_err(|retry_after_s| FlowError::Throttled { retry_after_s })?;
        let user = match provider.kind {
            ProviderKind::Service | ProviderKind::TrustedNetworks => self.user_by_id(&claim.name).await?,
            _ => self.user_by_name(&claim.name).await?,
        };
        let known = user.as_ref().and_then(|found| found.record.as_ref());
        let mut metadata = None;
        let verdict = match provider.kind {
            ProviderKind::Local => self.password_verdict(known, &claim, turn).await?,
            ProviderKind::LegacyApiPassword => {
                provider::check_legacy_api_password(provider, &self.config_directory, &claim.password).into()
            }
            ProviderKind::Service => claim
                .service
                .as_ref()
                .is_some_and(|service| {
                    provider::check_service(
                        provider,
                        &service.credential_id,
                        &service.credential_secret,
                        claim.client_id,
                    )
                })
                .into(),
            ProviderKind::CommandLine => {
                // The host's own spelling: another could be another person's to the program.
                let name = known.map_or(claim.name.trim(), |user| &user.open.name);
                metadata = self.commands.check(provider, name, &claim.password).await.map_err(|_| FlowError::Busy)?;
                metadata.is_some().into()
            }
            ProviderKind::TrustedNetworks => {
                known.is_some_and(|user| self.may_choose(provider, turn.asker, user)).into()
            }
        };
        let user = match (user, metadata) {
            (None, Some(metadata)) if provider.create_users => self.user_of_program(&claim.name, metadata).await?,
            (user, _) => user,
        };
        let may_come =
            |user: &User| user.open.is_active && (!user.open.local_only || provider::is_local(turn.asker.source()));
        let user = user.filter(|found| found.record.as_ref().is_some_and(may_come));
        let Some(user) = user.filter(|_| !matches!(verdict, Verdict::Wrong)) else {
            admission.failed(&turn.now);
            tracing::info!(target: "audit", event = "first_factor_refused", provider = provider_id.kind, %address);
            return Ok(None);
        };
        admission.passed();
        let by_password = provider.kind == ProviderKind::Local && matches!(verdict, Verdict::Right);
        let user = if by_password { self.renew_hash(user, &claim.password).await? } else { user };
        Ok(Some(Vouched {
            user,
            provider: provider_id.clone(),
            by_password,
            must_set_password: matches!(verdict, Verdict::RightCode),
            supports_mfa: provider.supports_mfa(),
        }))
    }

    /// The password, or after a reset the one-time code in its place. One hash is computed whatever there is.
    async fn password_verdict(
        &self,
        user: Option<&User>,
        claim: &Claim<'_>,
        turn: &Turn<'_>,
    ) -> Result<Verdict, FlowError> {
        let secret = user.map(|user| &user.secret);
        let reset = secret.and_then(|secret| secret.reset.as_ref());
        let phc = reset.map(|reset| &reset.phc).or(secret.and_then(|secret| secret.password.as_ref()));
        let phc = phc.map(|phc| SecretString::from(phc.as_str()));
        let expected = phc.as_ref().map_or(Expected::Nobody { name: &claim.name }, Expected::Hash);
        let folded = reset.map(|_| token::folded_spoken_code(claim.password.expose_secret()).into());
        let given = folded.as_ref().unwrap_or(&claim.password);
        let is_right = self.passwords.verify(given, expected).await.map_err(|_| FlowError::Busy)?;
        if secret.is_some_and(|secret| self.is_mailed_code(secret, claim, turn)) {
            return Ok(Verdict::RightCode);
        }
        Ok(match reset {
            None => is_right.into(),
            Some(reset) if is_right && turn.now.wall <= reset.expires_at => Verdict::RightCode,
            Some(_) => Verdict::Wrong,
        })
    }

    /// Whether this is the code the user asked for by mail. Never in a proof: that is of what the user knows, not of a
    /// mailbox.
    fn is_mailed_code(&self, secret: &UserSecret, claim: &Claim<'_>, turn: &Turn<'_>) -> bool {
        let Some(code) = secret.forgotten.as_ref().filter(|_| !claim.is_proof) else { return false };
        let given = token::folded_spoken_code(claim.password.expose_secret());
        let mac = self.messages.code_mac("forgotten password", &token::folded_name_hash(&claim.name), &given);
        turn.now.wall <= code.expires_at && token::same(&mac, &code.mac)
    }

    /// The user of a name, if there is one.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<Found<User>>, FlowError> {
        let name: Found<UserName> = self.read(key::user_name(&token::folded_name_hash(name))).await?;
        match name.record {
            Some(name) => self.user_by_id(&name.open.user).await,
            None => Ok(None),
        }
    }

    pub(in crate::flow) async fn user_by_id(&self, id: &str) -> Result<Option<Found<User>>, FlowError> {
        let Some(key) = key::user(id) else { return Ok(None) };
        let user: Found<User> = self.read(Some(key)).await?;
        Ok(user.record.is_some().then_some(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::test_stage::{NOW, TestStage, asker};

    fn token() -> FlowToken {
        FlowToken {
            nonce: FlowToken::new_nonce(),
            created_ms: NOW.0,
            provider: ProviderId { kind: "local".to_owned(), id: None },
            client_hash: token::short_hash("app"),
            redirect_hash: String::new(),
            code_challenge: None,
            state: None,
            proof_for: None,
        }
    }

    #[tokio::test]
    async fn a_flow_id_is_known_from_shortly_before_its_time_to_twice_its_life() {
        let stage = TestStage::new();
        let (engine, asker, flow_id) = (&stage.flows.engine, asker(), token().seal(&stage.flows.engine.tokens));
        let forgotten_at = NOW.plus_s(2 * engine.settings.limits.first_factor_lifetime_s);
        assert_eq!(Turn::new(engine, &flow_id, &asker).forgotten_at(NOW), forgotten_at);
        let is_known = |moment: i64| {
            stage.move_clock_to(Timestamp(moment));
            Turn::new(engine, &flow_id, &asker).open_token().is_ok()
        };
        assert!(is_known(NOW.0) && is_known(forgotten_at.0) && !is_known(forgotten_at.0 + 1));
        assert!(is_known(NOW.0 - FUTURE_MAX_MS) && !is_known(NOW.0 - FUTURE_MAX_MS - 1));
        assert!(is_known(NOW.0 + 1));
        engine.refuse_tokens_before(Timestamp(NOW.0 + 1));
        assert!(!is_known(NOW.0 + 1), "it may have ended in what was rolled back");
    }

    #[tokio::test]
    async fn a_flow_id_that_expired_says_so_once() {
        let stage = TestStage::new();
        let (engine, asker, token) = (&stage.flows.engine, asker(), token());
        let flow_id = token.seal(&engine.tokens);
        let end = NOW.plus_s(engine.settings.limits.first_factor_lifetime_s);
        stage.move_clock_to(end);
        assert!(matches!(Turn::new(engine, &flow_id, &asker).expired(&token), Ok(None)));
        stage.move_clock_to(Timestamp(end.0 + 1));
        let turn = Turn::new(engine, &flow_id, &asker);
        assert!(matches!(turn.expired(&token), Ok(Some(Outcome::Aborted { reason, .. })) if reason == "login_expired"));
        assert!(matches!(turn.expired(&token), Err(FlowError::UnknownFlow)));
        assert!(turn.open_token().is_err(), "and is unknown from then on");
    }
}
