//! The impure shell around the two state machines.
//!
//! ```text
//!              client's thread            compute threads
//!                    │ mailbox                 │ mailbox
//!                    ▼                         ▼
//!   rank 0:  [reactor: head(scheduler) + node(worker)] ◄── transport ──► [reactor: node(worker)]  :rank n
//! ```
//!
//! * [`reactor`]: one loop a rank, the only caller of the transport;
//! * [`head`]: carries out what the scheduler decides and answers the client; [`waiters`]: who waits for which task;
//! * [`node`]: carries out what the worker decides: fetch, give, compute;
//! * [`pool`]: the compute threads; [`job`]: one task on one of them;
//! * [`links`]: frames to other ranks, batched per turn;
//! * [`mailbox`] and [`backoff`]: hand-over between threads, and how an idle reactor waits;
//! * [`profile`]: what a rank's time goes into;
//! * [`start`]: the meeting of the ranks; [`host`]: what each knows of its host.

pub mod backoff;
pub mod head;
pub mod host;
pub mod job;
pub mod links;
pub mod mailbox;
pub mod node;
pub mod pool;
pub mod profile;
pub mod reactor;
pub mod start;
pub mod wait;
pub mod waiters;
