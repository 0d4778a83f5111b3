//! The threads that wait for tasks, by task; used at rank 0, and elsewhere for nested tasks.

use super::wait::{Wait, WaitAnswer};
use crate::compact::Dense;
use crate::ids::{IdMap, TaskId};
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};

/// Largest number of answers for one wait that are handed to the waiting thread in one batch.
const TOGETHER: usize = 1024;

/// The entry for one awaited task of a wait. A wait for several tasks has one `Waiter` for each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiter {
    /// The number of the wait, as [`Waiters::open`] has returned it.
    pub wait: NonZeroU32,
    /// The index of the task among the tasks of the wait, from 0.
    pub place: u32,
}

/// A wait of a thread, of which some answers are still missing.
#[derive(Debug)]
struct Waited {
    /// The wait itself; it can be gone, when the waiting thread has given up.
    wait: Weak<Wait>,
    /// Number of the wait's answers that are still missing.
    open: u32,
    /// Whether the wait asks only for the ends of tasks, not for values: then it is told of a task's end before the
    /// value is on this rank.
    for_ends: bool,
}

/// All waits of a rank's threads, by awaited task. Takes one word of memory for each task, however many tasks are
/// awaited together.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    first: Dense<Waiter, 1024>,
    /// For tasks that several waits await: all of their waiters but the first.
    more: IdMap<TaskId, Vec<Waiter>>,
    /// The waits that miss answers. The wait number n is at index n-1; `None` where the number is free.
    waits: Vec<Option<Waited>>,
    free: Vec<NonZeroU32>,
    /// Answers that were not handed to the waiting thread yet, all for the wait number `answered`.
    answers: Vec<(u32, WaitAnswer)>,
    answered: Option<NonZeroU32>,
}

impl Waiters {
    /// Registers a wait for `count` tasks. The caller then calls `add` or `tell` once for each task. Returns the wait's
    /// number; `None` if `count` is 0.
    pub(crate) fn open(&mut self, wait: &Arc<Wait>, count: usize) -> Option<NonZeroU32> {
        let open = u32::try_from(count).ok().filter(|&count| count > 0)?;
        let waited = Waited { wait: Arc::downgrade(wait), open, for_ends: !wait.wants_values() };
        let number = self.free.pop().unwrap_or_else(|| {
            self.waits.push(None);
            NonZeroU32::new(self.waits.len() as u32).unwrap_or(NonZeroU32::MAX)
        });
        self.waits[number.get() as usize - 1] = Some(waited);
        Some(number)
    }

    /// Notes that `waiter` waits for `task`: a wait, and the index of the task in it.
    pub(crate) fn add(&mut self, task: TaskId, waiter: Waiter) {
        match self.first.get(task.0) {
            None => self.first.insert(task.0, waiter),
            Some(_) => self.add_more(task, waiter),
        }
    }

    /// Gives the answer to a waiter that was never added, since its task had ended already.
    pub(crate) fn tell(&mut self, waiter: Waiter, answer: WaitAnswer) {
        self.answer(waiter, answer);
        self.end(waiter);
    }

    fn add_more(&mut self, task: TaskId, waiter: Waiter) {
        let mut more = self.more.remove(&task).unwrap_or_default();
        if more.len() >= 16 && more.len().is_power_of_two() {
            let (gone, left): (Vec<Waiter>, _) =
                more.into_iter().partition(|waiter| self.has_given_up(*waiter));
            gone.into_iter().for_each(|waiter| self.end(waiter));
            more = left;
        }
        more.push(waiter);
        self.more.insert(task, more);
    }

    fn waited(&mut self, number: NonZeroU32) -> Option<&mut Waited> {
        self.waits.get_mut(number.get() as usize - 1)?.as_mut()
    }

    fn has_given_up(&mut self, waiter: Waiter) -> bool {
        self.waited(waiter.wait).is_none_or(|waited| waited.wait.strong_count() == 0)
    }

    /// Gives the answer to all waiters of `task`, and forgets them.
    pub(crate) fn resolve(&mut self, task: TaskId, answer: &WaitAnswer) {
        let Some(waiter) = self.first.remove(task.0) else { return };
        self.tell(waiter, answer.clone());
        if self.more.is_empty() {
            return;
        }
        for waiter in self.more.remove(&task).unwrap_or_default() {
            self.tell(waiter, answer.clone());
        }
    }

    /// Tells the waiters that ask only for the end of `task` that it is done, by `answer`. Waiters that need its value
    /// stay, since the value is still on its way.
    pub(crate) fn done(&mut self, task: TaskId, answer: &WaitAnswer) {
        let first = self.first.remove(task.0);
        let more = self.more.remove(&task).unwrap_or_default();
        for waiter in first.into_iter().chain(more) {
            if self.waited(waiter.wait).is_some_and(|waited| waited.for_ends) {
                self.tell(waiter, answer.clone());
            } else if self.first.get(task.0).is_none() {
                self.first.insert(task.0, waiter);
            } else {
                self.more.entry(task).or_default().push(waiter);
            }
        }
    }

