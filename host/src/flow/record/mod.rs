//! What the flows keep: typed records with an open part that stays readable on disk and a sealed part.

mod access;
mod account;
mod address;
mod link;
mod message;
mod restored;
mod session;
mod setup;
mod user;

pub use access::{AccessOpen, AccessSecret, AccessSession, AccessStage, CameFrom};
pub use account::{Account, AccountOpen, Count, OpenFlow};
pub use address::{AddressProof, AddressProofOpen, AddressProofSecret};
pub use link::{Link, LinkOpen, LinkSecret};
pub use message::{MessageOpen, MessageRecord, MessageSecret, Target};
pub use restored::{Restored, RestoredOpen};
pub use session::{Grant, ProviderId, Sent, SentLink, Session, SessionOpen, SessionSecret, SessionStage};
pub use setup::{Asked, Setup, SetupOpen, SetupSecret, SetupStage};
pub use user::{
    Address, Addresses, Enrolment, EnrolmentOpen, EnrolmentSecret, Factor, Factors, FactorsOpen, FormerAddress,
    Invitation, InvitationOpen, MailedCode, NameOpen, Owners, ResetCode, SentTo, User, UserName, UserOpen, UserSecret,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::store::{Change, Content, Expectation, Key, Revision, Store, StoreError, Versioned};

/// Fields of a newer build, kept as they are.
pub type Unknown = serde_json::Map<String, Value>;

/// A record: what stays readable and what is sealed.
#[derive(Clone)]
pub struct Document<Open, Secret> {
    pub open: Open,
    pub secret: Secret,
}

/// A record type that can be read and written.
pub trait Stored: Sized {
    fn from_content(content: Content) -> Result<Self, serde_json::Error>;
    fn to_content(&self) -> Content;
}

impl<Open, Secret> Stored for Document<Open, Secret>
where
    Open: Serialize + DeserializeOwned,
    Secret: Serialize + DeserializeOwned,
{
    fn from_content(content: Content) -> Result<Self, serde_json::Error> {
        Ok(Self { open: content.open()?, secret: content.secret()? })
    }

    fn to_content(&self) -> Content {
        Content::new(&self.open, &self.secret).expect("records are plain structs with text keys")
    }
}

/// A record as it was read: there with its revision, or not there. Knows what a commit has to expect of it.
#[derive(Clone)]
pub struct Found<T> {
    pub key: Key,
    pub revision: Option<Revision>,
    pub record: Option<T>,
}

impl<T: Stored> Found<T> {
    /// The place of a record whose id was made just now, so that nothing can stand there; a commit expects that.
    pub fn nothing_at(key: Option<Key>) -> Option<Self> {
        key.map(|key| Self { key, revision: None, record: None })
    }

    /// The expectation that nothing changed since.
    pub fn unchanged(&self) -> Expectation {
        match self.revision {
            Some(revision) => Expectation::At(self.key.clone(), revision),
            None => Expectation::Absent(self.key.clone()),
        }
    }

    /// The change that writes `record` here.
    pub fn put(&self, record: &T) -> Change {
        Change::Put(self.key.clone(), record.to_content())
    }

    /// The change that removes it.
    pub fn delete(&self) -> Change {
        Change::Delete(self.key.clone())
    }
}

impl<Open: Clone + Default, Secret> Found<Document<Open, Secret>> {
    /// The open part; where there is no record, an empty one.
    pub fn open(&self) -> Open {
        self.record.as_ref().map(|record| record.open.clone()).unwrap_or_default()
    }

    /// As [`Found::open`], for who writes another in its place and needs this one no more.
    pub fn take_open(&mut self) -> Open {
        self.record.take().map(|record| record.open).unwrap_or_default()
    }
}

/// Reads a typed record. One that does not decode is damage, never "not there".
pub async fn read<T: Stored>(store: &Store, key: Key) -> Result<Found<T>, StoreError> {
    match store.read(&key).await? {
        None => Ok(Found { key, revision: None, record: None }),
        Some(Versioned { revision, content }) => {
            let record = decode(&key, content)?;
            Ok(Found { key, revision: Some(revision), record: Some(record) })
        }
    }
}

/// All records of a type below a prefix. No decision rests on it, so one that does not decode is told and left out.
pub async fn scan<T: Stored>(store: &Store, prefix: &str) -> Result<Vec<(Key, Revision, T)>, StoreError> {
    let records = store.scan(prefix).await?.into_iter();
    let decoded = records.filter_map(|(key, Versioned { revision, content })| match decode(&key, content) {
        Ok(record) => Some((key, revision, record)),
        Err(error) => {
            tracing::warn!(record = %key, %error, "a record was left out of a list");
            None
        }
    });
    Ok(decoded.collect())
}

fn decode<T: Stored>(key: &Key, content: Content) -> Result<T, StoreError> {
    T::from_content(content).map_err(|error| StoreError::Damaged(format!("the record {key} does not decode: {error}")))
}

/// Keys. Ids are made by the host of characters a key takes; anything else names no record.
pub mod key {
    use crate::store::Key;

    pub fn restored() -> Option<Key> {
        Key::new(&["restored"]).ok()
    }

    pub fn user(id: &str) -> Option<Key> {
        Key::new(&["user", id]).ok()
    }

    pub fn user_name(folded_name_hash: &str) -> Option<Key> {
        Key::new(&["user_name", folded_name_hash]).ok()
    }

    pub fn owners() -> Option<Key> {
        Key::new(&["owners"]).ok()
    }

    pub fn invitation(code_hash: &str) -> Option<Key> {
        Key::new(&["invitation", code_hash]).ok()
    }

    pub fn account(user: &str) -> Option<Key> {
        Key::new(&["account", user]).ok()
    }

    pub fn factors(user: &str) -> Option<Key> {
        Key::new(&["factors", user]).ok()
    }

    pub fn enrolment(user: &str, module: &str) -> Option<Key> {
        Key::new(&["enrolment", user, module]).ok()
    }

    pub fn session(flow_hash: &str) -> Option<Key> {
        Key::new(&["session", flow_hash]).ok()
    }

    pub fn setup(flow_hash: &str) -> Option<Key> {
        Key::new(&["setup", flow_hash]).ok()
    }

    pub fn address_proof(flow_hash: &str) -> Option<Key> {
        Key::new(&["address", flow_hash]).ok()
    }

    pub fn message(id: &str) -> Option<Key> {
        Key::new(&["message", id]).ok()
    }

    pub fn link(token_hash: &str) -> Option<Key> {
        Key::new(&["link", token_hash]).ok()
    }

    pub fn target(tag: &str) -> Option<Key> {
        Key::new(&["target", tag]).ok()
    }

    pub fn access(session: &str) -> Option<Key> {
        Key::new(&["access", session]).ok()
    }
}
