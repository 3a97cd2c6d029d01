//! `/profile/method/{id}`: one method with its devices, and what can be done with it.

use axum::{extract::Path, response::Response};
use minijinja::{Value, context};

use super::{Flash, HOME, SignedIn, deed::Deed, overview::card, refusal::impossible, segment, told};
use crate::flow::{DeviceView, MethodView};

pub async fn show(me: SignedIn, Path(id): Path<String>) -> Response {
    let visit = &me.visit;
    let here = address(&id);
    let details = match visit.flows.method_details(&me.access, &id, &visit.asker).await {
        Ok(details) => details,
        Err(error) => return impossible(&me, &here, error),
    };
    let flash = Flash::of(&visit.cookies, &here);
    let overview = details.overview;
    let devices: Vec<Value> =
        overview.iter().flat_map(|overview| &overview.devices).map(|one| device(&me, &id, one)).collect();
    let has_devices = !devices.is_empty();
    let deeds: Vec<Value> = deeds(&details.method, has_devices)
        .into_iter()
        .map(|(deed, key)| {
            let words = visit.say(&format!("page.profile.do.{key}"));
            context! { address => deed.address(&id), words, is_danger => deed == Deed::Remove }
        })
        .collect();
    let context = context! {
        title => details.method.name.clone(),
        method => card(&me, &details.method, overview.map(|overview| (overview.summary, overview.low))),
        devices, deeds, ..told(&me, &flash).await
    };
    me.page("page_profile_method.html", context).reply(visit)
}

pub fn address(id: &str) -> String {
    format!("{HOME}/method/{}", segment(id))
}

/// What can be done with a method as it stands, and how the button for it is called.
fn deeds(method: &MethodView, has_devices: bool) -> Vec<(Deed, &'static str)> {
    let mut deeds = Vec::new();
    match (method.is_available, method.is_setup, method.recovery) {
        (false, ..) => {}
        (true, false, _) => deeds.push((Deed::SetUp, "setup")),
        (true, true, true) => deeds.push((Deed::Renew, "codes")),
        (true, true, false) if has_devices => deeds.push((Deed::SetUp, "add")),
        (true, true, false) => deeds.push((Deed::SetUp, "setup_again")),
    }
    if !method.is_setup {
        return deeds;
    }
    if method.is_active && !method.recovery {
        if !method.is_primary {
            deeds.push((Deed::Primary, "primary"));
        }
        if method.is_available {
            deeds.push((Deed::Try, "test"));
        }
    }
    deeds.push((Deed::Rename, "rename"));
    match method.is_active {
        true if method.is_primary => {}
        true => deeds.push((Deed::Off, "off")),
        false => deeds.push((Deed::On, "on")),
    }
    deeds.push((Deed::Remove, "remove"));
    deeds
}

fn device(me: &SignedIn, id: &str, device: &DeviceView) -> Value {
    let at = |deed: &str| format!("{HOME}/device/{}/{}/{deed}", segment(id), segment(&device.id));
    context! {
        name => device.name.clone(),
        created_at => device.created_at.map(|moment| me.moment(moment)),
        last_used_at => device.last_used_at.map(|moment| me.moment(moment)),
        rename => at("rename"),
        remove => at("remove"),
    }
}
