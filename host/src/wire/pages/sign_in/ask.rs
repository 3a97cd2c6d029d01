//! What an application asks for in the address of the sign-in page (RFC 6749 section 4.1.1, RFC 7636).

use url::form_urlencoded;

use super::Visit;
use crate::{
    flow::{BeginLogin, FlowError, ProviderView},
    wire::http::urlencoded,
};

const PATH: &str = "/auth/authorize";
/// An application vouches for its users itself; nobody types there.
const NOT_FOR_PEOPLE: &str = "service";

/// The parameters that count; others are passed over, as the specification has it.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    pub client_id: String,
    pub redirect_uri: String,
    pub state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    /// The provider that was chosen, `local` or `command_line:ID`.
    provider: Option<String>,
    /// Whether the login begins with the choice of a second factor, because the one asked first does not work.
    pub is_to_choose: bool,
    /// The handle of a login that is on its way.
    pub flow: Option<String>,
}

impl Ask {
    /// # Errors
    /// A parameter is missing, stands twice or is not what this host does.
    pub fn read(query: Option<&str>) -> Result<Self, FlowError> {
        let unreadable = |_| FlowError::InvalidRequest("the address cannot be read");
        let mut given = urlencoded(query.unwrap_or_default().as_bytes()).map_err(unreadable)?;
        given.retain(|_, value| !value.is_empty());
        if given.get("response_type").is_some_and(|kind| kind != "code") {
            return Err(FlowError::InvalidRequest("response_type is code"));
        }
        let mut take = |name: &str| given.remove(name);
        Ok(Self {
            client_id: take("client_id").ok_or(FlowError::InvalidRequest("client_id is missing"))?,
            redirect_uri: take("redirect_uri").ok_or(FlowError::InvalidRequest("redirect_uri is missing"))?,
            state: take("state"),
            code_challenge: take("code_challenge"),
            code_challenge_method: take("code_challenge_method"),
            provider: take("provider"),
            is_to_choose: take("choose").is_some(),
            flow: take("flow"),
        })
    }

    /// The sign-in of the host's own pages, which come back to `path`.
    pub fn of_own_pages(visit: &Visit, path: &str) -> Self {
        let (client_id, redirect_uri) = (format!("{}/", visit.origin), format!("{}{path}", visit.origin));
        Self { client_id, redirect_uri, ..Self::default() }
    }

    /// Whether the host's own pages ask.
    pub fn is_of_own_pages(&self, visit: &Visit) -> bool {
        self.client_id == format!("{}/", visit.origin)
    }

    /// Providers a person can use, in order.
    pub fn providers(&self, visit: &Visit) -> Vec<ProviderView> {
        let mut offered = visit.flows.providers(&visit.asker);
        offered.retain(|provider| provider.kind != NOT_FOR_PEOPLE);
        offered
    }

    /// The one that was chosen, else the first.
    pub fn provider<'a>(&self, offered: &'a [ProviderView]) -> Option<&'a ProviderView> {
        let chosen = self.provider.as_ref().and_then(|word| offered.iter().find(|one| word_of(one) == *word));
        chosen.or_else(|| offered.first())
    }

    /// A login by this provider.
    pub fn begin(&self, provider: &ProviderView) -> BeginLogin {
        BeginLogin {
            client_id: self.client_id.clone(),
            handler: (provider.kind.clone(), provider.id.clone()),
            redirect_uri: self.redirect_uri.clone(),
            state: self.state.clone(),
            code_challenge: self.code_challenge.clone(),
            code_challenge_method: self.code_challenge_method.clone(),
        }
    }

    /// The same, with the choice of a second factor first.
    pub fn choosing(&self) -> Self {
        Self { is_to_choose: true, ..self.clone() }
    }

    /// Where a login begins anew.
    pub fn start(&self) -> String {
        self.address_at(PATH)
    }

    pub fn address_of_provider(&self, provider: &ProviderView) -> String {
        Self { provider: Some(word_of(provider)), ..self.clone() }.address_at(PATH)
    }

    /// Another page that keeps what was asked for. The handle of a login is no part of it.
    pub fn address_at(&self, path: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("response_type", "code");
        query.append_pair("client_id", &self.client_id).append_pair("redirect_uri", &self.redirect_uri);
        let more = [
            ("state", &self.state),
            ("code_challenge", &self.code_challenge),
            ("code_challenge_method", &self.code_challenge_method),
            ("provider", &self.provider),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        if self.is_to_choose {
            query.append_pair("choose", "yes");
        }
        format!("{path}?{}", query.finish())
    }

    /// The address of the application with these parameters.
    pub fn back(&self, result: &str, state: Option<&str>) -> Option<String> {
        let mut back = url::Url::parse(&self.redirect_uri).ok()?;
        back.query_pairs_mut().append_pair("code", result);
        if let Some(state) = state {
            back.query_pairs_mut().append_pair("state", state);
        }
        Some(back.into())
    }

    /// What the person signs in to: an application as the admin calls it, else by where it is called back, as far as
    /// that tells anything; none for the host's own pages.
    pub fn application(&self, visit: &Visit) -> Option<String> {
        if self.is_of_own_pages(visit) {
            return None;
        }
        let url = url::Url::parse(&self.redirect_uri).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let host = || url.as_ref().and_then(|url| url.host_str()).map(str::to_owned);
        Some(name_of(visit, &self.client_id).or_else(host).unwrap_or_else(|| self.client_id.clone()))
    }
}

/// What the admin calls an application.
pub fn name_of(visit: &Visit, client_id: &str) -> Option<String> {
    let settings = visit.flows.settings();
    settings.clients.iter().find(|client| client.id == client_id)?.name.clone()
}

fn word_of(provider: &ProviderView) -> String {
    match &provider.id {
        Some(id) => format!("{}:{id}", provider.kind),
        None => provider.kind.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_strictly_and_written_back_without_its_login() {
        let query =
            "response_type=code&client_id=https%3A%2F%2Fa%2F&redirect_uri=https%3A%2F%2Fa%2Fb&state=x%26y&flow=h&new=1";
        let ask = Ask::read(Some(query)).unwrap();
        assert_eq!(
            (ask.client_id.as_str(), ask.state.as_deref(), ask.flow.as_deref()),
            ("https://a/", Some("x&y"), Some("h"))
        );
        let start = ask.start();
        assert!(!start.contains("flow=") && !start.contains("new="), "{start}");
        let again = Ask::read(start.split_once('?').map(|(_, query)| query)).unwrap();
        assert_eq!((again.state, again.redirect_uri), (ask.state.clone(), ask.redirect_uri.clone()));
        assert_eq!(ask.back("c", ask.state.as_deref()).unwrap(), "https://a/b?code=c&state=x%26y");
    }

    #[test]
    fn what_is_missing_twice_or_of_another_kind_is_refused() {
        for query in [
            "",
            "client_id=a",
            "redirect_uri=b",
            "client_id=a&client_id=b&redirect_uri=c",
            "client_id=%ff&redirect_uri=b",
            "response_type=token&client_id=a&redirect_uri=b",
        ] {
            assert!(Ask::read(Some(query)).is_err(), "{query}");
        }
    }
}
