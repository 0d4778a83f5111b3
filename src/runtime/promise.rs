//! Promises: results that come straight from another rank, not by way of rank 0's scheduler.
//!
//! The result of an actor's call has a promise. As long as its rank only waits for it, rank 0 hears nothing of it. Once
//! a task is to take it, it is registered: it gets the number of a task, and rank 0 is told of the result when it
//! comes.

use super::wait::{Wait, WaitAnswer};
use crate::ids::TaskId;
use parking_lot::Mutex;
use std::sync::Arc;

/// A result that is to come from another rank, shared by its futures and the reactor.
#[derive(Debug, Default)]
pub(crate) struct Promise(Mutex<PromiseState>);

#[derive(Debug, Default)]
struct PromiseState {
    answer: Option<WaitAnswer>,
    /// The waits for the result, each with the index of the result in it.
    waits: Vec<(Arc<Wait>, u32)>,
    /// The number under which rank 0 knows the result; `None` as long as it does not.
    task: Option<TaskId>,
    closed: Option<String>,
}

impl Promise {
    /// Enters the result into `wait` as its answer number `place`, now or when it has come.
    pub(crate) fn wait(&self, wait: &Arc<Wait>, place: u32) {
        let mut state = self.0.lock();
        let PromiseState { answer, waits, closed, .. } = &mut *state;
        match (answer, closed) {
            (Some(answer), _) => wait.answer(std::iter::once((place, answer_for(wait, answer)))),
            (None, Some(why)) => wait.close(why),
            (None, None) => waits.push((wait.clone(), place)),
        }
    }

    /// Notes the result and tells those who wait. Returns the number under which rank 0 is to be told of it; `None` if
    /// rank 0 does not know it.
    pub(crate) fn answer(&self, answer: WaitAnswer) -> Option<TaskId> {
        let mut state = self.0.lock();
        for (wait, place) in state.waits.drain(..) {
            wait.answer(std::iter::once((place, answer_for(&wait, &answer))));
        }
        state.answer = Some(answer);
        state.task
    }

    /// The number under which rank 0 knows the result. `register` gives it one at the first call, which also returns
    /// the result if it has come already.
    pub(crate) fn register(&self, register: impl FnOnce(Option<&WaitAnswer>) -> TaskId) -> TaskId {
        let mut state = self.0.lock();
        if let Some(task) = state.task {
            return task;
        }
        let task = register(state.answer.as_ref());
        state.task = Some(task);
        task
    }

    /// The number under which rank 0 knows the result; `None` if it does not.
    pub(crate) fn registered(&self) -> Option<TaskId> {
        self.0.lock().task
    }

    /// The result, if it has come.
    pub(crate) fn peek(&self) -> Option<WaitAnswer> {
        self.0.lock().answer.clone()
    }

    /// Notes that the run has ended and the result will not come.
    pub(crate) fn close(&self, why: &str) {
        let mut state = self.0.lock();
        for (wait, _) in state.waits.drain(..) {
            wait.close(why);
        }
        state.closed = Some(why.to_owned());
    }
}

fn answer_for(wait: &Wait, answer: &WaitAnswer) -> WaitAnswer {
    match answer {
        WaitAnswer::Failed(_) => answer.clone(),
        _ if !wait.wants_values() => WaitAnswer::Done,
        _ => answer.clone(),
    }
}
