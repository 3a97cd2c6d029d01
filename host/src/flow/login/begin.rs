//! The beginning of a login: which provider, for which client. Nothing is stored; the flow id carries it all.

use mfa_sdk::form::{Field, FieldKind, Form};

use super::{Outcome, Turn, handler, trusted};
use crate::{
    flow::{
        Asker, FlowError, Flows, Step,
        record::ProviderId,
        render::{self, Place},
        token::{self, FlowToken},
    },
    settings::{CLIENT_ID_BYTES_MAX, ProviderKind, ProviderSettings, Settings},
};

const REDIRECT_URI_BYTES_MAX: usize = 2000;
const STATE_BYTES_MAX: usize = 512;

/// A provider as it is offered.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ProviderView {
    pub name: String,
    pub id: Option<String>,
    #[serde(rename = "type")]
    pub kind: String,
}

/// How a client asks for a login flow.
#[derive(Clone, Debug)]
pub struct BeginLogin {
    pub client_id: String,
    pub handler: (String, Option<String>),
    pub redirect_uri: String,
    pub state: Option<String>,
    /// RFC 7636; only method `S256` is taken.
    pub code_challenge: Option<String>,
    pub code_challenge_method: Option<String>,
}

impl Flows {
    /// The enabled providers in order; those that let only some networks in, for these.
    pub fn providers(&self, asker: &Asker) -> Vec<ProviderView> {
        let voice = self.engine.voice(&asker.language);
        let enabled = self.engine.settings.providers.iter().filter(|provider| provider.enabled);
        enabled
            .filter(|provider| self.engine.lets_in(provider, asker))
            .map(|provider| ProviderView {
                name: provider
                    .name
                    .clone()
                    .unwrap_or_else(|| voice.say(&format!("step.provider.{}", provider.kind.word()))),
                id: provider.id.clone(),
                kind: provider.kind.word().to_owned(),
            })
            .collect()
    }

    /// Whether this client may ask for logins that lead to this address.
    ///
    /// # Errors
    /// [`FlowError::InvalidClient`].
    pub fn check_client(&self, client_id: &str, redirect_uri: &str) -> Result<(), FlowError> {
        check_client(&self.engine.settings, client_id, Some(redirect_uri))
    }

    /// Starts a login flow; nothing is stored yet.
    pub async fn begin_login(&self, begin: BeginLogin, asker: &Asker) -> Result<Step, FlowError> {
        let settings = &self.engine.settings;
        let provider = provider_id(&begin.handler);
        let found = find_provider(settings, &provider).ok_or(FlowError::UnknownHandler)?;
        check_client(settings, &begin.client_id, Some(&begin.redirect_uri))?;
        check_challenge(&begin)?;
        let now = self.engine.clock.now();
        let token = FlowToken {
            nonce: FlowToken::new_nonce(),
            created_ms: now.wall.0,
            provider: provider.clone(),
            client_hash: token::short_hash(&begin.client_id),
            redirect_hash: token::short_hash(&begin.redirect_uri),
            code_challenge: begin.code_challenge,
            state: begin.state,
            proof_for: None,
        };
        let flow_id = token.seal(&self.engine.tokens);
        let turn = Turn::at(now, &self.engine, &flow_id, asker);
        if found.kind == ProviderKind::TrustedNetworks {
            let outcome = Box::pin(turn.begin_by_place(found, provider, &begin.client_id, &token)).await?;
            return turn.step(outcome).await;
        }
        turn.step(Outcome::FirstFactor { provider, error: None, proof_of: None }).await
    }
}

impl Turn<'_> {
    /// The form of the first factor.
    pub(super) async fn first_factor_step(
        &self,
        provider: &ProviderId,
        error: Option<&str>,
        is_proof: bool,
    ) -> Result<Step, FlowError> {
        let form = match find_provider(&self.engine.settings, provider) {
            Some(found) if found.kind == ProviderKind::TrustedNetworks => {
                Box::pin(self.engine.choice(found, self.asker)).await?
            }
            Some(found) => first_factor_form(found.kind, is_proof),
            None => Form::default(),
        };
        let place = Place {
            flow_id: self.flow_id,
            handler: handler(provider),
            step_id: "init",
            voice: self.voice(None),
            expires_at: None,
        };
        Ok(Step::Form(render::host_step(place, &form, error)))
    }
}

