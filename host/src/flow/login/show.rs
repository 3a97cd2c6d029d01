//! The step of a login as it stands, for a page that is opened, or opened again. Nothing changes by it, however often.

use super::{Outcome, Turn};
use crate::flow::{
    Asker, FlowError, Flows, FormStep, Step,
    record::{Grant, Session, SessionStage},
    render::{self, Place},
    token,
};

impl Flows {
    /// The step a login (or proof) of this client stands at. A step that its module was not asked for yet has no field:
    /// to answer it with nothing asks the module.
    pub async fn show_login(&self, flow_id: &str, client_id: &str, asker: &Asker) -> Result<Step, FlowError> {
        let turn = Turn::new(&self.engine, flow_id, asker);
        let found = turn.session().await?;
        let Some(session) = &found.record else { return turn.show_first_factor(client_id).await };
        let is_ours =
            session.open.client_id == client_id && !matches!(session.secret.grant, Grant::Tokens | Grant::Trial);
        if !is_ours {
            return Err(FlowError::UnknownFlow);
        }
        let aborted =
            |reason: &str| Outcome::Aborted { provider: session.open.provider.clone(), reason: reason.to_owned() };
        match &session.open.stage {
            SessionStage::Ended { .. } => Err(FlowError::UnknownFlow),
            SessionStage::Denied { reason } => turn.step(aborted(reason)).await,
            _ if turn.may_go_on(&found).await?.is_none() => turn.step(aborted("login_expired")).await,
            SessionStage::Initialising { .. } => Ok(Step::Form(turn.not_asked_yet(session))),
            _ => {
                let mut step = turn.step(Outcome::shown(session.clone())).await?;
                if let Step::Form(form) = &mut step {
                    turn.add_methods(session, form).await?;
                }
                Ok(step)
            }
        }
    }

    /// Text that only this host can make of these parts, for what a browser has to show again.
    pub fn page_tag(&self, parts: &[&str]) -> String {
        token::page_tag(parts, &self.engine.tokens)
    }
}

impl Turn<'_> {
    /// Every other factor of this user can take the place of the one that is asked.
    async fn add_methods(&self, session: &Session, form: &mut FormStep) -> Result<(), FlowError> {
        if let SessionStage::Waiting { .. } = session.open.stage {
            let (options, _) = self.options(session).await?;
            form.methods = options.into_iter().map(|module| (module.id, module.name)).collect();
        }
        Ok(())
    }

    async fn show_first_factor(&self, client_id: &str) -> Result<Step, FlowError> {
        let token = self.open_token()?;
        if token.client_hash != token::short_hash(client_id) {
            return Err(FlowError::UnknownFlow);
        }
        let lifetime_s = self.engine.settings.limits.first_factor_lifetime_s;
        let outcome = if self.now.wall > token.created_at().plus_s(lifetime_s) {
            Outcome::Aborted { provider: token.provider, reason: "login_expired".to_owned() }
        } else {
            Outcome::FirstFactor { provider: token.provider, error: None, proof_of: token.proof_for }
        };
        self.step(outcome).await
    }

    fn not_asked_yet(&self, session: &Session) -> FormStep {
        let place = Place {
            flow_id: self.flow_id,
            handler: super::handler(&session.open.provider),
            step_id: "mfa",
            language: &self.asker.language,
            expires_at: Some(session.open.expires_at),
        };
        render::host_step(place, &super::session::NO_FORM, None)
    }
}

#[cfg(test)]
mod tests {
    use mfa_sdk::protocol::Cause;

    use super::*;
    use crate::flow::test_stage::{NOW, TestStage, asker, session, user};

    #[tokio::test]
    async fn a_login_is_shown_to_its_own_client_and_to_look_changes_nothing() {
        let stage = TestStage::new();
        stage.put("user/ada", &user("ada")).await;
        let key = format!("session/{}", token::hash("f"));
        let mut record = session("ada", NOW.plus_s(60), NOW.plus_s(60));
        record.secret.grant = Grant::Code { redirect_hash: String::new(), code_challenge: None, state: None };
        record.open.stage = SessionStage::Initialising { module: "pin".to_owned(), cause: Cause::First };
        stage.put(&key, &record).await;
        let show = async |client: &str| stage.flows.show_login("f", client, &asker()).await;
        assert!(matches!(show("other").await, Err(FlowError::UnknownFlow)));
        let Ok(Step::Form(form)) = show("app").await else { panic!("a form") };
        assert!(form.fields.is_empty() && form.step_id == "mfa", "the module is asked by an answer, not by a look");
        stage.move_clock_to(NOW.plus_s(61));
        let Ok(Step::Abort(abort)) = show("app").await else { panic!("an end") };
        assert_eq!(abort.reason, "login_expired");
        let after: Session = stage.read(&key).await;
        assert!(matches!(after.open.stage, SessionStage::Initialising { .. }), "it was only looked at");
    }

    #[tokio::test]
    async fn what_a_browser_shows_again_is_bound_to_all_of_its_parts() {
        let stage = TestStage::new();
        let tag = |parts: &[&str]| stage.flows.page_tag(parts);
        assert_eq!(tag(&["a", "b"]), tag(&["a", "b"]));
        for other in [&["ab", ""][..], &["a"], &["a", "b", ""], &["", "ab"]] {
            assert_ne!(tag(&["a", "b"]), tag(other));
        }
    }
}
