//! Results: made here, brought, given to others, released.

use super::*;

#[test]
fn a_stored_result_stays_and_an_inline_one_and_a_failure_do_not() {
    let mut env = slots(3);
    env.run(1, &[]).run(2, &[]).run(3, &[]).start().executes(&[1, 2, 3]);
    env.computed(1, stored()).computed(2, small()).computed(3, Err(error())).holds(1, 0);
    env.run(4, &[here(1)]).start().executes(&[4]).computed(4, small()).release(1).drops(1).holds(0, 0);
}

#[test]
fn a_value_of_the_client_is_held_until_it_is_released() {
    slots(0)
        .handle(WorkerEvent::Put(TaskId(1)))
        .holds(1, 0)
        .asked(2, 1)
        .gives(2, 1)
        .release(1)
        .drops(1)
        .holds(0, 0);
}

#[test]
fn a_release_waits_for_the_last_user() {
    let mut env = slots(1);
    env.with_copies(&[8]).run(1, &[here(8)]).run(2, &[here(8)]).start().executes(&[1]).release(8).quiet();
    env.computed(1, small()).quiet().start().executes(&[2]).computed(2, Err(error())).drops(8).holds(0, 0);
}

#[test]
fn what_is_released_but_used_serves_one_more_task() {
    let mut env = slots(2);
    env.with_copies(&[8]).run(1, &[here(8)]).start().executes(&[1]).release(8).run(2, &[at(8, 2)]).quiet();
    env.computed(1, small()).quiet().start().executes(&[2]).computed(2, small()).drops(8);
}

#[test]
fn a_release_of_what_is_not_here_is_nothing() {
    slots(1).release(1).quiet();
}

#[test]
fn others_are_given_what_is_here() {
    let mut env = slots(1);
    env.run(1, &[])
        .start()
        .executes(&[1])
        .computed(1, stored())
        .asked(2, 1)
        .gives(2, 1)
        .asked(3, 1)
        .gives(3, 1);
    env.refuse(WorkerEvent::Asked { by: Rank(2), task: TaskId(9), tag: 1, same_files: false })
        .bring(9, 2)
        .fetches(9, 2);
    env.refuse(WorkerEvent::Asked { by: Rank(2), task: TaskId(9), tag: 1, same_files: false });
}

#[test]
fn a_result_is_brought_once() {
    let mut env = slots(1);
    env.bring(8, 2).fetches(8, 2).arrived(8).reports_fetched(8).holds(1, 0);
    env.bring(8, 2).quiet(); // that it is here is under way, or rank 0 would not ask
}

#[test]
fn a_result_that_a_task_fetches_is_not_fetched_again_to_be_brought() {
    let mut env = slots(1);
    env.run(1, &[at(8, 2)])
        .fetches(8, 2)
        .bring(8, 3)
        .quiet()
        .arrived(8)
        .reports_fetched(8)
        .start()
        .executes(&[1]);
}

#[test]
fn a_copy_that_was_released_but_is_used_is_brought_to_new_life() {
    let mut env = slots(1);
    env.with_copies(&[8]).run(1, &[here(8)]).start().executes(&[1]).release(8).bring(8, 2).reports_fetched(8);
    env.computed(1, small()).quiet().holds(1, 0).release(8).drops(8);
}
