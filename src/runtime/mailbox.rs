//! Hand-over from other threads to a reactor, which is woken only if it sleeps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

/// Wakes a reactor; shared by all its mailboxes.
#[derive(Default)]
pub struct Waker {
    reactor: OnceLock<Thread>,
    sleeps: AtomicBool,
}

impl Waker {
    /// A waker for the thread that will call [`Waker::sleep`].
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Wakes the reactor if it sleeps.
    pub fn wake(&self) {
        // A futex wake costs 6 µs, this load nothing: most messages come while the reactor is awake.
        if self.sleeps.load(Ordering::SeqCst)
            && self.sleeps.swap(false, Ordering::SeqCst)
            && let Some(reactor) = self.reactor.get()
        {
            reactor.unpark();
        }
    }

    /// Sleeps until woken, at most for `limit`; not at all if `ready` says that there is something to do.
    ///
    /// Of the two, one always sees the other: the sender pushes, then looks whether the reactor sleeps; the reactor
    /// says that it sleeps, then looks (`ready`) whether something was pushed.
    pub fn sleep(&self, limit: Duration, ready: impl FnOnce() -> bool) {
        self.reactor.get_or_init(thread::current);
        self.sleeps.store(true, Ordering::SeqCst);
        if !ready() {
            thread::park_timeout(limit);
        }
        self.sleeps.store(false, Ordering::SeqCst);
    }
}

/// A queue from any thread to one reactor.
pub struct Mailbox<T> {
    queue: Mutex<Vec<T>>,
    waker: Arc<Waker>,
}

impl<T> Mailbox<T> {
    /// A mailbox of the reactor that sleeps on `waker`.
    pub fn new(waker: Arc<Waker>) -> Arc<Self> {
        Arc::new(Mailbox { queue: Mutex::new(Vec::new()), waker })
    }

    fn queue(&self) -> MutexGuard<'_, Vec<T>> {
        // a push cannot panic half way, so a poisoned queue is whole
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands `message` over.
    pub fn push(&self, message: T) {
        let was_empty = {
            let mut queue = self.queue();
            queue.push(message);
            queue.len() == 1
        };
        if was_empty {
            self.waker.wake();
        }
    }

    /// Hands several over at once.
    pub fn extend(&self, messages: impl IntoIterator<Item = T>) {
        self.queue().extend(messages);
        self.waker.wake();
    }

    /// Swaps the queue with `into`, which is empty: the buffers go back and forth and are not allocated again.
    pub fn drain(&self, into: &mut Vec<T>) {
        std::mem::swap(&mut *self.queue(), into);
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.queue().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_before_the_sleep_is_not_slept_over() {
        let waker = Waker::new();
        let mailbox = Mailbox::new(waker.clone());
        mailbox.push(1);
        // would sleep for ever if the push were missed
        waker.sleep(Duration::MAX, || !mailbox.is_empty());
        let mut got = Vec::new();
        mailbox.drain(&mut got);
        assert_eq!(got, [1]);
    }

    #[test]
    fn ten_thousand_messages_from_two_threads_wake_a_sleeping_reader() {
        let waker = Waker::new();
        let mailbox = Mailbox::new(waker.clone());
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..5_000).for_each(|n| mailbox.push(n)));
            }
            let (mut got, mut batch) = (0, Vec::new());
            while got < 10_000 {
                mailbox.drain(&mut batch);
                got += batch.len();
                if batch.is_empty() {
                    waker.sleep(Duration::MAX, || !mailbox.is_empty());
                }
                batch.clear();
            }
        });
    }
}
