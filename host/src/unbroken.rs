//! Work that is never left in the middle: whoever waits for it may go away, and it goes on by itself.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Handle;

/// Runs where it is awaited, without a task of its own, and becomes one only if it is dropped unfinished.
pub(crate) struct Unbroken<T: Send + 'static>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T: Send + 'static> Unbroken<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<T: Send + 'static> Future for Unbroken<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Out of its place while it runs: what panics must not be run on.
        let mut work = self.0.take().expect("a future is not polled after its end");
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Unbroken<T> {
    fn drop(&mut self) {
        // Without a runtime the host has ended, and the workers end with it.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{sync::oneshot, time::timeout};

    use super::*;

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits_any_more() {
        let (begin, begun) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let mut work = Unbroken::new(async move {
            let word: &str = begun.await.unwrap();
            end.send(word).unwrap();
        });
        assert!(timeout(Duration::ZERO, &mut work).await.is_err(), "it waits for its beginning");
        drop(work);
        begin.send("done").unwrap();
        assert_eq!(ended.await.unwrap(), "done");
        assert_eq!(Unbroken::new(async { 7 }).await, 7);
    }
}
