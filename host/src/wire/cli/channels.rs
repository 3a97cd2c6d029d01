//! What `config check` and `doctor` say of channels, templates, files of pages and translations.

use std::path::Path;

use super::findings::Finding;
use crate::{
    delivery::{ChannelState, Delivery, Place, Problem},
    settings::{self, FILE_NAME, Settings},
    wire::{control::ChannelLine, pages::Look},
};

/// As a host would find them that starts now, with this command's environment.
pub fn of_delivery(config_directory: &Path, settings: &Settings, text: &str) -> Vec<Finding> {
    let delivery = Delivery::new(settings, config_directory);
    let look = Look::load(config_directory, settings, delivery.words());
    let told = |problem: &Problem| {
        let (subject, place) = match &problem.place {
            Place::Setting(place) => {
                let line = settings::line_of_place(text, place);
                (
                    if place.starts_with("pages.") { "pages" } else { "channels" },
                    format!("{}:{line}", config_directory.join(FILE_NAME).display()),
                )
            }
            Place::Line { path, line } => ("templates", format!("{}:{line}", path.display())),
        };
        let message = format!("{place}: {}", problem.message);
        // The host may be started with another environment than this command.
        let is_environment = matches!(&problem.place, Place::Setting(place) if place.ends_with(".secret_env"));
        if is_environment {
            Finding::warn(subject, message, &*problem.remedy)
        } else {
            Finding::fail(subject, message, &*problem.remedy)
        }
    };
    let sound = delivery.states().into_iter().filter_map(|(channel, _, state)| match state {
        ChannelState::Ready => Some(Finding::ok("channels", format!("{} is set up", channel.name))),
        ChannelState::Disabled => Some(Finding::ok("channels", format!("{} is switched off", channel.name))),
        ChannelState::Failed { .. } => None,
    });
    sound.chain(delivery.problems().iter().chain(&look.problems).map(told)).collect()
}

/// As the running host has them.
pub fn of_running(channels: &[ChannelLine]) -> Vec<Finding> {
    let told = |channel: &ChannelLine| match (&channel.reason, &channel.remedy) {
        (Some(reason), Some(remedy)) => {
            Finding::fail("channels", format!("{} is {}: {reason}", channel.name, channel.state), &**remedy)
        }
        _ => Finding::ok("channels", format!("{} is {}", channel.name, channel.state)),
    };
    channels.iter().map(told).collect()
}
