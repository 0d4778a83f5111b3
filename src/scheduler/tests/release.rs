//! Dropped futures: before a task is sent, while it runs, after it is done.

use super::*;

#[test]
fn a_task_that_is_not_sent_is_cancelled() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[1]).release(&[2]).is_gone(2).release(&[1]).records(0).place();
}

#[test]
fn a_blocked_consumer_keeps_its_input_and_lets_go_of_it_when_cancelled() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[1]).submit(3, &[2, 1]).release(&[1, 2]).records(3);
    env.release(&[3]).records(0).place();
}

#[test]
fn a_task_that_runs_ends_and_its_result_is_dropped() {
    let mut env = ranks([0, 2]);
    env.submit(1, &[]).submit(2, &[]).place().runs(1, &[1, 2]).release(&[1, 2]).records(2).quiet();
    env.finish_stored(1, 1, 64).releases(1, &[1]).finish(1, 2).records(0);
}

#[test]
fn a_cancelled_consumer_is_not_told_of_its_input() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)); // so that it does not follow its input
    env.submit(1, &[]).submit_as(1, 2, &[1]).place().runs(1, &[1]).release(&[2]).finish_stored(1, 1, 64);
    env.place().quiet().release(&[1]).releases(1, &[1]).records(0);
}

#[test]
fn a_result_goes_when_its_future_and_its_last_consumer_have_gone() {
    let mut env = ranks([0, 2]);
    env.stored_at(1, 1, 64).submit(2, &[1]).submit(3, &[1]).release(&[1]).place().runs(1, &[2, 3]);
    env.finish(1, 2).quiet().finish(1, 3).releases(1, &[1]).records(2).release(&[2, 3]).records(0);
}

#[test]
fn a_consumer_cancelled_last_releases_the_result() {
    let mut env = ranks([0, 1]);
    env.define(on(1)).stored_at(1, 1, 64).submit(9, &[]).submit(8, &[]).place().runs(1, &[9, 8]);
    env.submit_as(1, 2, &[1]).place().quiet(); // no room: waits for its rank
    env.release(&[1]).quiet().release(&[2]).releases(1, &[1]).is_gone(1).is_gone(2);
    env.finish(1, 9).place().quiet();
}

#[test]
fn a_chain_of_recipes_goes_with_its_last_result() {
    let mut env = ranks([0, 1]);
    env.stored_at(1, 1, 64);
    for task in 2..=5 {
        env.submit(task, &[task - 1]).place().runs(1, &[task]).finish_stored(1, task, 64);
        env.release(&[task - 1]).releases(1, &[task - 1]);
    }
    env.records(5).release(&[5]).releases(1, &[5]).records(0);
}

#[test]
fn all_holders_are_told() {
    let mut env = ranks([0, 1, 1, 1]);
    env.stored_at(1, 1, 64)
        .fetched(2, 1)
        .fetched(3, 1)
        .want(1, true)
        .resolves(1, TaskOutcome::Done)
        .brings(1, 1, 64);
    env.fetched(0, 1).resolves(1, TaskOutcome::Here(LAYOUT));
    env.release(&[1]).releases(0, &[1]).releases(1, &[1]).releases(2, &[1]).releases(3, &[1]).records(0);
}

#[test]
fn what_is_not_known_cannot_be_released() {
    let mut env = ranks([0, 1]);
    env.refuse(SchedulerEvent::Release(TaskId(1)))
        .submit(1, &[])
        .release(&[1])
        .refuse(SchedulerEvent::Release(TaskId(1)));
}

#[test]
fn numbers_far_apart_cost_no_records() {
    let mut env = ranks([0, 1]);
    for task in [1, 1_000, 100_000, 1_000_000] {
        env.submit(task, &[]);
    }
    env.release(&[1, 1_000, 100_000, 1_000_000]).records(0).place();
}