    fn answer(&mut self, waiter: Waiter, answer: WaitAnswer) {
        if self.answered != Some(waiter.wait) || self.answers.len() >= TOGETHER {
            self.flush();
            self.answered = Some(waiter.wait);
        }
        self.answers.push((waiter.place, answer));
    }

    /// Counts one answer of the waiter's wait, and removes the wait after the last one.
    fn end(&mut self, waiter: Waiter) {
        let Some(waited) = self.waited(waiter.wait) else { return };
        waited.open -= 1;
        if waited.open > 0 {
            return;
        }
        if self.answered == Some(waiter.wait) {
            self.flush();
        }
        self.waits[waiter.wait.get() as usize - 1] = None;
        self.free.push(waiter.wait);
    }

    /// Hands the answers that were collected into a batch over to the waiting thread.
    pub(crate) fn flush(&mut self) {
        let Some(number) = self.answered.take() else { return };
        let mut answers = std::mem::take(&mut self.answers);
        if let Some(wait) = self.waited(number).and_then(|waited| waited.wait.upgrade()) {
            wait.answer(answers.drain(..));
        }
        answers.clear();
        self.answers = answers;
    }

    /// Tells all threads that still wait for tasks that the run has ended, with the reason `why`.
    pub(crate) fn close(&mut self, why: &str) {
        self.flush();
        for waited in std::mem::take(self).waits.into_iter().flatten() {
            if let Some(wait) = waited.wait.upgrade() {
                wait.close(why);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(waiters: &mut Waiters, tasks: &[u64], wait: &Arc<Wait>) {
        let wait = waiters.open(wait, tasks.len()).expect("there are some");
        tasks.iter().zip(0..).for_each(|(&task, place)| waiters.add(TaskId(task), Waiter { wait, place }));
    }

    fn is_empty(waiters: &Waiters) -> bool {
        let known = waiters.waits.iter().flatten().count();
        waiters.first.is_empty() && waiters.more.is_empty() && known == 0
    }

    #[test]
    fn each_wait_is_answered_in_its_order_and_forgotten() {
        let mut waiters = Waiters::default();
        let (ends, values) = (Wait::for_ends(3), Wait::for_values(4));
        add(&mut waiters, &[7, 3, 8], &ends);
        add(&mut waiters, &[8, 7, 7, 9], &values);
        waiters.done(TaskId(7), &WaitAnswer::Done);
        waiters.resolve(TaskId(3), &WaitAnswer::Done);
        waiters.flush();
        assert_eq!(ends.ended(), [true, true, false]);
        for task in [7, 9, 8] {
            waiters.resolve(TaskId(task), &WaitAnswer::Inline(crate::compact::Bytes::new(&[task as u8])));
        }
        waiters.flush();
        assert!(ends.is_complete() && is_empty(&waiters));
        let values = values.take().expect("all are there").values;
        let values = values.into_iter().map(|answer| match answer {
            Some(WaitAnswer::Inline(bytes)) => bytes[0],
            other => panic!("{other:?}"),
        });
        assert!(values.eq([8, 7, 7, 9]));
    }

    #[test]
    fn a_task_that_many_give_up_waiting_for_remembers_few_of_them() {
        let mut waiters = Waiters::default();
        for _ in 0..1_000 {
            add(&mut waiters, &[5], &Wait::for_ends(1));
        }
        assert!(waiters.more[&TaskId(5)].len() <= 64);
        assert!(waiters.waits.len() <= 65);
        waiters.resolve(TaskId(5), &WaitAnswer::Done);
        assert!(is_empty(&waiters));
    }

    #[test]
    fn what_is_done_already_is_told_at_once() {
        let mut waiters = Waiters::default();
        let wait = Wait::for_ends(2);
        add(&mut waiters, &[3], &Wait::for_ends(1));
        let number = waiters.open(&wait, 2).expect("there are some");
        waiters.tell(Waiter { wait: number, place: 1 }, WaitAnswer::Done);
        waiters.add(TaskId(3), Waiter { wait: number, place: 0 });
        waiters.flush();
        assert_eq!(wait.ended(), [false, true]);
        waiters.resolve(TaskId(3), &WaitAnswer::Done);
        assert!(wait.is_complete() && is_empty(&waiters));
    }

    #[test]
    fn whoever_waits_at_the_end_is_told() {
        let mut waiters = Waiters::default();
        let wait = Wait::for_values(2);
        add(&mut waiters, &[1, 2], &wait);
        waiters.resolve(TaskId(1), &WaitAnswer::Done);
        waiters.close("over");
        let answers = wait.take().expect("closed");
        assert_eq!(answers.closed.as_deref(), Some("over"));
        assert!(is_empty(&waiters));
    }
}
