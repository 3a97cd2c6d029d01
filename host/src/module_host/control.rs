//! What supervisor and worker say to each other beside the calls: one order with descriptors, one answer to it, and
//! after that a single byte, the slot in whose call the worker is about to die.

use std::{
    io::{self, IoSlice, IoSliceMut, Read},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use super::slot::DESCRIPTORS_PER_SLOT;

/// More than one socket buffer must never be needed: the order is sent before the worker lives.
pub(super) const ORDER_BYTES_MAX: usize = 64 * 1024;
/// Room for most requests.
const FRAME_BYTES_USUAL: usize = 1024;
/// Largest answer to the order; a description carries all translations.
pub(super) const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Largest request; the host writes it, so this only keeps a torn frame from being believed.
pub(super) const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Descriptors one message can carry are 253; the image is one of them.
pub(super) const SLOTS_MAX: usize = 64;

/// What a worker is to do. The image and the two ways of each slot come with it as descriptors.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The host's process; a worker whose parent is another one has lost its host.
    pub host_process: u32,
    /// The module's configuration as JSON; none to describe it only.
    pub config: Option<String>,
    pub memory_mib_max: u64,
    pub reply_bytes_max: usize,
    pub slots: usize,
}

/// A worker's answer to its order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    /// It serves; the text is the module's own description, not yet believed.
    Ready(String),
    Refused {
        reason: String,
        remedy: String,
    },
}

/// Sends the order with its descriptors. Never blocks: it fits into the socket's buffer.
pub(super) fn send_order(socket: &UnixStream, order: &Order, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let json = serde_json::to_vec(order)?;
    if json.len() > ORDER_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "its configuration is larger than 64 KiB"));
    }
    let frame = frame(&json);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SLOTS_MAX * DESCRIPTORS_PER_SLOT + 1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many slots"));
    }
    let sent = sendmsg(socket, &[IoSlice::new(&frame)], &mut ancillary, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    if sent == frame.len() { Ok(()) } else { Err(io::Error::new(io::ErrorKind::WriteZero, "the order was cut off")) }
}

/// Receives the order and its descriptors, which close when another program is executed.
pub(super) fn receive_order(socket: impl AsFd + Read) -> io::Result<(Order, Vec<OwnedFd>)> {
    let mut socket = socket;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SLOTS_MAX * DESCRIPTORS_PER_SLOT + 1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut prefix = [0; 4];
    let mut pieces = [IoSliceMut::new(&mut prefix)];
    let received = recvmsg(socket.as_fd(), &mut pieces, &mut ancillary, RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL)?;
    let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if received.bytes != prefix.len() || length > ORDER_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no order came"));
    }
    let descriptors = ancillary
        .drain()
        .filter_map(|message| if let RecvAncillaryMessage::ScmRights(rights) = message { Some(rights) } else { None })
        .flatten()
        .collect();
    let mut json = vec![0; length];
    socket.read_exact(&mut json)?;
    Ok((serde_json::from_slice(&json)?, descriptors))
}

/// Bytes behind their length, four bytes in network order.
pub(super) fn frame(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(4 + bytes.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(bytes);
    frame
}

/// The JSON of a value, framed.
pub(super) fn framed_json(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut frame = Vec::with_capacity(FRAME_BYTES_USUAL);
    frame.extend_from_slice(&[0; 4]);
    serde_json::to_writer(&mut frame, value)?;
    let length = u32::try_from(frame.len() - 4).unwrap_or(u32::MAX);
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_framed_as_any_bytes_are() {
        let value = serde_json::json!({"text": "x".repeat(2000)});
        assert_eq!(framed_json(&value).unwrap(), frame(&serde_json::to_vec(&value).unwrap()));
    }

    #[test]
    fn order_and_descriptors_arrive_together() {
        let (host, worker) = UnixStream::pair().unwrap();
        let (slot, far_end) = UnixStream::pair().unwrap();
        let config = Some("{\"text\":\"".to_owned() + &"x".repeat(50_000) + "\"}");
        let order = Order { host_process: 1, config, memory_mib_max: 2, reply_bytes_max: 3, slots: 1 };
        send_order(&host, &order, &[far_end.as_fd()]).unwrap();
        drop(far_end);
        let (received, mut descriptors) = receive_order(&worker).unwrap();
        assert_eq!((received.config, received.slots, descriptors.len()), (order.config, 1, 1));
        io::Write::write_all(&mut UnixStream::from(descriptors.remove(0)), b"ok").unwrap();
        let mut answer = [0; 2];
        (&slot).read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"ok");
    }

    #[test]
    fn an_order_too_large_is_not_sent() {
        let (host, worker) = UnixStream::pair().unwrap();
        let config = Some("x".repeat(ORDER_BYTES_MAX));
        let order = Order { host_process: 1, config, memory_mib_max: 2, reply_bytes_max: 3, slots: 1 };
        assert!(send_order(&host, &order, &[]).is_err());
        drop(host);
        assert!(receive_order(&worker).is_err(), "nothing may have been sent");
    }
}
