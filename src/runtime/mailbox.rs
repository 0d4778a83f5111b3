//! Hand-over from other threads to a reactor, which is woken only if it sleeps.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

/// Wakes whoever sleeps for a reactor; shared by all its mailboxes.
#[derive(Debug, Default)]
pub(crate) struct Waker {
    /// Somebody may sleep.
    sleeps: AtomicBool,
    /// How often they were woken.
    wakes: Mutex<u64>,
    woken: Condvar,
    /// The reactor's own thread, once it has rested.
    own: OnceLock<Thread>,
    /// The reactor's own thread rests.
    rests: AtomicBool,
}

impl Waker {
    /// A waker for the threads that will call [`Waker::sleep`]: the reactor's own, and one that turns it meanwhile.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Rests, for the reactor's own thread: no message ends that, only [`Waker::rouse`] or the end of `limit`; not at
    /// all if `ready`, which is asked when `rouse` sees the thread already. True if it was roused.
    pub(crate) fn rest(&self, limit: Option<Duration>, ready: impl FnOnce() -> bool) -> bool {
        self.own.get_or_init(thread::current);
        self.rests.store(true, Ordering::SeqCst);
        match limit {
            _ if ready() => {}
            Some(limit) => thread::park_timeout(limit),
            None => thread::park(),
        }
        !self.rests.swap(false, Ordering::SeqCst)
    }

    /// Ends the rest of the reactor's own thread.
    pub(crate) fn rouse(&self) {
        if self.rests.load(Ordering::SeqCst)
            && self.rests.swap(false, Ordering::SeqCst)
            && let Some(own) = self.own.get()
        {
            own.unpark();
        }
    }

    /// Wakes all that sleep.
    pub(crate) fn wake(&self) {
        // A futex wake costs 6 µs, this load nothing: most messages come while the reactor is awake.
        if self.sleeps.load(Ordering::SeqCst) && self.sleeps.swap(false, Ordering::SeqCst) {
            *self.wakes.lock() += 1;
            self.woken.notify_all();
        }
    }

    /// Sleeps until woken, at most for `limit`; not at all if `ready` says that there is something to do.
    ///
    /// Of the two, one always sees the other: the sender pushes, then looks whether somebody sleeps; the sleeper
    /// says that it sleeps, then looks (`ready`) whether something was pushed.
    pub(crate) fn sleep(&self, limit: Duration, ready: impl FnOnce() -> bool) {
        let before = *self.wakes.lock();
        self.sleeps.store(true, Ordering::SeqCst);
        if !ready() {
            let asleep = |wakes: &mut u64| *wakes == before;
            self.woken.wait_while_for(&mut self.wakes.lock(), asleep, limit);
        }
        // still said to sleep: another one may, and a wake that finds nobody costs little
    }
}

/// How long a sender waits for room. After that it pushes nonetheless, until the queue has been drained: the reactor
/// may be busy with a task that waits for this very sender.
const PATIENCE: Duration = Duration::from_millis(10);

/// Messages in a row with which a sender that could turn the reactor is believed to have better things to do: then they
/// are worth the wake-up of a reactor's own thread that rests.
const BURST: usize = 32;

/// A queue from any thread to one reactor.
pub(crate) struct Mailbox<T> {
    queue: Mutex<MailboxQueue<T>>,
    /// Told when there is room again.
    room: Condvar,
    /// Messages from which on senders wait.
    limit: usize,
    patience: Duration,
    waker: Arc<Waker>,
}

struct MailboxQueue<T> {
    messages: Vec<T>,
    /// Senders that wait for room.
    waiting: usize,
    /// A sender has waited in vain since the queue was drained.
    overdue: bool,
}

impl<T> Mailbox<T> {
    /// A mailbox of the reactor that sleeps on `waker`.
    pub(crate) fn new(waker: Arc<Waker>) -> Arc<Self> {
        Self::bounded(waker, usize::MAX)
    }

