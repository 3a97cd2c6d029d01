//! The set-up: which channel, where to, and a code that proves it. What has only one answer is not asked.

use mfa_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Enrolment, Notify};

/// Options of a choice; the host takes no more.
const OPTIONS_MAX: usize = 100;
/// Bytes of a target that is text; the host takes no longer address.
const TARGET_BYTES_MAX: usize = 254;

/// What the last form asked for.
#[derive(Serialize, Deserialize)]
#[serde(tag = "asked_for", rename_all = "snake_case")]
pub(crate) enum Setup {
    Channel,
    Target { channel: String },
    Code { to: Enrolment, sent: SentCode },
}

#[derive(Form)]
struct ChannelInput {
    channel: String,
}

#[derive(Form)]
struct TargetInput {
    target: String,
}

impl Notify {
    pub(crate) fn set_up(&self, ask: &SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        match ask.state() {
            None => self.begin(ask),
            Some(Setup::Channel) => {
                let ChannelInput { channel } = ask.input()?;
                self.with_channel(ask, &channel)
            }
            Some(Setup::Target { channel }) => {
                let TargetInput { target } = ask.input()?;
                self.ask_for_proof(ask, Enrolment { channel: channel.clone(), target })
            }
            Some(Setup::Code { to, sent }) => {
                let waiting = |sent| Setup::Code { to: to.clone(), sent };
                self.codes(to).prove(ask, sent, waiting, || to.clone())
            }
        }
    }

    /// The channels users may choose, in the admin's order.
    fn offered<'a>(&self, ask: &SetupCall<'a, Self>) -> Vec<&'a Channel> {
        let usable = |channel: &&Channel| channel.target != TargetKind::Listed || !channel.targets.is_empty();
        let offered = ask.channels().iter().filter(|channel| self.config.offers(&channel.name)).filter(usable);
        offered.take(OPTIONS_MAX).collect()
    }

    fn begin(&self, ask: &SetupCall<'_, Self>) -> Result<SetupStep<Self>, ModuleError> {
        match &self.offered(ask)[..] {
            [] => Ok(SetupStep::abort("no_channel")),
            [only] => {
                // A form comes first: nothing is sent before the user has asked for it.
                Ok(SetupStep::form(target_form(ask, only), Setup::Target { channel: only.name.clone() }))
            }
            several => {
                let label = |channel: &&Channel| Text::new("channel_option").with("channel", channel.shown());
                let options = several.iter().map(|channel| (channel.name.as_str(), label(channel)));
                let form = Form::new().select("channel", options).label("channel");
                Ok(SetupStep::form(form, Setup::Channel))
            }
        }
    }

    fn with_channel(&self, ask: &SetupCall<'_, Self>, name: &str) -> Result<SetupStep<Self>, ModuleError> {
        let offered = self.offered(ask);
        // The admin may have taken it away since the form was shown.
        let Some(channel) = offered.iter().find(|channel| channel.name == name) else {
            return Ok(SetupStep::abort("channel_gone"));
        };
        match (channel.target, &channel.targets[..]) {
            (TargetKind::Listed, [only]) => {
                self.ask_for_proof(ask, Enrolment { channel: name.to_owned(), target: only.clone() })
            }
            _ => Ok(SetupStep::form(target_form(ask, channel), Setup::Target { channel: name.to_owned() })),
        }
    }

    fn ask_for_proof(&self, ask: &SetupCall<'_, Self>, to: Enrolment) -> Result<SetupStep<Self>, ModuleError> {
        self.codes(&to).ask_for_proof(ask, |sent| Setup::Code { to: to.clone(), sent })
    }
}

fn target_form(ask: &SetupCall<'_, Notify>, channel: &Channel) -> Form {
    let form = Form::new();
    let (form, label) = match channel.target {
        TargetKind::Email => (form.email("target"), "email"),
        TargetKind::Phone => (form.phone("target"), "phone"),
        TargetKind::Text => (form.text("target", TARGET_BYTES_MAX), "target"),
        TargetKind::Listed => {
            let label = |target: &str| Text::new("target_option").with("target", target);
            let options = channel.targets.iter().take(OPTIONS_MAX).map(|target| (target.as_str(), label(target)));
            (form.select("target", options), "target")
        }
    };
    let form = form.label(label).help(Text::new("target_help").with("channel", channel.shown()));
    match ask.user().address_for(&channel.name, channel.target) {
        Some(address) => form.default_value(address),
        None => form,
    }
}
