//! Links that confirm a step: made with its messages, good for that very step and no other, and what their page shows.

use std::net::IpAddr;

use mfa_sdk::Message;

use super::Turn;
use crate::{
    clock::{Now, Timestamp},
    flow::{
        FlowError, Flows,
        engine::Engine,
        lifetime::is_alive,
        record::{
            self, Document, Found, Grant, Link, LinkOpen, LinkSecret, SentLink, Session, SessionStage, Unknown, User,
            key,
        },
        token,
    },
    store::{Change, Expectation, Key, Revision, StoreError},
};

/// Numbers one link takes; then it is dead, and its login with it.
pub(super) const NUMBERS_MAX: u32 = 3;

/// A link that is not kept yet.
pub(super) struct NewLink {
    url: String,
    hash: String,
    lifetime_s: u32,
}

impl NewLink {
    /// What its message leads to.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What the session keeps of it.
    pub(super) fn sent(&self) -> SentLink {
        SentLink { hash: self.hash.clone(), confirmed_at: None }
    }
}

/// The waiting login as the page behind its link shows it.
#[derive(Clone)]
pub struct LinkView {
    /// Whether no login waits but somebody who is signed in already, with a trial or a change of factors.
    pub is_change: bool,
    /// When the login began.
    pub began_at: Timestamp,
    pub address: IpAddr,
    pub browser: Option<String>,
    /// Whether the number has to be typed: this browser is not known as the one that waits.
    pub asks_number: bool,
    /// The user's own language and zone, if they are known.
    pub language: Option<String>,
    pub zone: Option<String>,
}

/// A link whose login waits for it, with all that says so.
pub(super) struct Standing {
    pub link: Found<Link>,
    pub record: Link,
    pub found: Found<Session>,
    pub session: Session,
    pub user: Found<User>,
    pub module: String,
}

impl Flows {
    /// What the page behind a link shows; none of one that is unknown, used or dead. Changes nothing, however often.
    /// `waiting` is what the browser shows to be known by.
    pub async fn link(&self, token: &str, waiting: Option<&str>) -> Result<Option<LinkView>, FlowError> {
        let standing = self.engine.standing(&token::hash(token), &self.engine.clock.now()).await?;
        let standing = standing.filter(|standing| standing.record.open.numbers_given < NUMBERS_MAX);
        Ok(standing.map(|standing| self.engine.view_of(&standing, waiting)))
    }

    /// What tells a browser as the one in which this flow waits.
    pub fn waiting_tag(&self, flow_id: &str) -> String {
        token::waiting_tag(&token::hash(flow_id), &self.engine.tokens)
    }

    /// Links whose login does not wait for them any more.
    pub(in crate::flow) async fn dead_links(&self, now: Timestamp) -> Result<Vec<(Key, Revision)>, StoreError> {
        let mut dead = Vec::new();
        for (key, at, link) in record::scan::<Link>(&self.engine.store, "link/").await? {
            let hash = key.as_str().trim_start_matches("link/");
            if now > link.open.dead_at || !self.is_awaited(&link, hash).await? {
                dead.push((key, at));
            }
        }
        Ok(dead)
    }

