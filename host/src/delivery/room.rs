//! The room as the flow sees it: which channels there are, words for a message, and the hand-over.

use std::{path::Path, sync::Arc};

use mfa_sdk::{Channel, TargetKind};

use super::{
    channel::Way,
    contract::{Parcel, SendError},
    outbox::{Outbox, OutboxMessage},
    target::TargetError,
    templates::Renderer,
};
use crate::{
    settings::{ChannelKind, ChannelSettings, Settings},
    words::{Problem, Words},
};

/// The folder of the admin's sentences.
const TRANSLATIONS: &str = "translations";

/// Channels and templates as they are set up; cheap to clone. Changed settings make the next one.
#[derive(Clone)]
pub struct Delivery(Arc<Inner>);

struct Inner {
    channels: Vec<Kept>,
    renderer: Renderer,
    words: Words,
    outbox: Outbox,
    problems: Vec<Problem>,
}

struct Kept {
    public: Channel,
    kind: ChannelKind,
    /// None while it is switched off.
    way: Option<Result<Way, Problem>>,
}

/// Whether a channel can send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelState {
    Ready,
    Disabled,
    Failed { reason: String, remedy: String },
}

impl Delivery {
    /// Opens every channel and reads every template. What cannot be used is among the problems and costs itself alone.
    pub fn new(settings: &Settings, config_directory: &Path) -> Self {
        Self::with_outbox(settings, config_directory, Outbox::default())
    }

    /// The same under other settings; what lies in the outbox stays.
    pub fn with(&self, settings: &Settings, config_directory: &Path) -> Self {
        Self::with_outbox(settings, config_directory, self.0.outbox.clone())
    }

    fn with_outbox(settings: &Settings, config_directory: &Path, outbox: Outbox) -> Self {
        let (words, mut problems) = Words::load(&config_directory.join(TRANSLATIONS));
        let (renderer, wrong) = Renderer::load(config_directory, words.clone(), &settings.name, &settings.base_url());
        problems.extend(wrong);
        let kept = |(index, channel): (usize, &ChannelSettings)| {
            let place = format!("channel.{index}");
            let way = channel.enabled.then(|| Way::open(settings, channel, &place, config_directory, &outbox));
            let public = Channel {
                name: channel.name.clone(),
                label: channel.label().to_owned(),
                target: channel.target().unwrap_or(TargetKind::Listed),
                targets: channel.targets.clone(),
            };
            Kept { public, kind: channel.kind, way }
        };
        let channels: Vec<Kept> = settings.channels.iter().enumerate().map(kept).collect();
        let closed = channels.iter().filter_map(|channel| channel.way.as_ref()?.as_ref().err());
        problems.splice(0..0, closed.cloned());
        Self(Arc::new(Inner { channels, renderer, words, outbox, problems }))
    }

    /// Channels that can send, as modules may know them.
    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        let can_send = |kept: &&Kept| matches!(kept.way, Some(Ok(_)));
        self.0.channels.iter().filter(can_send).map(|kept| &kept.public)
    }

    /// Every channel and whether it can send.
    pub fn states(&self) -> Vec<(Channel, ChannelKind, ChannelState)> {
        let state = |kept: &Kept| match &kept.way {
            None => ChannelState::Disabled,
            Some(Ok(_)) => ChannelState::Ready,
            Some(Err(Problem { message, remedy, .. })) => {
                ChannelState::Failed { reason: message.clone(), remedy: remedy.clone() }
            }
        };
        self.0.channels.iter().map(|kept| (kept.public.clone(), kept.kind, state(kept))).collect()
    }

    /// What of channels, templates and translations cannot be used.
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// The words of messages, which are those of the whole host.
    pub fn words(&self) -> &Words {
        &self.0.words
    }

    /// A target as it is kept and sent to.
    ///
    /// # Errors
    /// The channel takes no such target.
    pub fn target(&self, channel: &str, to: &str) -> Result<String, TargetError> {
        self.way(channel).ok_or(TargetError::UnknownChannel)?.rule.normalised(to)
    }

    /// Puts a message into words, hands it to the other side and waits for its word. Given up by the caller, it may have gone out.
    ///
    /// # Errors
    /// It did not go out, or nobody knows.
    pub async fn send(&self, parcel: Parcel) -> Result<(), SendError> {
        let way = match self.0.channels.iter().find(|kept| kept.public.name == parcel.channel).map(|kept| &kept.way) {
            Some(Some(Ok(way))) => way,
            Some(Some(Err(problem))) => {
                return Err(SendError::failed(format!("the channel cannot be used: {}", problem.message)));
            }
            Some(None) => return Err(SendError::failed("the channel is switched off")),
            None => return Err(SendError::refused("there is no such channel")),
        };
        let to = way.rule.normalised(&parcel.to).map_err(|error| SendError::refused(error.to_string()))?;
        way.send(Parcel { to, ..parcel }, &self.0.renderer).await
    }

    /// What lies in the outbox, the oldest first.
    pub fn outbox(&self) -> Vec<OutboxMessage> {
        self.0.outbox.messages()
    }

    fn way(&self, channel: &str) -> Option<&Way> {
        self.0.channels.iter().find(|kept| kept.public.name == channel)?.way.as_ref()?.as_ref().ok()
    }
}
