//! The step of a login as it stands, for a page that is opened, or opened again. Nothing changes by it, however often.

use super::{Outcome, Turn, choice::named};
use crate::flow::{
    Asker, FlowError, Flows, FormStep, Step,
    record::{Grant, Session, SessionStage},
    render::{self, Place},
    token,
};

/// A step that was looked at, and the language it is in.
pub struct Standing {
    pub step: Step,
    pub language: String,
}

impl Flows {
    /// The step a login (or proof) of this client stands at. A step that its module was not asked for yet has no field:
    /// to answer it with nothing asks the module.
    pub async fn show_login(&self, flow_id: &str, client_id: &str, asker: &Asker) -> Result<Standing, FlowError> {
        let turn = Turn::new(&self.engine, flow_id, asker);
        let found = turn.session().await?;
        let Some(session) = &found.record else { return turn.show_first_factor(client_id).await };
        let is_ours =
            session.open.client_id == client_id && !matches!(session.secret.grant, Grant::Tokens | Grant::Trial);
        if !is_ours {
            return Err(FlowError::UnknownFlow);
        }
        let ended = async |reason: &str| {
            let (provider, reason) = (session.open.provider.clone(), reason.to_owned());
            turn.looked_at(Outcome::Aborted { provider, reason, language: None }, None).await
        };
        if let SessionStage::Denied { reason } = &session.open.stage {
            return ended(reason).await;
        }
        let user = turn.may_go_on(&found).await?.and_then(|user| user.record);
        let Some(user) = user else { return ended("login_expired").await };
        let language = turn.language_of(&user);
        if let SessionStage::Initialising { .. } = session.open.stage {
            let step = Step::Form(turn.not_asked_yet(session, language));
            return Ok(Standing { step, language: language.to_owned() });
        }
        let mut standing = turn.looked_at(Outcome::shown(session.clone()), Some(language)).await?;
        if let (Step::Form(form), SessionStage::Waiting { .. }) = (&mut standing.step, &session.open.stage) {
            // Every other factor of this user can take the place of the one that is asked.
            let (options, _) = turn.options(session).await?;
            form.methods = named(options, language);
        }
        Ok(standing)
    }

    /// Text that only this host can make of these parts, for what a browser has to show again.
    pub fn page_tag(&self, parts: &[&str]) -> String {
        token::page_tag(parts, &self.engine.tokens)
    }
}

impl Turn<'_> {
    async fn looked_at(&self, outcome: Outcome, own: Option<&str>) -> Result<Standing, FlowError> {
        let language = self.engine.reader(own, self.asker).to_owned();
        Ok(Standing { step: self.step(outcome).await?, language })
    }

    async fn show_first_factor(&self, client_id: &str) -> Result<Standing, FlowError> {
        let token = self.open_token()?;
        if token.client_hash != token::short_hash(client_id) {
            return Err(FlowError::UnknownFlow);
        }
        let lifetime_s = self.engine.settings.limits.first_factor_lifetime_s;
        let outcome = if self.now.wall > token.created_at().plus_s(lifetime_s) {
            Outcome::Aborted { provider: token.provider, reason: "login_expired".to_owned(), language: None }
        } else {
            Outcome::FirstFactor { provider: token.provider, error: None, proof_of: token.proof_for }
        };
        self.looked_at(outcome, None).await
    }

    fn not_asked_yet(&self, session: &Session, language: &str) -> FormStep {
        let place = Place {
            flow_id: self.flow_id,
            handler: super::handler(&session.open.provider),
            step_id: "mfa",
            voice: self.engine.voice(language),
            expires_at: Some(session.open.expires_at),
        };
        render::host_step(place, &super::session::NO_FORM, None)
    }
}

#[cfg(test)]
mod tests {
    use mfa_sdk::protocol::Cause;

    use super::*;
    use crate::{
        clock::Timestamp,
        flow::{
            BeginLogin,
            test_stage::{NOW, TestStage, asker, session, user},
        },
    };

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
        let Ok(Standing { step: Step::Form(form), .. }) = show("app").await else { panic!("a form") };
        assert!(form.fields.is_empty() && form.step_id == "mfa", "the module is asked by an answer, not by a look");
        stage.move_clock_to(NOW.plus_s(61));
        let Ok(Standing { step: Step::Abort(abort), .. }) = show("app").await else { panic!("an end") };
        assert_eq!(abort.reason, "login_expired");
        let after: Session = stage.read(&key).await;
        assert!(matches!(after.open.stage, SessionStage::Initialising { .. }), "it was only looked at");
    }

    #[tokio::test]
    async fn a_login_that_was_denied_says_why_and_one_that_ended_is_unknown() {
        let stage = TestStage::new();
        stage.put("user/ada", &user("ada")).await;
        let at = async |to: SessionStage| {
            let mut record = session("ada", NOW.plus_s(60), NOW.plus_s(60));
            record.secret.grant = Grant::Code { redirect_hash: String::new(), code_challenge: None, state: None };
            record.open.stage = to;
            stage.put(&format!("session/{}", token::hash("f")), &record).await;
            stage.flows.show_login("f", "app", &asker()).await.map(|standing| standing.step)
        };
        let denied = at(SessionStage::Denied { reason: "refused_by_user".to_owned() }).await;
        assert!(matches!(denied, Ok(Step::Abort(abort)) if abort.reason == "refused_by_user"));
        let ended = at(SessionStage::Ended { reason: "passed".to_owned() }).await;
        assert!(matches!(ended, Err(FlowError::UnknownFlow)));
    }

    #[tokio::test]
    async fn a_login_is_shown_in_the_language_its_user_reads() {
        let stage = TestStage::new();
        let mut ada = user("ada");
        let mut record = session("ada", NOW.plus_s(60), NOW.plus_s(60));
        record.secret.grant = Grant::Code { redirect_hash: String::new(), code_challenge: None, state: None };
        stage.put(&format!("session/{}", token::hash("f")), &record).await;
        for (own, read) in [(Some("de"), "de"), (None, "en")] {
            ada.open.language = own.map(str::to_owned);
            stage.put("user/ada", &ada).await;
            let standing = stage.flows.show_login("f", "app", &asker()).await;
            assert_eq!(standing.ok().map(|standing| standing.language).as_deref(), Some(read));
        }
    }

    #[tokio::test]
    async fn before_its_first_factor_a_login_is_shown_to_its_own_client_to_its_last_moment() {
        let stage = TestStage::new();
        let app = "https://app.example/";
        let begin = BeginLogin {
            client_id: app.to_owned(),
            handler: ("local".to_owned(), None),
            redirect_uri: app.to_owned(),
            state: None,
            code_challenge: None,
            code_challenge_method: None,
        };
        let Ok(Step::Form(begun)) = stage.flows.begin_login(begin, &asker()).await else { panic!("a form") };
        let show = async |client: &str| {
            let standing = stage.flows.show_login(&begun.flow_id, client, &asker()).await;
            standing.map(|standing| match standing.step {
                Step::Form(form) => form.step_id.to_owned(),
                Step::Abort(abort) => abort.reason,
                Step::Created(_) => "created".to_owned(),
            })
        };
        assert!(matches!(show("https://other.example/").await, Err(FlowError::UnknownFlow)));
        let end = NOW.plus_s(stage.flows.settings().limits.first_factor_lifetime_s);
        for (moment, shown) in
            [(NOW, "init"), (end, "init"), (Timestamp(end.0 + 1), "login_expired"), (end.plus_s(1), "login_expired")]
        {
            stage.move_clock_to(moment);
            assert_eq!(show(app).await.ok().as_deref(), Some(shown), "{moment:?}");
        }
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
