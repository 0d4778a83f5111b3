//! Tasks that fail while a rank has them: cancelled ones, and those that take too long.

use super::*;
use crate::protocol::RankList;
use crate::scheduler::ResourceRequest;

fn timed(retries: u16) -> DefOptions {
    DefOptions { timeout: 10, retries, ..DefOptions::default() }
}

#[test]
fn a_running_task_that_is_cancelled_fails_at_once_and_its_result_is_dropped() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[1]).want(1, true).want(2, true).place().runs(1, &[1, 2]);
    env.cancel(1).tells_cancelled(1, &[1, 2]);
    env.resolves_failed(1, "it was cancelled").resolves_failed(2, "it was cancelled");
    env.is(1, Status::Cancelled).is(2, Status::Cancelled).release(&[1, 2]).is_gone(2);
    assert_eq!(env.scheduler.assigned(), 2, "the rank still has both");
    // the second one, which leaves too, keeps its input until it has left
    env.from(1, RankReport::Retracted { task: TaskId(2), attempt: 1 }).is_gone(1);
    env.ends(1, 1, 1, stored(64)).releases(1, &[1]).records(0);
}

#[test]
fn what_a_cancelled_task_takes_is_taken_until_it_has_ended() {
    let mut env = ranks([0, 1, 1]);
    let needs = ResourceRequest { counters: [1, 0, 0, 0, 0, 0, 0, 0], ..ResourceRequest::default() };
    env.define(DefOptions { needs, ..DefOptions::default() });
    env.handle(SchedulerEvent::Counter { counter: 0, total: 1 });
    env.submit_as(1, 1, &[]).submit_as(1, 2, &[]).place().runs(1, &[1]).cancel(1).tells_cancelled(1, &[1]);
    env.place().quiet(); // there is one licence, and the first task has it
    env.fail(1, 1, "stopped").place();
    let runs = (1..=2).flat_map(|rank| env.drain(rank)).count();
    assert_eq!(runs, 1);
}

#[test]
fn an_input_that_a_cancelled_task_fetches_stays_until_it_has_ended() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)).stored_at(1, 1, 64).submit_as(1, 2, &[1]).place();
    assert_eq!(env.take_run(2, 2).inputs, [at(1, 1, 64)]);
    env.release(&[1]).cancel(2).tells_cancelled(2, &[2]).quiet();
    assert_eq!(env.holders(1), [1], "rank 2 is going to ask for it");
    env.fetched(2, 1).retracted(2, 2).releases(1, &[1]).releases(2, &[1]);
    env.release(&[2]).records(0);
}

#[test]
fn the_loss_of_its_rank_ends_a_cancelled_task() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)).stored_at(1, 1, 64).submit_as(1, 2, &[1]).place().runs(2, &[2]);
    env.cancel(2).tells_cancelled(2, &[2]).release(&[1, 2]);
    env.lost(2).tells_lost(&[0, 1], 2).releases(1, &[1]).records(0);
}

#[test]
fn the_loss_of_an_input_of_a_cancelled_task_is_no_harm() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)).stored_at(1, 1, 64).submit_as(1, 2, &[1]).place().runs(2, &[2]);
    env.cancel(2).tells_cancelled(2, &[2]).release(&[2]);
    env.lost(1).tells_lost(&[0, 2], 1).from(2, RankReport::Retracted { task: TaskId(2), attempt: 1 });
    env.place();
    env.drain(2); // somebody holds a future of it: it is made again
    env.release(&[1]);
}

#[test]
fn a_task_that_takes_too_long_fails_and_ends_later() {
    let mut env = ranks([0, 1]);
    env.define(timed(0)).submit_as(1, 1, &[]).submit(2, &[1]).want(2, true).place().runs(1, &[1, 2]);
    env.timed_out(1, 1, 1).tells_cancelled(1, &[1, 2]).resolves_failed(2, "too slow").is(1, Status::Failed);
    env.from(1, RankReport::Retracted { task: TaskId(2), attempt: 1 });
    env.fail(1, 1, "too slow").release(&[1, 2]).records(0);
}

#[test]
fn a_task_that_takes_too_long_starts_again_when_it_has_ended() {
    let mut env = ranks([0, 1]);
    env.define(timed(1)).submit_as(1, 1, &[]).want(1, true).place().runs(1, &[1]);
    env.timed_out(1, 1, 1).tells_cancelled(1, &[1]).is(1, Status::Assigned).place().quiet();
    env.fail(1, 1, "too slow").place();
    assert_eq!(env.take_run(1, 1).attempt, 2);
    env.timed_out(1, 1, 1).quiet(); // of the first attempt
    env.timed_out(1, 1, 2).tells_cancelled(1, &[1]).resolves_failed(1, "too slow");
    // another attempt waits for the end of this one
    env.retry(1).is(1, Status::Pending).place().quiet();
    env.ends(1, 1, 2, inline("late")).place();
    assert_eq!(env.take_run(1, 1).attempt, 3);
    env.finish(1, 1).release(&[1]).records(0);
}

#[test]
fn a_task_that_names_ranks_runs_on_one_of_them() {
    let mut env = ranks([0, 1, 1, 1]);
    let among = Some(RankList::new([Rank(2), Rank(3)]));
    env.define(DefOptions { among, ..DefOptions::default() });
    (1..=6).for_each(|task| _ = env.submit_as(1, task, &[]));
    env.place().quiet_on(1);
    assert!(env.drain(2).len() > 1 && env.drain(3).len() > 1, "both have some");
    env.lost(2).tells_lost(&[0, 1, 3], 2).place().quiet_on(1);
    env.drain(3);
    env.submit_as(1, 9, &[]).want(9, false).lost(3).tells_lost(&[0, 1], 3).place();
    env.resolves_failed(9, "it may only run on ranks 2 and 3, which compute nothing");
}

#[test]
fn a_preferred_rank_gets_tasks_while_it_has_room() {
    let mut env = ranks([0, 1, 1]);
    env.define(DefOptions { prefer: Some(Rank(2)), ..DefOptions::default() });
    (1..=4).for_each(|task| _ = env.submit_as(1, task, &[]));
    env.place().runs(2, &[1, 2]).runs(1, &[3, 4]);
    // one that is dead is no hindrance
    env.lost(2).tells_lost(&[0, 1], 2).finish(1, 3).finish(1, 4).place();
    env.drain(1);
}
