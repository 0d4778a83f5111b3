//! Rebalancing: results move from ranks that hold many bytes to those that hold few.
//!
//! A result that moves is fetched by its new rank like any input. It counts as used until it has arrived, so its old
//! copy stays that long, and goes only if nothing else uses the result then.

use super::Scheduler;
use super::event::SchedulerAction;
use super::task::{OwnerWants, TaskState};
use crate::error::ProtocolError;
use crate::ids::{HEAD, Rank, TaskId};
use crate::protocol::{Blob, RankOrder, ReportedResult};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The results that move, and the requests that wait for their arrival.
#[derive(Debug, Default)]
pub(super) struct ResultMoves {
    /// The old rank of each result that moves, by the task and the new rank.
    open: BTreeMap<(TaskId, Rank), Rank>,
    /// The numbers of the answers that are due when all have arrived.
    answers: Vec<TaskId>,
    /// The number of bytes that have moved since the first of these requests.
    moved: u64,
}

impl ResultMoves {
    /// The tasks whose results move. Read by the checks of tests.
    pub(super) fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.open.keys().map(|(task, _)| *task)
    }
}

impl Scheduler {
    /// Begins to move results so that the ranks that compute hold about as many bytes each. The answer has the number
    /// `answer` and comes when all have arrived.
    pub(super) fn on_rebalance(
        &mut self,
        owner: Rank,
        answer: TaskId,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        self.on_promise(owner, answer, 0)?;
        self.moves.answers.push(answer);
        for (task, from, to) in self.planned_moves() {
            let Some(record) = self.tasks.get_mut(task) else { continue };
            let TaskState::Stored(copies) = &record.state else { continue };
            let (nbytes, layout) = (copies.nbytes, (*copies.layout).clone());
            record.pending += 1;
            self.moves.open.insert((task, to), from);
            out.push(SchedulerAction::Send(to, RankOrder::Bring { task, holder: from, nbytes, layout }));
        }
        self.tell_moved(out);
        Ok(())
    }

    /// The results to move, each with its old and its new rank. Only results that nobody uses now move, the largest
    /// first, and only where that makes the difference between the two ranks smaller.
    fn planned_moves(&self) -> Vec<(TaskId, Rank, Rank)> {
        let computing =
            self.workers.iter().filter(|(rank, worker)| worker.alive && worker.slots > 0 && *rank != HEAD);
        let mut loads: BTreeMap<Rank, u64> = computing.map(|(rank, worker)| (rank, worker.stored)).collect();
        let mut movable: BTreeMap<Rank, Vec<(Reverse<u64>, TaskId)>> = BTreeMap::new();
        for (task, record) in self.tasks.iter() {
            if let TaskState::Stored(copies) = &record.state
                && (record.pending, record.want) == (0, OwnerWants::Nothing)
                && copies.holders.len() == 1
                && let Some(at) = copies.holders.iter().next().filter(|at| loads.contains_key(at))
            {
                movable.entry(at).or_default().push((Reverse(copies.nbytes), task));
            }
        }
        let mut moves = Vec::new();
        for (from, mut results) in movable {
            results.sort_unstable();
            for (Reverse(nbytes), task) in results {
                let Some((&to, &least)) = loads.iter().min_by_key(|(rank, load)| (**load, **rank)) else {
                    break;
                };
                let load = loads.get(&from).copied().unwrap_or(0);
                if least + nbytes < load && to != from {
                    moves.push((task, from, to));
                    loads.insert(from, load - nbytes);
                    loads.insert(to, least + nbytes);
                }
            }
        }
        moves
    }

    /// Notes that a result has arrived at `to`, or will not. If it was to move there, its old copy goes.
    pub(super) fn move_ended(&mut self, to: Rank, task: TaskId, out: &mut Vec<SchedulerAction>) {
        if self.moves.open.is_empty() {
            return;
        }
        let Some(from) = self.moves.open.remove(&(task, to)) else { return };
        if let Some(record) = self.tasks.get_mut(task) {
            record.pending -= 1;
            if let TaskState::Stored(copies) = &mut record.state
                && (record.pending, record.want) == (0, OwnerWants::Nothing)
                && copies.holders.contains(to)
                && copies.holders.contains(from)
            {
                copies.holders.remove(from);
                let nbytes = copies.nbytes;
                self.moves.moved += nbytes;
                if let Some(worker) = self.workers.get_mut(from) {
                    worker.stored -= nbytes;
                }
                out.push(SchedulerAction::Send(from, RankOrder::Release { task }));
            }
            self.release_if_unneeded(task, out);
        }
        self.tell_moved(out);
    }

    /// Forgets the moves to the dead rank `lost`. The caller releases results that nobody needs any more, and calls
    /// [`Scheduler::tell_moved`]. A result whose old rank is dead is reported as not brought by its new one.
    pub(super) fn forget_moves(&mut self, lost: Rank) {
        let gone: Vec<TaskId> =
            self.moves.open.keys().filter(|(_, to)| *to == lost).map(|(task, _)| *task).collect();
        self.moves.open.retain(|(_, to), _| *to != lost);
        for task in gone {
            if let Some(record) = self.tasks.get_mut(task) {
                record.pending -= 1;
            }
        }
    }

    /// Answers the requests once all results have arrived.
    pub(super) fn tell_moved(&mut self, out: &mut Vec<SchedulerAction>) {
        if !self.moves.open.is_empty() {
            return;
        }
        let moved = std::mem::take(&mut self.moves.moved).to_le_bytes();
        for answer in std::mem::take(&mut self.moves.answers) {
            if !self.is_promised(answer) {
                continue; // its owner has died
            }
            self.store(answer, answer.owner(), ReportedResult::Inline(Blob::new(&moved)));
            self.resolve(answer, out);
            self.release_if_unneeded(answer, out);
        }
    }
}
