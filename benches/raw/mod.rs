//! What MPI itself can do on this machine, without a scheduler: the lines that benchmarks of dtask are held against.
//!
//! Every function is called by all ranks of the communicator with the same arguments, and gives the same number on each.
//! Ranks that take no part in an exchange wait asleep: a rank that waits inside MPI would take a core from the others.

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

/// Seconds that a message of `bytes` bytes takes from rank 0 to rank 1: the median of half a round trip, over `n`.
pub fn ping_pong(comm: &impl Communicator, bytes: usize, n: usize) -> f64 {
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
    longest(comm, times.get(n / 2).map_or(0.0, |round_trip| round_trip / 2.0))
}

/// Seconds to make `arrays` random arrays of `len` numbers, array `k` on rank `k % ranks`, and to add them up: every rank
/// its own, then the ranks' sums along a binary tree, until rank 0 has the sum of all.
///
/// What one would write by hand, with blocking sends, in place of "map random, reduce add".
///
/// # Panics
/// When the sum is wrong.
pub fn tree(comm: &impl Communicator, arrays: usize, len: usize) -> f64 {
    let (rank, ranks) = (comm.rank() as usize, comm.size() as usize);
    let mut sum = Vec::new();
    let seconds = timed(comm, true, || {
        for k in (rank..arrays).step_by(ranks) {
            let array = random(k as u64, len);
            if sum.is_empty() { sum = array } else { add(&mut sum, &array) }
        }
        sum.resize(len, 0.0);
        let mut other = Vec::new();
        let mut step = 1;
        while step < ranks {
            if rank & step != 0 {
                send(comm, rank - step, &sum);
                break;
            }
            if rank + step < ranks {
                other.resize(len, 0.0);
                receive(comm, rank + step, &mut other);
                add(&mut sum, &other);
            }
            step *= 2;
        }
    });
    if rank == 0 && arrays * len > 0 {
        // Uniform numbers: within six standard deviations of the mean.
        let count = (arrays * len) as f64;
        let mean = sum.iter().sum::<f64>() / count;
        assert!((mean - 0.5).abs() < 6.0 / (12.0 * count).sqrt(), "the mean is {mean}");
    }
    seconds
}

/// Seconds to move `bytes` bytes of numbers from rank 1 to rank 2 (of two ranks: from 0 to 1) and to sum them there. The
/// numbers are there before; the receiver's memory is new, as it is when a task fetches its argument.
///
/// # Panics
/// When the sum is wrong.
pub fn bulk(comm: &impl Communicator, bytes: usize) -> f64 {
    let (from, to) = if comm.size() > 2 { (1, 2) } else { (0, 1) };
    let (rank, len) = (comm.rank(), bytes / 8);
    let data = if rank == from { vec![1.0f64; len] } else { Vec::new() };
    timed(comm, rank == from || rank == to, || {
        if rank == from {
            send(comm, to as usize, &data);
            comm.process_at_rank(to).receive_into_with_tag(&mut 0u8, DONE);
        } else {
            let mut data = vec![0.0f64; len];
            receive(comm, from as usize, &mut data);
            // In parts, or the compiler must add one number after the other.
            let parts = data.chunks(8).fold([0.0; 8], |mut parts, chunk| {
                parts.iter_mut().zip(chunk).for_each(|(part, x)| *part += x);
                parts
            });
            assert_eq!(parts.iter().sum::<f64>(), len as f64, "numbers were lost");
            comm.process_at_rank(from).send_with_tag(&0u8, DONE);
        }
    })
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

fn send(comm: &impl Communicator, to: usize, numbers: &[f64]) {
    for piece in numbers.chunks(PIECE) {
        comm.process_at_rank(to as i32).send_with_tag(piece, DATA);
    }
}

fn receive(comm: &impl Communicator, from: usize, numbers: &mut [f64]) {
    for piece in numbers.chunks_mut(PIECE) {
        comm.process_at_rank(from as i32).receive_into_with_tag(piece, DATA);
    }
}

fn add(sum: &mut [f64], other: &[f64]) {
    sum.iter_mut().zip(other).for_each(|(a, b)| *a += b);
}

/// Numbers from 0 to 1 by SplitMix64.
fn random(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0xD1B5_4A32_D192_ED03);
    let next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    std::iter::repeat_with(next).take(len).collect()
}
