//! Results by name and results that move: release, cancel, failure and lost ranks.

use super::*;
use crate::protocol::RegistryRequest;
use crate::scheduler::TAKES_PUBLISHED;

fn registry(task: u64, request: RegistryRequest) -> SchedulerEvent {
    SchedulerEvent::Registry { task: TaskId(task), request }
}

fn publish(task: u64, name: &str, of: u64) -> SchedulerEvent {
    registry(task, RegistryRequest::Publish { name: name.into(), of: TaskId(of) })
}

fn unpublish(task: u64, name: &str) -> SchedulerEvent {
    registry(task, RegistryRequest::Unpublish { name: name.into() })
}

fn answer(env: &Env, task: u64) -> Vec<u8> {
    match env.state(task) {
        TaskState::Inline(bytes) => bytes.to_vec(),
        other => panic!("the answer is {other:?}"),
    }
}

#[test]
fn a_published_result_stays_until_its_name_is_taken_back() {
    let mut env = ranks([0, 1]);
    env.stored_at(1, 0, 64).handle(publish(1, "a", 0));
    env.release(&[0]).is(0, Status::Finished).quiet();
    env.handle(publish(2, "a", 0)).handle(registry(3, RegistryRequest::Find { name: "a".into() }));
    assert_eq!((answer(&env, 1), answer(&env, 2), answer(&env, 3)), (vec![0], vec![0], vec![0; 8]));
    env.handle(unpublish(4, "a")).releases(1, &[0]).is_gone(0);
    env.handle(unpublish(5, "a")).handle(registry(6, RegistryRequest::Find { name: "a".into() }));
    assert_eq!((answer(&env, 4), answer(&env, 5), answer(&env, 6)), (vec![1], vec![0], vec![]));
    env.release(&[1, 2, 3, 4, 5, 6]).records(0);
}

#[test]
fn a_name_has_one_result_and_a_released_one_gets_none() {
    let mut env = ranks([0, 1]);
    env.stored_at(1, 0, 64).stored_at(1, 1, 64).handle(publish(2, "a", 0)).handle(publish(3, "a", 1));
    env.release(&[1]).releases(1, &[1]).handle(publish(4, "b", 1));
    assert_eq!((answer(&env, 3), answer(&env, 4)), (vec![1], vec![2]));
    env.release(&[0, 2, 3, 4]).handle(unpublish(5, "a")).releases(1, &[0]).release(&[5]).records(0);
}

#[test]
fn a_published_task_that_nobody_else_wants_runs_and_is_made_again() {
    let mut env = ranks([0, 1, 1]);
    env.submit(0, &[]).handle(publish(1, "a", 0)).release(&[0]);
    env.place().runs(1, &[0]).finish_stored(1, 0, 64).is(0, Status::Finished);
    env.lost(1).tells_lost(&[0, 2], 1).is(0, Status::Pending).place().runs(2, &[0]).finish_stored(2, 0, 64);
    env.handle(unpublish(2, "a")).releases(2, &[0]).release(&[1, 2]).records(0);
}

#[test]
fn a_task_that_takes_a_result_which_is_published_no_more_fails() {
    let mut env = ranks([0, 1]);
    let foreign = TaskId(1 << 40 | 7);
    let definition = Definition {
        def: DefId(1),
        function: 8,
        name: TAKES_PUBLISHED.into(),
        shared: Blob::default(),
        slots: 1,
        memory: 0,
        gpus: 0,
        timeout: 0,
    };
    env.handle(SchedulerEvent::define(definition, DefOptions::default()));
    let new = NewTask { inputs: [foreign].into_iter().collect(), ..Env::new_task(0, 1, &[]) };
    env.handle(SchedulerEvent::Submit(new)).is(0, Status::Failed).want(0, true);
    env.resolves_failed(0, "taken back meanwhile").release(&[0]).records(0);
}

fn bring(task: u64, holder: u32, nbytes: u64) -> RankOrder {
    RankOrder::Bring { task: TaskId(task), holder: Rank(holder), nbytes, layout: LAYOUT }
}

/// Rank 1 has the results 0 to 3 of 100 bytes each, and rank 2 none.
fn uneven() -> Env {
    let mut env = ranks([0, 1, 1]);
    env.define(on(1));
    for task in 0..4 {
        env.submit_as(1, task, &[]).place().runs(1, &[task]).finish_stored(1, task, 100);
    }
    env.handle(registry(4, RegistryRequest::Rebalance)).sends(2, bring(0, 1, 100)).sends(2, bring(1, 1, 100));
    env.want(4, true);
    env
}

#[test]
fn results_move_to_the_rank_that_has_few() {
    let mut env = uneven();
    env.fetched(2, 0).releases(1, &[0]).quiet();
    assert_eq!((env.holders(0), env.holders(1), env.holders(2)), (vec![2], vec![1], vec![1]));
    env.fetched(2, 1).releases(1, &[1]);
    env.resolves(4, TaskOutcome::Inline(Blob::new(&200u64.to_le_bytes())));
    env.handle(registry(5, RegistryRequest::Rebalance)).want(5, true);
    env.resolves(5, TaskOutcome::Inline(Blob::new(&[0; 8])));
    env.release(&[0, 1, 2, 3, 4, 5]).releases(2, &[0, 1]).releases(1, &[2, 3]).records(0);
}

#[test]
fn a_result_that_moves_is_released_on_both_ranks_when_it_has_arrived() {
    let mut env = uneven();
    env.release(&[0, 1, 2, 3]).releases(1, &[2, 3]).quiet();
    env.fetched(2, 0).releases(1, &[0]).releases(2, &[0]).is_gone(0);
    env.from(2, RankReport::NotBrought { task: TaskId(1) }).releases(1, &[1]).is_gone(1);
    env.resolves(4, TaskOutcome::Inline(Blob::new(&100u64.to_le_bytes()))).release(&[4]).records(0);
}

#[test]
fn the_old_copy_stays_while_a_task_uses_the_result() {
    let mut env = uneven();
    env.submit_as(1, 5, &[0]).place().runs(1, &[5]).fetched(2, 0).quiet();
    assert_eq!(env.holders(0), [1, 2]);
    env.finish(1, 5).fetched(2, 1).releases(1, &[1]);
    env.resolves(4, TaskOutcome::Inline(Blob::new(&100u64.to_le_bytes())));
    env.release(&[0]).releases(1, &[0]).releases(2, &[0]);
    env.release(&[1, 2, 3, 4, 5]).releases(2, &[1]).releases(1, &[2, 3]).records(0);
}

#[test]
fn the_loss_of_either_rank_ends_a_move() {
    let mut env = uneven();
    env.lost(2).tells_lost(&[0, 1], 2).resolves(4, TaskOutcome::Inline(Blob::new(&[0; 8])));
    env.release(&[0, 1, 2, 3, 4]).releases(1, &[0, 1, 2, 3]).records(0);
    let mut env = uneven();
    env.fetched(2, 0).releases(1, &[0]).lost(1).tells_lost(&[0, 2], 1).is(0, Status::Finished);
    env.from(2, RankReport::NotBrought { task: TaskId(1) });
    env.resolves(4, TaskOutcome::Inline(Blob::new(&100u64.to_le_bytes())));
    env.release(&[0, 1, 2, 3, 4]).releases(2, &[0]).records(0);
}
