//! What can be done with a method, by the word that stands for it in an address.

use super::method;
use crate::flow::{self, Need, Wish, Words};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    SetUp,
    /// New codes of a way back in; the former ones are dead at once.
    Renew,
    Try,
    Primary,
    On,
    Off,
    Rename,
    Remove,
}

impl Deed {
    const ALL: [Self; 8] =
        [Self::SetUp, Self::Renew, Self::Try, Self::Primary, Self::On, Self::Off, Self::Rename, Self::Remove];

    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.word() == word)
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::SetUp => "setup",
            Self::Renew => "codes",
            Self::Try => "test",
            Self::Primary => "primary",
            Self::On => "on",
            Self::Off => "off",
            Self::Rename => "rename",
            Self::Remove => "remove",
        }
    }

    pub fn address(self, id: &str) -> String {
        format!("{}/{}", method::address(id), self.word())
    }

    /// The change of the flows behind it, if it is one that is done at once.
    pub fn change(self, label: Option<String>) -> Option<flow::Deed> {
        let wish = match self {
            Self::SetUp | Self::Renew | Self::Try => return None,
            Self::Remove => return Some(flow::Deed::Delete),
            Self::Primary => Wish::MakePrimary,
            Self::On => Wish::Activate,
            Self::Off => Wish::Deactivate,
            Self::Rename => Wish::Describe(Words { label, metadata: None }),
        };
        Some(flow::Deed::Wish(wish))
    }

    /// Whether another guards the account afterwards than before.
    pub fn changes_factors(self) -> bool {
        match self {
            Self::SetUp | Self::Renew | Self::On | Self::Off | Self::Remove => true,
            Self::Try | Self::Primary | Self::Rename => false,
        }
    }

    /// The fresh proof it asks for.
    pub fn need(self) -> Option<Need> {
        match self {
            Self::Try => Some(Need::Trial),
            Self::SetUp => Some(Need::SetUp),
            Self::Renew => Some(Need::Removal),
            other => other.change(None).map(|change| change.need()),
        }
    }
}
