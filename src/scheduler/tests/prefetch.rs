//! Prefetch: the tasks that are sent ahead of their inputs, their number, and their return.

use super::*;
use crate::scheduler::ranks::BACKLOG_MAX;

/// A cluster of one computing rank with one slot and tasks of a microsecond, of which many can be sent ahead.
fn short() -> Env {
    let mut env = ranks([0, 1]);
    env.takes(1_000).submit(99, &[]).place().runs(1, &[99]).finish(1, 99).release(&[99]).records(0);
    env
}

/// A cluster of one computing rank with `slots` slots and tasks of 50 ms.
fn long(slots: u32) -> Env {
    let mut env = ranks([0, slots]);
    env.submit(99, &[]).place().runs(1, &[99]).finish(1, 99).release(&[99]).records(0);
    env
}

fn chain(env: &mut Env, tasks: std::ops::RangeInclusive<u64>) {
    env.submit(*tasks.start(), &[]);
    (tasks.start() + 1..=*tasks.end()).for_each(|task| _ = env.submit(task, &[task - 1]));
}

fn missing(env: &Env, task: u64) -> Option<u32> {
    match env.state(task) {
        TaskState::Assigned { missing, .. } => Some(*missing),
        _ => None,
    }
}

#[test]
fn a_chain_is_sent_at_once() {
    let mut env = short();
    chain(&mut env, 1..=3);
    env.submit(4, &[3, 1, 3]).place().runs(1, &[1]);
    assert_eq!(env.take_run(1, 2).inputs, [soon(1)]);
    assert_eq!(env.take_run(1, 3).inputs, [soon(2)]);
    assert_eq!(env.take_run(1, 4).inputs, [soon(3), soon(1), soon(3)]);
    for (done, left) in [(1, 2), (2, 2), (3, 0)] {
        env.finish(1, done).place().quiet();
        assert_eq!(missing(&env, 4), Some(left));
    }
    env.finish(1, 4).release(&[1, 2, 3, 4]).records(0);
}

#[test]
fn a_task_submitted_while_its_input_runs_is_sent_ahead_of_it() {
    let mut env = long(1);
    env.submit(1, &[]).place().runs(1, &[1]).place().submit(2, &[1]).place();
    assert_eq!(env.take_run(1, 2).inputs, [soon(1)]);
    env.finish_stored(1, 1, 64).place().quiet().finish(1, 2).release(&[1]).releases(1, &[1]);
}

#[test]
fn a_task_with_inputs_on_two_ranks_is_not() {
    let mut env = ranks([0, 1, 1]);
    env.submit(1, &[]).submit(2, &[]).submit(3, &[1, 2]).place().runs(1, &[1]).runs(2, &[2]).place().quiet();
    env.submit(4, &[2, 1]).place().quiet().finish(1, 1).finish(2, 2).place().runs(1, &[3]).runs(2, &[4]);
}

#[test]
fn a_task_with_an_input_that_waits_for_a_rank_follows_when_that_is_sent() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(7, &[]).submit(8, &[]).submit(2, &[1, 8]).place().runs(1, &[1, 7]).quiet();
    env.finish(1, 1).place().runs(1, &[8]);
    assert_eq!(env.take_run(1, 2).inputs, [by_value(1, "v"), soon(8)]);
}

#[test]
fn the_other_inputs_come_from_where_they_are() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)).stored_at(1, 1, 64).scatter(3, inline("x")).submit_as(1, 2, &[]).submit(4, &[3, 2, 1]);
    env.place().runs(2, &[2]);
    assert_eq!(env.take_run(2, 4).inputs, [by_value(3, "x"), soon(2), at(1, 1, 64)]);
}

#[test]
fn a_pinned_task_follows_to_its_own_rank_alone() {
    let mut env = ranks([0, 2, 2]);
    env.define(on(1)).define(on(2)).submit_as(1, 1, &[]).submit_as(2, 2, &[1]).submit_as(1, 3, &[1]).place();
    env.runs(1, &[1, 3]).place().quiet().finish(1, 1).place().runs(2, &[2]);
}

