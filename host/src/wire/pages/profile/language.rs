//! `/profile/language`: the language the host speaks to one, and the zone times are shown in.

use axum::response::Response;

use super::{
    Answered, Flash, HOME, Page, SignedIn, fields,
    form::{FormPage, field, step},
    refusal::refused,
    tell_at,
};
use crate::flow::{Field, FieldInput, FlowError, OwnChanges, PeopleError};

const PATH: &str = "/profile/language";
/// As the browser asks.
const AS_ASKED: &str = "-";

pub async fn show(me: SignedIn) -> Response {
    let visit = &me.visit;
    let words = &visit.look.words;
    let mut options = vec![(AS_ASKED.to_owned(), visit.say("page.profile.language.as_asked"))];
    options.extend(
        words.languages().map(|language| (language.to_owned(), words.say(language, "page.language_name").to_owned())),
    );
    let now = me.user.language.clone().unwrap_or_else(|| AS_ASKED.to_owned());
    let language = field(&me, "language", FieldInput::Select { options }, Some(now));
    let zone = field(&me, "zone", FieldInput::Text { length_max: 64 }, me.user.zone.clone());
    let page = FormPage {
        title: visit.say("page.profile.language.title"),
        says: Vec::new(),
        form: step(vec![language, Field { required: false, ..zone }]),
        button: visit.say("page.profile.save"),
        is_danger: false,
        here: PATH.to_owned(),
        back: HOME.to_owned(),
        hidden: Vec::new(),
    };
    page.reply(&me)
}

pub async fn answer(Answered { mut me, form }: Answered) -> Response {
    let (typed, again) = fields::typed(&form);
    let text = |name: &str| typed.get(name).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
    let language = text("language");
    let is_known = language == AS_ASKED || me.visit.look.words.languages().any(|known| known == language);
    if !is_known {
        let error = FlowError::Refused { field: "language", word: "not_an_option", detail: "no such language" };
        return refused(&me, PATH, error, again);
    }
    let language = if language == AS_ASKED { String::new() } else { language };
    let changes = OwnChanges { display_name: None, language: Some(language.clone()), zone: Some(text("zone")) };
    match me.visit.flows.change_own(&me.access, changes).await {
        Ok(_) => {
            // The next page speaks it, so this note does.
            me.visit.speak(Some(language.as_str()).filter(|language| !language.is_empty()));
            tell_at(&me.visit, HOME, HOME, Flash::note(me.visit.say("page.profile.language.done")))
        }
        Err(PeopleError::InvalidProfile { field: "zone", .. }) => {
            let words = me.visit.say("page.profile.language.no_zone");
            let flash = Flash { errors: [("zone".to_owned(), words)].into(), values: again, ..Flash::default() };
            tell_at(&me.visit, PATH, PATH, flash)
        }
        Err(PeopleError::Store(error)) => Page::of_error(&me.visit, error.into()).reply(&me.visit),
        Err(_) => Page::of_error(&me.visit, FlowError::Busy).reply(&me.visit),
    }
}