    async fn is_awaited(&self, link: &Link, hash: &str) -> Result<bool, StoreError> {
        let Some(key) = key::session(&link.open.session) else { return Ok(false) };
        match record::read::<Session>(&self.engine.store, key).await {
            Ok(found) => Ok(found.record.as_ref().is_some_and(|session| waits_for(session, hash).is_some())),
            // A session nobody can believe waits for nothing.
            Err(StoreError::Tampered(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Engine {
    /// The link of this hash, if the login it was sent for stands at that very step, and nothing has run out.
    pub(super) async fn standing(&self, hash: &str, now: &Now) -> Result<Option<Standing>, FlowError> {
        let link: Found<Link> = self.read(key::link(hash)).await?;
        let Some(record) = link.record.clone().filter(|link| now.wall <= link.open.dead_at) else { return Ok(None) };
        let found: Found<Session> = self.read(key::session(&record.open.session)).await?;
        let Some(session) = found.record.clone().filter(|session| is_alive(session.open.life(), now)) else {
            return Ok(None);
        };
        let Some(module) = waits_for(&session, hash).map(str::to_owned) else { return Ok(None) };
        let user = self.user_in_epoch(&session.open.user, session.open.user_epoch).await?;
        Ok(user.map(|user| Standing { link, record, found, session, user, module }))
    }

    pub(super) fn view_of(&self, standing: &Standing, waiting: Option<&str>) -> LinkView {
        let LinkSecret { address, browser, .. } = &standing.record.secret;
        let user = standing.user.record.as_ref();
        LinkView {
            is_change: matches!(standing.session.secret.grant, Grant::Trial),
            began_at: standing.session.open.created_at,
            address: *address,
            browser: browser.clone(),
            asks_number: !self.is_waiting(standing, waiting),
            language: user.and_then(|user| user.open.language.clone()),
            zone: user.and_then(|user| user.open.zone.clone()),
        }
    }

    /// Whether a browser is known as the one that waits.
    pub(super) fn is_waiting(&self, standing: &Standing, waiting: Option<&str>) -> bool {
        let tag = token::waiting_tag(&standing.record.open.session, &self.tokens);
        waiting.is_some_and(|waiting| token::same(waiting, &tag))
    }
}

impl Turn<'_> {
    /// The link of messages that are about to be made; several of one step hold the same.
    pub(super) fn new_link(&self, messages: &[Message]) -> Option<NewLink> {
        let lifetime_s = messages.iter().filter(|message| message.link).map(|message| message.lifetime_s).max()?;
        let token = token::new_link_token();
        let url = format!("{}/auth/link/{token}", self.engine.settings.base_url());
        Some(NewLink { url, hash: token::hash(&token), lifetime_s })
    }

    /// The link as part of the commit that keeps the step of `session`, which it does not outlive.
    pub(super) fn keep_link(&self, link: NewLink, session: &Session) -> Option<(Change, Expectation)> {
        let place: Found<Link> = Found::nothing_at(key::link(&link.hash))?;
        let dead_at = self.now.wall.plus_s(link.lifetime_s.into()).min(session.open.expires_at);
        let record = Document {
            open: LinkOpen {
                user: session.open.user.clone(),
                session: self.flow_hash().to_owned(),
                created_at: self.now.wall,
                dead_at,
                numbers_given: 0,
                unknown: Unknown::new(),
            },
            secret: LinkSecret {
                number: token::new_link_number(),
                address: self.asker.address,
                browser: self.asker.browser.clone(),
                seed: token::new_seed(),
            },
        };
        Some((place.put(&record), place.unchanged()))
    }

    /// The number to show where this session waits, as long as its link asks for one.
    pub(super) async fn link_number(&self, session: &Session) -> Result<Option<String>, FlowError> {
        let Some(sent) = session.secret.sent.as_ref().and_then(|sent| sent.link.as_ref()) else { return Ok(None) };
        let link: Found<Link> = self.engine.read(key::link(&sent.hash)).await?;
        Ok(link.record.map(|link| link.secret.number.to_string()))
    }
}

/// When the step a session stands at was confirmed by its link.
pub(super) fn confirmed_at(session: &Session) -> Option<Timestamp> {
    session.secret.sent.as_ref()?.link.as_ref()?.confirmed_at
}

/// The module whose step waits for the link of this hash.
fn waits_for<'a>(session: &'a Session, hash: &str) -> Option<&'a str> {
    let SessionStage::Waiting { module } = &session.open.stage else { return None };
    let sent = session.secret.sent.as_ref().filter(|sent| !sent.refused)?;
    let link = sent.link.as_ref().filter(|link| link.hash == hash)?;
    link.confirmed_at.is_none().then_some(module.as_str())
}
