//! Fresh proof: what a change of factors asks of the session that wants it, and the flow that renews it.

use super::{
    Access, Asker, FlowError, Flows, Step,
    engine::Engine,
    lifetime::is_fresh,
    login::{Outcome, Turn},
    record::{Factors, FactorsOpen, Found, key},
    token::{self, FlowToken},
};
use crate::{clock::Timestamp, flow::record::ProviderId};

/// What a change asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Adding or replacing a factor: a factor if there is one, else the password (or the login itself).
    SetUp,
    /// Taking one away: a factor, and the password where the host has it.
    Removal,
    /// A new password of one's own: a factor if there is one.
    NewPassword,
    /// A trial of a factor: either of both.
    Trial,
}

impl Engine {
    /// Whether the session has proved enough, recently enough.
    ///
    /// # Errors
    /// [`FlowError::StaleProof`].
    pub(super) fn require_proof(
        &self,
        access: &Access,
        factors: &FactorsOpen,
        need: Need,
        now: Timestamp,
    ) -> Result<(), FlowError> {
        let max_age_s = self.settings.limits.fresh_proof_max_age_s;
        if has_proved(access, factors, need, max_age_s, now) {
            Ok(())
        } else {
            Err(FlowError::StaleProof { max_age_s })
        }
    }
}

fn has_proved(access: &Access, factors: &FactorsOpen, need: Need, max_age_s: u64, now: Timestamp) -> bool {
    let factor = is_fresh(access.factor_at, max_age_s, now);
    let first = is_fresh(access.first_factor_at, max_age_s, now);
    match (factors.requires_second_factor(), need) {
        (true, Need::SetUp | Need::NewPassword) => factor,
        // The former password comes with the wish.
        (false, Need::NewPassword) => true,
        (true, Need::Removal) => factor && first,
        (true, Need::Trial) => factor || first,
        (false, _) => first,
    }
}

impl Flows {
    /// Whether the caller has proved enough, recently enough, for a change that asks for this.
    pub async fn proof_is_fresh(&self, access: &Access, need: Need) -> Result<bool, FlowError> {
        let factors: Found<Factors> = self.engine.read(key::factors(&access.user_id)).await?;
        let now = self.engine.clock.now().wall;
        Ok(self.engine.require_proof(access, &factors.open(), need, now).is_ok())
    }

    /// Whether the caller may act on other users.
    pub fn require_owner(&self, access: &Access) -> Result<(), FlowError> {
        let detail = "Only an owner may do this.";
        if access.is_owner { Ok(()) } else { Err(FlowError::Forbidden { code: "not_an_owner", detail }) }
    }

    /// As [`Flows::require_owner`], and proved freshly.
    pub async fn require_fresh_owner(&self, access: &Access) -> Result<(), FlowError> {
        self.require_owner(access)?;
        let factors: Found<Factors> = self.engine.read(key::factors(&access.user_id)).await?;
        self.engine.require_proof(access, &factors.open(), Need::SetUp, self.engine.clock.now().wall)
    }

