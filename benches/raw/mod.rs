//! What MPI itself can do on this machine, without a scheduler: the lines that the bench `cluster` is held against.
//!
//! Every function is called by all ranks of the communicator with the same arguments, and gives the same number on
//! each. Ranks that take no part in an exchange wait asleep: a rank that waits inside MPI would take a core from the
//! others.

pub mod data;
pub mod tree;

use mpi::collective::SystemOperation;
use mpi::traits::*;
use std::time::{Duration, Instant};

const REQUEST: i32 = 2;
const REPLY: i32 = 3;
const DATA: i32 = 4;
const DONE: i32 = 5;

/// The longest message in numbers (1 GiB): MPI counts with an `int`.
const PIECE: usize = 1 << 27;

/// Round trips per second from rank 0 to rank 1: rank 0 keeps `window` requests of `bytes` bytes outstanding, until `n`
/// are answered by as many bytes. So many messages at most could a scheduler handle that does not batch.
///
/// `bytes` must be below MPI's eager limit (4 KiB for shared memory), or both ranks wait in a send for ever.
pub fn request_reply(comm: &impl Communicator, window: usize, n: usize, bytes: usize) -> f64 {
    let mut buffer = vec![0u8; bytes];
    let seconds = timed(comm, comm.rank() < 2, || {
        if comm.rank() == 0 {
            let worker = comm.process_at_rank(1);
            let window = window.clamp(1, n);
            for _ in 0..window {
                worker.send_with_tag(&buffer[..], REQUEST);
            }
            for received in 1..=n {
                comm.any_process().receive_into_with_tag(&mut buffer[..], REPLY);
                if received + window <= n {
                    worker.send_with_tag(&buffer[..], REQUEST);
                }
            }
        } else {
            let head = comm.process_at_rank(0);
            for _ in 0..n {
                head.receive_into_with_tag(&mut buffer[..], REQUEST);
                head.send_with_tag(&buffer[..], REPLY);
            }
        }
    });
    n as f64 / seconds
}

/// Seconds that a message of `bytes` bytes takes from rank 0 to rank 1 and back: the median of `n`.
pub fn round_trip(comm: &impl Communicator, bytes: usize, n: usize) -> f64 {
    let mut buffer = vec![1u8; bytes];
    let mut times = Vec::with_capacity(n);
    let warm_up = n / 10 + 1;
    timed(comm, comm.rank() < 2, || {
        let other = comm.process_at_rank(1 - comm.rank());
        for k in 0..warm_up + n {
            let start = Instant::now();
            if comm.rank() == 0 {
                other.send_with_tag(&buffer[..], REQUEST);
                other.receive_into_with_tag(&mut buffer[..], REPLY);
            } else {
                other.receive_into_with_tag(&mut buffer[..], REQUEST);
                other.send_with_tag(&buffer[..], REPLY);
            }
            if k >= warm_up && comm.rank() == 0 {
                times.push(start.elapsed().as_secs_f64());
            }
        }
    });
    times.sort_by(f64::total_cmp);
    longest(comm, times.get(n / 2).copied().unwrap_or(0.0))
}

/// Lets all ranks start together, runs `work` on those that take part, and gives the longest time of any in seconds.
fn timed(comm: &impl Communicator, takes_part: bool, work: impl FnOnce()) -> f64 {
    comm.barrier();
    let start = Instant::now();
    if takes_part {
        work();
    }
    let seconds = if takes_part { start.elapsed().as_secs_f64() } else { 0.0 };
    let mut barrier = comm.immediate_barrier();
    while let Err(again) = barrier.test() {
        barrier = again;
        if !takes_part {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    longest(comm, seconds)
}

/// The greatest of all ranks' numbers.
fn longest(comm: &impl Communicator, own: f64) -> f64 {
    let mut all = own;
    comm.all_reduce_into(&own, &mut all, SystemOperation::max());
    all
}

fn send(comm: &impl Communicator, to: i32, numbers: &[f64]) {
    for piece in numbers.chunks(PIECE) {
        comm.process_at_rank(to).send_with_tag(piece, DATA);
    }
}

/// `len` numbers from another rank, in new memory, as a task's argument is when it is fetched.
fn receive(comm: &impl Communicator, from: i32, len: usize) -> Vec<f64> {
    let mut numbers = vec![0.0; len];
    for piece in numbers.chunks_mut(PIECE) {
        comm.process_at_rank(from).receive_into_with_tag(piece, DATA);
    }
    numbers
}

/// As [`receive`], but waits asleep.
fn receive_asleep(comm: &impl Communicator, from: i32, len: usize) -> Vec<f64> {
    while comm.process_at_rank(from).immediate_probe_with_tag(DATA).is_none() {
        std::thread::sleep(Duration::from_micros(100));
    }
    receive(comm, from, len)
}
