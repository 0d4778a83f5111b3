//! The task record of rank 0 and the dense table that holds it.

use super::few::Few;
use crate::error::TaskError;
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::{Blob, Layout};
use smallvec::SmallVec;
use std::sync::Arc;

/// Where a task is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Waits for this many inputs.
    Blocked {
        /// Inputs without a result, one that is taken twice counted twice.
        missing: u32,
    },
    /// Could start; waits for a rank.
    Ready,
    /// Sent to a rank.
    Assigned {
        /// Which.
        rank: Rank,
        /// What it was expected to cost there when it was sent, in nanoseconds.
        cost: u32,
        /// Inputs without a result: it was sent ahead of them, or they were lost since.
        missing: u32,
    },
    /// Has a result, small enough to be kept here.
    Inline(Blob),
    /// Has a result, on at least one rank.
    Stored(Copies),
    /// Will have none.
    Failed(Arc<TaskError>),
    /// Its result is not needed now; the recipe is kept while a consumer's may have to be made again.
    Released,
}

/// Where a result lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// The ranks that have it.
    pub holders: Holders,
    /// Exact size in bytes.
    pub nbytes: u64,
    /// How to read it; most results of one definition share it.
    pub layout: Arc<Layout>,
}

/// The ranks that have a copy of a result, in the order in which they got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holders {
    first: Rank,
    /// False if there is none at all.
    any: bool,
    others: Option<Box<SmallVec<[Rank; 6]>>>, // few results have any: more than a word would be too many
}

impl Holders {
    /// This rank alone.
    pub fn one(rank: Rank) -> Self {
        Holders { first: rank, any: true, others: None }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Rank> + '_ {
        let others = self.others.iter().flat_map(|others| others.iter().copied());
        self.any.then_some(self.first).into_iter().chain(others)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.any) + self.others.as_ref().map_or(0, |others| others.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// Whether `rank` is one.
    pub fn contains(&self, rank: Rank) -> bool {
        self.iter().any(|holder| holder == rank)
    }

    /// One of them, the same for the same `number`, and another for the next.
    pub fn pick(&self, number: usize) -> Rank {
        match (number % self.len().max(1), &self.others) {
            (0, _) | (_, None) => self.first,
            (n, Some(others)) => others[n - 1],
        }
    }

    /// Adds a rank that is none yet.
    pub fn push(&mut self, rank: Rank) {
        if self.any {
            self.others.get_or_insert_default().push(rank);
        } else {
            *self = Holders::one(rank);
        }
    }

    /// Takes `rank` out.
    pub fn remove(&mut self, rank: Rank) {
        let left: Vec<Rank> = self.iter().filter(|&holder| holder != rank).collect();
        self.any = false;
        self.others = None;
        left.into_iter().for_each(|holder| self.push(holder));
    }
}

/// What the client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Nothing.
    Nothing,
    /// That it is done.
    Done,
    /// Its value at rank 0.
    Value,
    /// Its value, which is on its way to rank 0.
    Bringing,
}

/// One task, in two lines of the processor's cache: what its inputs and consumers look at is in the first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Task {
    /// Where it is in its life.
    pub state: State,
    /// The number in its key.
    pub key: u64,
    /// Its definition.
    pub def: DefId,
    /// Longest way from a task without inputs: deeper tasks go first, they finish what is begun.
    pub depth: u32,
    /// Uses of the result to come: unfinished consumers, and a transfer to rank 0.
    pub pending: u32,
    /// Consumers with a record: their results may have to be made again, and then this one too.
    pub lineage: u32,
    /// How often it has been started.
    pub attempt: Attempt,
    /// How often it has failed.
    pub failures: u16,
    /// Whether the client holds a future.
    pub held: bool,
    /// What the client waits for.
    pub want: Want,
    /// A rank has given it back: it goes to the least loaded rank next, wherever its inputs lie.
    pub given_back: bool,
    /// Its own arguments: with `def` and `inputs` the recipe.
    pub args: Blob,
    /// The tasks whose results it takes.
    pub inputs: SmallVec<[TaskId; 2]>,
    /// Blocked tasks to tell when the result is there, one that takes it twice twice.
    pub waiting: Few,
}