/// What the first factor asks for.
pub(super) fn first_factor_form(kind: ProviderKind, is_proof: bool) -> Form {
    let name = field("username", FieldKind::Text { length_max: 512 });
    let password = field("password", FieldKind::Password { length_max: 1024 });
    let fields = match kind {
        ProviderKind::Local if is_proof => vec![password],
        ProviderKind::Local | ProviderKind::CommandLine => vec![name, password],
        ProviderKind::LegacyApiPassword => vec![password],
        // Whom there is to choose from is for those in the network; an answer is a user's id.
        ProviderKind::TrustedNetworks => vec![field(trusted::USER, FieldKind::Text { length_max: 64 })],
        ProviderKind::Service => vec![field("user_id", FieldKind::Text { length_max: 64 })],
    };
    Form { fields, ..Form::default() }
}

pub(super) fn field(name: &str, kind: FieldKind) -> Field {
    Field::new(name, kind)
}

/// The enabled provider with this type and id.
pub(super) fn find_provider<'a>(settings: &'a Settings, wanted: &ProviderId) -> Option<&'a ProviderSettings> {
    settings
        .providers
        .iter()
        .find(|provider| provider.enabled && provider.kind.word() == wanted.kind && provider.id == wanted.id)
}

/// `["homeassistant", null]` is another name of `["local", null]`.
fn provider_id((kind, id): &(String, Option<String>)) -> ProviderId {
    let kind = if kind == "homeassistant" && id.is_none() { "local" } else { kind };
    ProviderId { kind: kind.to_owned(), id: id.clone() }
}

/// A redirect URI belongs to the configured client, or has the origin of the URL that is the client's id. A client
/// without a redirect URI (the plainer login) has to be configured or be a URL.
pub(super) fn check_client(settings: &Settings, client_id: &str, redirect_uri: Option<&str>) -> Result<(), FlowError> {
    if client_id.is_empty()
        || client_id.len() > CLIENT_ID_BYTES_MAX
        || redirect_uri.is_some_and(|uri| uri.len() > REDIRECT_URI_BYTES_MAX)
    {
        return Err(FlowError::InvalidClient);
    }
    let configured = settings.clients.iter().find(|client| client.id == client_id);
    let fits = match (configured, redirect_uri) {
        (Some(_), None) => true,
        (Some(client), Some(uri)) if client.redirect_uris.iter().any(|known| known == uri) => true,
        (_, uri) => url_client_fits(client_id, uri),
    };
    if fits { Ok(()) } else { Err(FlowError::InvalidClient) }
}

fn url_client_fits(client_id: &str, redirect_uri: Option<&str>) -> bool {
    let Some(client) = web_url(client_id) else { return false };
    match redirect_uri {
        None => true,
        Some(uri) if is_below(client_id, uri) => true,
        Some(uri) => web_url(uri).is_some_and(|uri| uri.origin() == client.origin()),
    }
}

/// Whether the URL is the client's with a longer path, of letters that mean themselves alone: its origin is the same then,
/// and need not be asked for.
fn is_below(client_id: &str, uri: &str) -> bool {
    let means_itself = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.' | b'~');
    client_id.ends_with('/') && uri.strip_prefix(client_id).is_some_and(|rest| rest.bytes().all(means_itself))
}

/// An `http(s)` URL without user information or fragment, as a client id and its redirect have to be.
fn web_url(text: &str) -> Option<url::Url> {
    // The parser passes over what browsers pass over, and the text as it stands would lead elsewhere.
    if text.contains(|character: char| character.is_control() || character.is_whitespace()) {
        return None;
    }
    let url = url::Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    plain.then_some(url)
}

