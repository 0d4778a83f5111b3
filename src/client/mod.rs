//! The client, by which a program submits functions as tasks, and the futures of their results.
//!
//! The client numbers tasks and definitions itself and pushes requests into the mailbox of its rank's reactor. A
//! submission waits at most for room in that mailbox (back-pressure); only results, statuses and totals wait for
//! answers. A pure call whose future still exists is submitted once. Start with [`Client::submit`].
//!
//! * [`arguments`]: packing of arguments; [`options`], [`resources`]: priorities, retries, ranks, resources;
//! * [`future`]: results and waits; [`waiting`]: waits for some of many tasks; [`watch`]: the ends of tasks without
//!   their results; [`callbacks`]: functions that run when a task has ended;
//! * [`control`]: cancel, another attempt, names; [`task_info`]: what a task sees of itself;
//! * [`data`]: values of the program as results; [`published`]: results by name; [`containers`]: futures inside other
//!   containers, as arguments;
//! * [`bulk`]: reductions, chunks, map and reduce; [`executors`]: a part of this interface without MPI;
//! * [`family`]: a function over a range of indexes; [`pure_calls`]: the futures of pure calls by key;
//! * [`objects`]: queues, events, actors and other objects that live on a rank;
//! * `submission`: keys, numbers and definitions of new tasks; [`nested`]: the client of a task; [`run`](mod@run): the start and end of a run.

pub(crate) mod arguments;
pub(crate) mod bulk;
pub(crate) mod callbacks;
pub(crate) mod containers;
pub(crate) mod control;
pub(crate) mod data;
pub(crate) mod executors;
pub(crate) mod family;
pub(crate) mod future;
pub(crate) mod local;
pub(crate) mod nested;
pub(crate) mod objects;
pub(crate) mod options;
pub(crate) mod pending;
pub(crate) mod published;
pub(crate) mod pure_calls;
pub(crate) mod resources;
#[cfg(feature = "mpi")]
pub(crate) mod run;
mod submission;
pub(crate) mod task_info;
pub(crate) mod waiting;
pub(crate) mod watch;

use crate::client::arguments::{Args, ArgumentPack};
use crate::client::callbacks::Callbacks;
use crate::client::future::{Future, FutureHandle};
use crate::client::objects::ObjectTables;
use crate::client::options::Options;
use crate::client::pure_calls::PureCalls;
use crate::clock;
use crate::compact::Runs;
use crate::error::{Error, Result};
use crate::ids::{DefId, Rank, TaskId};
use crate::runtime::driver::DriverLink;
use crate::runtime::head::{Request, Totals};
use crate::runtime::mailbox::Mailbox;
use crate::runtime::nested::CounterNames;
use crate::runtime::threads::task_context;
use crate::runtime::wait::Wait;
use crate::scheduler::{DefOptions, Status};
use crate::task::function;
use crate::task::task_fn::TaskFn;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock, mpsc};

/// Number of tasks that `map` submits while it holds the client's lock once.
const BATCH: usize = 256;

/// Handles of futures that the caller drops only after it has released the client's lock, since the drop of a handle
/// takes that lock.
type Held = SmallVec<[Arc<FutureHandle>; 1]>;

/// A client, which submits tasks. Its copies share everything and may be used from any thread of their rank: rank 0,
/// and with [`current`](crate::current) the rank that computes a task.
///
/// ```
/// fn mean(client: &dtask::Client, parts: Vec<Vec<f64>>) -> dtask::Result<f64> {
///     let count = parts.iter().map(Vec::len).sum::<usize>() as f64;
///     let sums = client.map(|part: Vec<f64>| part.iter().sum::<f64>(), parts);
///     Ok(client.gather(sums)?.iter().sum::<f64>() / count)
/// }
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<ClientShared>,
    ranks: usize,
    /// The task that has asked for this client; `None` for the client of `run`'s closure.
    parent: Option<TaskId>,
}

/// The state that all clients and futures of a rank share: the numbering of tasks, the keys of pure calls, and the way
/// to the reactor.
pub(crate) struct ClientShared {
    mailbox: Arc<Mailbox<Request>>,
    /// The driver of the rank's reactor (its loop that serves MPI). A thread that waits for an answer makes turns of
    /// the reactor through it.
    driver: Arc<DriverLink>,
    rank: Rank,
    ranks: usize,
    /// The counters and tables for handles of objects, such as queues.
    objects: ObjectTables,
    state: Mutex<ClientState>,
    /// The functions that run when tasks have ended; empty before the first one.
    callbacks: OnceLock<Arc<Callbacks>>,
    /// The names of the job's counters, as far as this rank knows them.
    pub(crate) counters: Arc<CounterNames>,
    /// The names of the ranks' hosts, at rank 0 only.
    pub(crate) hosts: OnceLock<Vec<String>>,
}

