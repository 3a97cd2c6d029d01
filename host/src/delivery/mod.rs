//! From a message to the person it is for: words, a channel, and what the other side said. This room knows neither the
//! store nor the flow: who may be written to, how often, and what happens after a failure is decided there.

mod channel;
mod compose;
mod connections;
mod contract;
mod gateway;
mod outbox;
mod post;
mod room;
mod secret;
mod smtp;
mod target;
mod templates;
mod values;

pub use contract::{Message, MessageId, Parcel, SendError, Told};
pub use outbox::OutboxMessage;
pub use room::{ChannelState, Delivery};
pub use target::TargetError;
pub use templates::{TEMPLATES, TemplateKind};
pub use values::one_line;

pub use crate::words::{Place, Problem};
