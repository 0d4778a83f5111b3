//! The owner waits: for the end of a task, or for its value.

use super::*;

#[test]
fn done_is_told_once_before_or_after() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[])
        .want(1, false)
        .place()
        .runs(1, &[1])
        .finish_stored(1, 1, 64)
        .resolves(1, TaskOutcome::Done);
    env.want(1, false).resolves(1, TaskOutcome::Done);
}

#[test]
fn an_inline_value_is_told_once_before_or_after() {
    let mut env = ranks([0, 1]);
    let seven = TaskOutcome::Inline(Blob::new(b"seven"));
    env.submit(1, &[]).want(1, true).want(1, true).place().runs(1, &[1]).finish_with(1, 1, inline("seven"));
    env.resolves(1, seven.clone()).quiet().want(1, true).resolves(1, seven);
}

#[test]
fn a_stored_value_is_brought_first() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).want(1, true).place().runs(1, &[1]).finish_stored(1, 1, 64);
    env.resolves(1, TaskOutcome::Done).brings(1, 1, 64).want(1, true).quiet();
    env.want(1, false).resolves(1, TaskOutcome::Done);
    env.fetched(0, 1).resolves(1, TaskOutcome::Here(LAYOUT));
    env.want(1, true).resolves(1, TaskOutcome::Here(LAYOUT)); // it stays while the future does
}

#[test]
fn a_value_that_rank_0_has_made_need_not_be_brought() {
    let mut env = ranks([1]);
    env.stored_at(0, 1, 64).want(1, true).resolves(1, TaskOutcome::Here(LAYOUT));
}

#[test]
fn waiting_for_less_while_waiting_for_more_is_answered_with_more() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).want(1, false).want(1, true).want(1, false).place().runs(1, &[1]).finish(1, 1);
    env.resolves(1, TaskOutcome::Inline(Blob::new(b"v")));
}

#[test]
fn a_future_dropped_while_its_value_comes_holds_it_till_then() {
    let mut env = ranks([0, 1]);
    env.stored_at(1, 1, 64)
        .want(1, true)
        .resolves(1, TaskOutcome::Done)
        .brings(1, 1, 64)
        .release(&[1])
        .quiet();
    env.fetched(0, 1).resolves(1, TaskOutcome::Here(LAYOUT)).releases(1, &[1]).releases(0, &[1]).records(0);
}

/// The client can wait for a task whose future it has dropped: the wait keeps the task until it has ended.
#[test]
fn a_future_dropped_while_somebody_waits_does_not_cancel_the_task() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).want(1, false).release(&[1]).records(1).place().runs(1, &[1]);
    env.finish_stored(1, 1, 64).resolves(1, TaskOutcome::Done).releases(1, &[1]).records(0);
}

#[test]
fn a_value_that_cannot_be_brought_is_brought_from_another_copy() {
    let mut env = ranks([0, 1, 1]);
    env.stored_at(1, 1, 64).fetched(2, 1).want(1, true).resolves(1, TaskOutcome::Done).brings(1, 1, 64);
    env.lost(1).tells_lost(&[0, 2], 1).from(0, RankReport::NotBrought { task: TaskId(1) });
    env.resolves(1, TaskOutcome::Done).brings(1, 2, 64).fetched(0, 1).resolves(1, TaskOutcome::Here(LAYOUT));
}

#[test]
fn a_value_that_cannot_be_brought_is_made_again() {
    let mut env = ranks([0, 1, 1]);
    env.stored_at(1, 1, 64).want(1, true).resolves(1, TaskOutcome::Done).brings(1, 1, 64).release(&[1]);
    env.lost(1)
        .tells_lost(&[0, 2], 1)
        .from(0, RankReport::NotBrought { task: TaskId(1) })
        .place()
        .runs(2, &[1]);
    env.finish_stored(2, 1, 64).resolves(1, TaskOutcome::Done).brings(1, 2, 64);
    env.fetched(0, 1).resolves(1, TaskOutcome::Here(LAYOUT)).releases(2, &[1]).releases(0, &[1]).records(0);
}

/// The task ends again on another rank before rank 0 reports that the first transfer of its value cannot succeed: no
/// use or request may be left in the task's record.
#[test]
fn a_value_made_again_before_rank_0_gives_up_is_told_and_let_go() {
    for inline_now in [true, false] {
        let mut env = ranks([0, 1, 1]);
        env.stored_at(1, 1, 64).want(1, true).resolves(1, TaskOutcome::Done).brings(1, 1, 64).release(&[1]);
        env.lost(1).tells_lost(&[0, 2], 1).place().runs(2, &[1]);
        match inline_now {
            true => env.finish(2, 1),
            false => env.fail(2, 1, "boom"),
        };
        env.quiet().from(0, RankReport::NotBrought { task: TaskId(1) });
        match inline_now {
            true => env.resolves(1, TaskOutcome::Inline(Blob::new(b"v"))),
            false => env.resolves_failed(1, "boom"),
        };
        env.records(0);
    }
}

/// The value arrived in time, but the scheduler heard of the death first.
#[test]
fn a_value_that_has_come_just_before_its_holder_died_is_still_told() {
    let mut env = ranks([0, 1, 1]);
    env.stored_at(1, 1, 64).want(1, true).resolves(1, TaskOutcome::Done).brings(1, 1, 64);
    env.lost(1).tells_lost(&[0, 2], 1);
    env.fetched(0, 1).releases(0, &[1]).place().runs(2, &[1]); // it is being made again: that copy is not counted
    env.finish_stored(2, 1, 64).resolves(1, TaskOutcome::Done).brings(1, 2, 64);
    env.fetched(0, 1).resolves(1, TaskOutcome::Here(LAYOUT));
}

#[test]
fn an_unknown_task_cannot_be_waited_for() {
    ranks([0, 1]).refuse(SchedulerEvent::Want { task: TaskId(1), value: false });
}

#[test]
fn a_cancelled_task_fails_with_all_that_depend_on_it() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[1]).submit(3, &[2]).want(1, false).want(3, true).cancel(1);
    env.resolves_failed(1, "cancelled").resolves_failed(3, "cancelled").place().quiet();
    env.release(&[1, 2, 3]).records(0).cancel(1).quiet();
    // the batch tool lets run what a rank has
    env.submit(4, &[]).place().runs(1, &[4]).handle(SchedulerEvent::CancelUnsent(TaskId(4))).quiet();
    env.want(4, false).finish_stored(1, 4, 64);
    env.resolves(4, TaskOutcome::Done).cancel(4).quiet().release(&[4]).releases(1, &[4]).records(0);
}
