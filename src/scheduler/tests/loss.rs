//! A rank dies: what ran there runs again, what lay there alone and is needed is made again.

use super::*;

#[test]
fn what_was_assigned_there_runs_again_elsewhere() {
    let mut env = ranks([0, 1, 1]);
    env.submit(1, &[]).place().runs(1, &[1]).lost(1).tells_lost(&[0, 2], 1).is(1, Status::Pending).place();
    assert_eq!(env.take_run(2, 1).attempt, 2);
    env.finish(2, 1).release(&[1]).records(0);
}

#[test]
fn its_late_messages_are_ignored() {
    let mut env = ranks([0, 1, 1]);
    env.submit(1, &[]).place().runs(1, &[1]).lost(1).tells_lost(&[0, 2], 1);
    env.finish_stored(1, 1, 64)
        .fetched(1, 1)
        .fail(1, 1, "late")
        .retracted(1, 1)
        .from(1, RankReport::RetractDone);
    env.is(1, Status::Pending).place().runs(2, &[1]).finish_stored(1, 1, 64).is(1, Status::Assigned);
}

#[test]
fn a_loss_counts_as_no_failure() {
    let mut env = ranks([0, 1, 1]);
    env.define(retries(1)).submit_as(1, 1, &[]).place().runs(1, &[1]).lost(1).tells_lost(&[0, 2], 1);
    env.place().runs(2, &[1]).fail(2, 1, "boom").place();
    assert_eq!(env.take_run(2, 1).attempt, 3);
}

#[test]
fn a_result_that_lay_there_alone_is_made_again_only_if_needed() {
    let mut env = ranks([0, 1, 1]);
    env.stored_at(1, 1, 64).stored_at(1, 2, 64).submit(3, &[2]).place().runs(1, &[3]).finish_stored(1, 3, 64);
    env.release(&[2]).releases(1, &[2]).lost(1).tells_lost(&[0, 2], 1);
    // t1 and t3 are held by futures; t2 is only the way to t3
    env.place().runs(2, &[1, 2]);
    assert_eq!(env.take_run(2, 3).inputs, [soon(2)]);
    env.finish_stored(2, 2, 64).finish_stored(2, 1, 64).place().quiet();
    env.finish_stored(2, 3, 64).releases(2, &[2]).release(&[1, 3]).releases(2, &[1, 3]).records(0);
}

#[test]
fn a_result_with_another_copy_loses_nothing() {
    let mut env = ranks([0, 1, 1]);
    env.stored_at(1, 1, 64).fetched(2, 1).lost(1).tells_lost(&[0, 2], 1).place().quiet();
    assert_eq!(env.holders(1), [2]);
    env.release(&[1]).releases(2, &[1]).records(0);
}

#[test]
fn a_result_at_rank_0_loses_nothing() {
    let mut env = ranks([0, 1, 1]);
    env.scatter(1, stored(64)).submit(2, &[1]).place().runs(1, &[2]).fetched(1, 1).release(&[1]);
    env.lost(1).tells_lost(&[0, 2], 1).place();
    assert_eq!(env.take_run(2, 2).inputs, [at(1, 0, 64)]);
    env.finish_stored(2, 2, 64).lost(2).tells_lost(&[0], 2);
    assert_eq!(env.holders(1), [0]); // a value of the client has no recipe: it waits until t2 is done with
    env.release(&[2]).releases(0, &[1]).records(0);
}

#[test]
fn a_lost_result_that_nobody_needs_is_forgotten() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)).stored_at(1, 1, 64).submit_as(1, 2, &[1]).place().runs(2, &[2]).finish_stored(2, 2, 64);
    env.fetched(2, 1).release(&[1]).releases(1, &[1]).releases(2, &[1]);
    env.lost(1).tells_lost(&[0, 2], 1).place().quiet().records(2).release(&[2]).releases(2, &[2]).records(0);
}

