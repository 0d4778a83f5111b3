//! How tasks are to be treated.

use super::Client;
use super::family::Family;
use super::future::Future;
use crate::client::arguments::Args;
use crate::error::Result;
use crate::ids::Rank;
use crate::scheduler::{DefOptions, ResourceRequest};
use crate::task::task_fn::TaskFn;
use crate::task::value::Data;
use std::time::Duration;

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
}

impl<'c> Options<'c> {
    pub(super) fn new(client: &'c Client) -> Self {
        Options { client, pure: true, def: DefOptions::default() }
    }

    /// Whether the same function with the same arguments is one task, computed once (the default). Without, every call
    /// is a task of its own: for functions that draw random numbers or have effects.
    pub fn pure(mut self, pure: bool) -> Self {
        self.pure = pure;
        self
    }

    /// Larger first; 0 by default.
    pub fn priority(mut self, priority: i32) -> Self {
        self.def.priority = priority;
        self
    }

    /// How often a failed task is started again; 0 by default.
    pub fn retries(mut self, retries: u16) -> Self {
        self.def.retries = retries;
        self
    }

    /// The pause between a task's first failure and its next start, 0 by default; it is twice as long after each failure more.
    /// At most 49 days. The task takes no slot meanwhile, and another rank is preferred for the next attempt.
    pub fn retry_delay(mut self, delay: Duration) -> Self {
        self.def.retry_delay = u32::try_from(delay.as_millis()).unwrap_or(u32::MAX);
        self
    }

    /// The only rank that may compute the task; a rank without slots never does.
    pub fn on(mut self, rank: Rank) -> Self {
        self.def.on = Some(rank);
        self
    }

    /// Where the tasks run is noted under the number `place`; they run on a host where those of their inputs have run that
    /// have the place `near`. 0 is none.
    pub(crate) fn place(mut self, place: u32, near: u32) -> Self {
        (self.def.place, self.def.near) = (place, near);
        self
    }

    /// Slots of its rank that a task takes, 1 by default: for functions that compute with so many threads of their own, or
    /// on the rank's by rayon. It waits until a rank has as many free; with more than any has it fails.
    pub fn threads(mut self, threads: u32) -> Self {
        self.def.needs.slots = threads.max(1);
        self
    }

    /// Devices of its rank that a task takes while it runs; 0 by default. A task that asks for more than any rank has fails.
    pub fn gpus(mut self, gpus: u32) -> Self {
        self.def.needs.gpus = gpus;
        self
    }

    /// Bytes of its host's memory that a task takes while it runs; 0 by default. A task that asks for more than any host has
    /// fails.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.def.needs.memory = bytes;
        self
    }

    /// Everything that a task takes while it runs, counters of the job included; see [`ResourceRequest`] and [`Client::set_counter`].
    pub(crate) fn needs(mut self, needs: ResourceRequest) -> Self {
        self.def.needs = ResourceRequest { slots: needs.slots.max(1), ..needs };
        self
    }

    /// As [`Client::submit`].
    pub fn submit<M, F: TaskFn<M>, P: Args<F::Params>>(&self, function: F, args: P) -> Future<F::Output> {
        self.client.submit_with(self.pure, self.def, function, args)
    }

    /// As [`Client::family_with`](super::Client::family_with).
    ///
    /// # Errors
    /// As there.
    pub fn family_with<M, F, S>(&self, function: F, shared: S, count: u64) -> Result<Family<F::Output>>
    where
        S: Data,
        F: TaskFn<M, Params = (S, u64)>,
    {
        self.client.family_with_options(self.def, function, shared, count)
    }

    /// As [`Client::map`].
    pub fn map<M, F, X>(&self, function: F, items: impl IntoIterator<Item = X>) -> Vec<Future<F::Output>>
    where
        F: TaskFn<M>,
        (X,): Args<F::Params>,
    {
        self.client.map_with(self.pure, self.def, function, items.into_iter().map(|item| (item,)))
    }

    /// As [`Client::starmap`].
    pub fn starmap<M, F, X>(&self, function: F, items: impl IntoIterator<Item = X>) -> Vec<Future<F::Output>>
    where
        F: TaskFn<M>,
        X: Args<F::Params>,
    {
        self.client.map_with(self.pure, self.def, function, items)
    }
}
