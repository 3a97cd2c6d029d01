//! What applications are told of a user beside tokens, as the settings say.

use serde_json::{Map, Value};

use super::{
    FlowError, Flows,
    record::{AccessSession, Address, Found, User, key},
};

impl Flows {
    /// The claims about the user of an access session; what is not known of them is left out.
    pub async fn claims(&self, session_id: &str) -> Result<Map<String, Value>, FlowError> {
        let wanted = &self.engine.settings.claims;
        if wanted.is_empty() {
            return Ok(Map::new());
        }
        let access: Found<AccessSession> = self.engine.read(key::access(session_id)).await?;
        let Some(access) = access.record else { return Ok(Map::new()) };
        let user: Found<User> = self.engine.read(key::user(&access.open.user)).await?;
        let Some(user) = user.record else { return Ok(Map::new()) };
        let claim = |(name, source): (&String, &String)| Some((name.clone(), value(&access.open.user, &user, source)?));
        Ok(wanted.iter().filter_map(claim).collect())
    }
}

fn value(id: &str, user: &User, source: &str) -> Option<Value> {
    if let Some(text) = source.strip_prefix('=') {
        return Some(text.into());
    }
    let proved =
        |list: &[Address]| list.iter().find(|address| address.proved_at.is_some()).map(|one| one.value.clone());
    match source {
        "user.id" => Some(id.into()),
        "user.name" => Some(user.open.name.clone().into()),
        "user.display_name" => user.open.display_name.clone().map(Value::from),
        "user.email" => proved(&user.secret.addresses.email).map(Value::from),
        "user.phone" => proved(&user.secret.addresses.phone).map(Value::from),
        "user.groups" => Some(user.open.groups.clone().into()),
        "user.language" => user.open.language.clone().map(Value::from),
        "user.zone" => user.open.zone.clone().map(Value::from),
        _ => None,
    }
}
