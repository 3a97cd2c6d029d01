//! What is around a call on the bench: channels, the key for codes; and what came of the last one beside its answer.

use super::Bench;
use crate::{
    adapter::Package,
    message::{Channel, Message},
    text::Text,
};

impl<M: Package> Bench<M> {
    /// The channels the admin set up. At first there are none.
    pub fn channels(&mut self, channels: impl IntoIterator<Item = Channel>) -> &mut Self {
        self.context.channels = channels.into_iter().collect();
        self
    }

    /// The key of [`Call::mac`](crate::Call::mac): 64 hexadecimal digits, or nothing, as from an older host. The host
    /// has another one for each module and user.
    pub fn mac_key(&mut self, key: impl Into<String>) -> &mut Self {
        self.context.mac_key = key.into();
        self
    }

    /// What was sent last, in order. A call that sends nothing changes nothing here.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The value `code` of the message sent last, as its reader has it.
    pub fn code_sent(&self) -> Option<&str> {
        self.messages.last()?.values.get("code").map(String::as_str)
    }

    /// What the last accepted answer advised.
    pub fn advice(&self) -> Option<&Text> {
        self.advice.as_ref()
    }

    pub(super) fn remember(&mut self, messages: &[Message]) {
        if !messages.is_empty() {
            self.messages = messages.to_vec();
        }
    }
}
