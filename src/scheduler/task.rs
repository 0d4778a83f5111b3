//! The task record of rank 0, and the dense table of all records.
//!
//! [`ScheduledTask`] takes 80 bytes, so that millions of tasks fit into memory. Long lists of inputs and consumers are
//! kept outside of it, in the [`TaskTable`], which therefore changes them.

use crate::compact::id_list::{self, IdList, Lists};
use crate::compact::{Bytes, Dense};
use crate::error::TaskError;
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::BulkLayout;
use smallvec::SmallVec;
use std::sync::Arc;

/// The state of a task in its life cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// The task waits for inputs that have no result yet, or for the end of a pause.
    Blocked {
        /// The number of inputs without a result. An input that is taken twice counts twice; a pause counts as one
        /// more.
        missing: u32,
    },
    /// The task can start and waits for a rank.
    Ready,
    /// The task was sent to a rank.
    Assigned {
        /// The rank that has the task.
        rank: Rank,
        /// The expected cost for that rank at the time of sending, in nanoseconds. As much is taken off the rank's load
        /// when the task leaves it, whatever the estimate is by then.
        cost: u32,
        /// The number of inputs without a result: the task was sent before they existed, or they were lost since.
        missing: u32,
    },
    /// The task has a result, which is short and kept in this record.
    Inline(Bytes),
    /// The task has a result, which is stored on at least one rank.
    Stored(Box<Copies>), // boxed, else every variant would be as large
    /// The task has failed, or one that it depends on has, with this error.
    Failed(Arc<TaskError>),
    /// The result was let go of, since it is not needed now. The recipe is kept, since a consumer's result might have
    /// to be computed again.
    Released,
}

/// The copies of a stored result, on one or more ranks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// The ranks that hold a copy.
    pub holders: Holders,
    /// The exact size of the result, and so of each copy, in bytes.
    pub nbytes: u64,
    /// The layout of the bytes, shared by most results of a definition.
    pub layout: Arc<BulkLayout>,
}

/// The ranks that have a copy of a result, in the order in which they got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holders {
    first: Rank,
    /// Whether there is any holder; if false, `first` means nothing.
    any: bool,
    others: Option<Box<SmallVec<[Rank; 6]>>>, // one word, since few results have any
}

impl Holders {
    /// Makes the set of holders with only this rank.
    pub fn one(rank: Rank) -> Self {
        Holders { first: rank, any: true, others: None }
    }

    /// The ranks that have a copy, in the order in which they got it.
    pub fn iter(&self) -> impl Iterator<Item = Rank> + '_ {
        let others = self.others.iter().flat_map(|others| others.iter().copied());
        self.any.then_some(self.first).into_iter().chain(others)
    }

    /// The number of ranks that have a copy.
    pub fn len(&self) -> usize {
        usize::from(self.any) + self.others.as_ref().map_or(0, |others| others.len())
    }

    /// Whether no rank has a copy.
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// Whether `rank` has a copy.
    pub fn contains(&self, rank: Rank) -> bool {
        self.iter().any(|holder| holder == rank)
    }

    /// Picks a holder of the result by `number`: equal numbers pick the same one, consecutive numbers different ones if
    /// possible. Spreads the transfers of a result over its copies.
    pub fn pick(&self, number: usize) -> Rank {
        match (number % self.len().max(1), &self.others) {
            (0, _) | (_, None) => self.first,
            (n, Some(others)) => others[n - 1],
        }
    }

    /// Adds a rank that has got a copy and had none.
    pub fn push(&mut self, rank: Rank) {
        if self.any {
            self.others.get_or_insert_default().push(rank);
        } else {
            *self = Holders::one(rank);
        }
    }

    /// Removes a rank that has lost or dropped its copy. Does nothing if `rank` had none.
    pub fn remove(&mut self, rank: Rank) {
        let left: Vec<Rank> = self.iter().filter(|&holder| holder != rank).collect();
        self.any = false;
        self.others = None;
        left.into_iter().for_each(|holder| self.push(holder));
    }
}

/// The answer that a task's owner (the client, or the rank that submitted it) waits for and rank 0 still owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerWants {
    /// The owner does not wait for the task.
    Nothing,
    /// The owner waits until the task is done.
    Done,
    /// The owner waits for the task's value at its own rank.
    Value,
    /// The owner waits for the value, which is being transferred to it.
    Bringing,
}

