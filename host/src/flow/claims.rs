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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flow::{
        record::AccessStage,
        test_stage::{NOW, TestStage, access, user},
    };

    const CLAIMS: &str = "[[provider]]\ntype = \"local\"\n[claims]\nid = \"user.id\"\nname = \"user.name\"\n\
                          shown = \"user.display_name\"\nmail = \"user.email\"\nphone = \"user.phone\"\n\
                          groups = \"user.groups\"\nlanguage = \"user.language\"\nzone = \"user.zone\"\n\
                          fixed = \"=text\"";

    #[tokio::test]
    async fn each_claim_is_what_the_settings_say_and_what_is_not_known_is_left_out() {
        let stage = TestStage::with(CLAIMS);
        let mut ada = user("Ada");
        stage.put("user/ada", &ada).await;
        stage.put("access/s", &access("ada", AccessStage::Active { expires_at: NOW.plus_s(60) })).await;
        let told = async || Value::Object(stage.flows.claims("s").await.unwrap());
        assert_eq!(told().await, json!({"id": "ada", "name": "Ada", "groups": [], "fixed": "text"}));
        ada.open.display_name = Some("Ada L.".to_owned());
        (ada.open.language, ada.open.zone) = (Some("de".to_owned()), Some("Europe/Berlin".to_owned()));
        ada.open.groups = vec!["admins".to_owned()];
        let address =
            |value: &str, proved_at| Address { value: value.to_owned(), added_at: NOW, proved_at, by_code: false };
        ada.secret.addresses.email = vec![address("no", None), address("a@example.org", Some(NOW))];
        ada.secret.addresses.phone = vec![address("+4915112345678", Some(NOW))];
        stage.put("user/ada", &ada).await;
        let all = json!({
            "id": "ada", "name": "Ada", "shown": "Ada L.", "mail": "a@example.org", "phone": "+4915112345678",
            "groups": ["admins"], "language": "de", "zone": "Europe/Berlin", "fixed": "text",
        });
        assert_eq!(told().await, all);
        assert!(stage.flows.claims("another").await.unwrap().is_empty());
    }
}
