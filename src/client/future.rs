//! Futures: names for results that may not exist yet, and ways to wait for them.
//!
//! Copies of a future share a handle; the last one dropped releases the result on all ranks. Start with [`Future`] and
//! `want`, by which all waits begin.

use super::ClientShared;
use crate::compact::Runs;
use crate::error::{CodecError, Error, Result};
use crate::ids::{DefId, TaskId};
use crate::runtime::head::Request;
use crate::runtime::promise::Promise;
use crate::runtime::threads::task_context;
use crate::runtime::wait::{Wait, WaitAnswer, WaitAnswers};
use crate::scheduler::{SchedulerEvent, Status};
use crate::task::value::{AnyValue, Data, decode};
use std::any::type_name;
use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::mem::needs_drop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Number of times that [`Future::into_result`] looks whether the rank's store has let go of the value.
const RELEASE_LOOKS: usize = 64;

/// The handle that all copies of a future share; its drop releases the result.
pub(crate) struct FutureHandle {
    /// The number of the task or, if the result comes straight from another rank, of the promise.
    /// [`FutureHandle::task`] gives the number that rank 0 knows.
    pub(super) number: TaskId,
    /// The key of the task's call in two halves, since the alignment of a `u128` would make the handle longer.
    key: [u64; 2],
    pub(super) def: DefId,
    /// Whether the call is pure (equal calls are one task): then the same call, submitted again, finds this handle by
    /// its key.
    pub(super) pure: bool,
    /// Whether the task was given a name, which is to be forgotten with the handle.
    pub(super) is_named: AtomicBool,
    /// Whether the result comes straight from another rank (see [`Promise`]), so that rank 0 may not know it.
    pub(super) is_promised: bool,
    pub(super) shared: Arc<ClientShared>,
}

/// The handle and its two reference counts (strong, weak) fit into one block of 64 bytes from the allocator, of which
/// the allocator uses 8 itself.
const _: () = assert!(size_of::<FutureHandle>() + 2 * size_of::<usize>() <= 56);

impl FutureHandle {
    pub(super) fn new(
        task: TaskId,
        key: u128,
        def: DefId,
        pure: bool,
        shared: Arc<ClientShared>,
    ) -> Arc<Self> {
        let (number, key) = (task, [key as u64, (key >> 64) as u64]);
        let is_named = AtomicBool::new(false);
        Arc::new(FutureHandle { number, key, def, pure, is_named, is_promised: false, shared })
    }

    /// The number under which rank 0 knows the result. A promised result that has none is registered at rank 0.
    pub(super) fn task(&self) -> TaskId {
        match self.promise() {
            Some(promise) => self.shared.registered(&promise, (self.key() >> 64) as u64),
            None => self.number,
        }
    }

    /// The promise of the result; `None` for the result of a task.
    pub(super) fn promise(&self) -> Option<Arc<Promise>> {
        if !self.is_promised {
            return None;
        }
        self.shared.objects.promises.lock().get(&self.number).cloned()
    }

    pub(super) fn key(&self) -> u128 {
        u128::from(self.key[1]) << 64 | u128::from(self.key[0])
    }
}

impl Drop for FutureHandle {
    fn drop(&mut self) {
        if self.pure {
            self.shared.forget_key(self.key(), std::ptr::from_ref(self));
        }
        if *self.is_named.get_mut() {
            self.shared.state.lock().task_names.remove(&self.number);
        }
        let mut task = Some(self.number);
        if self.is_promised {
            let promise = self.shared.objects.promises.lock().remove(&self.number);
            task = promise.and_then(|promise| promise.registered());
        }
        if let Some(task) = task {
            self.shared.mailbox.push(Request::Fact(SchedulerEvent::Release(task)));
        }
    }
}

impl ClientShared {
    /// Makes the future of a result that will come straight from another rank.
    pub(super) fn promised(self: &Arc<Self>, promise: &Arc<Promise>) -> Arc<FutureHandle> {
        let number = TaskId(self.new_number());
        self.objects.promises.lock().insert(number, promise.clone());
        let (key, def, shared) = ([number.0, number.0], DefId(u32::MAX), self.clone());
        Arc::new(FutureHandle {
            number,
            key,
            def,
            pure: false,
            is_named: AtomicBool::new(false),
            is_promised: true,
            shared,
        })
    }

    /// The number under which rank 0 knows a promised result. The first call registers the promise at rank 0.
    pub(super) fn registered(&self, promise: &Promise, key: u64) -> TaskId {
        promise.register(|answer| {
            let mut state = self.state.lock();
            let task = TaskId(state.next_task);
            state.next_task += 1;
            // pushed under the lock, so that rank 0 gets the numbers in ascending order
            self.mailbox.push(Request::Fact(SchedulerEvent::Promise { task, key }));
            drop(state);
            if let Some(answer) = answer {
                self.mailbox.push(Request::Kept(task, answer.clone()));
            }
            task
        })
    }

    /// If the run has ended, gives an error to all that wait for the promise.
    pub(super) fn close_if_closed(&self, promise: &Promise) {
        if let Some(why) = &self.state.lock().closed {
            promise.close(why);
        }
    }
}

