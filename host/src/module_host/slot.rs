//! The slots of a worker: one way there and one back each, one call in flight on each. A frame is a four-byte length and
//! bytes.

use std::{
    io::{self, PipeReader, PipeWriter},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rustix::{io::Errno, net::RecvFlags};
use tokio::{net::unix::pipe, sync::Semaphore};

/// What a worker gets for each slot.
pub(super) const DESCRIPTORS_PER_SLOT: usize = 2;
const PREFIX_BYTES: usize = 4;
const FIRST_READ_BYTES: usize = 4096;
/// A module that only computes answers sooner than a thread could turn to another task and back, so its answer is
/// waited for in place this long, rounded up to the kernel's tick: a finer timer costs more than the answer. The thread
/// sleeps meanwhile and leaves its processor to the worker.
const WAIT_IN_PLACE: Duration = Duration::from_millis(1);
/// After an answer that took longer, this many calls of the worker are not waited for in place.
const CALLS_AFTER_A_SLOW_ONE: u32 = 64;

/// The host's end of one slot. The runtime hears of it only while a slow answer is waited for.
pub(super) struct Slot {
    pub number: u8,
    end: NearEnd,
}

/// Where the host writes requests, which waits for nothing, and reads replies, which waits no longer than it may in place.
///
/// Requests go through a pipe, whose reader is woken by a request alone: who sleeps on a socket is also woken when the other
/// side has read what it wrote. Replies go through a socket, because no read of a pipe can end by the kernel's tick.
pub(super) struct NearEnd {
    requests: PipeWriter,
    replies: UnixStream,
}

/// The worker's end of one slot.
pub(super) struct FarEnd {
    pub requests: PipeReader,
    pub replies: UnixStream,
}

/// Both ends of a slot. They close when another program is executed.
pub(super) fn ends() -> io::Result<(NearEnd, FarEnd)> {
    let (far_requests, requests) = io::pipe()?;
    rustix::io::ioctl_fionbio(&requests, true)?;
    let (replies, far_replies) = UnixStream::pair()?;
    replies.set_read_timeout(Some(WAIT_IN_PLACE))?;
    Ok((NearEnd { requests, replies }, FarEnd { requests: far_requests, replies: far_replies }))
}

impl FarEnd {
    /// In the order in which a worker gets them.
    pub(super) fn descriptors(&self) -> [BorrowedFd<'_>; DESCRIPTORS_PER_SLOT] {
        [self.requests.as_fd(), self.replies.as_fd()]
    }
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

    /// Of a worker that is gone the pipe says so by an error: a Rust program ignores the signal for it.
    async fn send(&self, mut frame: &[u8]) -> io::Result<()> {
        while !frame.is_empty() {
            match rustix::io::write(&self.end.requests, frame) {
                Ok(sent) => frame = &frame[sent..],
                Err(Errno::AGAIN) => self.room_for_more().await?,
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
        match rustix::net::recv(&self.end.replies, rustix::buffer::spare_capacity(reply), RecvFlags::empty()) {
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
            match rustix::net::recv(&self.end.replies, into, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.more_to_read().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Lets the thread go on with other tasks until the worker has read some of a long request.
    async fn room_for_more(&self) -> io::Result<()> {
        let requests = pipe::Sender::from_owned_fd(self.end.requests.try_clone()?.into())?;
        requests.writable().await
    }

    /// Lets the thread go on with other tasks until the worker has written.
    async fn more_to_read(&self) -> io::Result<()> {
        let replies = self.end.replies.try_clone()?;
        replies.set_nonblocking(true)?;
        tokio::net::UnixStream::from_std(replies)?.readable().await?;
        self.end.replies.set_nonblocking(false)
    }

    /// Bytes beyond a reply would answer the next call, so they break the slot, as does an end of the worker.
    fn expect_silence(&self) -> io::Result<()> {
        match rustix::net::recv(&self.end.replies, &mut [0; 1], RecvFlags::DONTWAIT) {
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
    pub(super) fn new(ends: Vec<NearEnd>) -> Self {
        let free: Vec<Slot> = (0..).zip(ends).map(|(number, end)| Slot { number, end }).collect();
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
pub(super) mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{super::control::frame, *};

    /// The far end, without a process.
    pub struct Worker {
        pub requests: pipe::Receiver,
        pub replies: tokio::net::UnixStream,
    }

    impl Worker {
        pub fn new(end: FarEnd) -> Self {
            end.replies.set_nonblocking(true).unwrap();
            Self {
                requests: pipe::Receiver::from_owned_fd(end.requests.into()).unwrap(),
                replies: tokio::net::UnixStream::from_std(end.replies).unwrap(),
            }
        }

        /// The next request.
        pub async fn request(&mut self) -> Vec<u8> {
            let length = self.requests.read_u32().await.unwrap();
            let mut request = vec![0; length as usize];
            self.requests.read_exact(&mut request).await.unwrap();
            request
        }

        pub async fn reply(&mut self, reply: &[u8]) {
            self.replies.write_all(&frame(reply)).await.unwrap();
        }
    }

    fn slot() -> (Slot, Worker) {
        let (end, far_end) = ends().unwrap();
        (Slot { number: 0, end }, Worker::new(far_end))
    }

    async fn asked(slot: &mut Slot, reply_bytes_max: usize) -> Result<Vec<u8>, ExchangeError> {
        slot.exchange(&frame(b"ask"), reply_bytes_max, &Pace::default()).await
    }

    #[tokio::test]
    async fn a_reply_is_read_whole_and_bounded() {
        let (mut slot, mut worker) = slot();
        let exchange = asked(&mut slot, 5);
        let answer = async {
            assert_eq!(worker.request().await, b"ask");
            worker.reply(b"reply").await;
        };
        assert_eq!(tokio::join!(exchange, answer).0.unwrap(), b"reply");
        // Only the length of a reply that is too long is sent, and nothing is allocated for it.
        let answer = worker.replies.write_all(&[0xff; 4]);
        let error = tokio::join!(asked(&mut slot, 5), answer).0.unwrap_err();
        assert!(matches!(error, ExchangeError::TooLong(4_294_967_295) | ExchangeError::Broken { .. }));
    }

    #[tokio::test]
    async fn a_request_longer_than_the_pipe_arrives_whole() {
        let (mut slot, mut worker) = slot();
        let long = vec![b'a'; 300_000];
        let answer = async {
            let request = worker.request().await;
            worker.reply(b"reply").await;
            request
        };
        let ask = frame(&long);
        let pace = Pace::default();
        let (reply, request) = tokio::join!(slot.exchange(&ask, 5, &pace), answer);
        assert_eq!((reply.unwrap(), request), (b"reply".to_vec(), long));
    }

    #[tokio::test]
    async fn an_answer_nobody_asked_for_breaks_the_slot() {
        let (mut slot, mut worker) = slot();
        worker.reply(b"yes").await;
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
        let (end, _far_end) = ends().unwrap();
        let slots = Slots::new(vec![end]);
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
            worker.request().await;
            worker.reply(b"late").await;
        };
        // On one thread the answer cannot come before the wait in place is over.
        let ask = frame(b"ask");
        assert_eq!(tokio::join!(slot.exchange(&ask, 5, &pace), answer).0.unwrap(), b"late");
        assert_eq!((0..=CALLS_AFTER_A_SLOW_ONE).filter(|_| pace.is_quick()).count(), 1);
    }
}
