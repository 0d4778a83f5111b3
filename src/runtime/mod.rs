//! The impure shell around the two state machines.
//!
//! ```text
//!              client's thread            compute threads
//!                    │ mailbox                 │ mailbox
//!                    ▼                         ▼
//!   rank 0:  [reactor: head(scheduler) + node(worker)] ◄── transport ──► [reactor: node(worker)]  :rank n
//! ```
//!
//! * [`reactor`]: what a rank does in a turn, the only caller of the transport; [`helm`]: which thread turns it;
//! * [`head`]: carries out what the scheduler decides and answers the client; [`waiters`]: who waits for which task;
//! * [`node`]: carries out what the worker decides: fetch, give, compute;
//! * [`pool`]: the compute threads; [`pace`]: which tasks are too short for them; [`seats`]: who takes over while some of them wait inside tasks;
//! * [`inline`]: the same in a simulation; [`job`]: one task on a thread; [`current`]: what the thread knows of it;
//! * [`nested`]: what tasks submit themselves on ranks other than 0;
//! * [`links`]: frames to other ranks, batched per turn;
//! * [`mailbox`] and [`backoff`]: hand-over between threads, and how an idle reactor waits;
//! * [`profile`]: what a rank's time goes into; [`mod@slice`]: how long its threads run at a stretch;
//! * [`start`]: the meeting of the ranks; [`host`]: what each knows of its host.

pub mod backoff;
pub mod current;
pub mod head;
pub mod helm;
pub mod host;
pub mod inline;
pub mod job;
pub mod links;
mod loans;
pub mod mailbox;
pub mod nested;
pub mod node;
pub mod pace;
pub mod parts;
pub mod pool;
pub mod profile;
pub mod reactor;
pub mod seats;
pub mod slice;
pub mod start;
pub mod wait;
pub mod waiters;
