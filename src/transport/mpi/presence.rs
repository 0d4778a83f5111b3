//! The presence of all ranks: a collective call of MPI waits for ever for a rank that never makes it.
//!
//! So before the first one, ranks enter a barrier that they can poll. A rank that waits for long sends one short
//! message to the two lowest ranks, which name those that have not come when their patience ends. These messages use
//! the program's own communicator, since no other is common to all yet, with a tag of their own; when the late ranks
//! come after all, they are received before dtask begins.

use super::{host_name, idle};
use crate::error::{Error, Result};
use crate::ids::Rank;
use mpi::traits::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The tag of the messages by which ranks say that they are there. Every MPI allows tags up to 32767.
const PRESENT: i32 = 32_101;
/// The ranks that collect these messages: if one is missing, the other one says so.
const COLLECTORS: i32 = 2;

/// Waits until every rank of `comm` has called this.
///
/// # Errors
/// When some have not come after `patience`. On ranks 0 and 1, to which the others have told that they are there, the
/// error names those that are missing; on any other it says only that some are.
pub fn await_all(comm: &impl Communicator, patience: Duration) -> Result<()> {
    if comm.test_inter() || comm.size() == 1 {
        return Ok(()); // an inter-communicator is refused later
    }
    let mut barrier = comm.immediate_barrier();
    let (begin, mut looks, mut late) = (Instant::now(), 0, false);
    loop {
        match barrier.test() {
            Ok(_) => break,
            Err(open) => barrier = open,
        }
        let waited = begin.elapsed();
        if waited > patience {
            std::mem::forget(barrier); // it cannot be cancelled, and has no memory of ours
            return Err(absent(comm, patience));
        }
        if !late && waited > patience / 4 {
            late = true;
            let host = host_name();
            for rank in collectors(comm) {
                comm.process_at_rank(rank).send_with_tag(host.as_bytes(), PRESENT);
            }
        }
        looks += 1;
        idle(looks);
    }
    receive_late(comm, late);
    Ok(())
}

/// The ranks that collect the presence of others, without this rank.
fn collectors(comm: &impl Communicator) -> impl Iterator<Item = i32> {
    let own = comm.rank();
    (0..COLLECTORS.min(comm.size())).filter(move |&rank| rank != own)
}

/// Receives the messages of ranks that have waited for long, now that all are there.
fn receive_late(comm: &impl Communicator, late: bool) {
    let mut all = vec![0u8; comm.size() as usize];
    comm.all_gather_into(&u8::from(late), &mut all[..]);
    if comm.rank() >= COLLECTORS {
        return;
    }
    for (rank, late) in all.into_iter().enumerate() {
        if late == 1 && rank as i32 != comm.rank() {
            comm.process_at_rank(rank as i32).receive_vec_with_tag::<u8>(PRESENT);
        }
    }
}

fn absent(comm: &impl Communicator, patience: Duration) -> Error {
    let own = comm.rank();
    let error = |message: String| Error::Transport { rank: Rank(own as u32), host: host_name(), message };
    if own >= COLLECTORS {
        return error(format!(
            "not every rank of the communicator has called `dtask::run_on` within {patience:?}; rank 0, or rank 1, says \
             which have not"
        ));
    }
    let mut present = BTreeMap::from([(own, host_name())]);
    while let Some(status) = comm.any_process().immediate_probe_with_tag(PRESENT) {
        let rank = status.source_rank();
        let (host, _) = comm.process_at_rank(rank).receive_vec_with_tag::<u8>(PRESENT);
        present.insert(rank, String::from_utf8_lossy(&host).into_owned());
    }
    let missing: Vec<String> =
        (0..comm.size()).filter(|rank| !present.contains_key(rank)).map(|rank| rank.to_string()).collect();
    let present: Vec<String> = present.iter().map(|(rank, host)| format!("{rank} ({host})")).collect();
    error(format!(
        "rank {} of the communicator has not called `dtask::run_on` within {patience:?}: every rank has to call it; \
         these have: {}",
        missing.join(", "),
        present.join(", ")
    ))
}
