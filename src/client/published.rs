//! Results that tasks on all ranks find by a name, and the spread of results over the ranks.

use super::Client;
use super::arguments::ArgumentPack;
use super::future::{Future, FutureHandle, want};
use crate::compact::Bytes;
use crate::error::{Error, Result};
use crate::ids::{DefId, TaskId};
use crate::protocol::{PublishAnswer, RegistryRequest};
use crate::runtime::head::Request;
use crate::runtime::wait::{Wait, WaitAnswer};
use crate::scheduler::{DefOptions, SchedulerEvent, TAKES_PUBLISHED};
use crate::task::handed_on::hands_on;
use crate::task::value::Data;
use std::sync::mpsc;

impl Client {
    /// Publishes a result under a name, by which all tasks on all ranks and the client find it with
    /// [`Client::published`]. The task need not have ended. The name keeps the result until [`Client::unpublish`] or the
    /// end of the run, whoever drops the future.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let mesh = client.submit(|n: usize| vec![0.5; n], (1_000,));
    /// client.publish("mesh", &mesh)?;
    /// fn first() -> Result<f64, dtask::Failure> {
    ///     let mesh = dtask::current()?.published::<Vec<f64>>("mesh")?;
    ///     Ok(mesh.shared()?[0])
    /// }
    /// assert_eq!(client.submit(first, ()).result()?, 0.5);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When another result is published under that name; and when the run has ended.
    pub fn publish<T>(&self, name: &str, future: &Future<T>) -> Result<()> {
        let of = future.handle.task();
        let answer = self.ask_registry(RegistryRequest::Publish { name: name.into(), of })?;
        match answer.first() {
            Some(&answer) if answer == PublishAnswer::Published as u8 => Ok(()),
            Some(&answer) if answer == PublishAnswer::Taken as u8 => Err(Error::Other(format!(
                "another result is published as \"{name}\": choose another name, or `unpublish` that one first"
            ))),
            _ => Err(Error::Other(format!("{} cannot be published: it was released", future.key()))),
        }
    }

    /// The future of the result that is published under a name, on whichever rank that was done. It is a future of its
    /// own: the result stays until this one is dropped too. Where the result is, it is not copied.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let mesh = client.submit(|n: usize| vec![0.5; n], (1_000,));
    /// client.publish("mesh", &mesh)?;
    /// let same: dtask::Future<Vec<f64>> = client.published("mesh")?; // in tasks too
    /// # same.result()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When nothing is published under that name; and when the run has ended. A result of another type than `T` is an
    /// error of the future.
    pub fn published<T: Data>(&self, name: &str) -> Result<Future<T>> {
        let answer = self.ask_registry(RegistryRequest::Find { name: name.into() })?;
        let number = <[u8; 8]>::try_from(&answer[..]);
        let number = number.map_err(|_| Error::Other(format!("nothing is published as \"{name}\"")))?;
        let mut pack = ArgumentPack::new(self);
        pack.published(TaskId(u64::from_le_bytes(number)));
        let mut state = self.shared.state.lock();
        // first of all that wait: it takes no time
        let options = DefOptions { priority: i32::MAX, ..DefOptions::default() };
        let function = || TAKES_PUBLISHED.to_owned();
        let (handle, request) =
            state.submit_named(&self.shared, true, options, function, hands_on(), &mut pack);
        if let Some(request) = request {
            self.shared.mailbox.push(request);
        }
        drop(state);
        Ok(Future::new(handle))
    }

    /// Takes a name back. Returns whether something was published under it. Futures that [`Client::published`] has made
    /// stay good.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let mesh = client.submit(|n: usize| vec![0.5; n], (1_000,));
    /// client.publish("mesh", &mesh)?;
    /// assert!(client.unpublish("mesh")?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the run has ended.
    pub fn unpublish(&self, name: &str) -> Result<bool> {
        Ok(self.ask_registry(RegistryRequest::Unpublish { name: name.into() })?.first() == Some(&1))
    }

    /// The names under which results are published, sorted. Only the client of rank 0 can ask.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let mesh = client.submit(|n: usize| vec![0.5; n], (1_000,));
    /// client.publish("mesh", &mesh)?;
    /// assert_eq!(client.published_names()?, ["mesh"]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the run has ended, or in a task on another rank.
    pub fn published_names(&self) -> Result<Vec<String>> {
        self.only_at_rank_0("published_names")?;
        let (reply, answer) = mpsc::channel();
        self.shared.mailbox.push(Request::PublishedNames(reply));
        if let Some(why) = &self.shared.state.lock().closed {
            return Err(Error::Closed(why.clone()));
        }
        answer.recv().map_err(|_| Error::Closed("the reactor has ended".into()))
    }

    /// Moves results from ranks that hold many bytes to those that hold few, until the ranks that compute hold about as
    /// many each. Results that tasks use at this moment stay where they are, and so do those at rank 0. Waits until all
    /// have arrived, and returns the number of bytes that were moved.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let parts = client.options().on(dtask::Rank(1)).map(|n: u64| vec![n; 100_000], 0..8_u64);
    /// client.wait(&parts)?; // all on rank 1
    /// println!("{} bytes moved", client.rebalance()?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the run has ended.
    pub fn rebalance(&self) -> Result<u64> {
        let answer = self.ask_registry(RegistryRequest::Rebalance)?;
        let bytes = answer[..].try_into().map_err(|_| Error::internal("a number of another size"))?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Asks rank 0 for something about results, and waits for its answer. In a task the slot is given back meanwhile.
    fn ask_registry(&self, request: RegistryRequest) -> Result<Bytes> {
        let mut state = self.shared.state.lock();
        let task = TaskId(state.next_task);
        state.next_task += 1;
        // pushed under the lock, so that rank 0 gets the numbers in ascending order
        self.shared.mailbox.push(Request::Fact(SchedulerEvent::Registry { task, request }));
        drop(state);
        let handle = FutureHandle::new(task, 0, DefId(u32::MAX), false, self.shared.clone());
        let answer: Future<()> = Future::new(handle);
        let (wait, _) = want(&self.shared, [&answer], Wait::for_values);
        let mut answers = wait.all(None, self.shared.driver.get().as_deref()).unwrap_or_default();
        match answers.values.first_mut().and_then(Option::take) {
            Some(WaitAnswer::Inline(bytes)) => Ok(bytes),
            Some(WaitAnswer::Failed(cause)) => Err(Error::Task(cause)),
            _ => Err(Error::Closed(answers.closed.as_deref().unwrap_or("no answer has come").into())),
        }
    }
}