/// A name for the result of a task that may not have ended yet.
///
/// A future can be an argument of other tasks at once. Copies name the same result; dropping the last one releases it,
/// on every rank that holds it, once the tasks that take it are done. A task whose last future is dropped before it has
/// started never runs, unless another task takes its result or [`fire_and_forget`](crate::Client::fire_and_forget) has it.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let x = client.submit(|n: u64| n + 1, (1,));
/// let y = client.submit(|a: u64, b: u64| a * b, (&x, 10)); // `x` need not be done
/// assert_eq!(y.result()?, 20);
/// # Ok(()) }
/// ```
#[must_use = "a task whose future is dropped before it has started never runs: keep the future, or give it to \
              `client.fire_and_forget(..)`"]
pub struct Future<T> {
    pub(super) handle: Arc<FutureHandle>,
    pub(super) kind: PhantomData<fn() -> T>,
}

impl<T> Future<T> {
    /// A future of the same task under another result type: for callers that wait for the end of the task and never
    /// read the value.
    pub(crate) fn only_waited_for<U>(&self) -> Future<U> {
        Future { handle: self.handle.clone(), kind: PhantomData }
    }
}

impl<T> Clone for Future<T> {
    fn clone(&self) -> Self {
        Future { handle: self.handle.clone(), kind: PhantomData }
    }
}

impl<T> fmt::Debug for Future<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = short_type(type_name::<T>());
        write!(f, "<Future: status: {}, type: {kind}, key: {}>", self.status(), self.key())
    }
}

impl<T> Future<T> {
    pub(super) fn new(handle: Arc<FutureHandle>) -> Self {
        Future { handle, kind: PhantomData }
    }

    /// The key of the task's call: the function's name and a hash of the function's identity and its arguments. Equal
    /// pure calls have equal keys. Of a task that was given a name ([`Future::named`]), that name.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.submit(|n: u64| n + 1, (1,));
    /// println!("{}", x.key()); // closure-8bca9db4…
    /// # Ok(()) }
    /// ```
    pub fn key(&self) -> String {
        if self.handle.is_named.load(Ordering::Relaxed)
            && let Some(name) = self.handle.shared.state.lock().task_names.get(&self.handle.number)
        {
            return name.to_string();
        }
        let name = self.handle.shared.name(self.handle.def);
        format!("{name}-{:016x}", (self.handle.key() >> 64) as u64)
    }

    /// The status of the task at this moment. Asks rank 0 and waits for its answer.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.submit(|n: u64| n + 1, (1,));
    /// println!("{}", x.status()); // pending, assigned, finished
    /// # Ok(()) }
    /// ```
    pub fn status(&self) -> Status {
        if let Some(promise) = self.handle.promise().filter(|promise| promise.registered().is_none()) {
            return match promise.peek() {
                Some(WaitAnswer::Failed(_)) => Status::Failed,
                Some(_) => Status::Finished,
                None => {
                    // a task that polls gives its slot back for a moment, so that others get on
                    let wait = Wait::for_ends(1);
                    promise.wait(&wait, 0);
                    wait.rest(self.handle.shared.driver.get().as_deref());
                    Status::Assigned
                }
            };
        }
        self.handle.shared.status(self.handle.task())
    }

    /// Whether the task has ended, with a result or an error, or the run has ended.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.submit(|n: u64| n + 1, (1,));
    /// while !x.done() {
    ///     println!("not yet");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn done(&self) -> bool {
        !matches!(self.status(), Status::Pending | Status::Assigned)
    }
}

impl<T: Data> Future<T> {
    /// Waits for the result and returns a copy of it. [`Future::shared`] and [`Future::into_result`] return a large one
    /// without a copy.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.submit(|n: u64| n + 1, (1,));
    /// assert_eq!(x.result()?, 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the task, or one that it depends on, has failed; or the run has ended.
    pub fn result(&self) -> Result<T> {
        self.ask(None)
    }

    /// Waits for the result like [`Future::result`], but for at most `limit`.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use std::time::Duration;
    ///
    /// let x = client.submit(|n: u64| n + 1, (1,));
    /// match x.result_timeout(Duration::from_secs(5)) {
    ///     Err(dtask::Error::Timeout(limit)) => println!("not within {limit:?}"),
    ///     other => println!("{}", other?),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Future::result`]; and [`Error::Timeout`], after which the task goes on.
    pub fn result_timeout(&self, limit: Duration) -> Result<T> {
        self.ask(Some(limit))
    }

    /// Waits for the result and returns it as it is in this rank's store, without a copy. Other tasks and futures share
    /// it; it is freed with the last of them.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let mesh = client.submit(|n: usize| vec![0.5; n], (50_000_000,)).shared()?; // an Arc<Vec<f64>>
    /// # assert_eq!(mesh[0], 0.5);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Future::result`].
    pub fn shared(&self) -> Result<Arc<T>> {
        shared_values(self.answers(None)?)
            .next()
            .unwrap_or_else(|| Err(Error::Closed("no answer came".into())))
    }

