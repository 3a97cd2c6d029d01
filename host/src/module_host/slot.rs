//! The slots of a worker: one socket pair each, one call in flight on each. A frame is a four-byte length and bytes.

use std::{
    io,
    os::unix::net::UnixStream,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags},
};
use tokio::{io::Interest, sync::Semaphore};

const PREFIX_BYTES: usize = 4;
const FIRST_READ_BYTES: usize = 4096;
/// A module that only computes answers sooner than a thread could turn to another task and back, so its answer is
/// waited for in place this long, rounded up to the kernel's tick: a finer timer costs more than the answer. The thread
/// sleeps meanwhile and leaves its processor to the worker.
const WAIT_IN_PLACE: Duration = Duration::from_millis(1);
/// After an answer that took longer, this many calls of the worker are not waited for in place.
const CALLS_AFTER_A_SLOW_ONE: u32 = 64;

/// The host's end of one slot. The runtime hears of its socket only while a slow answer is waited for.
pub(super) struct Slot {
    pub number: u8,
    socket: UnixStream,
}

/// The host's end of a socket pair, as a slot needs it: no read on it waits longer than it may in place.
pub(super) fn host_end(socket: UnixStream) -> io::Result<UnixStream> {
    socket.set_read_timeout(Some(WAIT_IN_PLACE))?;
    Ok(socket)
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

/// How fast the module of these slots has been.
#[derive(Default)]
pub(super) struct Pace {
    /// So many calls are not waited for in place.
    slow_for: AtomicU32,
}

impl Slot {
    /// One call: sends a framed request and reads one reply of at most `reply_bytes_max`.
    pub(super) async fn exchange(
        &mut self,
        frame: &[u8],
        reply_bytes_max: usize,
        pace: &Pace,
    ) -> Result<Vec<u8>, ExchangeError> {
        self.expect_silence().map_err(|error| ExchangeError::Broken { sent: false, error })?;
        self.send(frame).await?;
        // Most replies arrive whole with the first read.
        let mut reply = Vec::with_capacity(FIRST_READ_BYTES);
        self.read_in_place(&mut reply, pace)?;
        self.read_until(&mut reply, PREFIX_BYTES).await?;
        let prefix = [reply[0], reply[1], reply[2], reply[3]];
        let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
        if length > reply_bytes_max {
            return Err(ExchangeError::TooLong(length));
        }
        let end = PREFIX_BYTES + length;
        // One byte more than is due, to see what nobody asked for.
        reply.reserve_exact((end + 1).saturating_sub(reply.len()));
        self.read_until(&mut reply, end).await?;
        if reply.len() > end {
            return Err(more_than_a_reply().into());
        }
        reply.drain(..PREFIX_BYTES);
        Ok(reply)
    }

    async fn send(&self, mut frame: &[u8]) -> io::Result<()> {
        while !frame.is_empty() {
            match rustix::net::send(&self.socket, frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) => frame = &frame[sent..],
                Err(Errno::AGAIN) => self.ready_for(Interest::WRITABLE).await?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// What of the reply comes within the wait in place; nothing if the module is slow.
    fn read_in_place(&self, reply: &mut Vec<u8>, pace: &Pace) -> io::Result<()> {
        if !pace.is_quick() {
            return Ok(());
        }
        match rustix::net::recv(&self.socket, rustix::buffer::spare_capacity(reply), RecvFlags::empty()) {
            Ok((_, 0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(Errno::AGAIN) => {
                pace.was_slow();
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn read_until(&self, reply: &mut Vec<u8>, length: usize) -> io::Result<()> {
        while reply.len() < length {
            let into = rustix::buffer::spare_capacity(reply);
            match rustix::net::recv(&self.socket, into, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.ready_for(Interest::READABLE).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Lets the thread go on with other tasks until the socket is ready.
    async fn ready_for(&self, interest: Interest) -> io::Result<()> {
        let socket = self.socket.try_clone()?;
        socket.set_nonblocking(true)?;
        tokio::net::UnixStream::from_std(socket)?.ready(interest).await?;
        self.socket.set_nonblocking(false)
    }

    /// Bytes beyond a reply would answer the next call, so they break the slot, as does an end of the worker.
    fn expect_silence(&self) -> io::Result<()> {
        match rustix::net::recv(&self.socket, &mut [0; 1], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN) => Ok(()),
            Ok((_, 0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Err(more_than_a_reply()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Pace {
    fn is_quick(&self) -> bool {
        // Calls that race here may miss one another's step; it is a rule of thumb.
        match self.slow_for.load(Ordering::Relaxed) {
            0 => true,
            left => {
                self.slow_for.store(left - 1, Ordering::Relaxed);
                false
            }
        }
    }

    fn was_slow(&self) {
        self.slow_for.store(CALLS_AFTER_A_SLOW_ONE, Ordering::Relaxed);
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
    pub pace: Pace,
}

impl Slots {
    pub(super) fn new(sockets: Vec<UnixStream>) -> Self {
        let free: Vec<Slot> = (0..).zip(sockets).map(|(number, socket)| Slot { number, socket }).collect();
        Self { permits: Semaphore::new(free.len()), free: Mutex::new(free), pace: Pace::default() }
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{super::control::frame, *};

    type Worker = tokio::net::UnixStream;

    fn slot() -> (Slot, Worker) {
        let (host, worker) = UnixStream::pair().unwrap();
        worker.set_nonblocking(true).unwrap();
        (Slot { number: 0, socket: host_end(host).unwrap() }, Worker::from_std(worker).unwrap())
    }

    async fn asked(slot: &mut Slot, reply_bytes_max: usize) -> Result<Vec<u8>, ExchangeError> {
        slot.exchange(&frame(b"ask"), reply_bytes_max, &Pace::default()).await
    }

    #[tokio::test]
    async fn a_reply_is_read_whole_and_bounded() {
        let (mut slot, mut worker) = slot();
        let exchange = asked(&mut slot, 5);
        let answer = async {
            let mut request = [0; 7];
            worker.read_exact(&mut request).await.unwrap();
            worker.write_all(&frame(b"reply")).await.unwrap();
        };
        assert_eq!(tokio::join!(exchange, answer).0.unwrap(), b"reply");
        // Only the length of a reply that is too long is sent, and nothing is allocated for it.
        let answer = worker.write_all(&[0xff; 4]);
        let error = tokio::join!(asked(&mut slot, 5), answer).0.unwrap_err();
        assert!(matches!(error, ExchangeError::TooLong(4_294_967_295) | ExchangeError::Broken { .. }));
    }

    #[tokio::test]
    async fn an_answer_nobody_asked_for_breaks_the_slot() {
        let (mut slot, mut worker) = slot();
        worker.write_all(&frame(b"yes")).await.unwrap();
        let error = asked(&mut slot, 5).await.unwrap_err();
        assert!(matches!(error, ExchangeError::Broken { sent: false, .. }), "{error:?}");
    }

    #[tokio::test]
    async fn an_ended_worker_breaks_the_slot() {
        let (mut slot, worker) = slot();
        drop(worker);
        assert!(matches!(asked(&mut slot, 5).await, Err(ExchangeError::Broken { .. })));
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

    #[tokio::test]
    async fn a_slow_module_is_not_waited_for_in_place_for_a_while() {
        let (mut slot, mut worker) = slot();
        let pace = Pace::default();
        let answer = async {
            worker.readable().await.unwrap();
            worker.write_all(&frame(b"late")).await.unwrap();
        };
        // On one thread the answer cannot come before the wait in place is over.
        let ask = frame(b"ask");
        assert_eq!(tokio::join!(slot.exchange(&ask, 5, &pace), answer).0.unwrap(), b"late");
        assert_eq!((0..=CALLS_AFTER_A_SLOW_ONE).filter(|_| pace.is_quick()).count(), 1);
    }
}
