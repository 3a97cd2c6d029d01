//! Channels as an admin sees them, and the test message.

use mfa_sdk::{Channel, TargetKind};

use crate::{
    clock::Clock,
    delivery::{ChannelState, Delivery, Message, MessageId, Parcel, SendError},
    settings::{ChannelKind, Settings},
    words::ENGLISH,
};

use super::{ChannelLine, Outcome};

/// One line for each channel.
pub fn channel_lines(delivery: &Delivery) -> Vec<ChannelLine> {
    let line = |(channel, kind, state): (Channel, ChannelKind, ChannelState)| {
        let (state, reason, remedy) = match state {
            ChannelState::Ready => ("ready", None, None),
            ChannelState::Disabled => ("disabled", None, None),
            ChannelState::Failed { reason, remedy } => ("failed", Some(reason), Some(remedy)),
        };
        let kind = match kind {
            ChannelKind::Email => "email",
            ChannelKind::Http => "http",
            ChannelKind::Outbox => "outbox",
        };
        let target = match channel.target {
            TargetKind::Email => "email",
            TargetKind::Phone => "phone",
            TargetKind::Text => "text",
            TargetKind::Listed => "listed",
        };
        ChannelLine {
            name: channel.name,
            label: channel.label,
            kind: kind.to_owned(),
            target: target.to_owned(),
            targets: channel.targets,
            state: state.to_owned(),
            reason,
            remedy,
        }
    };
    delivery.states().into_iter().map(line).collect()
}

/// Sends the test message, which holds no code, and tells what the other side said.
pub async fn test_channel(delivery: &Delivery, clock: &Clock, settings: &Settings, name: &str, to: &str) -> Outcome {
    let failed = |problem: String, remedy: &str| Outcome::Failed { problem, remedy: remedy.to_owned() };
    if !settings.channels.iter().any(|channel| channel.name == name) {
        return failed(format!("there is no channel {name}"), "`mfa-host channel list` shows which there are");
    }
    let message = Message { template: "test".to_owned(), language: ENGLISH.to_owned(), values: [].into() };
    let Some(message_id) = getrandom::u64().ok().and_then(|random| MessageId::new(format!("test-{random:016x}")))
    else {
        return failed("the system has no random numbers".to_owned(), "look at the system's log");
    };
    let (channel, at) = (name.to_owned(), clock.now().wall);
    match delivery.send(Parcel { channel, to: to.to_owned(), message, message_id, at }).await {
        Ok(()) => Outcome::ChannelTested { name: name.to_owned(), to: to.to_owned() },
        Err(error) => {
            let told = error.told().map(|told| format!("; it says: {}", told.words())).unwrap_or_default();
            let remedy = match &error {
                SendError::Refused { .. } => "look at the target and at the channel's block in host.toml",
                SendError::Failed { .. } => "mend the channel's block in host.toml or the other side, then try again",
            };
            failed(format!("channel {name}: {error}{told}"), remedy)
        }
    }
}
