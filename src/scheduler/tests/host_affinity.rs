//! Host affinity: tasks that run on the host of others.

use super::*;

fn host_group(host_group: u32) -> DefOptions {
    DefOptions { host_group, ..DefOptions::default() }
}

fn same_host_as(same_host_as: u32) -> DefOptions {
    DefOptions { same_host_as, ..DefOptions::default() }
}

/// A cluster of rank 0 alone, then `count` hosts of two ranks with a slot each; definition 1 has a host group, and
/// tasks of definition 2 run on its hosts.
fn hosts(count: u32) -> Env {
    let info = |host: u32, slots: u32| RankInfo { host, slots, ..RankInfo::default() };
    let mut infos = vec![info(0, 0)];
    (1..=count).for_each(|host| infos.extend([info(host, 1), info(host, 1)]));
    let mut env = cluster(&infos);
    env.define(host_group(7)).define(same_host_as(7));
    env
}

#[test]
fn it_runs_on_any_rank_of_that_host_though_the_result_lies_at_rank_0() {
    let mut env = hosts(2);
    for (filler, rank) in (10..13).zip(1..) {
        env.submit(filler, &[]).place().runs(rank, &[filler]);
    }
    env.submit_as(1, 1, &[]).place().runs(4, &[1]).finish(4, 1);
    env.finish(1, 10).finish(2, 11);
    // ranks 1 and 2 are idle, and the others of that host have one each
    env.submit_as(2, 2, &[1]).place().runs(4, &[2]);
    env.submit_as(2, 3, &[1]).place().runs(3, &[3]);
    // without the affinity the task goes to an idle rank
    env.submit(4, &[1]).place().runs(1, &[4]);
}

#[test]
fn it_waits_for_that_host_and_is_not_given_away() {
    let mut env = hosts(2);
    env.submit_as(1, 1, &[]).place().runs(1, &[1]).finish(1, 1);
    for task in 2..=8 {
        env.submit_as(2, task, &[1]);
    }
    env.place();
    assert_eq!((env.drain(1).len(), env.drain(2).len()), (2, 2)); // a slot, and one more
    env.quiet().finish(1, 2).place();
    assert_eq!(env.drain(1).len(), 1);
    env.quiet();
}

#[test]
fn only_inputs_of_that_group_count() {
    let mut env = hosts(2);
    env.define(host_group(8)); // 3
    env.submit_as(1, 1, &[]).place().runs(1, &[1]).submit_as(3, 2, &[]).place().runs(2, &[2]);
    env.submit(10, &[]).place().runs(3, &[10]).submit_as(1, 3, &[]).place().runs(4, &[3]);
    env.finish(1, 1).finish(2, 2).finish(4, 3);
    env.submit_as(2, 4, &[2, 3]).place().runs(4, &[4]);
    // without an input of that group the task goes like any other task
    env.submit_as(2, 5, &[2]).place().runs(1, &[5]);
}

#[test]
fn without_that_host_it_runs_anywhere() {
    let mut env = hosts(2);
    env.submit_as(1, 1, &[]).place().runs(1, &[1]).finish(1, 1);
    for task in 2..=6 {
        env.submit_as(2, task, &[1]);
    }
    env.place();
    assert_eq!((env.drain(1).len(), env.drain(2).len()), (2, 2));
    env.lost(1).tells_lost(&[0, 2, 3, 4], 1).place();
    env.lost(2).tells_lost(&[0, 3, 4], 2).place();
    assert_eq!(env.drain(3).len() + env.drain(4).len(), 4); // two slots, and one more each
    env.quiet();
}

#[test]
fn with_needs_it_prefers_that_host_where_it_could_start_now() {
    let info = |host: u32, slots: u32| RankInfo { host, slots, ..RankInfo::default() };
    let mut env = cluster(&[info(0, 0), info(1, 2), info(2, 2)]);
    let needs = crate::protocol::ResourceRequest { slots: 2, ..Default::default() };
    env.define(host_group(7)).define(DefOptions { needs, ..same_host_as(7) });
    env.submit(10, &[]).place().runs(1, &[10]).submit_as(1, 1, &[]).place().runs(2, &[1]);
    env.finish(1, 10).finish(2, 1);
    env.submit_as(2, 2, &[1]).submit_as(2, 3, &[1]).place().runs(2, &[2]).runs(1, &[3]);
}

#[test]
fn where_it_ran_is_forgotten_with_the_task() {
    let mut env = hosts(1);
    env.submit_as(1, 1, &[]).place().runs(1, &[1]).finish(1, 1);
    assert_eq!(env.scheduler.host_groups.len(), 1);
    env.release(&[1]).records(0);
    assert_eq!(env.scheduler.host_groups.len(), 0);
}
