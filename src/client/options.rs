//! Options of tasks: purity, priority, retries, ranks and resources.

use super::Client;
use super::family::Family;
use super::future::Future;
use crate::client::arguments::Args;
use crate::client::resources::MemorySize;
use crate::error::{Error, Result};
use crate::ids::Rank;
use crate::protocol::RankList;
use crate::scheduler::{COUNTERS_MAX, DefOptions, ResourceRequest};
use crate::task::task_fn::TaskFn;
use crate::task::value::Data;
use std::collections::BTreeSet;
use std::time::Duration;

/// Largest number of ranks in a list of those that may run a task: it travels in one message.
const RANKS_MAX: usize = 8_192;

/// A client with options for the tasks that are submitted through it.
///
/// ```
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// let dice = client.options().pure(false).priority(10).map(|sides: u32| sides / 2, [6, 6, 6]);
/// assert_eq!(client.gather(dice)?, [3, 3, 3]);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Options<'c> {
    client: &'c Client,
    pure: bool,
    def: DefOptions,
    /// The reason why tasks with these options fail: an option that means nothing.
    refusal: Option<String>,
}

impl<'c> Options<'c> {
    pub(super) fn new(client: &'c Client) -> Self {
        Options { client, pure: true, def: DefOptions::default(), refusal: None }
    }