    /// Starts a proof: the user's password and factor once more, for the session of `access`. Answered like a
    /// login flow with the session's client id; ends in `create_entry` without a result, and the session is fresh.
    pub async fn begin_proof(&self, access: &Access, asker: &Asker) -> Result<Step, FlowError> {
        let now = self.engine.clock.now();
        let provider = self
            .engine
            .settings
            .providers
            .iter()
            .find(|provider| provider.enabled && provider.kind == crate::settings::ProviderKind::Local);
        let Some(provider) = provider.filter(|_| access.has_password) else {
            let detail = "this user has no password here; sign in again instead".to_owned();
            return Err(FlowError::NotPossible { code: "sign_in_again", detail });
        };
        let provider = ProviderId { kind: "local".to_owned(), id: provider.id.clone() };
        let token = FlowToken {
            nonce: FlowToken::new_nonce(),
            created_ms: now.wall.0,
            provider: provider.clone(),
            client_hash: token::short_hash(&access.client_id),
            redirect_hash: String::new(),
            code_challenge: None,
            state: None,
            proof_for: Some(access.session_id.clone()),
        };
        let flow_id = token.seal(&self.engine.tokens);
        let turn = Turn::at(now, &self.engine, &flow_id, asker);
        let proof_of = Some(access.session_id.clone());
        turn.step(Outcome::FirstFactor { provider, error: None, proof_of }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{
        record::Addresses,
        test_stage::{TestStage, asker, signed_in},
    };

    const NOW: Timestamp = Timestamp(10_000_000);
    const FRESH: Option<Timestamp> = Some(Timestamp(9_700_000));
    const STALE: Option<Timestamp> = Some(Timestamp(9_699_999));

    fn access(first_factor_at: Option<Timestamp>, factor_at: Option<Timestamp>) -> Access {
        Access {
            session_id: String::new(),
            user_id: String::new(),
            user_name: String::new(),
            is_owner: true,
            client_id: String::new(),
            created_at: NOW,
            auth_time: NOW,
            amr: Vec::new(),
            mfa_method_used: None,
            mfa_verified_at: None,
            user_epoch: 0,
            has_password: true,
            addresses: Addresses::default(),
            language: None,
            first_factor_at,
            factor_at,
        }
    }

    fn proved(access: &Access, has_factor: bool, need: Need) -> bool {
        let none = FactorsOpen::default();
        let factors = if has_factor { none.with_confirmed("a", "a", false, NOW) } else { none };
        has_proved(access, &factors, need, 300, NOW)
    }

    #[test]
    fn a_stolen_session_changes_no_factor_once_its_proofs_are_old() {
        assert!(!proved(&access(FRESH, STALE), true, Need::SetUp));
        assert!(!proved(&access(STALE, FRESH), true, Need::Removal));
        assert!(!proved(&access(STALE, FRESH), false, Need::SetUp));
        assert!(!proved(&access(None, None), false, Need::SetUp));
    }

    #[test]
    fn being_an_owner_is_no_proof_but_fresh_ones_are() {
        assert!(proved(&access(STALE, FRESH), true, Need::SetUp));
        assert!(proved(&access(FRESH, FRESH), true, Need::Removal));
        assert!(proved(&access(FRESH, None), false, Need::SetUp));
    }

    #[tokio::test]
    async fn a_proof_asks_for_the_password_of_the_local_provider_that_is_enabled() {
        let stage = TestStage::with(
            r#"
            [[provider]]
            type = "local"
            id = "off"
            enabled = false

            [[provider]]
            type = "trusted_networks"
            [[provider.network]]
            cidr = ["192.168.0.0/24"]

            [[provider]]
            type = "local"
            id = "on"
            "#,
        );
        let step = stage.flows.begin_proof(&signed_in("ada", 0), &asker()).await.unwrap();
        let Step::Form(form) = step else { panic!("a form") };
        assert_eq!((form.handler.kind.as_str(), form.handler.id.as_deref()), ("local", Some("on")));
        let without = Access { has_password: false, ..signed_in("ada", 0) };
        let refused = stage.flows.begin_proof(&without, &asker()).await;
        assert!(matches!(refused, Err(FlowError::NotPossible { code: "sign_in_again", .. })));
    }

    #[tokio::test]
    async fn a_page_learns_whether_a_change_would_ask_for_a_fresh_proof() {
        let stage = TestStage::new();
        let now = stage.flows.now();
        for (first_factor_at, is_fresh) in [(Some(now), true), (None, false)] {
            let access = Access { first_factor_at, ..signed_in("ada", 0) };
            assert_eq!(stage.flows.proof_is_fresh(&access, Need::SetUp).await.unwrap(), is_fresh);
        }
    }

    #[tokio::test]
    async fn only_an_owner_acts_on_others_and_only_freshly() {
        let stage = TestStage::new();
        let now = stage.flows.engine.clock.now().wall;
        let plain = signed_in("ada", 0);
        let stale = Access { is_owner: true, ..signed_in("ada", 0) };
        let fresh = Access { first_factor_at: Some(now), ..stale.clone() };
        assert!(stage.flows.require_owner(&plain).is_err() && stage.flows.require_owner(&stale).is_ok());
        assert!(stage.flows.require_fresh_owner(&Access { is_owner: false, ..fresh.clone() }).await.is_err());
        assert!(stage.flows.require_fresh_owner(&stale).await.is_err());
        assert!(stage.flows.require_fresh_owner(&fresh).await.is_ok());
    }
}
