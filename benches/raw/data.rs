//! Moving results by hand: one large one, and many small ones.

use super::{DONE, REPLY, REQUEST, receive, send, timed};
use crate::parts::sum;
use mpi::traits::*;

/// Seconds to move `len` numbers from rank 1 to rank 2 and to sum them there. The numbers are there before; the
/// receiver's memory is new, as it is when a task fetches its argument, and freed after the clock has stopped.
///
/// # Panics
/// When the sum is wrong.
pub fn bulk(comm: &impl Communicator, len: usize) -> f64 {
    let rank = comm.rank();
    let mut data = if rank == 1 { vec![1.0f64; len] } else { Vec::new() };
    timed(comm, rank == 1 || rank == 2, || {
        if rank == 1 {
            send(comm, 2, &data);
            comm.process_at_rank(2).receive_into_with_tag(&mut 0u8, DONE);
        } else {
            data = receive(comm, 1, len);
            assert_eq!(sum(&data), len as f64, "numbers were lost");
            comm.process_at_rank(1).send_with_tag(&0u8, DONE);
        }
    })
}

/// Seconds for rank 2 to get `count` vectors of `len` numbers from rank 1, each into a new vector, and to sum each; it
/// asks for one at a time and keeps `window` requests outstanding.
///
/// A vector must be below MPI's eager limit.
///
/// # Panics
/// When a sum is wrong.
pub fn small(comm: &impl Communicator, count: usize, len: usize, window: usize) -> f64 {
    let rank = comm.rank();
    let data: Vec<Vec<f64>> =
        if rank == 1 { (0..count).map(|k| vec![k as f64; len]).collect() } else { Vec::new() };
    let mut received = Vec::with_capacity(count);
    timed(comm, rank == 1 || rank == 2, || {
        if rank == 1 {
            let asker = comm.process_at_rank(2);
            for _ in 0..count {
                let mut wanted = 0u64;
                asker.receive_into_with_tag(&mut wanted, REQUEST);
                asker.send_with_tag(&data[wanted as usize][..], REPLY);
            }
        } else {
            let holder = comm.process_at_rank(1);
            let window = window.min(count);
            (0..window).for_each(|k| holder.send_with_tag(&(k as u64), REQUEST));
            for k in 0..count {
                let mut vector = vec![0.0; len];
                holder.receive_into_with_tag(&mut vector[..], REPLY);
                if k + window < count {
                    holder.send_with_tag(&((k + window) as u64), REQUEST);
                }
                assert_eq!(sum(&vector), (k * len) as f64, "numbers were lost");
                received.push(vector);
            }
        }
    })
}
