//! Retries: the time, the rank and the needs of another attempt.

use super::*;
use crate::error::Retry;
use crate::scheduler::ResourceRequest;

fn paused(retries: u16, retry_delay: u32) -> DefOptions {
    DefOptions { retries, retry_delay, ..DefOptions::default() }
}

fn memory(retries: u16, memory: u64) -> DefOptions {
    let needs = ResourceRequest { memory, ..ResourceRequest::default() };
    DefOptions { retries, needs, ..DefOptions::default() }
}

/// A cluster where rank 0 computes nothing, and each other rank has a slot and a host of its own with this memory.
fn hosts<const N: usize>(memory: [u64; N]) -> Env {
    let host = |at: usize| RankInfo { slots: u32::from(at > 0), host: at as u32, ..RankInfo::default() };
    let mut infos = vec![host(0)];
    infos.extend(memory.into_iter().enumerate().map(|(at, memory)| RankInfo { memory, ..host(at + 1) }));
    cluster(&infos)
}

#[test]
fn a_task_pauses_twice_as_long_after_each_failure_and_takes_nothing_meanwhile() {
    let mut env = ranks([0, 1]);
    env.define(paused(2, 100)).submit_as(1, 1, &[]).want(1, true).place().runs(1, &[1]);
    env.fail(1, 1, "boom").pauses(1, 1, 100).is(1, Status::Pending).place().quiet();
    // the slot is free for other tasks during the pause
    env.submit(2, &[]).place().runs(1, &[2]).finish(1, 2).submit(3, &[]).place().runs(1, &[3]).finish(1, 3);
    env.due(1, 1).place();
    assert_eq!(env.take_run(1, 1).attempt, 2);
    env.fail(1, 1, "boom").pauses(1, 2, 200).due(1, 1).place().quiet();
    env.due(1, 2).place().runs(1, &[1]).fail(1, 1, "boom").resolves_failed(1, "boom");
}

#[test]
fn what_may_not_start_again_does_not() {
    let mut env = ranks([0, 1]);
    env.define(paused(5, 100)).submit_as(1, 1, &[]).want(1, true).place().runs(1, &[1]);
    env.fail_with(1, 1, error("boom").with_retry(Retry::Never)).resolves_failed(1, "boom");
}

#[test]
fn a_task_that_is_given_up_in_its_pause_never_starts() {
    let mut env = ranks([0, 1]);
    env.define(paused(5, 100))
        .submit_as(1, 1, &[])
        .submit_as(1, 2, &[])
        .want(1, true)
        .place()
        .runs(1, &[1, 2]);
    env.fail(1, 1, "boom").pauses(1, 1, 100).fail(1, 2, "boom").pauses(2, 1, 100);
    env.cancel(1).resolves_failed(1, "cancelled").release(&[2]).is_gone(2);
    env.due(1, 1).due(2, 1).place().quiet().is(1, Status::Cancelled);
}

#[test]
fn another_rank_is_preferred() {
    let mut env = ranks([0, 1, 1]);
    env.define(DefOptions { priority: 1, ..retries(3) }).submit_as(1, 1, &[]).place().runs(1, &[1]);
    // ranks 1 and 2 have room, and without the failure rank 1 would be chosen
    env.fail(1, 1, "boom").place().runs(2, &[1]);
    // the other rank has room in its queue only, which does not suffice for a task that needs a rank now
    env.fail(2, 1, "boom").place().runs(1, &[1]);
    env.lost(2).tells_lost(&[0, 1], 2).fail(1, 1, "boom").place().runs(1, &[1]);
}

#[test]
fn a_task_with_needs_goes_to_another_rank_too() {
    let mut env = hosts([100, 100, 100]);
    env.define(memory(3, 60)).submit_as(1, 1, &[]).place();
    let first = (1..=3).find(|rank| !env.drain(*rank).is_empty()).expect("a rank that runs it");
    env.fail(first, 1, "boom").place();
    let second = (1..=3).find(|rank| !env.drain(*rank).is_empty()).expect("a rank that runs it");
    assert_ne!(first, second);
}

#[test]
fn more_memory_is_set_aside_from_the_next_attempt_on() {
    let mut env = hosts([100]);
    env.define(memory(2, 40)).submit_as(1, 1, &[]).submit_as(1, 2, &[]).place();
    env.runs(1, &[1]).fail_with(1, 1, error("oom").with_retry(Retry::WithMemory(80))).place();
    // task 1 starts again before or after task 2; either way the host's memory is given to one of them at a time
    let RankOrder::Run(next) = env.take(1) else { panic!("no task runs") };
    if next.task == TaskId(2) {
        env.finish(1, 2).place().runs(1, &[1]);
    }
    assert_eq!(env.scheduler.definitions(), 3, "one without needs, one with 40, one with 80");
    // no host has as much memory: the user is told the task's own failure, and not the lack of memory
    env.want(1, true).fail_with(1, 1, error("oom").with_retry(Retry::WithMemory(160)));
    env.resolves_failed(1, "oom");
    env.drain(1);
}

#[test]
fn tasks_that_grow_alike_share_a_definition() {
    let mut env = hosts([100, 100]);
    env.define(memory(2, 40)).submit_as(1, 1, &[]).submit_as(1, 2, &[]).place();
    (1..=2).for_each(|rank| _ = env.drain(rank));
    for task in [1, 2] {
        let TaskState::Assigned { rank, .. } = *env.state(task) else { panic!("t{task} is on no rank") };
        env.fail_with(rank.0, task, error("oom").with_retry(Retry::WithMemory(80)));
    }
    env.place();
    (1..=2).for_each(|rank| _ = env.drain(rank));
    assert_eq!(env.scheduler.definitions(), 3);
}

#[test]
fn a_pause_outlasts_the_loss_of_an_input() {
    let mut env = ranks([0, 1, 1]);
    env.define(DefOptions { on: Some(Rank(1)), ..paused(2, 100) });
    env.submit(1, &[]).place().runs(1, &[1]).finish(1, 1).submit(2, &[]).place();
    env.runs(1, &[2]).finish_stored(1, 2, 64).submit_as(1, 3, &[2]).place().runs(1, &[3]);
    env.fail(1, 3, "boom").pauses(3, 1, 100).due(3, 1).place();
    assert_eq!(env.take_run(1, 3).inputs, [here(2)]);
}