#[test]
fn of_long_tasks_one_a_slot_is_sent_ahead() {
    let mut env = long(2);
    env.submit(1, &[]);
    (2..=6).for_each(|task| _ = env.submit(task, &[1]));
    env.place().runs(1, &[1, 2, 3]).place().quiet();
    env.finish(1, 1).place().runs(1, &[4]).quiet(); // two for the slots, and one more
    env.finish(1, 2).place().runs(1, &[5]).finish(1, 3).place().runs(1, &[6]);
}

#[test]
fn short_tasks_are_sent_ahead_while_they_fit_the_horizon_and_the_backlog() {
    for (nanos, most) in [(1_000, 1_000_000 / 1_300 - 1), (10, BACKLOG_MAX as usize)] {
        let mut env = ranks([0, 1]);
        env.takes(nanos).submit(9_999, &[]).place().runs(1, &[9_999]).finish(1, 9_999);
        for task in 1..3_000 {
            let inputs = if task == 1 { vec![] } else { vec![1] };
            env.scheduler
                .handle(SchedulerEvent::Submit(Env::new_task(task, 0, &inputs)), &mut Vec::new())
                .unwrap();
        }
        env.place().runs(1, &[1]);
        assert_eq!(env.drain(1).len(), most, "tasks of {nanos} ns");
        env.place().quiet();
    }
}

#[test]
fn a_follower_uses_no_slot_before_its_input_is_there() {
    let mut env = long(1);
    env.submit(1, &[]).submit(2, &[1]).submit(3, &[]).submit(4, &[]).place();
    env.runs(1, &[1, 3, 2]).quiet(); // one for the slot, one more, and the follower
    env.finish(1, 1).place().quiet().finish(1, 2).place().runs(1, &[4]);
}

#[test]
fn a_follower_does_not_make_its_rank_the_busier_one() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)).submit(1, &[]).submit(2, &[1]).submit_as(1, 3, &[]).submit_as(1, 4, &[]).place();
    env.runs(1, &[1, 2]).runs(2, &[3, 4]).submit(5, &[]).place().runs(1, &[5]);
}

/// For a sum of many inputs, each assignment of an input would look at all of them.
#[test]
fn a_task_that_misses_many_inputs_is_not_sent_ahead() {
    let mut env = short();
    (1..=40).for_each(|task| _ = env.scatter(task, inline("x")));
    (51..=67).for_each(|task| _ = env.submit(task, &[]));
    let all: Vec<u64> = (1..=40).chain(51..=67).collect();
    env.submit(70, &all).submit(71, &all[..all.len() - 1]).place();
    env.runs(1, &(51..=67).collect::<Vec<_>>()).runs(1, &[71]).place().quiet();
    (51..=67).for_each(|task| _ = env.finish(1, task));
    env.place().runs(1, &[70]);
}

mod seen {
    use super::*;

    fn seen(count: u32) -> RankOrder {
        RankOrder::Seen { count }
    }

    #[test]
    fn what_has_ended_or_was_given_back_is_counted_before_the_next_task() {
        let mut env = ranks([0, 2]);
        env.noting_seen().define(retries(1)).submit(1, &[]).submit_as(1, 2, &[]).submit(3, &[]).place();
        env.runs(1, &[1, 2, 3]).finish(1, 1).fail(1, 2, "boom").retracted(1, 3).quiet();
        env.place().sends(1, seen(3)).runs(1, &[2, 3]).quiet(); // once for all that follow
        env.finish_stored(1, 2, 64).fetched(1, 2).place().quiet(); // a copy is no end of a task
        env.fail(1, 3, "boom").submit(4, &[]).place().sends(1, seen(2)).runs(1, &[4]);
    }

    #[test]
    fn it_comes_before_a_range_and_before_a_follower() {
        let mut env = short();
        env.noting_seen().family(0, 10, 1).place().sends(1, seen(1));
        env.sends(1, RankOrder::RunRange { def: DefId(0), first: TaskId(10), index: 0, count: 1 })
            .finish(1, 10);
        env.submit(1, &[]).place().sends(1, seen(1)).runs(1, &[1]).submit(2, &[1]).submit(3, &[]).place();
        env.runs(1, &[3, 2]).finish(1, 3).submit(4, &[1]).place().sends(1, seen(1)).runs(1, &[4]);
    }

