//! Messages a module wants sent. The host renders, checks the address and sends; a module never opens a connection.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// Seconds a message is worth sending unless it says otherwise: a code lives as long.
const LIFETIME_S: u32 = 600;

/// One message to one address of this user. Its values hold the code, so `Debug` shows neither them nor the address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Channel as the admin named it in `host.toml`, for example `email`.
    pub channel: String,
    /// Where to: an address of this user, one typed in this set-up, or one the admin listed. Others are refused.
    pub to: String,
    /// Template of the message; the host keeps the words. Every host has `code` (values `code` and `minutes`), `link`
    /// (`minutes`, and the link itself) and `plain` (`text`).
    pub template: String,
    /// Values for the template. The name `link` is the host's own.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// Whether the template gets a `link` that confirms this step. The host makes it, and the module never sees it.
    #[serde(default)]
    pub link: bool,
    /// Seconds until it is no longer worth sending, 1 to 86,400. The host tries until then.
    #[serde(default = "lifetime_s")]
    pub lifetime_s: u32,
}

fn lifetime_s() -> u32 {
    LIFETIME_S
}

impl Message {
    /// "Here is your code": the host's words in the reader's language. The code is good for `lifetime_s` seconds.
    pub fn code(channel: impl Into<String>, to: impl Into<String>, code: impl ToString, lifetime_s: u32) -> Self {
        Self::new(channel, to, "code").with("code", code).with("minutes", lifetime_s / 60).lives_s(lifetime_s)
    }

    /// "Follow this link to confirm": the host's words, and a link that is good for `lifetime_s` seconds. For login steps
    /// alone: see [`Message::with_link`].
    pub fn link(channel: impl Into<String>, to: impl Into<String>, lifetime_s: u32) -> Self {
        Self::new(channel, to, "link").with("minutes", lifetime_s / 60).with_link().lives_s(lifetime_s)
    }

    /// Words of the module's own, as they stand.
    pub fn plain(channel: impl Into<String>, to: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(channel, to, "plain").with("text", text.into())
    }

    /// A message without values and link, worth sending for ten minutes.
    pub fn new(channel: impl Into<String>, to: impl Into<String>, template: impl Into<String>) -> Self {
        Self {
            channel: channel.into(),
            to: to.into(),
            template: template.into(),
            values: BTreeMap::new(),
            link: false,
            lifetime_s: LIFETIME_S,
        }
    }

    /// Adds a value for the template.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.values.insert(name.into(), value.to_string());
        self
    }

    /// Lets the host put a link into it that confirms this step: what comes back is [`Answer::Link`](crate::Answer). Where
    /// the login waits, the host shows two digits; whoever clicks in another browser has to type them.
    ///
    /// Only the step of a login can be confirmed so. In a set-up such a message counts as one that cannot be sent, and
    /// the user is told `delivery_failed`: prove an address by a code that is typed.
    #[must_use]
    pub fn with_link(mut self) -> Self {
        self.link = true;
        self
    }

    /// How long it is worth sending, in seconds.
    #[must_use]
    pub fn lives_s(mut self, lifetime_s: u32) -> Self {
        self.lifetime_s = lifetime_s;
        self
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, template, link, .. } = self;
        formatter
            .debug_struct("Message")
            .field("channel", channel)
            .field("template", template)
            .field("link", link)
            .finish_non_exhaustive()
    }
}

/// A way messages can go, as the admin set it up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// What [`Message::channel`] takes: 1–64 of `a-z`, `0-9`, `_`.
    pub name: String,
    /// As users know it. Empty: its name.
    #[serde(default)]
    pub label: String,
    /// What [`Message::to`] has to be.
    pub target: TargetKind,
    /// For [`TargetKind::Listed`]: all there are.
    #[serde(default)]
    pub targets: Vec<String>,
}

/// What a channel sends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// An e-mail address.
    Email,
    /// A telephone number (E.164).
    Phone,
    /// One line of text: a name, a topic, a room.
    Text,
    /// One of [`Channel::targets`] and nothing else.
    Listed,
}

impl Channel {
    /// A channel whose targets users type.
    pub fn new(name: impl Into<String>, label: impl Into<String>, target: TargetKind) -> Self {
        Self { name: name.into(), label: label.into(), target, targets: Vec::new() }
    }

    /// A channel that sends to these targets and no other.
    pub fn listed<T: Into<String>>(
        name: impl Into<String>,
        label: impl Into<String>,
        targets: impl IntoIterator<Item = T>,
    ) -> Self {
        let targets = targets.into_iter().map(Into::into).collect();
        Self { name: name.into(), label: label.into(), target: TargetKind::Listed, targets }
    }

    /// The label, or the name where there is none.
    pub fn shown(&self) -> &str {
        if self.label.is_empty() { &self.name } else { &self.label }
    }
}
