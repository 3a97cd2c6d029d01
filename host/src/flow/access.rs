//! Access sessions: what a finished login gives, and how it is used and ended.

use super::{
    FlowError, Flows, TokenError,
    engine::{Committed, Engine, TRIES_MAX},
    record::{AccessOpen, AccessSession, AccessStage, Addresses, Found, User, key},
    token,
};
use crate::{clock::Timestamp, settings::ProviderKind};

/// A refresh moves the session's end only this seldom, so that most refreshes write nothing.
const USED_EVERY_S: u64 = 3600;

/// Tokens of an access session. Shown once.
#[derive(Clone)]
pub struct Tokens {
    pub access_token: String,
    /// None on a refresh: the former one stays.
    pub refresh_token: Option<String>,
    pub expires_in_s: u64,
    pub session_id: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tokens").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

/// A valid bearer: whose it is and what was proved when.
#[derive(Clone)]
pub struct Access {
    pub session_id: String,
    pub user_id: String,
    pub user_name: String,
    pub is_owner: bool,
    pub client_id: String,
    pub created_at: Timestamp,
    pub auth_time: Timestamp,
    pub amr: Vec<String>,
    pub mfa_method_used: Option<String>,
    pub mfa_verified_at: Option<Timestamp>,
    pub(super) user_epoch: u64,
    pub(super) has_password: bool,
    pub(super) addresses: Addresses,
    /// The user's own setting.
    pub(super) language: Option<String>,
    /// When the first factor was last right.
    pub(super) first_factor_at: Option<Timestamp>,
    pub(super) factor_at: Option<Timestamp>,
}

impl Flows {
    /// `grant_type=authorization_code`. A code works once; a second use ends the session it made (RFC 6749
    /// section 4.1.2).
    pub async fn exchange_code(
        &self,
        client_id: &str,
        code: &str,
        redirect_uri: Option<&str>,
        code_verifier: Option<&str>,
    ) -> Result<Tokens, TokenError> {
        self.exchange(client_id, code, redirect_uri, code_verifier, None).await
    }

    /// As [`Flows::exchange_code`] for the host's own pages: the session ends so long after, and cannot be renewed.
    pub async fn exchange_for_pages(
        &self,
        client_id: &str,
        code: &str,
        redirect_uri: &str,
        lifetime_s: u64,
    ) -> Result<Tokens, TokenError> {
        self.exchange(client_id, code, Some(redirect_uri), None, Some(lifetime_s)).await
    }

    async fn exchange(
        &self,
        client_id: &str,
        code: &str,
        redirect_uri: Option<&str>,
        code_verifier: Option<&str>,
        pages_lifetime_s: Option<u64>,
    ) -> Result<Tokens, TokenError> {
        let engine = &self.engine;
        let now = engine.clock.now().wall;
        for _ in 0..TRIES_MAX {
            let (id, found, mut record) = claimed(engine, code).await?;
            let is_code = record.secret.code_hash.as_deref().is_some_and(|hash| token::same(hash, &token::hash(code)));
            if !is_code || record.open.client_id != client_id {
                return Err(TokenError::InvalidGrant);
            }
            let AccessStage::Issued { code_expires_at } = record.open.stage else {
                tracing::warn!(target: "audit", event = "code_used_twice", session = id);
                end_session(engine, found).await?;
                return Err(TokenError::InvalidGrant);
            };
            let fits = now <= code_expires_at
                && redirect_uri.is_none_or(|uri| record.secret.redirect_hash == Some(token::short_hash(uri)))
                && fits_challenge(record.secret.code_challenge.as_deref(), code_verifier);
            if !fits {
                return Err(TokenError::InvalidGrant);
            }
            let user = engine.user_in_epoch(&record.open.user, record.open.user_epoch).await?;
            let user: Found<User> = user.ok_or(TokenError::AccessDenied)?;
            let (tokens, refresh_hash) = issue_tokens(engine, &id, now);
            record.secret.refresh_hash = Some(refresh_hash);
            let lifetime_s = pages_lifetime_s.unwrap_or(engine.settings.limits.refresh_token_lifetime_s);
            record.open.stage = AccessStage::Active { expires_at: now.plus_s(lifetime_s) };
            record.open.is_of_pages = pages_lifetime_s.is_some();
            let expectations = vec![found.unchanged(), user.unchanged()];
            match engine.commit(vec![found.put(&record)], expectations).await.map_err(FlowError::from)? {
                Committed::Done => return Ok(tokens),
                Committed::Conflict => {}
            }
        }
        Err(FlowError::Busy.into())
    }

