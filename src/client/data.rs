//! Data: values of the program that become results, and where results are.

use super::Client;
use super::future::{Future, FutureHandle};
use crate::client::arguments::scattered;
use crate::ids::DefId;
use crate::protocol::ReportedResult;
use crate::runtime::head::Request;
use crate::task::value::{AnyValue, Data};
use smallvec::SmallVec;
use std::sync::Arc;

/// A value that the client stores as a result at its own rank (scatter), prepared for the message to the reactor.
pub(crate) struct Scattered {
    pub(super) key: u128,
    pub(super) output: ReportedResult,
    pub(super) value: Option<AnyValue>,
}

impl Client {
    /// Stores a value as a result at rank 0 (in a task: at the task's rank), to be an argument of many tasks: it is
    /// moved once to each rank that needs it.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let table = client.scatter(vec![0.5; 1_000_000]);
    /// let means = client.starmap(|t: &[f64], k: usize| t[k], (0..8).map(|k| (&table, k)));
    /// # client.gather(means)?;
    /// # Ok(()) }
    /// ```
    pub fn scatter<T: Data>(&self, value: T) -> Future<T> {
        Future::new(self.scatter_value(scattered(value)))
    }

    pub(super) fn scatter_value(&self, scattered: Scattered) -> Arc<FutureHandle> {
        let mut other = SmallVec::new();
        let mut state = self.shared.state.lock();
        if let Some(handle) = state.find(scattered.key, &mut other) {
            return handle;
        }
        let handle = state.new_handle(&self.shared, scattered.key, DefId(u32::MAX), true);
        let Scattered { key, output, value } = scattered;
        let key = (key >> 64) as u64;
        // under the lock: a thread that finds this key must not submit a task that takes the value before this request
        self.shared.mailbox.push(Request::Scatter { task: handle.number, key, output, value });
        drop(state);
        handle
    }
}
