//! Tasks that the user starts again after they have failed, and names of tasks.

use super::*;

#[test]
fn a_failed_task_starts_again_with_the_failed_ones_that_it_depends_on() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[1]).submit(3, &[2]).want(3, true).place().runs(1, &[1, 2]);
    env.fail(1, 1, "boom").retracted(1, 2).resolves_failed(3, "boom").release(&[1, 2]);
    env.retry(3).is(3, Status::Pending).want(3, true).place();
    assert_eq!(env.take_run(1, 1).attempt, 2);
    env.runs(1, &[2]).finish(1, 1).finish(1, 2).place().runs(1, &[3]).finish(1, 3);
    env.resolves(3, TaskOutcome::Inline(Blob::new(b"v"))).release(&[3]).records(0);
}

#[test]
fn an_input_that_was_released_is_made_again() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[1]).release(&[1]).place().runs(1, &[1, 2]).finish_stored(1, 1, 64);
    env.fail(1, 2, "boom").releases(1, &[1]).retry(2).place().runs(1, &[1, 2]);
    env.finish_stored(1, 1, 64).finish(1, 2).releases(1, &[1]).release(&[2]).records(0);
}

#[test]
fn a_task_waits_once_for_an_input_that_is_still_open() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(1)).define(on(2));
    env.submit_as(1, 1, &[]).submit_as(2, 2, &[]).submit(3, &[1, 2, 1]).place().runs(1, &[1]).runs(2, &[2]);
    env.fail(1, 1, "boom").is(3, Status::Failed).retry(3).place().runs(1, &[1]).finish(1, 1).place();
    env.is(3, Status::Pending).finish(2, 2).place();
    let rank = if env.drain(1).is_empty() { 2 } else { 1 };
    env.drain(2);
    env.finish(rank, 3).release(&[1, 2, 3]).records(0);
}

#[test]
fn what_has_not_failed_or_was_cancelled_is_not_started_again() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[1]).retry(1).retry(2).place().runs(1, &[1, 2]).finish(1, 1).finish(1, 2);
    env.retry(1).place().quiet().submit(3, &[]).cancel(3).retry(3).is(3, Status::Cancelled).place().quiet();
    env.retry(99).release(&[1, 2, 3]).records(0);
}

#[test]
fn the_recipe_of_a_failed_task_goes_with_the_last_who_could_ask() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[1]).submit(3, &[2]).release(&[1, 2]).place().runs(1, &[1, 2]);
    env.fail(1, 1, "boom").retracted(1, 2).records(3).release(&[3]).records(0);
}

#[test]
fn a_name_stands_in_errors() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).handle(SchedulerEvent::Name(TaskId(1), "mesh 7".into())).want(1, true).place();
    env.runs(1, &[1]).fail(1, 1, "boom");
    let Some((1, TaskOutcome::Failed(cause))) = env.resolved.pop_front() else { panic!("t1 has not failed") };
    assert_eq!(cause.task, "mesh 7");
    env.release(&[1]).records(0).handle(SchedulerEvent::Name(TaskId(1), "gone".into()));
}
