//! Failures: retries, and the cascade to all that depends on a failed task.

use super::*;

#[test]
fn a_failure_is_told_with_the_key_of_the_task() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).want(1, true).place().runs(1, &[1]).fail(1, 1, "boom").is(1, Status::Failed);
    let cause = TaskError { task: "f0-0000000000000001".into(), ..error("boom") };
    env.resolves(1, TaskOutcome::Failed(cause.into())).release(&[1]).records(0);
}

#[test]
fn all_that_depends_on_it_fails_with_the_same_cause() {
    let mut env = ranks([0, 2]);
    env.submit(1, &[]).submit(2, &[1]).submit(3, &[1, 1]).submit(4, &[2, 3]).submit(5, &[]);
    for task in 1..=4 {
        env.want(task, task % 2 == 0);
    }
    // t2 and t3 follow t1, and are returned when it has failed; t4 was not sent
    env.place().runs(1, &[1, 5, 2, 3]).fail(1, 1, "boom").retracted(1, 2).retracted(1, 3);
    let mut told: Vec<(u64, TaskOutcome)> = env.resolved.drain(..).collect();
    told.sort_by_key(|(task, _)| *task);
    let cause = TaskError { task: "f0-0000000000000001".into(), ..error("boom") };
    assert_eq!(told, [1, 2, 3, 4].map(|task| (task, TaskOutcome::Failed(cause.clone().into()))));
    env.is(5, Status::Assigned).release(&[1, 2, 3, 4]).records(1);
}

#[test]
fn a_failed_task_is_started_again_as_often_as_it_may() {
    let mut env = ranks([0, 1]);
    env.define(retries(2)).submit_as(1, 1, &[]).want(1, true);
    for attempt in [1, 2] {
        env.place();
        assert_eq!(env.take_run(1, 1).attempt, attempt);
        env.fail(1, 1, "boom").is(1, Status::Pending).quiet();
    }
    env.place().runs(1, &[1]).fail(1, 1, "boom").resolves_failed(1, "boom");
}

#[test]
fn a_retry_that_works_leaves_no_trace() {
    let mut env = ranks([0, 1]);
    env.define(retries(1)).stored_at(1, 1, 64).submit_as(1, 2, &[1]).submit(3, &[2]).place();
    env.runs(1, &[2, 3]).fail(1, 2, "boom").retracted(1, 3).place();
    assert_eq!(env.take_run(1, 2).inputs, [here(1)]);
    assert_eq!(env.take_run(1, 3).attempt, 1, "it has not been started");
    env.finish(1, 2).place().finish(1, 3).release(&[1, 2, 3]).releases(1, &[1]).records(0);
}

#[test]
fn a_retry_is_not_spent_on_a_task_that_nobody_wants() {
    let mut env = ranks([0, 1]);
    env.define(retries(5)).submit_as(1, 1, &[]).place().runs(1, &[1]).release(&[1]).records(1);
    env.fail(1, 1, "boom").records(0).place();
}

#[test]
fn what_a_failed_task_has_used_is_released() {
    let mut env = ranks([0, 1]);
    env.stored_at(1, 1, 64).submit(2, &[1]).place().runs(1, &[2]).release(&[1]).quiet();
    // its recipe is kept, should the task be started again
    env.fail(1, 2, "boom").releases(1, &[1]).is(1, Status::Released).records(2).release(&[2]).records(0);
}

#[test]
fn a_failure_stays_known_while_somebody_may_name_it() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[1]).release(&[1]).place().runs(1, &[1, 2]).fail(1, 1, "boom");
    env.is(1, Status::Failed).is(2, Status::Assigned).retracted(1, 2);
    env.records(2).is(2, Status::Failed).want(2, false).resolves_failed(2, "boom").release(&[2]).records(0);
}

#[test]
fn the_last_attempt_that_numbers_allow_does_not_overflow() {
    let mut env = ranks([0, 1]);
    env.define(retries(u16::MAX)).submit_as(1, 1, &[]);
    for _ in 0..u32::from(u16::MAX) + 1 {
        env.place().runs(1, &[1]).fail(1, 1, "boom");
    }
    env.is(1, Status::Failed);
}

#[test]
fn a_long_chain_fails_without_a_deep_stack() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).place().runs(1, &[1]);
    let mut out = Vec::new();
    for task in 2..100_000 {
        let new = Env::new_task(task, 0, &[task - 1]);
        env.scheduler.handle(SchedulerEvent::Submit(new), &mut out).unwrap();
        env.scheduler.handle(SchedulerEvent::Release(TaskId(task - 1)), &mut out).unwrap();
    }
    env.fail(1, 1, "boom").records(99_999).want(99_999, true).resolves_failed(99_999, "boom");
    env.release(&[99_999]).records(0);
    assert!(out.is_empty());
}

#[test]
fn a_long_chain_is_cancelled_without_a_deep_stack() {
    let mut env = ranks([0, 1]);
    let mut out = Vec::new();
    for task in 1..100_000 {
        let inputs = if task == 1 { vec![] } else { vec![task - 1] };
        env.scheduler.handle(SchedulerEvent::Submit(Env::new_task(task, 0, &inputs)), &mut out).unwrap();
        if task > 1 {
            env.scheduler.handle(SchedulerEvent::Release(TaskId(task - 1)), &mut out).unwrap();
        }
    }
    assert!(out.is_empty());
    env.release(&[99_999]).records(0).place();
}