#[test]
fn a_chain_is_made_again_from_the_first_recipe() {
    let mut env = ranks([0, 1, 1]);
    env.stored_at(1, 1, 64);
    for task in 2..=4 {
        env.submit(task, &[task - 1, task - 1]).place().runs(1, &[task]).finish_stored(1, task, 64);
        env.release(&[task - 1]).releases(1, &[task - 1]);
    }
    env.lost(1).tells_lost(&[0, 2], 1).place();
    let mut run = env.take_run(2, 1);
    for task in 1..=4 {
        assert_eq!((run.attempt, &run.args), (2, &Blob::new(&[task as u8])));
        if task < 4 {
            run = env.take_run(2, task + 1);
            assert_eq!(run.inputs, [soon(task), soon(task)]);
        }
        env.quiet().finish_stored(2, task, 64);
        if task > 1 {
            env.releases(2, &[task - 1]);
        }
        env.place();
    }
    env.release(&[4]).releases(2, &[4]).records(0);
}

#[test]
fn a_chain_is_made_again_only_from_where_it_is_missing() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)).stored_at(1, 1, 64).submit_as(1, 2, &[1]).place().runs(2, &[2]).fetched(2, 1);
    env.finish_stored(2, 2, 64).define(on(1)).submit_as(2, 3, &[2]).place().runs(1, &[3]).fetched(1, 2);
    env.finish_stored(1, 3, 64).release(&[1]).releases(1, &[1]).releases(2, &[1]);
    env.lost(2).tells_lost(&[0, 1], 2).place().quiet(); // t2 has a copy on rank 1
    assert_eq!(env.holders(2), [1]);
    env.release(&[2, 3]).releases(1, &[2, 3]).records(0);
}

#[test]
fn an_input_of_a_task_that_runs_elsewhere_is_made_again_and_not_waited_for() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)).stored_at(1, 1, 64).submit_as(1, 2, &[1]).release(&[1]).place().runs(2, &[2]);
    env.lost(1).tells_lost(&[0, 2], 1).is(2, Status::Assigned).is(1, Status::Pending);
    env.finish(2, 2).is_gone(1).place().quiet().release(&[2]).records(0); // it had its copy already
}

#[test]
fn a_task_that_could_not_fetch_is_given_back_and_waits_again() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)).stored_at(1, 1, 64).submit_as(1, 2, &[1]).release(&[1]).place().runs(2, &[2]);
    env.lost(1).tells_lost(&[0, 2], 1).retracted(2, 2);
    assert_eq!(*env.state(2), TaskState::Blocked { missing: 1 });
    env.place().runs(2, &[1]);
    let run = env.take_run(2, 2);
    assert_eq!((run.inputs, run.attempt), (vec![soon(1)], 1));
    env.finish_stored(2, 1, 64).place().quiet().finish(2, 2).releases(2, &[1]).release(&[2]).records(0);
}

#[test]
fn two_ranks_lost_one_after_the_other() {
    let mut env = ranks([0, 1, 1, 1]);
    env.stored_at(1, 1, 64).submit(2, &[1]).place().runs(1, &[2]).finish_stored(1, 2, 64).release(&[1]);
    env.releases(1, &[1]).want(2, true).resolves(2, TaskOutcome::Done).brings(2, 1, 64);
    env.lost(1)
        .tells_lost(&[0, 2, 3], 1)
        .from(0, RankReport::NotBrought { task: TaskId(2) })
        .place()
        .runs(2, &[1]);
    env.finish_stored(2, 1, 64).place().runs(2, &[2]);
    env.lost(2).tells_lost(&[0, 3], 2).place().runs(3, &[1]).finish_stored(3, 1, 64).place();
    assert_eq!(env.take_run(3, 2).attempt, 3);
    env.finish(3, 2)
        .releases(3, &[1])
        .resolves(2, TaskOutcome::Inline(Blob::new(b"v")))
        .release(&[2])
        .records(0);
}

