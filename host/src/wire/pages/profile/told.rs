//! What a page says first: what became of the form before it, and, after a change of factors, the end of all other
//! sessions by one press.

use minijinja::{Value, context};

use super::{Flash, SignedIn, sessions};

/// For `page_profile_told.html`. The offer is made only where there are others.
pub async fn told(me: &SignedIn, flash: &Flash) -> Value {
    let offers_end = flash.offers_end && {
        let sessions = me.visit.flows.own_sessions(&me.access).await;
        sessions.is_ok_and(|sessions| sessions.iter().any(|session| !session.is_current))
    };
    context! {
        base => flash.errors.get("base"), note => flash.note.clone(),
        end_others_at => offers_end.then_some(sessions::PATH),
    }
}
