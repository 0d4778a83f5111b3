//! Results: inline, stored, copied, scattered; and reports that no longer count.

use super::*;
use crate::compact::Bytes;

#[test]
fn an_inline_result_travels_in_the_message_and_lives_at_rank_0() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).place().runs(1, &[1]).finish_with(1, 1, inline("seven"));
    assert_eq!(*env.state(1), TaskState::Inline(Bytes::new(b"seven")));
    env.submit(2, &[1]).place();
    assert_eq!(env.take_run(1, 2).inputs, [by_value(1, "seven")]);
}

#[test]
fn a_stored_result_is_used_where_it_lies_or_fetched_from_there() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(1)).define(on(2));
    env.stored_at(1, 1, 4096).submit_as(1, 2, &[1]).submit_as(2, 3, &[1]).place();
    assert_eq!(env.take_run(1, 2).inputs, [here(1)]);
    assert_eq!(env.take_run(2, 3).inputs, [at(1, 1, 4096)]);
}

#[test]
fn a_fetched_copy_counts_as_a_holder_and_is_released_with_the_others() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2));
    env.stored_at(1, 1, 4096).submit_as(1, 2, &[1]).place().runs(2, &[2]);
    env.fetched(2, 1).fetched(2, 1);
    assert_eq!(env.holders(1), [1, 2]);
    env.submit_as(1, 3, &[1]).place();
    assert_eq!(env.take_run(2, 3).inputs, [here(1)]);
    env.release(&[1]).finish(2, 2).quiet().finish(2, 3).releases(1, &[1]).releases(2, &[1]);
    env.release(&[2, 3]).records(0);
}

#[test]
fn copies_are_asked_in_turn() {
    let mut env = ranks([0, 1, 1, 1, 1]);
    (1..=4).for_each(|rank| _ = env.define(on(rank)));
    env.stored_at(1, 1, 4096).submit_as(2, 2, &[1]).place().runs(2, &[2]).fetched(2, 1);
    env.submit_as(3, 3, &[1]).submit_as(4, 4, &[1]).place();
    let holders = [env.take_run(3, 3).inputs, env.take_run(4, 4).inputs];
    assert_eq!(holders, [[at(1, 2, 4096)], [at(1, 1, 4096)]]);
}

#[test]
fn a_copy_that_comes_too_late_is_released() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(1));
    env.stored_at(1, 1, 64).submit_as(1, 2, &[1]).place().runs(1, &[2]).finish_stored(1, 2, 64);
    env.release(&[1]).releases(1, &[1]); // the record stays as the recipe of t2's input
    env.fetched(2, 1).releases(2, &[1]);
    env.release(&[2]).releases(1, &[2]).records(0).fetched(2, 1).releases(2, &[1]);
}

#[test]
fn an_inline_consumer_lets_go_of_its_inputs_and_a_stored_one_keeps_the_recipe() {
    let mut env = ranks([0, 2]);
    env.stored_at(1, 1, 64).stored_at(1, 2, 64).submit(3, &[1]).submit(4, &[2]).place().runs(1, &[3, 4]);
    env.release(&[1, 2]).finish(1, 3).releases(1, &[1]).is_gone(1);
    env.finish_stored(1, 4, 64).releases(1, &[2]);
    assert_eq!(*env.state(2), TaskState::Released);
    env.release(&[4]).releases(1, &[4]).is_gone(2).release(&[3]).records(0);
}

/// The recipe of the inline result is gone, so its value must stay while a consumer's result can be lost with its rank.
#[test]
fn an_inline_result_is_kept_while_a_consumer_may_have_to_be_made_again() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(1));
    env.submit(1, &[]).place().runs(1, &[1]).finish_with(1, 1, inline("seven"));
    env.submit(2, &[1]).place().runs(1, &[2]).finish_stored(1, 2, 64).release(&[1]);
    env.lost(1).tells_lost(&[0, 2], 1).place();
    assert_eq!(env.take_run(2, 2).inputs, [by_value(1, "seven")]);
    env.finish(2, 2).is_gone(1).release(&[2]).records(0);
}

#[test]
fn a_scattered_value_is_done_from_the_start() {
    let mut env = ranks([0, 1]);
    env.scatter(1, stored(4096)).scatter(2, inline("two")).is(1, Status::Finished).submit(3, &[1, 2]).place();
    assert_eq!(env.take_run(1, 3).inputs, [at(1, 0, 4096), by_value(2, "two")]);
    env.want(1, true).resolves(1, TaskOutcome::Here(LAYOUT)).release(&[1, 2]);
    env.fetched(1, 1).finish(1, 3).releases(0, &[1]).releases(1, &[1]).release(&[3]).records(0);
}

#[test]
fn a_scattered_value_stays_while_a_consumer_may_have_to_be_made_again() {
    let mut env = ranks([0, 1]);
    env.scatter(1, stored(4096)).scatter(2, inline("two")).submit(3, &[1, 2]).place().runs(1, &[3]);
    env.fetched(1, 1).finish_stored(1, 3, 64).release(&[1, 2]).records(3).quiet();
    env.release(&[3]).releases(1, &[3]).releases(0, &[1]).releases(1, &[1]).records(0);
}

#[test]
fn reports_of_an_attempt_that_no_longer_counts_are_dropped() {
    let mut env = ranks([0, 1, 1]);
    env.submit(1, &[]).place().runs(1, &[1]);
    for (rank, attempt) in [(1, 2), (1, 0), (2, 1)] {
        let task = TaskId(1);
        env.from(rank, RankReport::Finished { task, attempt, nanos: 1, output: inline("bad") });
        env.from(rank, RankReport::Failed { task, attempt, error: Box::new(error("bad")) });
        env.from(rank, RankReport::Retracted { task, attempt }).is(1, Status::Assigned);
        // the result that the late attempt has stored must not stay there for ever
        env.from(rank, RankReport::Finished { task, attempt, nanos: 1, output: stored(9) });
        env.releases(rank, &[1]).is(1, Status::Assigned);
    }
    env.want(1, true).finish(1, 1).resolves(1, TaskOutcome::Inline(Blob::new(b"v")));
}

#[test]
fn a_damaged_report_changes_nothing() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]);
    for task in [TaskId(1), TaskId(77), TaskId(u64::MAX)] {
        env.from(1, RankReport::Finished { task, attempt: 1, nanos: 1, output: inline("bad") });
        env.from(1, RankReport::Failed { task, attempt: 1, error: Box::new(error("bad")) });
        env.from(1, RankReport::Retracted { task, attempt: 1 });
        env.from(1, RankReport::NotBrought { task });
        env.fetched(1, task.0).releases(1, &[task.0]);
    }
    env.from(1, RankReport::RetractDone)
        .from(1, RankReport::Bye { spent: None })
        .from(99, RankReport::RetractDone);
    env.is(1, Status::Pending).release(&[1]).records(0);
}

#[test]
fn every_status_prints_as_its_future_shows_it() {
    let texts = [
        Status::Pending,
        Status::Assigned,
        Status::Finished,
        Status::Failed,
        Status::Cancelled,
        Status::Released,
    ];
    assert_eq!(
        texts.map(|status| status.to_string()),
        ["pending", "running", "finished", "error", "cancelled", "released"]
    );
}
