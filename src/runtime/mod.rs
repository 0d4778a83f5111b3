//! The runtime of a rank: the impure shell around the two state machines, the scheduler and the worker.
//!
//! ```text
//!              client's thread            compute threads
//!                    │ mailbox                 │ mailbox
//!                    ▼                         ▼
//!   rank 0:  [reactor: head(scheduler) + executor(worker)] ◄── transport ──► [reactor: executor(worker)]  :rank n
//! ```
//!
//! * [`reactor`]: the progress engine of a rank, the only caller of the transport; [`driver`]: the choice of the thread
//!   that turns it;
//! * [`head`]: carries out what the scheduler decides and answers the client; [`waiters`]: the threads that wait for
//!   tasks;
//! * [`executor`]: carries out what the worker decides: fetch, give, compute;
//! * [`threads`]: compute threads and what a task knows of itself; [`nested`]: what tasks submit on ranks other than 0;
//! * [`objects`]: queues, events, actors and channels: calls of them, and those that live here; [`promise`]: results
//!   that come straight from another rank;
//! * [`fetches`]: results that come from other ranks; [`liveness`]: ranks that are silent for too long;
//! * [`outbox`]: frames to other ranks, batched per turn;
//! * [`mailbox`] and [`idle`]: hand-over between threads, and how an idle reactor waits;
//! * [`profile`]: how the time of a rank divides into phases;
//! * [`handshake`]: the meeting of the ranks at the start; [`host`]: the cores, memory and devices of a host.
//!
//! Invariants: the state machines never block, read no clock and call no MPI. One thread at a time makes a turn of the
//! reactor. Start reading at [`reactor`].

pub(crate) mod deadlines;
pub(crate) mod driver;
pub(crate) mod executor;
mod fetches;
pub(crate) mod handshake;
pub(crate) mod head;
pub(crate) mod host;
pub(crate) mod idle;
pub(crate) mod liveness;
pub(crate) mod mailbox;
pub(crate) mod nested;
pub(crate) mod objects;
pub(crate) mod outbox;
pub(crate) mod profile;
pub(crate) mod promise;
pub(crate) mod reactor;
pub(crate) mod store;
pub(crate) mod threads;
pub(crate) mod wait;
pub(crate) mod waiters;