/// The record of a task at rank 0.
#[derive(Debug, PartialEq, Eq)]
pub struct ScheduledTask {
    /// The state of the task in its life cycle.
    pub state: TaskState,
    /// The task's own arguments, encoded. With `def` and `inputs` they are the recipe of the result.
    pub args: Bytes,
    /// The number that users see behind the function's name, to tell tasks apart (`mean-00000000000000ff`): half of the
    /// hash of the call, or the index in a family.
    pub key: u64,
    /// The tasks whose results this one takes.
    pub inputs: IdList,
    /// The tasks that wait for the result, to be notified when it exists. A task that takes the result twice is listed
    /// twice.
    pub waiting: IdList,
    /// The definition: function and options.
    pub def: DefId,
    /// The longest path to this task from a task without inputs; for a nested task, at least one more than the depth of
    /// the task that submitted it. Deeper tasks go first, since they finish what is begun.
    pub depth: u32,
    /// The number of uses of the result that are still to come: as an input of unfinished tasks, or by a transfer to
    /// the owner.
    pub pending: u32,
    /// The number of consumers (tasks that take the result) with a record. A consumer's result might have to be
    /// computed again, and then this one too.
    pub lineage: u32,
    /// The number of the task's last start, from 1; 0 before the first. A start that a rank has given back is not
    /// counted.
    pub attempt: Attempt,
    /// The number of times that the task has failed.
    pub failures: u16,
    /// Whether the owner (the client, or the rank of the task that submitted this one) holds a future of the task.
    pub held: bool,
    /// Whether another task submitted this one.
    pub nested: bool,
    /// The request of the owner that is still to be answered.
    pub want: OwnerWants,
    /// Whether a rank returned the task before it started. Then placement sends it to the least loaded rank, wherever
    /// its inputs are.
    pub given_back: bool,
}

/// The definition number of values that the client or a task has supplied (scatter). Such values have no recipe to
/// compute them again, so they are kept as long as a consumer might need them again.
pub(super) const SCATTERED: DefId = DefId(u32::MAX);

/// The record of a task takes 80 bytes. With its future, which takes 100 bytes at the client, a task stays below 200.
const _: () = assert!(size_of::<Option<ScheduledTask>>() == 80 && size_of::<TaskState>() == 16);

impl ScheduledTask {
    /// Makes the record of a new task, without inputs; its owner holds a future.
    pub fn new(state: TaskState, def: DefId, key: u64, args: &[u8]) -> Self {
        ScheduledTask {
            state,
            args: Bytes::new(args),
            key,
            inputs: IdList::default(),
            waiting: IdList::default(),
            def,
            depth: 0,
            pending: 0,
            lineage: 0,
            attempt: 0,
            failures: 0,
            held: true,
            nested: false,
            want: OwnerWants::Nothing,
            given_back: false,
        }
    }

    /// Whether the task's result exists now, in the record or on a rank.
    pub fn has_result(&self) -> bool {
        matches!(self.state, TaskState::Inline(_) | TaskState::Stored(_))
    }

    /// The size in bytes of a stored result; 0 if there is none or it is kept at rank 0.
    pub fn nbytes(&self) -> u64 {
        match &self.state {
            TaskState::Stored(copies) => copies.nbytes,
            _ => 0,
        }
    }

    /// Whether the result is not needed now: its owner holds no future of it and does not wait for it, and no use is to
    /// come. A result that could not be computed again is needed as long as it has consumers, which might have to be
    /// computed again themselves.
    pub fn is_unneeded(&self) -> bool {
        !self.held
            && self.pending == 0
            && self.want == OwnerWants::Nothing
            && (self.lineage == 0 || !self.has_no_recipe())
    }

    /// Whether the result could not be computed again (its function and arguments are not kept). Such a result stays
    /// while a consumer might need it.
    fn has_no_recipe(&self) -> bool {
        self.def == SCATTERED || matches!(self.state, TaskState::Inline(_))
    }
}

type Records = Dense<ScheduledTask, 256>;

/// The table of all task records: for each rank that submits tasks, the owner, an array by task number.
#[derive(Debug, Default)]
pub(super) struct TaskTable {
    /// The records of the client's tasks.
    records: Records,
    /// The records of the tasks that ranks 1, 2, … have submitted, up to the highest rank that has submitted any.
    nested: Vec<Records>,
    lists: Lists,
}

