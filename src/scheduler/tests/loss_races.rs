//! Messages that cross a death: each was right when it was sent.

use super::*;

/// A cluster where rank 2 has fetched t1 from rank 1 for t2, but its report comes after rank 1's death; t9 keeps it
/// busy.
fn copied_before_the_death() -> Env {
    let mut env = ranks([0, 1, 1, 1]);
    env.define(on(2)).define(on(3));
    env.stored_at(1, 1, 64).submit_as(1, 2, &[1]).place().runs(2, &[2]);
    env.submit_as(1, 9, &[]).place().runs(2, &[9]).lost(1).tells_lost(&[0, 2, 3], 1);
    env
}

#[test]
fn a_copy_reported_while_it_waits_to_be_made_again_is_released() {
    let mut env = copied_before_the_death();
    env.fetched(2, 1).releases(2, &[1]).is(1, Status::Pending).place().runs(3, &[1]);
}

#[test]
fn a_copy_reported_while_it_is_made_again_elsewhere_is_released() {
    let mut env = copied_before_the_death();
    env.place().runs(3, &[1]).fetched(2, 1).releases(2, &[1]).is(1, Status::Assigned);
}

/// If the copy were released, the order would reach the rank after the new result and remove that.
#[test]
fn a_copy_reported_while_it_is_made_again_there_is_left_to_that_rank() {
    let mut env = copied_before_the_death();
    env.lost(3).tells_lost(&[0, 2], 3).place().runs(2, &[1]).fetched(2, 1).quiet().finish_stored(2, 1, 64);
    assert_eq!(env.holders(1), [2]);
    env.finish(2, 2).finish(2, 9).release(&[1]).releases(2, &[1]).release(&[2, 9]).records(0);
}

#[test]
fn a_copy_reported_after_it_was_made_again_counts() {
    let mut env = copied_before_the_death();
    env.place().runs(3, &[1]).finish_stored(3, 1, 64).fetched(2, 1);
    assert_eq!(env.holders(1), [2, 3]);
    env.finish(2, 2)
        .finish(2, 9)
        .release(&[1])
        .releases(3, &[1])
        .releases(2, &[1])
        .release(&[2, 9])
        .records(0);
}

#[test]
fn a_value_for_the_client_reported_while_it_is_made_again_at_rank_0() {
    let mut env = ranks([1, 1]);
    env.define(on(0)).submit_as(1, 9, &[]).place().runs(0, &[9]).stored_at(1, 1, 64);
    env.want(1, true)
        .resolves(1, TaskOutcome::Done)
        .brings(1, 1, 64)
        .lost(1)
        .tells_lost(&[0], 1)
        .place()
        .runs(0, &[1]);
    env.fetched(0, 1).quiet().finish_stored(0, 1, 64).resolves(1, TaskOutcome::Here(LAYOUT));
    env.release(&[1]).releases(0, &[1]);
}

#[test]
fn a_value_for_the_client_that_is_no_longer_stored_when_it_comes() {
    let mut env = ranks([0, 1, 1]);
    env.stored_at(1, 1, 64).want(1, true).resolves(1, TaskOutcome::Done).brings(1, 1, 64).release(&[1]);
    env.lost(1).tells_lost(&[0, 2], 1).place().runs(2, &[1]).finish_with(2, 1, inline("now")).quiet();
    env.fetched(0, 1).releases(0, &[1]).resolves(1, TaskOutcome::Inline(Blob::new(b"now"))).records(0);
}

#[test]
fn a_recipe_pinned_to_a_rank_that_died_long_ago() {
    let mut env = ranks([0, 1, 1, 1]);
    env.define(on(1)).define(on(2)).submit_as(1, 1, &[]).submit_as(2, 2, &[1]).place().runs(1, &[1]);
    env.finish_stored(1, 1, 64).place().runs(2, &[2]).fetched(2, 1).finish_stored(2, 2, 64).release(&[1]);
    env.releases(1, &[1]).releases(2, &[1]).submit(3, &[2]).define(on(3)).place();
    env.runs(2, &[3]).finish_stored(2, 3, 64).lost(1).tells_lost(&[0, 2, 3], 1).place().quiet();
    env.lost(2).tells_lost(&[0, 3], 2).want(3, true).place();
    assert_eq!(env.resolved.len(), 1, "t1 cannot be made again, so t3 fails");
    assert!(matches!(env.resolved.pop_front(), Some((3, TaskOutcome::Failed(_)))));
    env.release(&[2, 3]).records(0);
}

#[test]
fn a_pinned_recipe_alone_fails_when_it_would_have_to_run_again() {
    let mut env = ranks([0, 1, 1, 1]);
    env.define(on(1)).submit_as(1, 1, &[]).place().runs(1, &[1]).finish_stored(1, 1, 1 << 30).define(on(2));
    env.submit_as(2, 2, &[1]).place().runs(2, &[2]).fetched(2, 1).finish_stored(2, 2, 64).release(&[1]);
    env.releases(1, &[1]).releases(2, &[1]).define(on(3)).submit_as(3, 3, &[2]).place().runs(3, &[3]);
    env.lost(1).tells_lost(&[0, 2, 3], 1).place().quiet();
    // t2 may run on rank 2 alone, so it fails with that rank; t3 runs on and may finish
    env.lost(2).tells_lost(&[0, 3], 2).is(2, Status::Failed).is(3, Status::Assigned).place();
    env.finish(3, 3).release(&[2, 3]).records(0);
}

#[test]
fn a_promised_result_waits_on_although_another_rank_dies() {
    let mut env = ranks([0, 1, 1]);
    env.handle(SchedulerEvent::Promise { task: TaskId(1), key: 7 });
    env.submit(2, &[1]).lost(2).tells_lost(&[0, 1], 2).place().quiet();
    let output = Ok(inline("v"));
    env.handle(SchedulerEvent::Keep { task: TaskId(1), output }).place().runs(1, &[2]);
    env.finish(1, 2).release(&[1, 2]).records(0);
}

#[test]
fn a_result_that_was_promised_to_a_dead_rank_fails() {
    let mut env = ranks([0, 1, 1]);
    let promised = TaskId::first_of(Rank(1));
    env.from(1, RankReport::Promise { task: promised, key: 7 });
    assert!(env.scheduler.is_promised(promised));
    env.lost(1).tells_lost(&[0, 2], 1).place().records(0);
}