    /// `grant_type=refresh_token`.
    pub async fn refresh(&self, client_id: Option<&str>, refresh_token: &str) -> Result<Tokens, TokenError> {
        let engine = &self.engine;
        let now = engine.clock.now().wall;
        let limits = &engine.settings.limits;
        for _ in 0..TRIES_MAX {
            let (id, found, mut record) = claimed(engine, refresh_token).await?;
            let AccessStage::Active { expires_at } = record.open.stage else { return Err(TokenError::InvalidGrant) };
            let fits = is_refresh_token(&record, refresh_token)
                && !record.open.is_of_pages
                && now <= expires_at
                && client_id.is_none_or(|client| client == record.open.client_id);
            if !fits {
                return Err(TokenError::InvalidGrant);
            }
            let user = engine.user_in_epoch(&record.open.user, record.open.user_epoch).await?;
            user.ok_or(TokenError::InvalidGrant)?;
            let tokens = Tokens {
                access_token: token::access_token(&id, now.plus_s(limits.access_token_lifetime_s), &engine.tokens),
                refresh_token: None,
                expires_in_s: limits.access_token_lifetime_s,
                session_id: id,
            };
            let next_end = now.plus_s(limits.refresh_token_lifetime_s);
            if next_end <= expires_at.plus_s(USED_EVERY_S) {
                return Ok(tokens);
            }
            record.open.stage = AccessStage::Active { expires_at: next_end };
            let changes = vec![found.put(&record)];
            match engine.commit(changes, vec![found.unchanged()]).await.map_err(FlowError::from)? {
                Committed::Done => return Ok(tokens),
                Committed::Conflict => {}
            }
        }
        Err(FlowError::Busy.into())
    }