    /// Waits for the result and moves it out of this rank's store if nobody else holds it: no other future of the task,
    /// and no task that takes the result. Else returns a copy.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let mesh = client.submit(|n: usize| vec![0.5; n], (1_000_000,));
    /// let numbers: Vec<f64> = mesh.into_result()?; // not copied
    /// # assert_eq!(numbers.len(), 1_000_000);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Future::result`].
    pub fn into_result(self) -> Result<T> {
        let mut value = self.shared()?;
        let shared = self.handle.shared.clone();
        let task = self.handle.task();
        let is_last = Arc::strong_count(&self.handle) == 1;
        drop(self); // the store lets go of the value when it hears of this
        for _ in 0..if is_last { RELEASE_LOOKS } else { 0 } {
            value = match Arc::try_unwrap(value) {
                Ok(value) => return Ok(value),
                Err(value) => value,
            };
            // rank 0 answers only after it has processed the release
            shared.status(task);
            std::thread::yield_now();
        }
        Ok(Arc::try_unwrap(value).unwrap_or_else(|value| (*value).clone()))
    }

    fn ask(&self, limit: Option<Duration>) -> Result<T> {
        values(self.answers(limit)?).next().unwrap_or_else(|| Err(Error::Closed("no answer came".into())))
    }

    fn answers(&self, limit: Option<Duration>) -> Result<WaitAnswers> {
        let (wait, _) = want(&self.handle.shared, [self], Wait::for_values);
        wait.all(limit, self.handle.shared.driver.get().as_deref())
            .ok_or_else(|| Error::Timeout(limit.unwrap_or_default()))
    }
}

/// The name of a type without the module paths in it: `Vec<String>` for `alloc::vec::Vec<alloc::string::String>`.
fn short_type(full: &str) -> String {
    let ends = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
    let words = full.split_inclusive(ends).map(|word| word.rsplit("::").next().unwrap_or(word));
    words.collect()
}

pub(super) fn values<T: Data>(answers: WaitAnswers) -> impl Iterator<Item = Result<T>> {
    taken(answers, |bytes| decode(bytes), |value| value.get::<T>().cloned())
}

fn shared_values<T: Data>(answers: WaitAnswers) -> impl Iterator<Item = Result<Arc<T>>> {
    taken(answers, |bytes| decode(bytes).map(Arc::new), |value| value.shared::<T>())
}

/// The answers of rank 0 in order, each taken from its encoded form or from the store.
fn taken<U>(
    answers: WaitAnswers,
    decode: fn(&[u8]) -> Result<U, CodecError>,
    take: fn(&AnyValue) -> Result<U, CodecError>,
) -> impl Iterator<Item = Result<U>> {
    let WaitAnswers { values, closed, .. } = answers;
    values.into_iter().map(move |answer| match answer {
        Some(WaitAnswer::Inline(bytes)) => Ok(decode(&bytes)?),
        Some(WaitAnswer::Value(value)) => Ok(take(&value)?),
        Some(WaitAnswer::Failed(cause)) => {
            task_context::note_told(&cause);
            Err(Error::Task(cause))
        }
        Some(WaitAnswer::Done) | None => {
            Err(Error::Closed(closed.as_deref().unwrap_or("the value did not come").into()))
        }
    })
}

/// Asks rank 0 to answer when the given tasks have ended. `new` makes the wait that collects the answers, from the
/// number of tasks. Returns the wait, and the futures that were given by value: the caller holds them until the answers
/// are there, since a dropped future would release its result.
pub(super) fn want<T, F: Borrow<Future<T>>>(
    shared: &Arc<ClientShared>,
    futures: impl IntoIterator<Item = F>,
    new: impl FnOnce(usize) -> Arc<Wait>,
) -> (Arc<Wait>, Vec<F>) {
    let (mut tasks, mut promises) = (Runs::default(), Vec::new());
    let given = |future: F| {
        let handle = &future.borrow().handle;
        match handle.promise() {
            // if all results come straight from other ranks, rank 0 need not know them
            Some(promise) if tasks.is_empty() => promises.push((promise, (handle.key() >> 64) as u64)),
            _ => {
                for (promise, key) in promises.drain(..) {
                    tasks.push(shared.registered(&promise, key).0);
                }
                tasks.push(handle.task().0);
            }
        }
        needs_drop::<F>().then_some(future)
    };
    let futures: Vec<F> = futures.into_iter().filter_map(given).collect();
    let wait = new(tasks.len() + promises.len());
    if !promises.is_empty() {
        for ((promise, _), place) in promises.iter().zip(0..) {
            promise.wait(&wait, place);
        }
        shared.answer_if_closed(&wait);
        return (wait, futures);
    }
    shared.mailbox.push(Request::Want { tasks, first: 0, wait: wait.clone() });
    shared.answer_if_closed(&wait);
    (wait, futures)
}

#[cfg(test)]
mod tests {
    use super::short_type;

    #[test]
    fn types_are_printed_without_paths() {
        assert_eq!(short_type("i64"), "i64");
        assert_eq!(short_type("alloc::vec::Vec<alloc::string::String>"), "Vec<String>");
        assert_eq!(short_type("(core::option::Option<[usize; 1]>, f64)"), "(Option<[usize; 1]>, f64)");
    }
}
