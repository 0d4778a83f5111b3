//! Loss of a rank: results that were to come from it, and results that are made again where a copy lies.

use super::*;

#[test]
fn tasks_that_wait_for_a_dead_rank_are_given_back() {
    let mut env = slots(2);
    env.run(1, &[at(8, 2)]).fetches(8, 2).run(2, &[at(8, 2), at(8, 2)]).run(3, &[at(9, 3)]).fetches(9, 3);
    env.lost(2).gives_back(&[1, 2]).holds(1, 1).arrived(9).reports_fetched(9).start().executes(&[3]);
}

#[test]
fn what_was_here_in_time_is_used() {
    let mut env = slots(1);
    env.run(1, &[at(8, 2)])
        .fetches(8, 2)
        .arrived(8)
        .reports_fetched(8)
        .lost(2)
        .quiet()
        .start()
        .executes(&[1]);
}

#[test]
fn what_was_to_be_brought_is_not() {
    let mut env = slots(0);
    env.bring(8, 2).fetches(8, 2).lost(2).not_brought(8).holds(0, 0).bring(8, 3).fetches(8, 3);
}

#[test]
fn what_was_to_be_brought_and_used_is_neither() {
    let mut env = slots(1);
    env.run(1, &[at(8, 2)]).fetches(8, 2).bring(8, 2).lost(2).not_brought(8).gives_back(&[1]).holds(0, 0);
}

#[test]
fn two_inputs_from_the_dead_rank_give_a_task_back_once() {
    let mut env = slots(1);
    env.run(1, &[at(8, 2), at(7, 2), inline(5)])
        .fetches(8, 2)
        .fetches(7, 2)
        .lost(2)
        .gives_back(&[1])
        .holds(0, 0);
}

/// When the task is given back, rank 0 may tell the holder of its inputs to release them, so no fetch may be open then.
#[test]
fn a_task_is_given_back_only_when_its_other_fetches_are_over() {
    let mut env = slots(1);
    env.with_copies(&[6]).run(1, &[at(8, 2), at(7, 3), here(6)]).fetches(8, 2).fetches(7, 3).lost(2).quiet();
    env.holds(2, 1).release(6).drops(6); // what is here is not kept for it
    env.arrived(7).reports_fetched(7).gives_back(&[1]).holds(1, 0);
    env.release(7).drops(7).start().quiet();
}

#[test]
fn the_other_fetch_may_be_lost_too() {
    let mut env = slots(1);
    env.run(1, &[at(8, 2), at(7, 3), at(7, 3)]).fetches(8, 2).fetches(7, 3).lost(2).quiet();
    env.lost(3).gives_back(&[1]).holds(0, 0);
}

#[test]
fn a_lost_input_may_be_fetched_anew_while_an_earlier_task_is_not_given_back_yet() {
    let mut env = slots(1);
    env.run(1, &[at(8, 2), at(7, 3)]).fetches(8, 2).fetches(7, 3).lost(2).run(2, &[at(8, 4)]).fetches(8, 4);
    env.arrived(8).reports_fetched(8).start().executes(&[2]).arrived(7).reports_fetched(7).gives_back(&[1]);
    env.release(8).quiet().computed(2, small()).drops(8);
}

/// A request that a dead rank sent before its death might name a result that has been released since.
#[test]
fn a_dead_rank_is_given_nothing() {
    slots(1)
        .with_copies(&[8])
        .lost(2)
        .asked(2, 8)
        .quiet()
        .release(8)
        .drops(8)
        .asked(2, 8)
        .asked(2, 9)
        .quiet();
}

#[test]
fn a_result_made_again_where_a_copy_is_in_use_takes_its_place() {
    let mut env = slots(2);
    env.with_copies(&[8]).run(1, &[here(8)]).run_again(8, &[]).start().executes(&[1, 8]);
    env.computed_as(8, 2, stored()).holds(1, 1).computed(1, small()).quiet().holds(1, 0);
    env.asked(3, 8).gives(3, 8).release(8).drops(8);
}

/// The last user of the released copy must not drop it: by then the new result might have taken its place in the store.
#[test]
fn a_released_copy_that_is_in_use_stays_while_the_result_is_made_again_here() {
    let mut env = slots(2);
    env.with_copies(&[8]).run(1, &[here(8)]).start().executes(&[1]).release(8).run_again(8, &[]).start();
    env.executes(&[8])
        .computed(1, small())
        .quiet()
        .computed_as(8, 2, stored())
        .holds(1, 0)
        .release(8)
        .drops(8);
}

#[test]
fn a_copy_of_a_result_that_could_not_be_made_again_here_is_dropped() {
    for output in [small(), Err(error())] {
        let mut env = slots(1);
        env.with_copies(&[8])
            .run_again(8, &[])
            .start()
            .executes(&[8])
            .computed_as(8, 2, output)
            .drops(8)
            .holds(0, 0);
    }
}

#[test]
fn a_copy_of_a_result_that_is_made_again_elsewhere_after_all_is_dropped() {
    let mut env = slots(1);
    env.with_copies(&[8]).run(1, &[here(8)]).start().executes(&[1]).run_again(8, &[]).retract(1);
    env.says(WorkerAction::Report(RankReport::Retracted { task: TaskId(8), attempt: 2 })).retract_done();
    env.computed(1, small()).drops(8).holds(0, 0);
}
