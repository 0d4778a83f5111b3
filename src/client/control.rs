//! Control over single tasks: cancel, another attempt, a name; and how a task has ended.

use super::future::{Future, want};
use crate::error::Error;
use crate::protocol::Status;
use crate::runtime::head::Request;
use crate::runtime::wait::Wait;
use crate::scheduler::SchedulerEvent;
use std::sync::atomic::Ordering;

impl<T> Future<T> {
    /// Cancels the task, if it has not ended; see [`Client::cancel`](crate::Client::cancel). All copies of the future
    /// are cancelled with it, and all tasks that take its result.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let search = client.submit(|n: u64| (n..).find(|n| n % 97 == 0 || dtask::cancelled()), (1,));
    /// search.cancel();
    /// # Ok(()) }
    /// ```
    pub fn cancel(&self) {
        self.tell(SchedulerEvent::Cancel(self.handle.task()));
    }

    /// Whether the task was cancelled, or one that it depends on was. Does not wait for the task.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let x = client.submit(|n: u64| n + 1, (1,));
    /// let y = x.then(|n: u64| n + 1);
    /// x.cancel();
    /// println!("{}", y.cancelled()); // true, unless `y` was faster
    /// # Ok(()) }
    /// ```
    pub fn cancelled(&self) -> bool {
        self.status() == Status::Cancelled
    }

    /// Starts the task again if it has failed, and with it the failed tasks that it depends on; as often as its options
    /// allow. Other tasks that have failed with it stay as they are. A task that was cancelled cannot start again.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// # fn download(_: String) -> Result<String, dtask::Failure> { Ok(String::new()) }
    /// let page = client.submit(download, ("http://example.org".to_owned(),));
    /// if page.exception().is_some() {
    ///     page.retry();
    /// }
    /// println!("{}", page.result()?);
    /// # Ok(()) }
    /// ```
    pub fn retry(&self) {
        self.tell(SchedulerEvent::Retry(self.handle.task()));
    }

    /// Waits until the task has ended and returns its error; `None` if it has a result. The result is not moved.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let number = client.submit(|text: String| -> Result<u64, dtask::Failure> { Ok(text.parse()?) }, ("x".to_owned(),));
    /// if let Some(error) = number.exception() {
    ///     println!("{error}");
    /// }
    /// # Ok(()) }
    /// ```
    pub fn exception(&self) -> Option<Error> {
        let shared = &self.handle.shared;
        let (wait, _) = want(shared, [self], Wait::for_ends);
        let answers = wait.all(None, shared.driver.get().as_deref()).unwrap_or_default();
        if let Some((_, cause)) = answers.failed.first() {
            return Some(Error::Task(cause.clone()));
        }
        answers.all_ended().err()
    }

    /// Gives the task a name, which stands for it in the future's [`Future::key`] and `Debug` output, and in errors. A
    /// second name replaces the first.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let mesh = client.submit(|n: usize| vec![0.5; n], (100,)).named("mesh 7");
    /// assert_eq!(mesh.key(), "mesh 7");
    /// # Ok(()) }
    /// ```
    #[must_use = "a task whose future is dropped before it has started never runs: keep the future, or give it to \
                  `client.fire_and_forget(..)`"]
    pub fn named(self, name: impl Into<String>) -> Self {
        let (task, name) = (self.handle.task(), name.into());
        self.handle.shared.state.lock().task_names.insert(self.handle.number, name.as_str().into());
        self.handle.is_named.store(true, Ordering::Relaxed);
        self.tell(SchedulerEvent::Name(task, name.into()));
        self
    }

    fn tell(&self, event: SchedulerEvent) {
        self.handle.shared.mailbox.push(Request::Fact(event));
    }
}