    pub(super) fn client(&self) -> &'c Client {
        self.client
    }

    /// The rank that was named by [`Options::on`].
    pub(super) fn rank(&self) -> Option<Rank> {
        self.def.on
    }

    /// Sets whether the same function with the same arguments is one task, computed once (the default). Without, every
    /// call is a task of its own: for functions that draw random numbers or have effects.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.options().pure(false).submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn pure(mut self, pure: bool) -> Self {
        self.pure = pure;
        self
    }

    /// Sets the priority of the tasks, 0 by default: among tasks that can start, those with a larger priority go first.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.options().priority(10).submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn priority(mut self, priority: i32) -> Self {
        self.def.priority = priority;
        self
    }

    /// Sets how many times a failed task is started again; 0 by default.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.options().retries(3).submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn retries(mut self, retries: u16) -> Self {
        self.def.retries = retries;
        self
    }

    /// Sets the pause between a task's first failure and its next start, 0 by default; it doubles after each further
    /// failure (exponential back-off). At most 49 days. The task takes no slot meanwhile, and another rank is preferred
    /// for the next attempt.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use std::time::Duration;
    ///
    /// let x = client.options().retries(3).retry_delay(Duration::from_secs(10)).submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.def.retry_delay = u32::try_from(delay.as_millis()).unwrap_or(u32::MAX);
        self
    }

    /// Pins the tasks to one rank: only that rank can compute them. If that rank has no slots, like rank 0 by default
    /// in a job of several ranks, the tasks fail.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use dtask::Rank;
    ///
    /// let x = client.options().on(Rank(0)).submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn on(mut self, rank: Rank) -> Self {
        self.def.on = Some(rank);
        self
    }

    /// Lets only these ranks compute the tasks, the one first that has room. If none of them computes, the tasks fail.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use dtask::Rank;
    ///
    /// let x = client.options().on_any([Rank(1), Rank(2)]).submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn on_any(mut self, ranks: impl IntoIterator<Item = Rank>) -> Self {
        let ranks = RankList::new(ranks);
        match ranks.len() {
            0 => self.refuse("`on_any` names no rank".into()),
            1..=RANKS_MAX => self.def.among = Some(ranks),
            count => self.refuse(format!("`on_any` names {count} ranks: at most {RANKS_MAX} are possible")),
        }
        self
    }

    /// Lets only the ranks of this host compute the tasks, as [`Config`](crate::Config)'s table of ranks or
    /// [`TaskInfo::host`](crate::TaskInfo::host) names it. If there is no such host, the tasks fail. Only the client of
    /// rank 0 knows the hosts: in a task, name ranks instead.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.options().on_host("n12").submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn on_host(mut self, host: &str) -> Self {
        let Some(hosts) = self.client.shared.hosts.get() else {
            self.refuse(format!(
                "`on_host(\"{host}\")` is for the client of rank 0: in a task, use `on_any` with ranks"
            ));
            return self;
        };
        let ranks = (0..).map(Rank).zip(hosts).filter(|(_, known)| *known == host).map(|(rank, _)| rank);
        let ranks: Vec<Rank> = ranks.collect();
        if ranks.is_empty() {
            let names: BTreeSet<&str> = hosts.iter().map(String::as_str).collect();
            let names: Vec<&str> = names.into_iter().collect();
            self.refuse(format!("no rank is on the host `{host}`: there are {}", names.join(", ")));
            return self;
        }
        self.on_any(ranks)
    }

    /// Prefers a rank for the tasks: it gets them as long as it has room, and else they go where they start first.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use dtask::Rank;
    ///
    /// let x = client.options().prefer(Rank(1)).submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn prefer(mut self, rank: Rank) -> Self {
        self.def.prefer = Some(rank);
        self
    }

    /// Sets the time that a task may take, from when it is handed to a thread; at most 49 days. A task that takes
    /// longer fails with [`TaskErrorKind::TimedOut`](crate::TaskErrorKind::TimedOut) and sees
    /// [`cancelled`](crate::cancelled): a function cannot be stopped, so it keeps its slot until it returns. If
    /// attempts are left ([`Options::retries`]), the next one starts then.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// use std::time::Duration;
    ///
    /// let x = client.options().timeout(Duration::from_secs(600)).submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.def.timeout = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX).max(1);
        self
    }

    /// Sets the amount that a task takes of a counter of the job while it runs: a limited quantity, such as licences,
    /// of which [`Client::set_counter`] says how much there is. A task that asks for more than there is fails.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// client.set_counter("licence", 4);
    /// let x = client.options().counter("licence", 1).submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn counter(mut self, name: &str, count: u32) -> Self {
        match self.client.shared.counters.find(name).and_then(|at| self.def.needs.counters.get_mut(at)) {
            Some(of_counter) => *of_counter = count,
            None => self.refuse(format!(
                "the job has no counter `{name}`: `client.set_counter(\"{name}\", ..)` says at rank 0 how much there \
                 is, for at most {COUNTERS_MAX} counters"
            )),
        }
        self
    }

    fn refuse(&mut self, why: String) {
        self.refusal.get_or_insert(why);
    }

    /// Sets host affinity between tasks. The scheduler records under the number `host_group` on which host each of
    /// these tasks runs. A task with `same_host_as` runs on a host where one of its inputs of that `host_group` has
    /// run. 0 means none.
    pub(crate) fn host_affinity(mut self, host_group: u32, same_host_as: u32) -> Self {
        (self.def.host_group, self.def.same_host_as) = (host_group, same_host_as);
        self
    }

    /// Sets the number of slots that a task takes on its rank, 1 by default. A task takes several slots for functions
    /// that compute with so many threads, their own or those of the rank's rayon pool. The task waits until a rank has
    /// as many free slots; a task that asks for more than any rank has fails.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.options().threads(4).submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn threads(mut self, threads: u32) -> Self {
        self.def.needs.slots = threads.max(1);
        self
    }

    /// Sets the number of devices (GPUs) of its rank that a task takes while it runs; 0 by default. A task that asks
    /// for more than any rank has fails.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.options().gpus(1).submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn gpus(mut self, gpus: u32) -> Self {
        self.def.needs.gpus = gpus;
        self
    }

    /// Sets the memory of its host that a task takes while it runs, in bytes or as a text such as `"2 GiB"`; 0 by
    /// default. Nothing watches what the task really takes. A task that asks for more than any host has fails.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.options().memory("2 GiB").submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    pub fn memory(mut self, size: impl Into<MemorySize>) -> Self {
        match size.into().0 {
            Ok(bytes) => self.def.needs.memory = bytes,
            Err(why) => self.refuse(why),
        }
        self
    }

    /// Sets all resources that a task takes while it runs: slots, GPUs, memory, and amounts of the job's counters (such
    /// as licences). See [`ResourceRequest`] and [`Client::set_counter_of`].
    pub(crate) fn needs(mut self, needs: ResourceRequest) -> Self {
        self.def.needs =
            ResourceRequest { slots: needs.slots.max(1), processes: needs.processes.max(1), ..needs };
        self
    }

    /// Submits one task with these options; see [`Client::submit`].
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.options().retries(2).submit(|n: u64| n + 1, (1,));
    /// # x.result()?;
    /// # Ok(()) }
    /// ```
    #[track_caller]
    pub fn submit<M, F, P>(&self, function: F, args: P) -> Future<F::Output>
    where
        F: TaskFn<M>, // parameters `&str`, `&[u8]`, `&Path`: write `&String`, `&Vec<u8>`, `&PathBuf`
        P: Args<F::Params>,
    {
        match &self.refusal {
            None => self.client.submit_with(self.pure, self.def, function, args),
            Some(why) => self.client.submit_refused(function, why),
        }
    }

    /// Submits a family with these options; see [`Client::family_with`](super::Client::family_with).
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let cells = client.options().priority(1).family_with(|seed: u64, i: u64| seed + i, 7, 100)?;
    /// assert_eq!(client.gather(cells.range(0..2))?, [7, 8]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Client::family_with`](super::Client::family_with).
    #[track_caller]
    pub fn family_with<M, F, S>(&self, function: F, shared: S, count: u64) -> Result<Family<F::Output>>
    where
        S: Data,
        F: TaskFn<M, Params = (S, u64)>,
    {
        if let Some(why) = &self.refusal {
            return Err(Error::Other(why.clone()));
        }
        self.client.family_with_options(self.def, function, shared, count)
    }

    /// Submits one task per item with these options; see [`Client::map`].
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let squares = client.options().retries(2).map(|n: u64| n * n, 0..4);
    /// assert_eq!(client.gather(squares)?, [0, 1, 4, 9]);
    /// # Ok(()) }
    /// ```
    #[track_caller]
    #[must_use = "a task whose future is dropped before it has started never runs: keep the futures"]
    pub fn map<M, F, X>(&self, function: F, items: impl IntoIterator<Item = X>) -> Vec<Future<F::Output>>
    where
        F: TaskFn<M>, // parameters `&str`, `&[u8]`, `&Path`: write `&String`, `&Vec<u8>`, `&PathBuf`
        (X,): Args<F::Params>,
    {
        self.starmap(function, items.into_iter().map(|item| (item,)))
    }

    /// Submits one task per tuple of arguments with these options; see [`Client::starmap`].
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let sums = client.options().retries(2).starmap(|a: i32, b: i32| a + b, [(1, 2), (3, 4)]);
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
        match &self.refusal {
            None => self.client.map_with(self.pure, self.def, function, items),
            Some(why) => items.into_iter().map(|_| self.client.submit_refused(function, why)).collect(),
        }
    }
}
