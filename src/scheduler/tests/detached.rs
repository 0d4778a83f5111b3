//! Tasks that run whoever holds their futures, and those that never run since nobody does.

use super::*;

impl Env {
    fn detach(&mut self, task: u64) -> &mut Self {
        self.handle(SchedulerEvent::Detach(TaskId(task)))
    }

    fn awaits(&mut self, tasks: usize) -> &mut Self {
        assert_eq!(self.scheduler.awaited(), tasks);
        self
    }
}

#[test]
fn a_detached_task_runs_although_its_future_is_dropped() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[1]).detach(2).release(&[2, 1]).awaits(1);
    env.place().runs(1, &[1]).finish(1, 1).place().runs(1, &[2]).finish(1, 2).awaits(0).records(0);
    assert!(env.abandoned.is_empty());
}

#[test]
fn a_task_that_is_dropped_before_it_was_sent_is_told() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[1]).release(&[2]);
    assert_eq!(env.abandoned, [0]);
    env.place().runs(1, &[1]).release(&[1]).finish(1, 1).records(0);
    assert_eq!(env.abandoned, [0], "a task that was sent runs");
    env.define(DefOptions::default());
    env.family(1, 10, 5).handle(SchedulerEvent::ReleaseFamily {
        first: TaskId(10),
        count: 5,
        except: crate::compact::Ranges::default(),
    });
    assert_eq!(env.abandoned, [0, 1]);
}

#[test]
fn the_failure_of_a_detached_task_is_told_unless_somebody_asks() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).detach(1).release(&[1]).place().runs(1, &[1]).fail(1, 1, "unheard").records(0);
    assert_eq!(env.unheard, ["unheard"]);
    env.submit(2, &[]).detach(2).want(2, true).place().runs(1, &[2]).fail(1, 2, "heard");
    env.resolves_failed(2, "heard").release(&[2]).awaits(0).records(0);
    assert_eq!(env.unheard.len(), 1);
}

#[test]
fn a_detached_task_of_a_lost_rank_runs_again() {
    let mut env = ranks([0, 1, 1]);
    env.submit(1, &[]).detach(1).release(&[1]).place().runs(1, &[1]).lost(1).tells_lost(&[0, 2], 1).awaits(1);
    env.place().runs(2, &[1]).finish(2, 1).awaits(0).records(0);
}

#[test]
fn at_the_end_of_the_run_what_is_held_is_awaited() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[]).submit(3, &[]).release(&[2]).handle(SchedulerEvent::Closing).awaits(2);
    env.place().runs(1, &[1, 3]).release(&[1, 3]).finish(1, 1).awaits(1).finish(1, 3).awaits(0).records(0);
    let mut family = ranks([0, 1]);
    family.family(0, 1, 3).handle(SchedulerEvent::Closing).awaits(1);
    family.place();
    assert!(family.scheduler.awaited() > 1, "its instances, and those that are not placed yet");
    family.drain(1);
}

#[test]
fn a_result_that_its_owner_cannot_take_in_is_its_error() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).place().runs(1, &[1]).finish_stored(1, 1, 1 << 40).want(1, true);
    env.resolves(1, TaskOutcome::Done).brings(1, 1, 1 << 40);
    env.from(0, RankReport::Refused { task: TaskId(1), error: Box::new(error("no memory")) });
    env.resolves_failed(1, "no memory").release(&[1]).releases(1, &[1]).records(0);
}

/// A task whose arguments have a copy of a handle, with the number of the task.
fn with_handle(task: u64, inputs: &[u64]) -> SchedulerEvent {
    use crate::protocol::{HandleSide, HandleTicket, ObjectId, ObjectKind, push_tickets};
    let object = ObjectId { home: Rank(1), kind: ObjectKind::Channel, number: 5 };
    let mut args = [7].into_iter().collect();
    push_tickets(&mut args, &[HandleTicket { object, side: HandleSide::Front, ticket: task }]);
    SchedulerEvent::Submit(NewTask { args: Blob(args), ..Env::new_task(task, 0, inputs) })
}

#[test]
fn nobody_reads_the_handles_of_a_task_that_is_cancelled_dropped_or_fails() {
    let mut env = ranks([0, 1]);
    // it runs and has a result: it has read them
    env.handle(with_handle(1, &[])).place().runs(1, &[1]).finish_stored(1, 1, 64);
    assert!(env.voided.is_empty());
    // dropped, cancelled, and failed with its input
    env.submit(2, &[]).place().runs(1, &[2]);
    env.handle(with_handle(3, &[2])).release(&[3]);
    assert_eq!(env.voided, [3]);
    env.handle(with_handle(4, &[2])).cancel(4).is(4, Status::Cancelled);
    assert_eq!(env.voided, [3, 4]);
    env.handle(with_handle(5, &[2])).fail(1, 2, "no").is(5, Status::Failed);
    assert_eq!(env.voided, [3, 4, 5]);
    // it is told once
    env.release(&[1, 2, 4, 5]).releases(1, &[1]).records(0);
    assert_eq!(env.voided, [3, 4, 5]);
}
