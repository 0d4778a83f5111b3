//! The impure shell around the two state machines.
//!
//! ```text
//!              client's thread            compute threads
//!                    │ mailbox                 │ mailbox
//!                    ▼                         ▼
//!   rank 0:  [reactor: head(scheduler) + node(worker)] ◄── transport ──► [reactor: node(worker)]  :rank n
//! ```
//!
//! * [`reactor`]: the progress engine of a rank, the only caller of the transport; [`driver`]: which thread turns it;
//! * [`head`]: carries out what the scheduler decides and answers the client; [`waiters`]: who waits for which task;
//! * [`executor`]: carries out what the worker decides: fetch, give, compute;
//! * [`threads`]: compute threads and what a task knows of itself; [`nested`]: what tasks submit on ranks other than 0;
//! * [`outbox`]: frames to other ranks, batched per turn;
//! * [`mailbox`] and [`idle`]: hand-over between threads, and how an idle reactor waits;
//! * [`profile`]: what a rank's time goes into;
//! * [`handshake`]: the meeting of the ranks; [`host`]: what each knows of its host.

pub(crate) mod driver;
pub(crate) mod executor;
pub(crate) mod handshake;
pub(crate) mod head;
pub(crate) mod host;
pub(crate) mod idle;
pub(crate) mod mailbox;
pub(crate) mod nested;
pub(crate) mod outbox;
pub(crate) mod profile;
pub(crate) mod reactor;
pub(crate) mod threads;
pub(crate) mod wait;
pub(crate) mod waiters;