    #[test]
    fn each_rank_is_told_of_its_own() {
        let mut env = ranks([0, 1, 1]);
        env.noting_seen().submit(1, &[]).submit(2, &[]).place().runs(1, &[1]).runs(2, &[2]).finish(2, 2);
        env.submit(3, &[]).place().sends(2, seen(1)).runs(2, &[3]).finish(1, 1).finish(2, 3);
        env.submit(4, &[]).submit(5, &[]).place();
        env.sends(1, seen(1)).runs(1, &[4]).sends(2, seen(1)).runs(2, &[5]);
    }

    /// Rank 1 has ended t1 when it gets t2, and finds t1's result among those whose reports rank 0 has not
    /// acknowledged.
    #[test]
    fn what_is_under_way_is_not_counted() {
        let mut env = long(1);
        env.noting_seen().submit(1, &[]).place().sends(1, seen(1)).runs(1, &[1]).submit(2, &[1]).place();
        assert_eq!(env.take_run(1, 2).inputs, [soon(1)]);
        env.quiet().finish(1, 1).submit(3, &[1]).place().sends(1, seen(1));
        assert_eq!(env.take_run(1, 3).inputs, [by_value(1, "v")]);
    }
}

#[test]
fn a_failure_reaches_each_follower_when_it_is_given_back() {
    let mut env = short();
    chain(&mut env, 1..=3);
    env.want(3, true).place().runs(1, &[1, 2, 3]).fail(1, 1, "boom").quiet().is(2, Status::Assigned);
    env.retracted(1, 2).is(2, Status::Failed).is(3, Status::Assigned).quiet();
    env.retracted(1, 3).resolves_failed(3, "boom").place().release(&[1, 2, 3]).records(0);
}

#[test]
fn a_follower_that_is_sent_while_the_failure_is_under_way_fails_too() {
    let mut env = short();
    env.submit(1, &[]).place().runs(1, &[1]).submit(2, &[1]).place().runs(1, &[2]).submit(3, &[2]);
    env.fail(1, 1, "boom").place().runs(1, &[3]); // t2 is still taken to be there
    env.retracted(1, 2).retracted(1, 3).is(3, Status::Failed).place().release(&[1, 2, 3]).records(0);
}

/// Rank 0 might send either one first: the returned follower, or its leader, which starts for the second time.
#[test]
fn followers_follow_a_leader_that_is_started_again() {
    for early in [true, false] {
        let mut env = short();
        env.define(retries(1)).submit_as(1, 98, &[]).place().runs(1, &[98]).finish(1, 98).release(&[98]);
        env.submit_as(1, 1, &[]).submit(2, &[1]).submit(3, &[2]).place();
        env.runs(1, &[1, 2, 3]).fail(1, 1, "boom");
        if early {
            env.place();
            assert_eq!(env.take_run(1, 1).attempt, 2);
        }
        env.retracted(1, 2).retracted(1, 3).place();
        if !early {
            assert_eq!(env.take_run(1, 1).attempt, 2);
        }
        let (second, third) = (env.take_run(1, 2), env.take_run(1, 3));
        assert_eq!((second.attempt, second.inputs), (1, vec![soon(1)]), "it has not been started");
        assert_eq!((third.attempt, third.inputs), (1, vec![soon(2)]));
        env.finish(1, 1).finish(1, 2).finish(1, 3).place().release(&[1, 2, 3]).records(0);
    }
}

#[test]
fn a_follower_of_a_leader_that_has_gone_to_another_rank_goes_there() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(1)).submit(1, &[]).submit(2, &[1]).place().runs(1, &[1, 2]);
    env.submit_as(1, 9, &[]).place().runs(1, &[9]); // so that rank 2 comes first
    env.retracted(1, 1).place().runs(2, &[1]).quiet(); // t2 is still on its way back
    env.retracted(1, 2).place();
    assert_eq!(env.take_run(2, 2).inputs, [soon(1)]);
    env.finish_stored(2, 1, 64).finish(2, 2).release(&[1]).releases(2, &[1]);
}

#[test]
fn a_follower_given_back_after_its_leader_has_ended_elsewhere_is_ready() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(1)).submit(1, &[]).submit(2, &[1]).place().runs(1, &[1, 2]);
    env.submit_as(1, 9, &[]).place().runs(1, &[9]).retracted(1, 1).place().runs(2, &[1]).finish(2, 1);
    assert_eq!(missing(&env, 2), Some(0));
    env.retracted(1, 2).place();
    assert_eq!(env.take_run(2, 2).inputs, [by_value(1, "v")]);
}

