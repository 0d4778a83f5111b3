//! Families: one function over a range of indexes, kept as (definition, range) until instances start. Start with
//! [`Client::family`].

use super::future::{Future, FutureHandle};
use super::{Client, ClientShared};
use crate::codec;
use crate::compact::Ranges;
use crate::error::Result;
use crate::ids::{DefId, TaskId};
use crate::protocol::{Blob, index_argument};
use crate::runtime::head::Request;
use crate::scheduler::{DefOptions, NewTask, SchedulerEvent};
use crate::task::function;
use crate::task::task_fn::TaskFn;
use crate::task::value::Data;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

/// Largest number of tasks in one family (one function over a range of indexes): 2^32.
pub const FAMILY_MAX: u64 = 1 << 32;

/// Tasks 0, 1, …, n-1 of one function. Ten million of them cost memory only for those that have started.
///
/// Dropping the family releases all results but those of which [`Family::get`] has made futures.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let family = client.family(|i: u64| i * i, 1_000);
/// assert_eq!(client.gather(family.range(0..4))?, [0, 1, 4, 9]);
/// # Ok(()) }
/// ```
#[must_use = "tasks of a family that is dropped before they have started never run"]
pub struct Family<T> {
    first: TaskId,
    count: u64,
    def: DefId,
    /// Indexes of the tasks whose futures the user has taken by [`Family::get`]. The family no longer releases their
    /// results.
    taken: Mutex<Ranges>,
    /// Whether each task was submitted by itself, not all of them as one range of indexes. True for families that a
    /// running task submits.
    one_by_one: bool,
    shared: Arc<ClientShared>,
    kind: PhantomData<fn() -> T>,
}

impl<T> Family<T> {
    /// Number of tasks in the family.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let family = client.family(|i: u64| i * i, 1_000);
    /// assert_eq!(family.len(), 1_000);
    /// # Ok(()) }
    /// ```
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether the family has no tasks, since it was submitted with a count of 0.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// assert!(client.family(|i: u64| i, 0).is_empty());
    /// # Ok(()) }
    /// ```
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The future of task `index`; `None` if there is no such task, or its future was taken before.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let family = client.family(|i: u64| i * i, 1_000);
    /// let last = family.get(999).expect("it has so many");
    /// assert_eq!(last.result()?, 998_001);
    /// assert!(family.get(1_000).is_none());
    /// # Ok(()) }
    /// ```
    pub fn get(&self, index: u64) -> Option<Future<T>> {
        if index >= self.count {
            return None;
        }
        let task = TaskId(self.first.0 + index);
        let new = self.taken.lock().insert(index);
        new.then(|| {
            let key = u128::from(index) << 64 | u128::from(self.first.0);
            let (def, shared) = (self.def, self.shared.clone());
            Future::new(FutureHandle::new(task, key, def, false, shared))
        })
    }

    /// The futures of a range of tasks, without those that were taken by an earlier call.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let family = client.family(|i: u64| i * i, 1_000);
    /// assert_eq!(client.gather(family.range(10..12))?, [100, 121]);
    /// # Ok(()) }
    /// ```
    pub fn range(&self, range: Range<u64>) -> Vec<Future<T>> {
        range.filter_map(|index| self.get(index)).collect()
    }
}

impl<T> Drop for Family<T> {
    fn drop(&mut self) {
        let except = std::mem::take(self.taken.get_mut());
        if self.one_by_one {
            let left = (0..self.count).filter(|&index| !except.contains(index));
            let release = |index: u64| Request::Fact(SchedulerEvent::Release(TaskId(self.first.0 + index)));
            return self.shared.mailbox.extend(left.map(release));
        }
        self.shared.mailbox.push(Request::Fact(SchedulerEvent::ReleaseFamily {
            first: self.first,
            count: self.count,
            except,
        }));
    }
}

impl Client {
    /// Submits `count` tasks at once: `function(0)`, `function(1)`, … Inside a task they are submitted one by one.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let family = client.family(|i: u64| i * i, 10_000_000);
    /// assert_eq!(client.gather(family.range(3..6))?, [9, 16, 25]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// When there are more than [`FAMILY_MAX`] tasks.
    #[track_caller]
    pub fn family<M, F>(&self, function: F, count: u64) -> Family<F::Output>
    where
        F: TaskFn<M, Params = (u64,)>,
    {
        self.family_of(DefOptions::default(), function, Blob::default(), count)
    }

    /// Submits a family like [`Client::family`], with a first argument that all tasks share and that travels once to
    /// each rank: `function(shared, 0)`, `function(shared, 1)`, … It should be small; scatter a large one instead.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let cells = client.family_with(|name: String, i: u64| format!("{name} {i}"), "cell".to_owned(), 8)?;
    /// assert_eq!(client.gather(cells.range(0..1))?, ["cell 0"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When `shared` cannot be encoded, or its encoding is longer than 16 KiB.
    ///
    /// # Panics
    /// When there are more than [`FAMILY_MAX`] tasks.
    #[track_caller]
    pub fn family_with<M, F, S>(&self, function: F, shared: S, count: u64) -> Result<Family<F::Output>>
    where
        S: Data,
        F: TaskFn<M, Params = (S, u64)>,
    {
        self.family_with_options(DefOptions::default(), function, shared, count)
    }

    #[track_caller]
    pub(super) fn family_with_options<M, F, S>(
        &self,
        options: DefOptions,
        function: F,
        shared: S,
        count: u64,
    ) -> Result<Family<F::Output>>
    where
        S: Data,
        F: TaskFn<M, Params = (S, u64)>,
    {
        let encoded = codec::encode_value(&shared)?;
        if encoded.len() > crate::protocol::ARGS_MAX {
            let (length, most) = (encoded.len(), crate::protocol::ARGS_MAX);
            return Err(crate::error::CodecError::encode(format!(
                "the shared argument of a family: {length} bytes of at most {most}; scatter it instead"
            ))
            .into());
        }
        let mut packed = Default::default();
        crate::protocol::push_argument(&mut packed, &encoded);
        Ok(self.family_of(options, function, Blob(packed), count))
    }

    #[track_caller]
    fn family_of<M, F: TaskFn<M>>(
        &self,
        options: DefOptions,
        function: F,
        arguments: Blob,
        count: u64,
    ) -> Family<F::Output> {
        let offset = function::offset_of::<F, M>(&function);
        assert!(count <= FAMILY_MAX, "a family of {count} tasks: at most {FAMILY_MAX} are possible");
        let mut state = self.shared.state.lock();
        let name = || function::name_of(&function);
        let def = state.definition(&self.shared, offset, options, name, arguments);
        let first = TaskId(state.next_task);
        state.next_task += count;
        let one_by_one = self.parent.is_some();
        if one_by_one {
            let new = |index: u64| NewTask {
                task: TaskId(first.0 + index),
                def,
                key: index,
                args: index_argument(index),
                inputs: SmallVec::new(),
                parent: self.parent,
            };
            self.shared
                .mailbox
                .extend((0..count).map(|index| Request::Fact(SchedulerEvent::Submit(new(index)))));
        } else {
            self.shared.mailbox.push(Request::Fact(SchedulerEvent::SubmitFamily { def, first, count }));
        }
        let shared = self.shared.clone();
        Family { first, count, def, taken: Mutex::default(), one_by_one, shared, kind: PhantomData }
    }
}