impl TaskTable {
    /// The number of task records, summed over the ranks whose clients and tasks have submitted them (owners).
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.records.len() + self.nested.iter().map(Dense::len).sum::<usize>()
    }

    /// The number of lists of inputs and consumers that are stored outside the records. Used by the checks of tests.
    #[inline]
    pub(super) fn lists(&self) -> usize {
        self.lists.len()
    }

    fn row(&self, owner: Rank) -> Option<&Records> {
        match owner.index() {
            0 => Some(&self.records),
            rank => self.nested.get(rank - 1),
        }
    }

    fn row_mut(&mut self, owner: Rank) -> (Option<&mut Records>, &mut Lists) {
        let row = match owner.index() {
            0 => Some(&mut self.records),
            rank => self.nested.get_mut(rank - 1),
        };
        (row, &mut self.lists)
    }

    fn with_lists(&mut self, task: TaskId) -> (Option<&mut ScheduledTask>, &mut Lists) {
        let (row, lists) = self.row_mut(task.owner());
        (row.and_then(|row| row.get_mut(task.count())), lists)
    }

    /// The record of `task`, or `None` if it has none.
    #[inline]
    pub(super) fn get(&self, task: TaskId) -> Option<&ScheduledTask> {
        self.row(task.owner())?.get(task.count())
    }

    /// The record of `task`, for changes, or `None` if it has none.
    #[inline]
    pub(super) fn get_mut(&mut self, task: TaskId) -> Option<&mut ScheduledTask> {
        self.with_lists(task).0
    }

    /// Stores the record of `task`, which has none yet and takes `inputs`.
    #[inline]
    pub(super) fn insert(&mut self, task: TaskId, mut record: ScheduledTask, inputs: SmallVec<[TaskId; 2]>) {
        record.inputs = IdList::new(task, inputs, &mut self.lists);
        let owner = task.owner();
        if owner.index() > self.nested.len() {
            self.nested.resize_with(owner.index(), Records::default);
        }
        if let (Some(row), _) = self.row_mut(owner) {
            row.insert(task.count(), record);
        }
    }

    /// Removes the record of `task` and returns only its inputs. `None` if there is no record.
    #[inline]
    pub(super) fn remove(&mut self, task: TaskId) -> Option<SmallVec<[TaskId; 2]>> {
        let (row, lists) = self.row_mut(task.owner());
        row?.remove_with(task.count(), |record| {
            let record = record.as_mut()?;
            record.waiting.take(task, lists);
            Some(record.inputs.take(task, lists))
        })
    }

    /// The tasks whose results `task` takes.
    #[inline]
    pub(super) fn inputs(&self, task: TaskId) -> id_list::Iter<'_> {
        let record = self.get(task);
        record.map_or(id_list::Iter::none(), |record| record.inputs.iter(task, &self.lists))
    }

    /// Removes the inputs from the record of `task` and returns them.
    #[inline]
    pub(super) fn take_inputs(&mut self, task: TaskId) -> SmallVec<[TaskId; 2]> {
        let (record, lists) = self.with_lists(task);
        record.map(|record| record.inputs.take(task, lists)).unwrap_or_default()
    }

    /// Stores the inputs of `task`, after [`TaskTable::take_inputs`] has removed them.
    #[inline]
    pub(super) fn put_inputs(&mut self, task: TaskId, inputs: SmallVec<[TaskId; 2]>) {
        if let (Some(record), lists) = self.with_lists(task) {
            record.inputs = IdList::new(task, inputs, lists);
        }
    }

    /// The tasks that wait for the result of `task`, to be notified when it exists.
    #[inline]
    pub(super) fn waiting(&self, task: TaskId) -> id_list::Iter<'_> {
        let record = self.get(task);
        record.map_or(id_list::Iter::none(), |record| record.waiting.iter(task, &self.lists))
    }

    /// Removes the tasks to notify about the result of `task` from its record and returns them.
    #[inline]
    pub(super) fn take_waiting(&mut self, task: TaskId) -> SmallVec<[TaskId; 2]> {
        let (record, lists) = self.with_lists(task);
        record.map(|record| record.waiting.take(task, lists)).unwrap_or_default()
    }

    /// Adds `consumer` to the tasks that wait for the result of `task`.
    #[inline]
    pub(super) fn push_waiting(&mut self, task: TaskId, consumer: TaskId) {
        if let (Some(record), lists) = self.with_lists(task) {
            record.waiting.push(task, consumer, lists);
        }
    }

    /// The numbers of all tasks with a record, ascending by owner and count.
    #[inline]
    pub(super) fn ids(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.iter().map(|(task, _)| task)
    }

    /// The first task of the client whose number is at least `from` and that has a record.
    #[inline]
    pub(super) fn next_from(&self, from: u64) -> Option<TaskId> {
        self.records.next_from(from).map(TaskId)
    }

    /// The records with their task numbers, in ascending order.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = (TaskId, &ScheduledTask)> + '_ {
        (0..=self.nested.len() as u32).flat_map(|owner| self.of(Rank(owner)))
    }

    /// The records of the tasks that `owner` has submitted, in ascending order of the task numbers.
    #[inline]
    pub(super) fn of(&self, owner: Rank) -> impl Iterator<Item = (TaskId, &ScheduledTask)> + '_ {
        let first = TaskId::first_of(owner).0;
        let records = self.row(owner).into_iter().flat_map(Dense::iter);
        records.map(move |(count, record)| (TaskId(first + count), record))
    }
}