#[derive(Default)]
struct ClientState {
    defs: HashMap<(u64, DefOptions), DefId>,
    /// The definition (function with options) that was used last, kept to save a look-up: most calls in a row are of
    /// one function.
    last: Option<((u64, DefOptions), DefId)>,
    names: Vec<Arc<str>>,
    keys: PureCalls,
    next_task: u64,
    unique: u64,
    /// The names that tasks were given.
    task_names: HashMap<TaskId, Arc<str>>,
    closed: Option<String>,
}

impl ClientShared {
    fn name(&self, def: DefId) -> Arc<str> {
        self.state.lock().names.get(def.index()).cloned().unwrap_or_else(|| "value".into())
    }

    fn forget_key(&self, key: u128, handle: *const FutureHandle) {
        let mut state = self.state.lock();
        // a new future of the same call may have replaced this one
        if let Entry::Occupied(entry) = state.keys.entry(key)
            && std::ptr::eq(entry.get().as_ptr(), handle)
        {
            entry.remove();
        }
    }

    fn status(&self, task: TaskId) -> Status {
        self.statuses([task]).pop().unwrap_or(Status::Released)
    }

    /// The statuses of the given tasks, in order. All requests are sent before the first answer is awaited.
    fn statuses(&self, tasks: impl IntoIterator<Item = TaskId>) -> Vec<Status> {
        let ask = |task| {
            let (reply, answer) = mpsc::channel();
            self.mailbox.push(Request::Status(task, reply));
            answer
        };
        let first: Vec<TaskId> = tasks.into_iter().collect();
        let answers: Vec<_> = first.iter().copied().map(ask).collect();
        if self.state.lock().closed.is_some() {
            return vec![Status::Released; answers.len()];
        }
        let statuses: Vec<Status> =
            answers.into_iter().map(|answer| clock::receive(&answer).unwrap_or(Status::Released)).collect();
        let open = |status: &Status| matches!(status, Status::Pending | Status::Assigned);
        if let Some(at) = statuses.iter().position(open) {
            self.rest(first.get(at).copied());
        }
        statuses
    }

    /// Lets a task that looks for the end of `task` again and again give its slot back for a moment.
    fn rest(&self, task: Option<TaskId>) {
        let Some(task) = task.filter(|_| task_context::looked_in_vain()) else { return };
        let wait = Wait::for_ends(1);
        let mut tasks = Runs::default();
        tasks.push(task.0);
        self.mailbox.push(Request::Want { tasks, first: 0, wait: wait.clone() });
        self.answer_if_closed(&wait);
        wait.rest(self.driver.get().as_deref());
    }

    fn answer_if_closed(&self, wait: &Wait) {
        if let Some(why) = &self.state.lock().closed {
            wait.close(why);
        }
    }

    /// Marks the run as ended for all clients and futures of the rank. Threads that wait for results now or later get
    /// an error with the reason `why`.
    pub(crate) fn close(&self, why: &str) {
        self.state.lock().closed = Some(why.to_owned());
        if let Some(callbacks) = self.callbacks.get() {
            callbacks.close(why);
        }
        let mut left = Vec::new();
        self.mailbox.drain(&mut left);
        for request in left {
            match request {
                Request::Want { wait, .. } => wait.close(why),
                Request::Object(request) => request.close(why),
                _ => {}
            }
        }
    }
}

impl Client {
    /// Makes the client of `rank`. Requests go to the rank's reactor through the mailbox; waiting threads turn the
    /// reactor through the driver.
    pub(crate) fn new(
        mailbox: Arc<Mailbox<Request>>,
        driver: Arc<DriverLink>,
        rank: Rank,
        ranks: usize,
    ) -> Self {
        let state = Mutex::new(ClientState { next_task: TaskId::first_of(rank).0, ..ClientState::default() });
        let shared = ClientShared {
            mailbox,
            driver,
            rank,
            ranks,
            objects: ObjectTables::default(),
            state,
            callbacks: OnceLock::new(),
            counters: Arc::default(),
            hosts: OnceLock::new(),
        };
        Client { shared: Arc::new(shared), ranks, parent: None }
    }

    pub(crate) fn shared(&self) -> &Arc<ClientShared> {
        &self.shared
    }

    /// Number of ranks of the MPI job, rank 0 included.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// println!("{} ranks, rank 0 too", client.ranks());
    /// # Ok(()) }
    /// ```
    pub fn ranks(&self) -> usize {
        self.ranks
    }