fn check_challenge(begin: &BeginLogin) -> Result<(), FlowError> {
    // A control character takes six bytes in the flow id, which then would not fit.
    if begin.state.as_ref().is_some_and(|state| state.len() > STATE_BYTES_MAX || state.contains(char::is_control)) {
        return Err(FlowError::InvalidRequest("state has at most 512 bytes and no control characters"));
    }
    match (&begin.code_challenge, begin.code_challenge_method.as_deref()) {
        (None, None) => Ok(()),
        (Some(challenge), Some("S256")) if challenge.len() == 43 => Ok(()),
        (Some(_), Some("S256")) => Err(FlowError::InvalidRequest("an S256 code_challenge has 43 characters")),
        _ => Err(FlowError::InvalidRequest("code_challenge goes with code_challenge_method S256, and no other")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::flow::{
        FieldInput,
        test_stage::{TestStage, asker, user},
    };

    const PROVIDERS: &str = r#"
        [[provider]]
        type = "local"

        [[provider]]
        type = "local"
        id = "off"
        enabled = false

        [[provider]]
        type = "trusted_networks"
        name = "At home"

        [[provider.network]]
        cidr = ["127.0.0.0/8"]
    "#;

    #[tokio::test]
    async fn each_provider_asks_for_what_it_needs() {
        let (stage, asker) = (TestStage::with(PROVIDERS), asker());
        stage.put("user/ada", &user("ada")).await;
        let turn = Turn::new(&stage.flows.engine, "f", &asker);
        let asked = async |kind: &str, is_proof| {
            let provider = ProviderId { kind: kind.to_owned(), id: None };
            let Step::Form(form) = turn.first_factor_step(&provider, None, is_proof).await.unwrap() else {
                panic!("a form");
            };
            form.fields.into_iter().map(|field| (field.name, field.input)).collect::<Vec<_>>()
        };
        let names = |fields: &[(String, FieldInput)]| fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&asked("local", false).await), ["username", "password"]);
        assert_eq!(names(&asked("local", true).await), ["password"]);
        let choice = asked("trusted_networks", false).await;
        let options = vec![("ada".to_owned(), "ada".to_owned())];
        assert_eq!(choice, [("user".to_owned(), FieldInput::Select { options })]);
        assert!(asked("gone", false).await.is_empty());
    }

    #[tokio::test]
    async fn providers_are_offered_by_name_to_whom_they_let_in() {
        let stage = TestStage::with(PROVIDERS);
        let offered =
            |asker: &Asker| stage.flows.providers(asker).into_iter().map(|view| view.name).collect::<Vec<_>>();
        assert_eq!(offered(&asker()), ["User name and password", "At home"]);
        let elsewhere = Asker { address: std::net::Ipv4Addr::new(192, 0, 2, 1).into(), ..asker() };
        assert_eq!(offered(&elsewhere), ["User name and password"]);
        let by_another_name = Asker { is_by_our_name: false, ..asker() };
        assert_eq!(offered(&by_another_name), ["User name and password"]);
        let uncertain = Asker { is_certain: false, ..asker() };
        assert_eq!(offered(&uncertain), ["User name and password"]);
    }

    #[test]
    fn what_is_below_a_client_has_its_origin() {
        let clients =
            ["http://a.example/", "https://a.example:8123/x/", "http://[::1]/", "http://a.example/?x/", "http://"];
        for client in clients {
            for rest in ["", "callback", "a/b.c", "../..", "/b", "%2e", "\\b", "@b/", "#b", "?b", ":80", "\u{fc}"] {
                let uri = format!("{client}{rest}");
                let asked = web_url(client)
                    .is_some_and(|client| web_url(&uri).is_some_and(|uri| uri.origin() == client.origin()));
                assert_eq!(url_client_fits(client, Some(&uri)), asked, "{client} {uri}");
            }
        }
        assert!(is_below("http://a.example/", "http://a.example/callback"));
        assert!(!is_below("http://a.example", "http://a.example.org/"));
    }

    fn settings() -> Settings {
        let text = r#"
            [[client]]
            id = "app"
            redirect_uris = ["app:/back", "https://app.example.org/back"]

            [[provider]]
            type = "local"

            [[provider]]
            type = "local"
            id = "off"
            enabled = false
        "#;
        crate::settings::parse(Path::new("host.toml"), text).unwrap()
    }

    fn is_client(client_id: &str, redirect_uri: Option<&str>) -> bool {
        check_client(&settings(), client_id, redirect_uri).is_ok()
    }

    #[test]
    fn a_redirect_is_one_of_the_client_or_of_the_origin_that_is_its_id() {
        assert!(is_client("app", None) && is_client("app", Some("app:/back")));
        assert!(!is_client("app", Some("app:/other")) && !is_client("other", None) && !is_client("", None));
        assert!(
            is_client("https://a.example/", Some("https://a.example/back")) && is_client("https://a.example/", None)
        );
        for elsewhere in ["https://b.example/", "http://a.example/", "https://a.example:444/", "not a url"] {
            assert!(!is_client("https://a.example/", Some(elsewhere)), "{elsewhere}");
        }
        for plainly_no in [
            "ftp://a.example/",
            "https://me@a.example/",
            "https://:secret@a.example/",
            "https://a.example/#part",
            "https://a.example/a b",
            "https://a.example/\u{1}",
        ] {
            assert!(!is_client(plainly_no, None), "{plainly_no}");
            assert!(!is_client("https://a.example/", Some(plainly_no)), "{plainly_no}");
        }
    }

    #[test]
    fn client_and_redirect_have_an_exact_longest_length() {
        let url = |bytes: usize| format!("https://a.example/{}", "x".repeat(bytes - "https://a.example/".len()));
        assert!(is_client(&url(CLIENT_ID_BYTES_MAX), None) && !is_client(&url(CLIENT_ID_BYTES_MAX + 1), None));
        let back = |bytes| is_client("https://a.example/", Some(&url(bytes)));
        assert!(back(REDIRECT_URI_BYTES_MAX) && !back(REDIRECT_URI_BYTES_MAX + 1));
    }

    #[test]
    fn a_state_has_an_exact_longest_length_and_no_control_characters() {
        let is_taken = |state: &str| {
            let begin = BeginLogin { state: Some(state.to_owned()), ..asked(None, None) };
            check_challenge(&begin).is_ok()
        };
        assert!(is_taken("") && is_taken(&"x".repeat(STATE_BYTES_MAX)) && !is_taken(&"x".repeat(STATE_BYTES_MAX + 1)));
        assert!(!is_taken("a\nb") && !is_taken("\u{7f}"));
    }

    #[test]
    fn only_an_s256_challenge_of_43_characters_is_taken() {
        let is_taken = |challenge: Option<usize>, method| {
            check_challenge(&asked(challenge.map(|length| "x".repeat(length)), method)).is_ok()
        };
        assert!(is_taken(None, None) && is_taken(Some(43), Some("S256")));
        for (challenge, method) in [
            (Some(42), Some("S256")),
            (Some(44), Some("S256")),
            (Some(43), Some("plain")),
            (Some(43), None),
            (None, Some("S256")),
        ] {
            assert!(!is_taken(challenge, method), "{challenge:?} {method:?}");
        }
        let short = check_challenge(&asked(Some("x".repeat(42)), Some("S256")));
        assert!(matches!(short, Err(FlowError::InvalidRequest(reason)) if reason.contains("43")));
    }

    fn asked(code_challenge: Option<String>, method: Option<&str>) -> BeginLogin {
        BeginLogin {
            client_id: "app".to_owned(),
            handler: ("local".to_owned(), None),
            redirect_uri: "app:/back".to_owned(),
            state: None,
            code_challenge,
            code_challenge_method: method.map(str::to_owned),
        }
    }

    #[test]
    fn a_provider_is_found_by_type_and_id_if_it_is_enabled() {
        let found = |kind: &str, id: Option<&str>| {
            let wanted = provider_id(&(kind.to_owned(), id.map(str::to_owned)));
            find_provider(&settings(), &wanted).is_some()
        };
        assert!(found("local", None) && found("homeassistant", None));
        assert!(!found("local", Some("off")) && !found("local", Some("x")) && !found("service", None));
        assert!(!found("homeassistant", Some("x")), "only the one without an id has the other name");
        let kept = provider_id(&("homeassistant".to_owned(), Some("x".to_owned())));
        assert_eq!((kept.kind.as_str(), kept.id.as_deref()), ("homeassistant", Some("x")));
        assert_eq!(provider_id(&("service".to_owned(), None)).kind, "service");
    }
}
