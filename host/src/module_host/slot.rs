//! The slots of a worker: one socket pair each, one call in flight on each. A frame is a four-byte length and bytes.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use rustix::{io::Errno, net::RecvFlags};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::Semaphore,
};

const PREFIX_BYTES: usize = 4;
const FIRST_READ_BYTES: usize = 4096;

/// The host's end of one slot.
pub(super) struct Slot {
    pub number: u8,
    socket: UnixStream,
}

/// Why an exchange has no reply.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// Announced but not sent: the reply would be this long.
    TooLong(usize),
    /// The socket ended or carried bytes nobody asked for: the worker is not to be trusted with another call. A
    /// request that was not sent cannot be what broke it.
    Broken { sent: bool, error: io::Error },
}

impl Slot {
    /// One call: sends a framed request and reads one reply of at most `reply_bytes_max`.
    pub(super) async fn exchange(&mut self, frame: &[u8], reply_bytes_max: usize) -> Result<Vec<u8>, ExchangeError> {
        self.expect_silence().map_err(|error| ExchangeError::Broken { sent: false, error })?;
        self.socket.write_all(frame).await?;
        // Most replies arrive whole with the first read.
        let mut reply = Vec::with_capacity(FIRST_READ_BYTES);
        self.read_until(&mut reply, PREFIX_BYTES).await?;
        let prefix = [reply[0], reply[1], reply[2], reply[3]];
        let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
        if length > reply_bytes_max {
            return Err(ExchangeError::TooLong(length));
        }
        let end = PREFIX_BYTES + length;
        reply.reserve_exact(end.saturating_sub(reply.len()));
        self.read_until(&mut reply, end).await?;
        if reply.len() > end {
            return Err(more_than_a_reply().into());
        }
        reply.drain(..PREFIX_BYTES);
        Ok(reply)
    }

    async fn read_until(&mut self, reply: &mut Vec<u8>, length: usize) -> io::Result<()> {
        while reply.len() < length {
            if self.socket.read_buf(reply).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Bytes beyond a reply would answer the next call, so they break the slot, as does an end of the worker. Asks the
    /// system itself: the runtime may not have heard of them yet.
    fn expect_silence(&self) -> io::Result<()> {
        match rustix::net::recv(&self.socket, &mut [0; 1], RecvFlags::DONTWAIT) {
            Err(Errno::WOULDBLOCK) => Ok(()),
            Ok((_, 0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Err(more_than_a_reply()),
            Err(error) => Err(error.into()),
        }
    }
}

fn more_than_a_reply() -> io::Error {
    io::Error::other("the worker wrote more than a reply")
}

impl From<io::Error> for ExchangeError {
    fn from(error: io::Error) -> Self {
        Self::Broken { sent: true, error }
    }
}

/// All slots of one worker; who wants one waits in order.
pub(super) struct Slots {
    free: Mutex<Vec<Slot>>,
    permits: Semaphore,
}

impl Slots {
    pub(super) fn new(sockets: Vec<UnixStream>) -> Self {
        let free: Vec<Slot> = (0..).zip(sockets).map(|(number, socket)| Slot { number, socket }).collect();
        Self { permits: Semaphore::new(free.len()), free: Mutex::new(free) }
    }

    /// The next free slot; none once the worker has ended.
    pub(super) async fn take(&self) -> Option<Slot> {
        self.permits.acquire().await.ok()?.forget();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Gives a slot back whose exchange is complete. A slot not given back is lost with its worker.
    pub(super) fn put(&self, slot: Slot) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
        self.permits.add_permits(1);
    }

    /// Nobody gets a slot any more, and who waits learns it.
    pub(super) fn close(&self) {
        self.permits.close();
    }
}

#[cfg(test)]
mod tests {
    use super::{super::control::frame, *};

    fn slot() -> (Slot, UnixStream) {
        let (host, worker) = UnixStream::pair().unwrap();
        (Slot { number: 0, socket: host }, worker)
    }

    #[tokio::test]
    async fn a_reply_is_read_whole_and_bounded() {
        let (mut slot, mut worker) = slot();
        let ask = frame(b"ask");
        let exchange = slot.exchange(&ask, 5);
        let answer = async {
            let mut request = [0; 7];
            worker.read_exact(&mut request).await.unwrap();
            worker.write_all(&frame(b"reply")).await.unwrap();
        };
        assert_eq!(tokio::join!(exchange, answer).0.unwrap(), b"reply");
        // Only the length of a reply that is too long is sent, and nothing is allocated for it.
        let answer = worker.write_all(&[0xff; 4]);
        let error = tokio::join!(slot.exchange(&ask, 5), answer).0.unwrap_err();
        assert!(matches!(error, ExchangeError::TooLong(4_294_967_295) | ExchangeError::Broken { .. }));
    }

    #[tokio::test]
    async fn an_answer_nobody_asked_for_breaks_the_slot() {
        let (mut slot, mut worker) = slot();
        worker.write_all(&frame(b"yes")).await.unwrap();
        slot.socket.readable().await.unwrap();
        let error = slot.exchange(&frame(b"ask"), 5).await.unwrap_err();
        assert!(matches!(error, ExchangeError::Broken { sent: false, .. }), "{error:?}");
    }

    #[tokio::test]
    async fn an_ended_worker_breaks_the_slot() {
        let (mut slot, worker) = slot();
        drop(worker);
        assert!(matches!(slot.exchange(&frame(b"ask"), 5).await, Err(ExchangeError::Broken { .. })));
    }

    #[tokio::test]
    async fn who_waits_for_a_slot_learns_of_the_end() {
        let (host, _worker) = UnixStream::pair().unwrap();
        let slots = Slots::new(vec![host]);
        let taken = slots.take().await.unwrap();
        let (waiting, ()) = tokio::join!(slots.take(), async { slots.close() });
        assert!(waiting.is_none());
        slots.put(taken);
        assert!(slots.take().await.is_none());
    }
}
