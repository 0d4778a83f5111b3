//! Ranks die with a task again and again.

use super::*;
use crate::error::TaskErrorKind;

/// Loses the ranks one after the other, each with the task 1, which only ever has that rank to go to.
fn loses(env: &mut Env, lost: &[u32], left: &[u32]) {
    for (at, rank) in lost.iter().enumerate() {
        let alive: Vec<u32> = [0].iter().chain(&lost[at + 1..]).chain(left).copied().collect();
        env.place();
        let run = env.take_run(*rank, 1);
        assert_eq!(run.attempt, at as Attempt + 1);
        env.lost(*rank).tells_lost(&alive, *rank);
    }
}

fn cause(env: &Env, task: u64) -> TaskError {
    match env.state(task) {
        TaskState::Failed(cause) => (**cause).clone(),
        other => panic!("task {task} is {other:?}"),
    }
}

#[test]
fn what_three_ranks_have_died_with_fails_and_names_them_and_others_go_on() {
    let mut env = ranks([0, 1, 1, 1, 1]);
    let hosts = ["n0", "n1", "n1", "n2", "n2"];
    env.scheduler.name_hosts(hosts.map(String::from).to_vec());
    env.submit(1, &[]).submit(2, &[1]).want(1, false);
    loses(&mut env, &[1, 2, 3], &[4]);
    let cause = cause(&env, 1);
    assert_eq!((cause.kind, cause.rank, cause.host.as_str()), (TaskErrorKind::Quarantined, Rank(3), "n2"));
    assert_eq!(cause.attempt, 3);
    assert!(cause.message.starts_with("rank 1 (n1), rank 2 (n1), rank 3 (n2) have died with it"), "{cause}");
    env.is(2, Status::Failed).resolves_failed(1, &cause.message);
    // the second task followed the first to each rank
    (1..4).for_each(|rank| assert_eq!(env.drain(rank).len(), 1));
    env.submit(3, &[]).place().runs(4, &[3]).finish(4, 3).is(3, Status::Finished);
    env.release(&[1, 2, 3]).records(0);
}

#[test]
fn two_deaths_are_forgotten_when_it_ends_with_a_result() {
    let mut env = ranks([0, 1, 1, 1, 1]);
    env.submit(1, &[]);
    loses(&mut env, &[1, 2], &[3, 4]);
    env.place().runs(3, &[1]).finish_stored(3, 1, 64).is(1, Status::Finished);
    // its result is lost with the third rank, which was not computing it
    env.lost(3).tells_lost(&[0, 4], 3).is(1, Status::Pending).place().runs(4, &[1]);
    env.finish(4, 1).release(&[1]).records(0);
}

#[test]
fn a_task_that_waits_there_for_its_input_is_not_suspected() {
    let mut env = ranks([0, 1, 1, 1, 1]);
    env.submit(1, &[]).submit(2, &[1]);
    for (rank, alive) in [(1, &[0, 2, 3, 4][..]), (2, &[0, 3, 4]), (3, &[0, 4])] {
        env.place();
        env.take_run(rank, 1);
        env.take_run(rank, 2);
        env.lost(rank).tells_lost(alive, rank);
    }
    assert_eq!(cause(&env, 2).task, cause(&env, 1).task, "the second fails only for the first");
    env.release(&[1, 2]).records(0);
}

#[test]
fn what_nobody_needs_any_more_is_not_suspected() {
    let mut env = ranks([0, 1, 1, 1, 1]);
    env.submit(1, &[]);
    loses(&mut env, &[1, 2], &[3, 4]);
    env.place().runs(3, &[1]).release(&[1]);
    env.lost(3).tells_lost(&[0, 4], 3).records(0);
}

#[test]
fn the_user_may_have_it_started_again() {
    let mut env = ranks([0, 1, 1, 1, 1]);
    env.submit(1, &[]);
    loses(&mut env, &[1, 2, 3], &[4]);
    env.is(1, Status::Failed).retry(1).place().runs(4, &[1]).finish(4, 1).release(&[1]).records(0);
}