#[test]
fn the_same_rank_lost_twice_is_lost_once() {
    let mut env = ranks([0, 1, 1]);
    env.lost(1).tells_lost(&[0, 2], 1).lost(1).quiet();
    env.refuse(SchedulerEvent::Lost(Rank(0))).refuse(SchedulerEvent::Lost(Rank(9)));
}

#[test]
fn a_cancelled_task_that_ran_there_is_gone() {
    let mut env = ranks([0, 1, 1]);
    env.stored_at(1, 1, 64).submit(2, &[1]).place().runs(1, &[2]).release(&[1, 2]).records(2);
    env.lost(1).tells_lost(&[0, 2], 1).records(0).place();
}

#[test]
fn what_can_only_run_there_fails_in_every_state() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(1)).scatter(9, inline("x"));
    env.submit_as(1, 1, &[]).place().runs(1, &[1]).finish_stored(1, 1, 64); // stored there alone
    env.submit_as(1, 2, &[]).submit_as(1, 3, &[]).place().runs(1, &[2, 3]); // assigned
    env.submit_as(1, 4, &[9]).submit_as(1, 5, &[2, 4]).place(); // waits for room, waits for inputs
    env.submit_as(1, 7, &[2]).place().runs(1, &[7]); // sent ahead
    env.submit(6, &[1]);
    (1..=7).for_each(|task| _ = env.want(task, false));
    env.resolves(1, TaskOutcome::Done).want(1, false).resolves(1, TaskOutcome::Done);
    env.lost(1).tells_lost(&[0, 2], 1);
    (1..=7).for_each(|task| _ = env.is(task, Status::Failed));
    assert_eq!(env.resolved.len(), 6);
    env.resolved.clear();
    env.place().release(&[1, 2, 3, 4, 5, 6, 7, 9]).records(0);
}

#[test]
fn a_task_submitted_for_a_dead_rank_fails() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(1)).lost(1).tells_lost(&[0, 2], 1).submit_as(1, 1, &[]).want(1, true).place();
    env.resolves_failed(1, "rank 1");
}

#[test]
fn the_last_rank_that_computes_takes_all_with_it() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[1]).family(0, 10, 4).want(2, true).place();
    env.drain(1);
    env.lost(1).tells_lost(&[0], 1).place().resolves_failed(2, "no rank");
    env.release(&[1, 2, 10, 11, 12, 13]).records(0);
}

#[test]
fn an_input_that_fails_when_made_again_fails_its_consumers() {
    let mut env = ranks([0, 1, 1]);
    env.stored_at(1, 1, 64).submit(2, &[1]).place().runs(1, &[2]).finish_stored(1, 2, 64).release(&[1]);
    env.releases(1, &[1]).lost(1).tells_lost(&[0, 2], 1).want(2, true).place().runs(2, &[1, 2]);
    env.fail(2, 1, "gone").quiet().retracted(2, 2).resolves_failed(2, "gone").release(&[2]).records(0);
}

#[test]
fn a_recipe_that_has_failed_meanwhile_fails_what_is_made_again() {
    let mut env = ranks([0, 1, 1, 1]);
    env.define(on(2)).stored_at(1, 1, 64).submit_as(1, 2, &[1]).place().runs(2, &[2]).fetched(2, 1);
    env.finish_stored(2, 2, 64).define(on(3)).submit_as(2, 3, &[1]).place().runs(3, &[3]).retracted(3, 3);
    env.lost(2).tells_lost(&[0, 1, 3], 2).lost(1).tells_lost(&[0, 3], 1).place();
    env.runs(3, &[1, 3]).want(2, true).want(3, true).fail(3, 1, "gone").retracted(3, 3).place();
    let mut failed: Vec<u64> = env.resolved.drain(..).map(|(task, _)| task).collect();
    failed.sort_unstable();
    assert_eq!(failed, [2, 3]);
    env.release(&[1, 2, 3]).records(0);
}