    /// A mailbox whose senders wait while more than `limit` messages are queued: a queue costs memory, and what has
    /// left the processor's cache before it is read costs time.
    pub(crate) fn bounded(waker: Arc<Waker>, limit: usize) -> Arc<Self> {
        Self::patient(waker, limit, PATIENCE)
    }

    fn patient(waker: Arc<Waker>, limit: usize, patience: Duration) -> Arc<Self> {
        let queue = MailboxQueue { messages: Vec::new(), waiting: 0, overdue: false };
        Arc::new(Mailbox { queue: Mutex::new(queue), room: Condvar::new(), limit, patience, waker })
    }

    /// The queue, as soon as there is room in it.
    fn queue_with_room(&self) -> MutexGuard<'_, MailboxQueue<T>> {
        let mut queue = self.queue.lock();
        if queue.messages.len() < self.limit || queue.overdue {
            return queue;
        }
        queue.waiting += 1;
        let full = |queue: &mut MailboxQueue<T>| queue.messages.len() >= self.limit && !queue.overdue;
        let outcome = self.room.wait_while_for(&mut queue, full, self.patience);
        queue.waiting -= 1;
        queue.overdue |= outcome.timed_out();
        queue
    }

    /// Hands `message` over.
    pub(crate) fn push(&self, message: T) {
        let queued = {
            let mut queue = self.queue_with_room();
            queue.messages.push(message);
            queue.messages.len()
        };
        self.waker.wake();
        if queued == BURST {
            self.waker.rouse();
        }
    }

    /// Hands `message` over to whoever looks next, and wakes nobody.
    pub(crate) fn push_quietly(&self, message: T) {
        self.queue_with_room().messages.push(message);
    }

    /// Wakes whoever sleeps for the reactor.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Hands several over at once.
    pub(crate) fn extend(&self, messages: impl IntoIterator<Item = T>) {
        let (before, queued) = {
            let mut queue = self.queue_with_room();
            let before = queue.messages.len();
            queue.messages.extend(messages);
            (before, queue.messages.len())
        };
        self.waker.wake();
        if before < BURST && queued >= BURST {
            self.waker.rouse();
        }
    }

    /// Swaps the queue with `into`, which is empty: the buffers go back and forth and are not allocated again.
    pub(crate) fn drain(&self, into: &mut Vec<T>) {
        let mut queue = self.queue.lock();
        std::mem::swap(&mut queue.messages, into);
        queue.overdue = false;
        if queue.waiting > 0 {
            self.room.notify_all();
        }
    }

    /// Whether nothing is queued.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.lock().messages.is_empty()
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
    #[test]
    fn a_burst_of_messages_ends_a_rest() {
        let waker = Waker::new();
        let mailbox = Mailbox::new(waker.clone());
        thread::scope(|scope| {
            let rests = scope.spawn(|| while !waker.rest(None, || false) {});
            while !rests.is_finished() {
                (0..BURST).for_each(|n| mailbox.push(n));
                mailbox.drain(&mut Vec::new());
                thread::yield_now();
            }
        });
    }

    #[test]
    fn a_sender_waits_for_room() {
        let mailbox = Mailbox::patient(Waker::new(), 10, Duration::from_secs(3600));
        thread::scope(|scope| {
            scope.spawn(|| (0..1_000).for_each(|n| mailbox.push(n)));
            let (mut got, mut batch) = (Vec::new(), Vec::new());
            while got.len() < 1_000 {
                mailbox.drain(&mut batch);
                assert!(batch.len() <= 10);
                got.append(&mut batch);
            }
            assert!(got.into_iter().eq(0..1_000));
        });
    }

    #[test]
    fn a_sender_whose_reactor_does_nothing_goes_on_in_the_end() {
        let mailbox = Mailbox::bounded(Waker::new(), 10);
        (0..1_000).for_each(|n| mailbox.push(n));
        let mut got = Vec::new();
        mailbox.drain(&mut got);
        assert!(got.into_iter().eq(0..1_000));
    }
}
