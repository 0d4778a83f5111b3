//! Nested tasks: the requests of tasks that submit tasks and wait for them, on a rank other than 0. They are told to
//! rank 0 in reports, and rank 0 answers in orders.
//!
//! Tasks on rank 0 use the client's own mailbox; see [`super::head`].

use super::head::Request;
use super::mailbox::Mailbox;
use super::wait;
use super::waiters::{Waiter, Waiters};
use crate::compact::Bytes;
use crate::error::ProtocolError;
use crate::ids::{IdMap, TaskId};
use crate::protocol::{
    COUNTERS_MAX, INPUTS_MAX, NestedAnswer, NestedDefinition, NestedTask, RankReport, Status,
};
use crate::runtime::executor::Executor;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::outbox::Links;
use crate::runtime::threads::pool::Compute;
use crate::scheduler::{DefOptions, NewTask, SchedulerEvent};
use crate::transport::Transport;
use parking_lot::Mutex;
use std::sync::{Arc, mpsc};

/// The names of the counters of the job (limited quantities, such as licences), which tasks ask for by name.
#[derive(Debug, Default)]
pub(crate) struct CounterNames(Mutex<Vec<Option<Box<str>>>>);

impl CounterNames {
    /// The number of the counter of this name; `None` if it has none.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.0.lock().iter().position(|known| known.as_deref() == Some(name))
    }

    /// The number of the counter of this name, which gets the next one if it has none; `None` if all numbers are taken.
    pub(crate) fn find_or_add(&self, name: &str) -> Option<usize> {
        let mut names = self.0.lock();
        if let Some(at) = names.iter().position(|known| known.as_deref() == Some(name)) {
            return Some(at);
        }
        if names.len() == COUNTERS_MAX {
            return None;
        }
        names.push(Some(name.into()));
        Some(names.len() - 1)
    }

    fn set(&self, counter: usize, name: &str) {
        let mut names = self.0.lock();
        if counter < COUNTERS_MAX {
            let len = names.len().max(counter + 1);
            names.resize(len, None);
            names[counter] = Some(name.into());
        }
    }
}

/// The requests of the tasks that run on this rank (to submit tasks, to wait for them), and the threads that wait for
/// rank 0's answers.
pub(crate) struct Nested {
    mailbox: Arc<Mailbox<Request>>,
    requests: Vec<Request>,
    /// Waiting threads, by awaited task. The key is the task's count among the tasks that this rank has submitted, not
    /// its number, since the table is dense from 0 on.
    waiters: Waiters,
    /// Channels to the threads that have asked rank 0 for the status of a task and have no answer yet, by task.
    asking: IdMap<TaskId, Vec<mpsc::Sender<Status>>>,
    /// The names of the job's counters, as rank 0 has told them, for the client of this rank's tasks.
    counters: Arc<CounterNames>,
    /// The reason why the run has ended; `None` while it goes on.
    closed: Option<String>,
}

impl Nested {
    /// Makes the state for the requests that this rank's tasks push into `mailbox`.
    pub(crate) fn new(mailbox: Arc<Mailbox<Request>>, counters: Arc<CounterNames>) -> Self {
        Nested {
            mailbox,
            requests: Vec::new(),
            waiters: Waiters::default(),
            asking: IdMap::default(),
            counters,
            closed: None,
        }
    }

    /// Whether tasks of this rank have queued requests that the reactor has not taken yet.
    pub(crate) fn has_requests(&self) -> bool {
        !self.mailbox.is_empty()
    }

    /// Takes the queued requests of this rank's tasks and adds them to `node`'s reports to rank 0. True if there were
    /// any.
    ///
    /// # Errors
    /// When the state machine of `node` refuses an event.
    pub(crate) fn take_requests<C: Compute, T: Transport>(
        &mut self,
        node: &mut Executor<C>,
        links: &mut Links<T>,
    ) -> Result<bool, ExecutorError> {
        self.mailbox.drain(&mut self.requests);
        let mut requests = std::mem::take(&mut self.requests);
        let any = !requests.is_empty();
        for request in requests.drain(..) {
            self.take(request, node, links)?;
        }
        self.requests = requests;
        Ok(any)
    }

