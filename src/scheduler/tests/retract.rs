//! Work stealing: tasks are taken back from a busy rank when another one is idle.

use super::*;

/// A cluster where rank 1 has nine tasks, of which it computes one, and rank 2 has two long ones.
fn unbalanced() -> Env {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)).takes(100_000).submit(100, &[]).place().runs(1, &[100]).finish(1, 100);
    env.submit_as(1, 50, &[]).submit_as(1, 51, &[]).place().runs(2, &[50, 51]);
    (1..=9).for_each(|task| _ = env.submit(task, &[]));
    env.place().runs(1, &[1, 2, 3, 4, 5, 6, 7, 8, 9]).quiet().noting_retracts();
    env
}

fn give_back(env: &mut Env, rank: u32, tasks: &[u64]) {
    for &task in tasks {
        env.retracted(rank, task);
    }
    env.from(rank, RankReport::RetractDone);
}

fn retract(count: u32) -> RankOrder {
    RankOrder::Retract { count }
}

#[test]
fn half_of_the_queue_is_taken_back_and_goes_to_the_idle_rank() {
    let mut env = unbalanced();
    env.finish(2, 50).place().quiet(); // it has still one
    env.finish(2, 51).place().sends(1, retract(4)).place().quiet(); // and is not asked twice
    give_back(&mut env, 1, &[9, 8, 7, 6]);
    env.place();
    let attempts = [9, 8, 7, 6].map(|task| env.take_run(2, task).attempt);
    assert_eq!(attempts, [1; 4], "what was given back had not been started");
}

#[test]
fn a_rank_that_gives_nothing_back_is_not_asked_again_before_something_changes() {
    let mut env = unbalanced();
    env.finish(2, 50).finish(2, 51).place().sends(1, retract(4));
    give_back(&mut env, 1, &[]);
    env.place().place().quiet().finish(1, 1).place().sends(1, retract(4));
}

#[test]
fn what_is_given_back_goes_to_the_least_loaded_rank_wherever_its_input_lies() {
    let mut env = ranks([0, 1, 1]);
    env.noting_retracts().stored_at(1, 1, 1 << 30);
    (2..=4).for_each(|task| _ = env.submit(task, &[1]));
    env.place().runs(1, &[2, 3, 4]).sends(1, retract(1));
    give_back(&mut env, 1, &[4]);
    env.place();
    assert_eq!(env.take_run(2, 4).inputs, [at(1, 1, 1 << 30)]);
}

#[test]
fn short_queues_are_left_alone() {
    let mut env = ranks([0, 1, 1]);
    env.noting_retracts().define(on(1)).takes(10_000).submit_as(1, 1, &[]).place().runs(1, &[1]).finish(1, 1);
    (2..=10).for_each(|task| _ = env.submit_as(1, task, &[]));
    env.place().runs(1, &[2, 3, 4, 5, 6, 7, 8, 9, 10]).place().quiet();
}

/// Pinned tasks that are taken back would return to the same rank for ever.
#[test]
fn pinned_tasks_do_not_go_back_and_forth() {
    let mut env = ranks([0, 1, 1]);
    env.noting_retracts().define(on(1));
    (1..=3).for_each(|task| _ = env.submit_as(1, task, &[]));
    env.place().runs(1, &[1, 2]).sends(1, retract(1));
    give_back(&mut env, 1, &[2]);
    env.place().runs(1, &[3]).place().quiet();
    // the state has changed: rank 0 may ask once more
    env.finish(1, 1).place().runs(1, &[2]).sends(1, retract(1));
}

#[test]
fn a_cancelled_task_that_is_given_back_is_gone() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).place().runs(1, &[1]).release(&[1]).records(1).retracted(1, 1).records(0).place();
}

#[test]
fn a_task_given_back_whose_input_has_failed_meanwhile_fails() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)).stored_at(1, 1, 64).submit_as(1, 2, &[1]).place().runs(2, &[2]).want(2, true);
    env.lost(1).tells_lost(&[0, 2], 1).place().runs(2, &[1]).fail(2, 1, "boom").quiet();
    env.retracted(2, 2).resolves_failed(2, "boom");
}

#[test]
fn the_answer_of_a_rank_that_has_died_is_not_waited_for() {
    let mut env = ranks([0, 1, 1]);
    env.noting_retracts().stored_at(1, 1, 1 << 30);
    (2..=4).for_each(|task| _ = env.submit(task, &[1]));
    env.place().runs(1, &[2, 3, 4]).sends(1, retract(1)).lost(1).tells_lost(&[0, 2], 1);
    env.from(1, RankReport::Retracted { task: TaskId(4), attempt: 1 }).from(1, RankReport::RetractDone);
    env.place().runs(2, &[1]).finish(2, 1).place().runs(2, &[2, 3]);
}
