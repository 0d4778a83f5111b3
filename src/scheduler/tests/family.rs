//! Families: ranges, instances that events name, shares between ranks.

use super::*;
use crate::compact::Ranges;
use crate::protocol::index_argument;

fn range(def: u32, first: u64, index: u64, count: u32) -> RankOrder {
    RankOrder::RunRange { def: DefId(def), first: TaskId(first), index, count }
}

/// The task numbers of all instances that are sent, as ranges or as single tasks.
fn instances(orders: Vec<RankOrder>) -> Vec<u64> {
    orders
        .into_iter()
        .flat_map(|order| match order {
            RankOrder::RunRange { first, count, .. } => first.0..first.0 + u64::from(count),
            RankOrder::Run(run) => run.task.0..run.task.0 + 1,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn instances_go_out_as_ranges_and_have_no_record_before() {
    let mut env = ranks([0, 2, 2]);
    env.family(0, 10, 100)
        .records(0)
        .is(10, Status::Pending)
        .is(109, Status::Pending)
        .is(110, Status::Released);
    env.place().sends(1, range(0, 10, 0, 3)).sends(2, range(0, 13, 3, 3)).records(6);
    env.finish(1, 10).finish(1, 11).place().sends(1, range(0, 16, 6, 2));
}

#[test]
fn a_rank_gets_no_more_than_its_share() {
    let mut env = ranks([0, 1, 1]);
    env.takes(1_000).submit(1, &[]).place().runs(1, &[1]).finish(1, 1).family(0, 10, 10).place();
    assert_eq!(instances(env.drain(1)).len(), 5);
    assert_eq!(instances(env.drain(2)).len(), 5);
}

#[test]
fn an_instance_that_is_named_gets_a_record_and_runs_alone() {
    let mut env = ranks([0, 4]);
    env.family(0, 10, 5).submit(20, &[12]).records(2).release(&[11]).records(2).want(14, false).place();
    let mut single = env.take_run(1, 12);
    assert_eq!((single.args, single.attempt), (index_argument(2), 1));
    single = env.take_run(1, 14);
    assert_eq!(single.args, index_argument(4));
    env.sends(1, range(0, 10, 0, 1)).sends(1, range(0, 13, 3, 1)); // 11 was cancelled
    assert_eq!(env.take_run(1, 20).inputs, [soon(12)]);
    env.quiet().finish(1, 14).resolves(14, TaskOutcome::Done).finish(1, 12).place().quiet();
    env.finish(1, 10).finish(1, 13).finish(1, 20).release(&[10, 12, 13, 14, 20]).records(0);
}

#[test]
fn a_family_whose_instances_are_all_named_is_forgotten() {
    let mut env = ranks([0, 4]);
    env.family(0, 10, 3);
    for task in [12, 10, 11] {
        env.want(task, true);
    }
    env.records(3).place().runs(1, &[12, 10, 11]).quiet();
    env.refuse(SchedulerEvent::Release(TaskId(13)));
}

#[test]
fn a_family_that_is_released_whole_leaves_nothing() {
    let mut env = ranks([0, 1]);
    env.family(0, 10, 1000);
    for task in (10..1010).rev() {
        env.release(&[task]);
    }
    env.records(0).place().quiet().is(500, Status::Released).refuse(SchedulerEvent::Release(TaskId(500)));
}

#[test]
fn an_empty_family_is_nothing() {
    ranks([0, 1])
        .family(0, 10, 0)
        .place()
        .is(10, Status::Released)
        .refuse(SchedulerEvent::Want { task: TaskId(10), value: true });
}

#[test]
fn an_empty_family_can_be_released_next_to_another() {
    let mut env = ranks([0, 4]);
    env.family(0, 10, 0).family(0, 10, 2);
    env.handle(SchedulerEvent::ReleaseFamily { first: TaskId(10), count: 0, except: Ranges::default() })
        .is(10, Status::Pending);
    env.place().sends(1, range(0, 10, 0, 2));
}

#[test]
fn families_next_to_each_other_do_not_mix() {
    let mut env = ranks([0, 8]);
    env.define(DefOptions::default()).family(0, 10, 2).family(1, 12, 2).want(12, false).place();
    assert_eq!(env.take_run(1, 12).def, DefId(1));
    env.sends(1, range(0, 10, 0, 2)).sends(1, range(1, 13, 1, 1));
}

#[test]
fn tasks_go_before_families_and_urgent_families_before_tasks() {
    let mut env = ranks([0, 1]);
    env.define(priority(1)).family(0, 10, 2).submit(1, &[]).family(1, 20, 1).place();
    env.sends(1, range(1, 20, 0, 1)).runs(1, &[1]).finish(1, 1).place().sends(1, range(0, 10, 0, 1));
}

#[test]
fn a_family_joins_late_with_what_is_left() {
    let mut env = ranks([0, 1, 1]);
    env.family(0, 10, 7).place().sends(1, range(0, 10, 0, 2)).sends(2, range(0, 12, 2, 2));
    env.submit(1, &[]).finish(2, 12).place().runs(2, &[1]); // what came later, but is no family, goes first
    env.finish(2, 13).finish(2, 1).place().sends(2, range(0, 14, 4, 2)).quiet();
    env.finish(1, 10).place().sends(1, range(0, 16, 6, 1)).finish(1, 11).place().quiet();
}

#[test]
fn an_instance_that_is_given_back_or_lost_runs_again_alone() {
    let mut env = ranks([0, 1, 1]);
    env.family(0, 10, 4).place();
    assert_eq!((instances(env.drain(1)), instances(env.drain(2))), (vec![10, 11], vec![12, 13]));
    env.retracted(1, 11).lost(1).tells_lost(&[0, 2], 1).finish(2, 12).finish(2, 13).place();
    let again = env.take_run(2, 11);
    assert_eq!((again.args, again.attempt), (index_argument(1), 1));
    assert_eq!(env.take_run(2, 10).attempt, 2);
    env.finish(2, 10).finish(2, 11).release(&[10, 11, 12, 13]).records(0);
}

#[test]
fn a_pinned_family_runs_on_its_rank_alone() {
    let mut env = ranks([0, 1, 2]);
    env.define(on(1)).family(1, 10, 4).place();
    assert_eq!(instances(env.drain(1)), [10, 11]);
    env.quiet().finish(1, 10).place();
    assert_eq!(instances(env.drain(1)), [12]);
    env.lost(1).tells_lost(&[0, 2], 1).is(11, Status::Failed).is(12, Status::Failed).is(13, Status::Failed);
}

#[test]
fn a_family_released_at_once_leaves_what_is_still_held() {
    let mut env = ranks([0, 1, 1]);
    env.family(0, 10, 100).want(20, false).release(&[30]).place();
    let sent = instances([env.drain(1), env.drain(2)].concat());
    assert_eq!(sent, [20, 12, 10, 11]);
    let except = [0, 20, 40].into_iter().collect();
    env.handle(SchedulerEvent::ReleaseFamily { first: TaskId(10), count: 100, except })
        .is(60, Status::Released);
    env.records(5).is(50, Status::Pending).is(30, Status::Released); // 11 and 12 end, 20 is waited for
    for (rank, task) in [(1, 20), (1, 12), (2, 10), (2, 11)] {
        env.finish(rank, task);
    }
    env.resolves(20, TaskOutcome::Done).records(2).place().runs(1, &[50]).finish(1, 50);
    env.release(&[10, 50]).records(0).refuse(SchedulerEvent::Release(TaskId(60)));
}

#[test]
fn a_failing_instance_is_retried_like_any_task() {
    let mut env = ranks([0, 1]);
    env.define(retries(1)).family(1, 10, 1).want(10, true).place().runs(1, &[10]).fail(1, 10, "boom").place();
    assert_eq!(env.take_run(1, 10).attempt, 2);
    env.fail(1, 10, "boom").resolves_failed(10, "boom").release(&[10]).records(0);
}