    /// Submits one task and returns at once.
    ///
    /// The function is a `fn` item or a closure that captures nothing, of up to eight parameters, each by value or by
    /// reference. An argument is a value, a future, or a vector of futures, which need not be done.
    ///
    /// The function itself does not travel: the rank that computes makes a value of its type, which has no size, out of
    /// nothing. A type of your own that implements `Fn` (on nightly Rust) must not stand for something that was done in
    /// the process that made it.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.submit(|x: i64| x + 1, (1,));
    /// let y = client.submit(|a: i64, b: i64| a * b, (&x, 10));
    /// assert_eq!(y.result()?, 20);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn submit<M, F, P>(&self, function: F, args: P) -> Future<F::Output>
    where
        F: TaskFn<M>, // parameters `&str`, `&[u8]`, `&Path`: write `&String`, `&Vec<u8>`, `&PathBuf`
        P: Args<F::Params>,
    {
        self.submit_with(true, DefOptions::default(), function, args)
    }

    /// Submits one task per item.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let squares = client.map(|x: u64| x * x, 1..=4);
    /// assert_eq!(client.gather(squares)?, [1, 4, 9, 16]);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    #[must_use = "a task whose future is dropped before it has started never runs: keep the futures"]
    pub fn map<M, F, X>(&self, function: F, items: impl IntoIterator<Item = X>) -> Vec<Future<F::Output>>
    where
        F: TaskFn<M>, // parameters `&str`, `&[u8]`, `&Path`: write `&String`, `&Vec<u8>`, `&PathBuf`
        (X,): Args<F::Params>,
    {
        self.options().map(function, items)
    }

    /// Submits one task per tuple of arguments.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let sums = client.starmap(|a: i32, b: i32| a + b, [(1, 2), (3, 4)]);
    /// assert_eq!(client.gather(sums)?, [3, 7]);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    #[must_use = "a task whose future is dropped before it has started never runs: keep the futures"]
    pub fn starmap<M, F, X>(&self, function: F, items: impl IntoIterator<Item = X>) -> Vec<Future<F::Output>>
    where
        F: TaskFn<M>,
        X: Args<F::Params>,
    {
        self.options().starmap(function, items)
    }

    /// Options for the tasks that are submitted through them; see [`Options`].
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let careful = client.options().retries(3).priority(1);
    /// let x = careful.submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn options(&self) -> Options<'_> {
        Options::new(self)
    }

    /// Totals of the run so far: tasks, bytes moved, busy time.
    ///
    /// # Errors
    /// When the run has ended.
    pub(crate) fn totals(&self) -> Result<Totals> {
        self.only_at_rank_0("totals")?;
        let (reply, answer) = mpsc::channel();
        self.shared.mailbox.push(Request::Totals(reply));
        if let Some(why) = &self.shared.state.lock().closed {
            return Err(Error::Closed(why.clone()));
        }
        clock::receive(&answer).map_err(|_| Error::Closed("the reactor has ended".into()))
    }

    #[track_caller]
    fn submit_with<M, F: TaskFn<M>, P: Args<F::Params>>(
        &self,
        pure: bool,
        options: DefOptions,
        function: F,
        args: P,
    ) -> Future<F::Output> {
        let offset = function::offset_of::<F, M>(&function);
        // The pack holds futures. It is dropped after the lock is released, since their drop takes the lock, and after
        // the push, since their release must not overtake the task.
        let mut pack = ArgumentPack::new(self);
        args.pack(&mut pack);
        let mut state = self.shared.state.lock();
        let (handle, request) = state.submit(&self.shared, pure, options, &function, offset, &mut pack);
        // under the lock: the request may introduce a definition, which a task that another thread submits must not
        // overtake
        if let Some(request) = request {
            self.shared.mailbox.push(request);
        }
        drop(state);
        Future::new(handle)
    }

    #[track_caller]
    fn map_with<M, F, X>(
        &self,
        pure: bool,
        options: DefOptions,
        function: F,
        items: impl IntoIterator<Item = X>,
    ) -> Vec<Future<F::Output>>
    where
        F: TaskFn<M>,
        X: Args<F::Params>,
    {
        let offset = function::offset_of::<F, M>(&function);
        let mut items = items.into_iter();
        let mut futures = Vec::with_capacity(items.size_hint().0);
        let mut packs = Vec::with_capacity(BATCH);
        loop {
            packs.extend(items.by_ref().take(BATCH).map(|item| {
                let mut pack = ArgumentPack::new(self);
                item.pack(&mut pack);
                pack
            }));
            if packs.is_empty() {
                return futures;
            }
            let mut state = self.shared.state.lock();
            let mut requests = Vec::with_capacity(packs.len());
            for pack in &mut packs {
                let (handle, request) = state.submit(&self.shared, pure, options, &function, offset, pack);
                futures.push(Future::new(handle));
                requests.extend(request);
            }
            self.shared.mailbox.extend(requests);
            drop(state);
            packs.clear();
        }
    }
}