    fn take<C: Compute, T: Transport>(
        &mut self,
        request: Request,
        node: &mut Executor<C>,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        match (request, &self.closed) {
            (Request::Want { wait, .. }, Some(why)) => wait.close(why),
            (Request::Kept(task, answer), None) => node.objects.kept.push((task, answer)),
            (Request::Object(request), _) => node.object_request(*request, links)?,
            // the run has ended: a dropped request closes its channel, by which the thread that waits for an answer
            // notices
            (_, Some(_)) => {}
            (Request::Fact(event), None) => fact(event, &mut node.reports)?,
            (Request::Scatter { task, key, output, value }, None) => {
                if let Some(value) = value {
                    node.put(task, value, links)?;
                }
                node.reports.push(RankReport::Scatter { task, key, output });
            }
            (Request::Want { tasks, first, wait }, None) => {
                let Some(number) = self.waiters.open(&wait, tasks.len()) else { return Ok(()) };
                for (task, place) in tasks.iter().map(TaskId).zip(first..) {
                    self.waiters.add(TaskId(task.count()), Waiter { wait: number, place });
                    node.reports.push(RankReport::Want { task, value: wait.wants_values() });
                }
            }
            (Request::Status(task, reply), None) => {
                self.asking.entry(task).or_default().push(reply);
                node.reports.push(RankReport::Ask { task });
            }
            // requests that only the client of rank 0 makes
            (
                Request::Lengths(..)
                | Request::Holders(..)
                | Request::ResultsOn(..)
                | Request::PublishedNames(_)
                | Request::Totals(_)
                | Request::Place(..)
                | Request::CounterName(..)
                | Request::Close { .. },
                None,
            ) => {}
        }
        Ok(())
    }

    /// Hands the answer of rank 0 to the threads that wait for `task`.
    ///
    /// # Errors
    /// When rank 0 says that the value is in this rank's store and it is not.
    pub(crate) fn answer<C: Compute>(
        &mut self,
        task: TaskId,
        answer: NestedAnswer,
        node: &mut Executor<C>,
    ) -> Result<(), ProtocolError> {
        let own = TaskId(task.count());
        let answer = match answer {
            NestedAnswer::Done => {
                self.waiters.done(own, &wait::WaitAnswer::Done);
                return Ok(());
            }
            NestedAnswer::Inline(bytes) => wait::WaitAnswer::Inline(Bytes::new(&bytes)),
            NestedAnswer::Here => {
                let value = node.value(task).cloned();
                wait::WaitAnswer::Value(value.ok_or_else(|| {
                    ProtocolError(format!("the value of {task:?} is said to be here, but is not"))
                })?)
            }
            NestedAnswer::Failed(cause) => wait::WaitAnswer::Failed(Arc::new(cause)),
        };
        self.waiters.resolve(own, &answer);
        Ok(())
    }

    /// Hands the answers that [`Waiters`] has collected into a batch over to the waiting threads.
    pub(crate) fn flush(&mut self) {
        self.waiters.flush();
    }

    /// Notes the name of a counter of the job.
    pub(crate) fn name_counter(&self, counter: u32, name: &str) {
        self.counters.set(counter as usize, name);
    }

    /// Hands the status of `task`, as rank 0 has reported it, to the threads that have asked for it.
    pub(crate) fn status(&mut self, task: TaskId, status: Status) {
        for reply in self.asking.remove(&task).unwrap_or_default() {
            let _ = reply.send(status); // the thread that asked may have given up
        }
    }

    /// Tells all threads that wait for answers of rank 0, now or later, that the run has ended, with the reason `why`.
    pub(crate) fn close(&mut self, why: &str) {
        self.closed = Some(why.to_owned());
        self.asking.clear();
        self.waiters.close(why);
    }
}

/// Translates an event for the scheduler, made by a task of this rank, into reports to rank 0, where the scheduler is.
fn fact(event: SchedulerEvent, out: &mut Vec<RankReport>) -> Result<(), ProtocolError> {
    match event {
        SchedulerEvent::Define(defined) => {
            let (definition, DefOptions { priority, retries, retry_delay, on, among, prefer, needs, .. }) =
                *defined;
            let nested =
                NestedDefinition { definition, priority, retries, retry_delay, on, among, prefer, needs };
            out.push(RankReport::Define(Box::new(nested)));
        }
        SchedulerEvent::Submit(NewTask { task, def, key, args, inputs, parent: Some(parent) }) => {
            let (first, rest) = inputs.split_at(inputs.len().min(INPUTS_MAX));
            let mut more = rest.len();
            let (inputs, first_more) = (first.to_vec(), more as u32);
            let nested = NestedTask { task, parent, def, key, args, inputs, more: first_more };
            out.push(RankReport::Submit(Box::new(nested)));
            for inputs in rest.chunks(INPUTS_MAX) {
                more -= inputs.len();
                out.push(RankReport::MoreInputs { task, inputs: inputs.to_vec(), more: more as u32 });
            }
        }
        SchedulerEvent::Promise { task, key } => out.push(RankReport::Promise { task, key }),
        SchedulerEvent::Registry { task, request } => out.push(RankReport::Registry { task, request }),
        SchedulerEvent::Release(task) => out.push(RankReport::Drop { task }),
        SchedulerEvent::Detach(task) => out.push(RankReport::Detach { task }),
        SchedulerEvent::Cancel(task) => out.push(RankReport::Cancel { task }),
        SchedulerEvent::Retry(task) => out.push(RankReport::Retry { task }),
        SchedulerEvent::Name(task, name) => out.push(RankReport::Name { task, name }),
        other => return Err(ProtocolError(format!("a task has asked for {other:?}, which is rank 0's"))),
    }
    Ok(())
}