#[test]
fn a_chain_on_a_lost_rank_is_sent_to_another() {
    let mut env = ranks([0, 1, 1]);
    env.takes(1_000).submit(9, &[]).place().runs(1, &[9]).finish(1, 9);
    chain(&mut env, 1..=3);
    env.place().runs(1, &[1, 2, 3]).finish_stored(1, 1, 64).lost(1).tells_lost(&[0, 2], 1).place();
    for (task, inputs) in [(1, vec![]), (2, vec![soon(1)]), (3, vec![soon(2)])] {
        let run = env.take_run(2, task);
        assert_eq!((run.attempt, run.inputs), (2, inputs));
    }
    env.finish(2, 1).finish(2, 2).finish(2, 3).place().release(&[1, 2, 3, 9]).records(0);
}

/// A cluster where t3 follows t2 on rank 2 and fetches t1 from rank 1, which dies.
fn lost_beside() -> Env {
    let mut env = ranks([0, 1, 1, 1]);
    env.define(on(2)).stored_at(1, 1, 64).submit_as(1, 2, &[]).submit(3, &[1, 2]).place().runs(2, &[2]);
    assert_eq!(env.take_run(2, 3).inputs, [at(1, 1, 64), soon(2)]);
    env.release(&[1, 2]).lost(1).tells_lost(&[0, 2, 3], 1);
    assert_eq!(missing(&env, 3), Some(2));
    env.place().runs(3, &[1]);
    env
}

#[test]
fn a_follower_that_could_not_fetch_another_input_is_given_back() {
    let mut env = lost_beside();
    env.retracted(2, 3).place().quiet();
    assert_eq!(*env.state(3), TaskState::Blocked { missing: 2 });
    env.finish_stored(2, 2, 1 << 30).finish_stored(3, 1, 64).place();
    assert_eq!(env.take_run(2, 3).inputs, [at(1, 3, 64), here(2)]);
    env.finish(2, 3).releases(3, &[1]).releases(2, &[2]).release(&[3]).records(0);
}

#[test]
fn a_follower_that_had_fetched_the_lost_input_in_time_goes_on() {
    let mut env = lost_beside();
    env.finish(2, 2).finish(2, 3).place().quiet().records(2); // t1 is still made again, and t3 is held
    env.finish_stored(3, 1, 64).releases(3, &[1]).release(&[3]).records(0);
}

#[test]
fn a_follower_whose_other_input_fails_when_it_is_made_again_fails() {
    let mut env = lost_beside();
    env.want(3, true).fail(3, 1, "gone").quiet().retracted(2, 3).resolves_failed(3, "gone");
    env.finish(2, 2).place().release(&[3]).records(0);
}

#[test]
fn a_chain_that_nobody_wants_ends_and_leaves_nothing() {
    let mut env = short();
    chain(&mut env, 1..=3);
    env.place().runs(1, &[1, 2, 3]).release(&[2, 3, 1]).records(3).quiet();
    env.finish_stored(1, 1, 64).quiet().finish_stored(1, 2, 64).releases(1, &[1]);
    env.finish_stored(1, 3, 64).releases(1, &[2, 3]).records(0).place();
}

#[test]
fn a_follower_that_nobody_wants_and_was_not_sent_is_cancelled() {
    let mut env = long(1);
    env.submit(1, &[]).submit(2, &[1]).submit(3, &[1]).submit(4, &[3]).place().runs(1, &[1, 2]);
    env.release(&[3]).release(&[4]).is_gone(3).is_gone(4).finish(1, 1).place().quiet();
    env.finish(1, 2).place().release(&[1, 2]).records(0);
}

#[test]
fn a_follower_that_nobody_wants_is_gone_when_it_is_given_back() {
    let mut env = short();
    env.submit(1, &[]).submit(2, &[1]).place().runs(1, &[1, 2]).release(&[2]).records(2);
    env.retracted(1, 1)
        .retracted(1, 2)
        .is_gone(2)
        .place()
        .runs(1, &[1])
        .finish(1, 1)
        .release(&[1])
        .records(0);
}