/// The definition of a value of the client: it has no recipe, so it is kept while it may be needed again.
pub const SCATTERED: DefId = DefId(u32::MAX);

/// Keeps the record within what 10^7 tasks allow; see DESIGN, "Hot structures are dense".
const _: () = assert!(
    size_of::<Option<Task>>() == 128 && std::mem::offset_of!(Task, args) == 64 && size_of::<State>() == 32
);

impl Task {
    /// Whether its result can be taken now.
    pub fn has_result(&self) -> bool {
        matches!(self.state, State::Inline(_) | State::Stored(_))
    }

    /// Bytes of its result, where that is stored on ranks.
    pub fn nbytes(&self) -> u64 {
        match &self.state {
            State::Stored(copies) => copies.nbytes,
            _ => 0,
        }
    }

    /// Whether nobody needs its result now.
    pub fn is_unneeded(&self) -> bool {
        !self.held
            && self.pending == 0
            && self.want == Want::Nothing
            && (self.lineage == 0 || !self.has_no_recipe())
    }

    /// Whether its result could not be made again: it must stay while a consumer's may have to be.
    fn has_no_recipe(&self) -> bool {
        self.def == SCATTERED || matches!(self.state, State::Inline(_))
    }
}

const CHUNK: usize = 256;

struct Chunk {
    tasks: Box<[Option<Task>]>,
    live: usize,
}

/// All records, by task number, in chunks that go when their last task goes.
#[derive(Default)]
pub struct Table {
    chunks: Vec<Option<Chunk>>,
    spare: Option<Chunk>,
    live: usize,
}

impl Table {
    /// No task from this number on has a record.
    pub fn end(&self) -> u64 {
        (self.chunks.len() * CHUNK) as u64
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.live
    }

    /// The record of `task`.
    pub fn get(&self, task: TaskId) -> Option<&Task> {
        self.chunks.get(task.index() / CHUNK)?.as_ref()?.tasks[task.index() % CHUNK].as_ref()
    }

    /// The record of `task`.
    pub fn get_mut(&mut self, task: TaskId) -> Option<&mut Task> {
        self.chunks.get_mut(task.index() / CHUNK)?.as_mut()?.tasks[task.index() % CHUNK].as_mut()
    }

    /// Puts the record of `task`, which has none.
    pub fn insert(&mut self, task: TaskId, record: Task) {
        let at = task.index() / CHUNK;
        if at >= self.chunks.len() {
            self.chunks.resize_with(at + 1, || None);
        }
        let spare = &mut self.spare;
        let chunk = self.chunks[at].get_or_insert_with(|| {
            spare.take().unwrap_or_else(|| Chunk { tasks: (0..CHUNK).map(|_| None).collect(), live: 0 })
        });
        let place = &mut chunk.tasks[task.index() % CHUNK];
        let new = usize::from(place.is_none());
        *place = Some(record);
        chunk.live += new;
        self.live += new;
    }

    /// Takes the record of `task` out; of it only the inputs are given back, since it is large.
    pub fn remove(&mut self, task: TaskId) -> Option<SmallVec<[TaskId; 2]>> {
        let slot = self.chunks.get_mut(task.index() / CHUNK)?;
        let chunk = slot.as_mut()?;
        let place = &mut chunk.tasks[task.index() % CHUNK];
        let inputs = std::mem::take(&mut place.as_mut()?.inputs);
        *place = None;
        chunk.live -= 1;
        self.live -= 1;
        if chunk.live == 0 {
            self.spare = slot.take();
        }
        Some(inputs)
    }

    /// The numbers of all records, ascending.
    pub fn ids(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.iter().map(|(task, _)| task)
    }

    /// All records, by ascending number.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &Task)> + '_ {
        self.chunks.iter().enumerate().flat_map(|(at, chunk)| {
            chunk.iter().flat_map(move |chunk| {
                chunk
                    .tasks
                    .iter()
                    .enumerate()
                    .filter_map(move |(k, task)| Some((TaskId((at * CHUNK + k) as u64), task.as_ref()?)))
            })
        })
    }
}