    /// Ends the session of this refresh or access token; an unknown one is no error (RFC 7009).
    pub async fn revoke(&self, token: &str) -> Result<(), FlowError> {
        let engine = &self.engine;
        if let Some((id, _)) = token::open_access_token(token, &engine.tokens) {
            return end_session(engine, engine.read(key::access(&id)).await?).await;
        }
        match claimed(engine, token).await {
            Ok((_, found, record)) if is_refresh_token(&record, token) => end_session(engine, found).await,
            Ok(_) | Err(TokenError::InvalidGrant) => Ok(()),
            Err(TokenError::Flow(error)) => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// Who a bearer token is.
    pub async fn authenticate(&self, bearer: &str) -> Result<Access, FlowError> {
        let engine = &self.engine;
        let (id, token_expires_at) =
            token::open_access_token(bearer, &engine.tokens).ok_or(FlowError::Unauthenticated)?;
        let now = engine.clock.now().wall;
        let found: Found<AccessSession> = engine.read(key::access(&id)).await?;
        let record = found.record.ok_or(FlowError::Unauthenticated)?;
        let is_open = matches!(record.open.stage, AccessStage::Active { expires_at } if now <= expires_at);
        if !is_open || now > token_expires_at {
            return Err(FlowError::Unauthenticated);
        }
        self.access_of(id, record).await
    }

    /// Whose browser it is that shows this token with every request to the host's own pages. Nothing is written.
    pub async fn authenticate_browser(&self, token: &str) -> Result<Access, FlowError> {
        let engine = &self.engine;
        let now = engine.clock.now().wall;
        let (id, _, record) = match claimed(engine, token).await {
            Err(TokenError::Flow(error)) => return Err(error),
            other => other.map_err(|_| FlowError::Unauthenticated)?,
        };
        let is_open = matches!(record.open.stage, AccessStage::Active { expires_at } if now <= expires_at);
        if !is_refresh_token(&record, token) || !record.open.is_of_pages || !is_open {
            return Err(FlowError::Unauthenticated);
        }
        self.access_of(id, record).await
    }

    async fn access_of(&self, id: String, record: AccessSession) -> Result<Access, FlowError> {
        let user = self.engine.user_in_epoch(&record.open.user, record.open.user_epoch).await?;
        let user = user.and_then(|user| user.record).ok_or(FlowError::Unauthenticated)?;
        Ok(Access {
            session_id: id,
            first_factor_at: first_factor_at(&record.open, &user),
            user_id: record.open.user,
            user_name: user.open.name,
            is_owner: user.open.is_owner,
            client_id: record.open.client_id,
            created_at: record.open.created_at,
            auth_time: record.open.auth_time,
            amr: record.open.amr,
            mfa_method_used: record.open.mfa_method_used,
            mfa_verified_at: record.open.mfa_verified_at,
            user_epoch: record.open.user_epoch,
            has_password: user.secret.password.is_some(),
            addresses: user.secret.addresses,
            language: user.open.language,
            factor_at: record.open.factor_at,
        })
    }

    /// Ends the caller's own access session.
    pub async fn sign_out(&self, access: &Access) -> Result<(), FlowError> {
        end_session(&self.engine, self.engine.read(key::access(&access.session_id)).await?).await
    }
}

/// The first tokens of a session, and the hash of the refresh token.
pub(super) fn issue_tokens(engine: &Engine, session: &str, now: Timestamp) -> (Tokens, String) {
    let lifetime_s = engine.settings.limits.access_token_lifetime_s;
    let refresh = token::new_refresh_token(session);
    let tokens = Tokens {
        access_token: token::access_token(session, now.plus_s(lifetime_s), &engine.tokens),
        refresh_token: Some(refresh.text),
        expires_in_s: lifetime_s,
        session_id: session.to_owned(),
    };
    (tokens, refresh.hash)
}

/// The session a result code or refresh token claims to be of.
async fn claimed(engine: &Engine, text: &str) -> Result<(String, Found<AccessSession>, AccessSession), TokenError> {
    let id = token::claimed_session(text).ok_or(TokenError::InvalidGrant)?.to_owned();
    let found: Found<AccessSession> = engine.read(key::access(&id)).await.map_err(|error| match error {
        FlowError::UnknownFlow => TokenError::InvalidGrant,
        other => TokenError::Flow(other),
    })?;
    let record = found.record.clone().ok_or(TokenError::InvalidGrant)?;
    Ok((id, found, record))
}

fn is_refresh_token(record: &AccessSession, text: &str) -> bool {
    record.secret.refresh_hash.as_deref().is_some_and(|hash| token::same(hash, &token::hash(text)))
}

/// A login begun with a challenge ends with its verifier; one begun without takes none (RFC 7636, RFC 9700).
fn fits_challenge(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => token::fits_code_challenge(verifier, challenge),
        _ => false,
    }
}

pub(super) async fn end_session(engine: &Engine, mut found: Found<AccessSession>) -> Result<(), FlowError> {
    for _ in 0..TRIES_MAX {
        if found.record.is_none() {
            return Ok(());
        }
        if let Committed::Done = engine.commit(vec![found.delete()], vec![found.unchanged()]).await? {
            return Ok(());
        }
        found = engine.read(Some(found.key.clone())).await?;
    }
    Err(FlowError::Busy)
}

/// When the first factor was last right: the password where the host has one.
fn first_factor_at(open: &AccessOpen, user: &User) -> Option<Timestamp> {
    // To sit in a network is enough to come in, but proves nobody: it changes no factor.
    let by_place = open.provider.kind == ProviderKind::TrustedNetworks.word();
    match open.password_at {
        // After a reset only the one-time code, which leads to a new password, is the user's.
        None if user.secret.password.is_some() || by_place || user.open.must_change_password => None,
        None => Some(open.auth_time),
        password_at => password_at,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flow::record::{Document, UserOpen, UserSecret};

    #[test]
    fn who_has_no_password_here_proves_by_signing_in_again_and_nobody_by_where_they_sit() {
        let (signed_in, right) = (Timestamp(1_767_225_600_000), Timestamp(1_767_225_660_000));
        let at = |provider: &str, has_password: bool, must_change: bool, password_at: Option<Timestamp>| {
            let open = json!({
                "user": "u", "user_epoch": 0, "client_id": "c", "provider": {"type": provider, "id": null},
                "created_at": signed_in, "auth_time": signed_in, "password_at": password_at, "factor_at": null,
                "amr": [], "mfa_method_used": null, "mfa_verified_at": null,
                "stage": {"is": "active", "expires_at": right},
            });
            let user = json!({
                "name": "ada", "is_active": true, "is_owner": false, "created_at": signed_in, "epoch": 0,
                "must_change_password": must_change,
            });
            let open: AccessOpen = serde_json::from_value(open).unwrap();
            let user: UserOpen = serde_json::from_value(user).unwrap();
            let password = has_password.then(|| "phc".to_owned());
            first_factor_at(&open, &Document { open: user, secret: UserSecret { password, ..UserSecret::default() } })
        };
        assert_eq!(at("command_line", false, false, None), Some(signed_in));
        assert_eq!(at("local", true, false, Some(right)), Some(right));
        assert_eq!(at("command_line", true, false, None), None, "the host has a password to ask for");
        assert_eq!(at("trusted_networks", false, false, None), None);
        assert_eq!(at("command_line", false, true, None), None, "only the one-time code is the user's");
    }

    #[test]
    fn tokens_shown_for_a_person_name_their_session_and_nothing_that_opens_it() {
        let tokens = Tokens {
            access_token: "mha_secret".to_owned(),
            refresh_token: Some("mhr_secret".to_owned()),
            expires_in_s: 1,
            session_id: "0123".to_owned(),
        };
        let shown = format!("{tokens:?}");
        assert!(shown.contains("0123") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_challenge_asks_for_its_verifier_and_none_for_none() {
        let (challenge, verifier) =
            ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert!(fits_challenge(None, None) && fits_challenge(Some(challenge), Some(verifier)));
        assert!(!fits_challenge(Some(challenge), None) && !fits_challenge(None, Some(verifier)));
        assert!(!fits_challenge(Some(challenge), Some("another")));
    }
}
