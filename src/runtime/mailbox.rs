//! Mailboxes: queues by which other threads hand messages over to a reactor, and the waker that ends its sleep.
//!
//! Invariant: no message is slept over. A sender pushes, then looks whether the reactor sleeps; the reactor says that
//! it sleeps, then looks whether something was pushed. So a wake-up, which costs microseconds, is made only when it is
//! needed. A *rest* is another thing than a sleep: the reactor's own thread rests while other threads make the
//! reactor's turns, and messages do not end a rest. Start with [`Mailbox`].

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

/// A means to wake the threads of a rank that sleep until its reactor has work; all mailboxes of the reactor share it.
#[derive(Debug, Default)]
pub(crate) struct Waker {
    /// Set while a thread sleeps on this waker or is about to.
    sleeps: AtomicBool,
    /// Number of wake-ups so far, by which a sleeping thread sees that it was woken.
    wakes: Mutex<u64>,
    woken: Condvar,
    /// The reactor's own thread; empty until it rests for the first time.
    own: OnceLock<Thread>,
    /// Set while the reactor's own thread rests.
    rests: AtomicBool,
}

impl Waker {
    /// Makes a waker for the threads that will call [`Waker::sleep`]: the reactor's own thread, and a thread that
    /// drives the reactor in its place.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Lets the reactor's own thread rest while other threads turn the reactor. Messages do not end a rest: only
    /// [`Waker::rouse`] or the end of `limit` does. Does not rest if `ready` returns true; `ready` is called once
    /// `rouse` can see the thread. True if the thread was roused.
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

    /// Ends the rest of the reactor's own thread, which then turns the reactor again.
    pub(crate) fn rouse(&self) {
        if self.rests.load(Ordering::SeqCst)
            && self.rests.swap(false, Ordering::SeqCst)
            && let Some(own) = self.own.get()
        {
            own.unpark();
        }
    }

    /// Wakes all threads that sleep in [`Waker::sleep`].
    pub(crate) fn wake(&self) {
        // A futex wake costs 6 µs, this load nothing: most messages come while the reactor is awake.
        if self.sleeps.load(Ordering::SeqCst) && self.sleeps.swap(false, Ordering::SeqCst) {
            *self.wakes.lock() += 1;
            self.woken.notify_all();
        }
    }

    /// Sleeps until [`Waker::wake`] is called, for at most `limit`; not at all if `ready` says that there is work.
    ///
    /// Sender and sleeper cannot miss each other: the sender pushes, then looks whether a thread sleeps; the sleeper
    /// says that it sleeps, then looks (`ready`) whether something was pushed.
    pub(crate) fn sleep(&self, limit: Duration, ready: impl FnOnce() -> bool) {
        let before = *self.wakes.lock();
        self.sleeps.store(true, Ordering::SeqCst);
        if !ready() {
            let asleep = |wakes: &mut u64| *wakes == before;
            self.woken.wait_while_for(&mut self.wakes.lock(), asleep, limit);
        }
        // `sleeps` stays set: another thread may sleep, and a wake-up that finds nobody costs little
    }
}

/// Longest time for which a sender waits for room in a full mailbox. Then it pushes all the same, and so do others
/// until the reactor has drained the queue: the reactor may be busy with a task that waits for this very sender.
const PATIENCE: Duration = Duration::from_millis(10);

/// Length of the queue at which a sender wakes the reactor's own thread from its rest. A sender that has pushed so many
/// messages without making a turn of the reactor is busy and will not make one soon.
const BURST: usize = 32;

/// A queue of messages from any threads to one reactor (many producers, one consumer).
pub(crate) struct Mailbox<T> {
    queue: Mutex<MailboxQueue<T>>,
    /// Notified when the reactor has drained the queue, so that senders have room again.
    room: Condvar,
    /// Number of queued messages at which senders wait for room.
    limit: usize,
    patience: Duration,
    waker: Arc<Waker>,
}

struct MailboxQueue<T> {
    messages: Vec<T>,
    /// Number of senders that wait for room in the queue.
    waiting: usize,
    /// Set when a sender has waited for room in vain since the queue was last drained. While it is set, no sender
    /// waits.
    overdue: bool,
}

impl<T> Mailbox<T> {
    /// Makes a mailbox whose senders never wait for room, for the reactor that sleeps on `waker`.
    pub(crate) fn new(waker: Arc<Waker>) -> Arc<Self> {
        Self::bounded(waker, usize::MAX)
    }

    /// Makes a mailbox whose senders wait while `limit` messages or more are queued (back-pressure): a queue costs
    /// memory, and a message that has left the processor's cache before it is read costs time.
    pub(crate) fn bounded(waker: Arc<Waker>, limit: usize) -> Arc<Self> {
        Self::patient(waker, limit, PATIENCE)
    }

    fn patient(waker: Arc<Waker>, limit: usize, patience: Duration) -> Arc<Self> {
        let queue = MailboxQueue { messages: Vec::new(), waiting: 0, overdue: false };
        Arc::new(Mailbox { queue: Mutex::new(queue), room: Condvar::new(), limit, patience, waker })
    }

    /// Locks the queue as soon as there is room in it for a message, or after [`PATIENCE`].
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

    /// Adds `message` to the queue, and wakes the reactor if it sleeps.
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

    /// Adds `message` to the queue without waking the reactor, which finds it at its next turn.
    pub(crate) fn push_quietly(&self, message: T) {
        self.queue_with_room().messages.push(message);
    }

    /// Wakes the reactor if it sleeps, after messages were added quietly.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Adds several messages to the queue under one lock, and wakes the reactor if it sleeps.
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

    /// Takes all messages: swaps the queue with the empty buffer `into`. The two buffers go back and forth, so neither
    /// is allocated again.
    pub(crate) fn drain(&self, into: &mut Vec<T>) {
        let mut queue = self.queue.lock();
        std::mem::swap(&mut queue.messages, into);
        queue.overdue = false;
        if queue.waiting > 0 {
            self.room.notify_all();
        }
    }

    /// Whether no message waits for the reactor.
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
