//! The handle of a login in an address: it names the cookie that keeps the flow's id, and is bound to everything the
//! application asked for. An address that was changed names no cookie.

use axum::http::HeaderValue;

use super::{Ask, Visit};
use crate::wire::pages::cookies;

/// As long as a step can wait.
const LIFETIME_S: u64 = 900;
/// Logins of one browser at once; each takes room in what it sends.
const AT_ONCE_MAX: usize = 6;
const HANDLE_LENGTH: usize = 16;

/// The id of the flow an address stands for.
pub fn flow_id<'a>(visit: &'a Visit, ask: &Ask, handle: &str) -> Option<&'a str> {
    let flow_id = visit.cookies.value(&format!("{}{handle}", cookies::FLOW_PREFIX))?;
    (of(visit, ask, flow_id) == handle).then_some(flow_id)
}

/// The handle of a flow.
pub fn of(visit: &Visit, ask: &Ask, flow_id: &str) -> String {
    let asked = ask.address_at("");
    let mut handle = visit.flows.page_tag(&["flow", flow_id, &asked]);
    handle.truncate(HANDLE_LENGTH);
    handle
}

/// The cookie that keeps a flow's id, and those that make room for it.
pub fn keep(visit: &Visit, ask: &Ask, flow_id: &str) -> (String, Vec<HeaderValue>) {
    let handle = of(visit, ask, flow_id);
    let mut kept: Vec<HeaderValue> = Vec::new();
    let former: Vec<&str> = visit.cookies.names(cookies::FLOW_PREFIX).collect();
    let too_many = (former.len() + 1).saturating_sub(AT_ONCE_MAX);
    kept.extend(former.iter().take(too_many).filter_map(|name| cookies::clear(name)));
    kept.extend(cookies::set(&format!("{}{handle}", cookies::FLOW_PREFIX), flow_id, Some(LIFETIME_S)));
    (handle, kept)
}

/// Takes the cookie of a login away.
pub fn forget(ask: &Ask) -> Option<HeaderValue> {
    let handle = ask.flow.as_ref().filter(|handle| handle.len() == HANDLE_LENGTH)?;
    cookies::clear(&format!("{}{handle}", cookies::FLOW_PREFIX))
}
