//! Signing in by choosing who one is, from a network where that is enough. Outside of it nobody learns who there is.

use mfa_sdk::{
    form::{Field, FieldKind, Form},
    text::Text,
};

use super::{Outcome, Turn, begin::field, first_factor::Vouched, opening::Start};
use crate::{
    flow::{
        Asker, FlowError,
        engine::Engine,
        record::{self, Found, Grant, ProviderId, User},
        token::FlowToken,
    },
    provider::{self, Source},
    settings::{ProviderKind, ProviderSettings},
};

pub(super) const USER: &str = "user";
/// A longer list is none to choose from; then the networks have to name their users.
const USERS_MAX: usize = 100;

impl Asker {
    pub(super) fn source(&self) -> Source {
        Source { address: self.address, is_certain: self.is_certain }
    }

    /// Where it comes from, when the place alone opens a door: the browser of somebody who sits there may run the
    /// page of somebody who does not.
    fn place(&self) -> Source {
        Source { is_certain: self.is_certain && self.is_by_our_name, ..self.source() }
    }
}

impl Engine {
    /// Whether the provider lets this asker in at all. All others are for everybody.
    pub(super) fn lets_in(&self, provider: &ProviderSettings, asker: &Asker) -> bool {
        provider.kind != ProviderKind::TrustedNetworks
            || !provider::trusted_entries(provider, &self.settings.trusted_proxies, asker.place()).is_empty()
    }

    /// Whether the asker may come in as this user by choosing so.
    pub(super) fn may_choose(&self, provider: &ProviderSettings, asker: &Asker, user: &User) -> bool {
        let entries = provider::trusted_entries(provider, &self.settings.trusted_proxies, asker.place());
        provider::permits(&entries, &user.open.name, &user.open.groups)
    }

    /// Whom the asker may choose to be; what is chosen is checked again against the user's own record.
    async fn choices(&self, provider: &ProviderSettings, asker: &Asker) -> Result<Vec<(String, User)>, FlowError> {
        if !self.lets_in(provider, asker) {
            return Ok(Vec::new());
        }
        let users = record::scan::<User>(&self.store, "user/").await?;
        let mut users: Vec<(String, User)> = users
            .into_iter()
            .filter(|(_, _, user)| user.open.is_active && self.may_choose(provider, asker, user))
            .map(|(key, _, user)| (key.as_str().trim_start_matches("user/").to_owned(), user))
            .collect();
        users.sort_by(|(_, one), (_, other)| shown_name(one).cmp(shown_name(other)));
        users.truncate(USERS_MAX);
        Ok(users)
    }

    /// The field to choose in.
    pub(super) async fn choice(&self, provider: &ProviderSettings, asker: &Asker) -> Result<Form, FlowError> {
        let users = self.choices(provider, asker).await?;
        let options = users.into_iter().map(|(id, user)| (id, Text::new(shown_name(&user)))).collect();
        let choice: Field = field(USER, FieldKind::Select { options });
        Ok(Form { fields: vec![choice], ..Form::default() })
    }
}

fn shown_name(user: &User) -> &str {
    user.open.display_name.as_deref().unwrap_or(&user.open.name)
}

impl Turn<'_> {
    /// The first step: over for who comes from elsewhere, passed where there is one user and the settings want it so.
    pub(super) async fn begin_by_place(
        &self,
        provider: &ProviderSettings,
        id: ProviderId,
        client_id: &str,
        token: &FlowToken,
    ) -> Result<Outcome, FlowError> {
        let mut choices = self.engine.choices(provider, self.asker).await?;
        if choices.is_empty() {
            return Ok(self.not_allowed(id));
        }
        if !provider.allow_bypass_login || choices.len() != 1 {
            return Ok(Outcome::FirstFactor { provider: id, error: None, proof_of: None });
        }
        let (user_id, _) = choices.remove(0);
        let user: Found<User> = self.engine.read(record::key::user(&user_id)).await?;
        let still = user
            .record
            .as_ref()
            .is_some_and(|user| user.open.is_active && self.engine.may_choose(provider, self.asker, user));
        if !still {
            return Ok(self.not_allowed(id));
        }
        let vouched = Vouched {
            user,
            provider: id,
            by_password: false,
            must_set_password: false,
            supports_mfa: provider.supports_mfa(),
        };
        let grant = Grant::Code {
            redirect_hash: token.redirect_hash.clone(),
            code_challenge: token.code_challenge.clone(),
            state: token.state.clone(),
        };
        let retain_until = self.forgotten_at(token.created_at());
        let start = Start { vouched, client_id: client_id.to_owned(), grant, retain_until, at_once: false };
        self.start(self.session().await?, start).await
    }

    /// The same for whatever reason, so that it tells nothing of who there is.
    pub(super) fn not_allowed(&self, provider: ProviderId) -> Outcome {
        self.engine.end_token(self.flow_hash(), self.forgotten_at(self.now.wall));
        Outcome::Aborted { provider, reason: "not_allowed".to_owned(), language: None }
    }
}
