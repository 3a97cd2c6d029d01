//! One channel as it is set up: its rule for targets, its door to the outside, and how many may pass at once.

use std::{path::Path, time::Duration};

use lettre::{
    message::Mailbox,
    transport::smtp::{authentication::Credentials, extension::ClientId},
};
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;

use super::{
    compose::Sender,
    contract::{Parcel, SendError},
    gateway::Gateway,
    outbox::Outbox,
    post::Post,
    secret,
    smtp::{Server, ServerEncryption},
    target::{self, TargetRule},
    templates::Renderer,
};
use crate::{
    settings::{ChannelKind, ChannelSettings, Encryption, Settings},
    tls::Trust,
    words::{Place, Problem},
};

/// A channel that can send.
pub struct Way {
    pub rule: TargetRule,
    door: Door,
    /// Room for messages that are being sent.
    room: Semaphore,
    timeout: Duration,
}

enum Door {
    Post(Box<Post>),
    Gateway(Box<Gateway>),
    Outbox(Outbox),
}

impl Way {
    /// `place` is the channel's block in `host.toml`.
    ///
    /// # Errors
    /// Something outside of `host.toml` keeps it from sending: its secret, its certificates.
    pub fn open(
        settings: &Settings,
        channel: &ChannelSettings,
        place: &str,
        config_directory: &Path,
        outbox: &Outbox,
    ) -> Result<Self, Problem> {
        let at_once = settings.delivery.sends_at_once_max;
        let timeout = Duration::from_secs(channel.timeout_s);
        let door = match channel.kind {
            ChannelKind::Outbox => Door::Outbox(outbox.clone()),
            ChannelKind::Email => {
                let server = server_of(settings, channel, place, config_directory)?;
                Door::Post(Box::new(Post::new(server, sender_of(channel, place)?, at_once)))
            }
            ChannelKind::Http => {
                let request = channel.request().map_err(|(key, message)| wrong(place, key, message))?;
                let secret = secret::of_channel(channel, place, config_directory)?;
                // Without TLS the authorities of a machine, hundreds of them, need not be read.
                let needs_trust = channel.ca_file.is_some()
                    || request.url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
                let trust = if needs_trust { trust_of(channel, place, config_directory)? } else { Trust::of_nobody() };
                let user = channel.user.clone();
                let gateway = Gateway::new(request, user, secret, &trust, at_once, &settings.name);
                Door::Gateway(Box::new(gateway.map_err(|error| wrong(place, "ca_file", error.to_string()))?))
            }
        };
        Ok(Self { rule: TargetRule::of(channel), door, room: Semaphore::new(at_once), timeout })
    }

    /// Puts the parcel, whose target is normalised, into words and sends it, or says why not; within the timeout of
    /// waiting and again of sending.
    pub async fn send(&self, parcel: Parcel, renderer: &Renderer) -> Result<(), SendError> {
        let waiting = tokio::time::timeout(self.timeout, self.room.acquire()).await;
        let Ok(Ok(_permit)) = waiting else {
            return Err(SendError::failed("too many messages are being sent at once"));
        };
        let (sending, late) = match &self.door {
            Door::Outbox(outbox) => {
                outbox.put(&parcel, renderer.letter(&parcel.message)?);
                return Ok(());
            }
            Door::Post(post) => {
                let sending = post.send(&parcel, renderer.letter(&parcel.message)?);
                (tokio::time::timeout(self.timeout, sending).await, "the mail server did not answer in time")
            }
            Door::Gateway(gateway) => {
                let line = renderer.line(&parcel.message)?;
                let sending = gateway.send(&parcel, &line);
                (tokio::time::timeout(self.timeout, sending).await, "the gateway did not answer in time")
            }
        };
        sending.unwrap_or_else(|_| Err(SendError::failed(late)))
    }
}

fn wrong(place: &str, key: &str, message: impl Into<String>) -> Problem {
    Problem {
        place: Place::Setting(format!("{place}.{key}")),
        message: message.into(),
        remedy: format!("correct {key}; docs/settings.md has every key"),
    }
}

fn sender_of(channel: &ChannelSettings, place: &str) -> Result<Sender, Problem> {
    let from = channel.from.as_deref().unwrap_or_default().parse::<Mailbox>();
    let mut from = from.map_err(|_| wrong(place, "from", "the sender is no address"))?;
    if !from.email.domain().is_ascii() {
        // As every server takes it; the name beside the address may be anything.
        from.email = target::address(from.email.as_ref()).map_err(|error| wrong(place, "from", error.to_string()))?;
    }
    Ok(Sender { from, subject_prefix: channel.subject_prefix.clone().unwrap_or_default() })
}

fn server_of(
    settings: &Settings,
    channel: &ChannelSettings,
    place: &str,
    config_directory: &Path,
) -> Result<Server, Problem> {
    let host = channel.host.as_deref().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let secret = secret::of_channel(channel, place, config_directory)?;
    let secrets = secret::forms(secret.as_ref(), channel.user.as_deref());
    let credentials = channel.user.clone().zip(secret);
    let credentials = credentials.map(|(user, secret)| Credentials::new(user, secret.expose_secret().to_owned()));
    let encryption = channel.encryption.unwrap_or(Encryption::Starttls);
    let (encryption, usual_port) = if encryption == Encryption::None {
        (ServerEncryption::None, 25)
    } else {
        let trust = trust_of(channel, place, config_directory)?;
        let parameters = trust.for_smtp(&host).map_err(|error| wrong(place, "ca_file", error.to_string()))?;
        match encryption {
            Encryption::Tls => (ServerEncryption::Tls(parameters), 465),
            _ => (ServerEncryption::Starttls(parameters), 587),
        }
    };
    // RFC 5321 section 4.1.4 wants the client's name, or its address where it has none.
    let hello = match settings.public_url.as_ref().and_then(url::Url::domain) {
        Some(domain) => ClientId::Domain(domain.to_owned()),
        None => ClientId::Ipv4(std::net::Ipv4Addr::LOCALHOST),
    };
    Ok(Server { host, port: channel.port.unwrap_or(usual_port), encryption, credentials, hello, secrets })
}

fn trust_of(channel: &ChannelSettings, place: &str, config_directory: &Path) -> Result<Trust, Problem> {
    let Some(file) = &channel.ca_file else { return Ok(Trust::of_machine()) };
    let path = config_directory.join(file);
    let wrong = |message: String| Problem {
        place: Place::Setting(format!("{place}.ca_file")),
        message: format!("{}: {message}", path.display()),
        remedy: "put the certificate of the authority there, in PEM form".to_owned(),
    };
    let pem = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
    Trust::of_pem(&pem).map_err(|error| wrong(error.to_string()))
}
