//! What a user is told out of band of a second factor: wrong answers after a right password, and a way back in that was
//! used. Each is part of the commit of what it tells of.

use mfa_sdk::text::Text;

use super::{
    Turn,
    second_factor::{Basis, Guess},
};
use crate::flow::{
    attempts::Alarm,
    messages::{About, Notice, Written},
    record::{Found, SentTo, Session, User},
};

impl Turn<'_> {
    /// Of a wrong answer, if it is one worth telling.
    pub(super) fn notices_of_wrong(&self, guess: &Guess, basis: &Basis<'_>) -> Written {
        let also = basis.enrolment.record.as_ref().map_or(&[][..], |enrolment| &enrolment.secret.sent_to);
        self.notices_of_alarm(guess.alarm, &guess.module.id, basis.user, also)
    }

    pub(super) fn notices_of_alarm(
        &self,
        alarm: Option<Alarm>,
        method: &str,
        user: &Found<User>,
        also: &[SentTo],
    ) -> Written {
        let Some(alarm) = alarm else { return Written::default() };
        let notice = match alarm {
            Alarm::Locked => Notice::locked(method),
            Alarm::SeveralWrong { count } => Notice::wrong_codes(count),
        };
        self.engine.notices(&notice, About { user, source: Some(self.asker.address), also, now: self.now.wall })
    }

    /// What a module has to say to the person, in the words of the one who reads it.
    pub(super) fn told(&self, session: &Session, advice: Option<&Text>, module: Option<&str>) -> Option<String> {
        let module = self.engine.modules.module(module?)?;
        let language = self.engine.reader(session.open.language.as_deref(), self.asker);
        Some(advice?.render(&module.description?.texts, language))
    }

    /// That a way back in was used, and what its module says of what is left, as part of the commit that lets in.
    pub(super) fn notices_of_way_back(&self, guess: &Guess, basis: &Basis<'_>, advice: Option<&Text>) -> Written {
        let user = basis.user.record.as_ref();
        let own = user.and_then(|user| user.open.language.as_deref()).unwrap_or_default();
        let language = self.engine.words().language_for(own);
        let texts = guess.module.description.as_ref().map(|description| &description.texts);
        let advice = advice.zip(texts).map(|(advice, texts)| advice.render(texts, language));
        let about = About { user: basis.user, source: Some(self.asker.address), also: &[], now: self.now.wall };
        self.engine.notices(&Notice::recovery_used(advice.as_deref().unwrap_or_default()), about)
    }
}
