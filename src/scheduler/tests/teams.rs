//! Programs of several processes, whose slots are on several ranks.

use super::*;
use crate::scheduler::ResourceRequest;

fn processes(processes: u32, slots: u32) -> DefOptions {
    let needs = ResourceRequest { processes, slots, ..ResourceRequest::default() };
    DefOptions { needs, ..DefOptions::default() }
}

/// Ranks 0, 1, … with these hosts and slots.
fn on_hosts(ranks: &[(u32, u32)]) -> Env {
    let info = |&(host, slots): &(u32, u32)| RankInfo { host, slots, ..RankInfo::default() };
    cluster(&ranks.iter().map(info).collect::<Vec<_>>())
}

impl Env {
    fn lends(&mut self, rank: u32, slots: u32) -> &mut Self {
        self.sends(rank, RankOrder::Lend { slots })
    }

    /// Expects that `task` starts at the first of these ranks, with so many slots at each.
    fn leads(&mut self, task: u64, members: &[(u32, u32)]) -> &mut Self {
        let all = members.iter().map(|&(rank, slots)| (Rank(rank), slots)).collect();
        let leader = members[0].0;
        self.sends(leader, RankOrder::Team { task: TaskId(task), members: all }).runs(leader, &[task])
    }
}

#[test]
fn a_program_takes_slots_of_several_ranks_and_gives_them_back() {
    let mut env = on_hosts(&[(0, 0), (0, 2), (0, 2)]);
    env.define(processes(3, 1)).submit_as(1, 1, &[]).place();
    env.lends(1, 1).lends(2, 1).leads(1, &[(1, 2), (2, 1)]).quiet();
    // one slot is left, and one task waits behind it
    (2..=3).for_each(|task| _ = env.submit(task, &[]));
    env.place().runs(2, &[2]).runs(1, &[3]).finish(1, 1).place().lends(1, 0).lends(2, 0).quiet();
    env.finish(2, 2).finish(1, 3);
}

#[test]
fn one_host_is_enough_if_it_has_the_slots() {
    let mut env = on_hosts(&[(0, 0), (0, 1), (1, 2), (1, 2), (2, 2)]);
    env.define(processes(4, 1)).define(processes(2, 1)).submit_as(1, 1, &[]).submit_as(2, 2, &[]).place();
    env.lends(2, 1).lends(3, 2).leads(1, &[(2, 2), (3, 2)]).lends(4, 1).leads(2, &[(4, 2)]).quiet();
}

#[test]
fn hosts_are_filled_one_after_the_other_where_none_has_so_many() {
    let mut env = on_hosts(&[(0, 0), (0, 2), (1, 3), (2, 2)]);
    env.define(processes(3, 2)).submit_as(1, 1, &[]).place();
    // three slots have room for one process of two
    env.lends(1, 1).lends(2, 2).lends(3, 2).leads(1, &[(1, 2), (2, 2), (3, 2)]).quiet();
    env.cancel(1).tells_cancelled(1, &[1]).place().quiet();
    env.ends(1, 1, 1, inline("v")).place().lends(1, 0).lends(2, 0).lends(3, 0);
}

/// Small tasks keep coming, and each rank alone is soon free; still both must become free at once.
#[test]
fn ranks_are_kept_free_until_all_are() {
    let mut env = on_hosts(&[(0, 0), (0, 1), (0, 1)]);
    env.define(processes(2, 1));
    (1..=6).for_each(|task| _ = env.submit(task, &[]));
    env.place().runs(1, &[1, 3]).runs(2, &[2, 4]).submit_as(1, 9, &[]).place().quiet();
    env.finish(1, 1).finish(1, 3).place().quiet().finish(2, 2).place().quiet().finish(2, 4).place();
    env.lends(2, 1).leads(9, &[(1, 1), (2, 1)]);
    env.finish(1, 9).drain(1);
    env.place();
    env.drain(1);
    env.drain(2);
}

/// Two programs that each held a part of the ranks would wait for each other for ever.
#[test]
fn programs_do_not_wait_for_each_other() {
    let mut env = on_hosts(&[(0, 0), (0, 1), (0, 1), (0, 1)]);
    let urgent = DefOptions { priority: 1, ..processes(2, 1) };
    env.define(processes(2, 1)).define(processes(3, 1)).define(urgent);
    (1..=3).for_each(|task| _ = env.submit(task, &[]));
    env.place();
    [1, 2, 3].iter().for_each(|rank| _ = env.drain(*rank));
    env.submit_as(1, 8, &[]).place().quiet().submit_as(2, 9, &[]).place().quiet();
    env.finish(1, 1).place().quiet();
    env.submit_as(3, 7, &[]).place().quiet().finish(2, 2).place();
    env.lends(2, 1).leads(7, &[(1, 1), (2, 1)]).finish(1, 7).place();
    env.lends(2, 0).lends(2, 1).leads(8, &[(1, 1), (2, 1)]).quiet().finish(1, 8).finish(3, 3).place();
    env.lends(2, 0)
        .lends(2, 1)
        .lends(3, 1)
        .leads(9, &[(1, 1), (2, 1), (3, 1)])
        .finish(1, 9)
        .place()
        .lends(2, 0)
        .lends(3, 0);
}

#[test]
fn what_does_not_fit_on_all_ranks_together_fails() {
    let mut env = on_hosts(&[(0, 0), (0, 3), (1, 1)]);
    env.define(processes(2, 2)).submit_as(1, 1, &[]).want(1, true).place();
    env.resolves_failed(
        1,
        "it needs 2 processes of 2 slots at a time, and the ranks together have room for 1",
    );
}

#[test]
fn a_family_of_programs_runs_as_many_as_fit() {
    let mut env = on_hosts(&[(0, 0), (0, 4)]);
    env.define(processes(2, 1)).family(1, 10, 3).place();
    env.lends(1, 1).leads(10, &[(1, 2)]).lends(1, 2).leads(11, &[(1, 2)]).quiet();
    env.finish(1, 10).place().lends(1, 1).lends(1, 2).leads(12, &[(1, 2)]).quiet();
    env.finish(1, 11).finish(1, 12).place().lends(1, 0);
}

#[test]
fn memory_counts_for_each_process_on_its_host() {
    let info = |host, slots, memory| RankInfo { host, slots, memory, ..RankInfo::default() };
    let mut env = cluster(&[info(0, 0, 100), info(0, 4, 100), info(1, 4, 50)]);
    let needs = ResourceRequest { processes: 3, memory: 40, ..ResourceRequest::default() };
    let lone = ResourceRequest { memory: 30, ..ResourceRequest::default() };
    let of = |needs| DefOptions { needs, ..DefOptions::default() };
    env.define(of(needs)).define(of(lone)).submit_as(1, 1, &[]).place();
    env.lends(1, 1).lends(2, 1).leads(1, &[(1, 2), (2, 1)]);
    env.submit_as(2, 2, &[]).place().quiet().finish(1, 1).place().lends(1, 0).lends(2, 0).runs(1, &[2]);
}

#[test]
fn a_rank_that_dies_leaves_its_teams() {
    let mut env = on_hosts(&[(0, 0), (0, 1), (1, 1), (2, 1)]);
    env.define(processes(2, 1)).submit_as(1, 1, &[]).place().lends(2, 1).leads(1, &[(1, 1), (2, 1)]);
    // a member: the program has lost processes, and fails by itself
    env.lost(2).tells_lost(&[0, 1, 3], 2).place().quiet().fail(1, 1, "lost a process").place();
    env.submit_as(1, 2, &[]).place().lends(3, 1).leads(2, &[(1, 1), (3, 1)]);
    // the leader: its slots elsewhere are free again
    env.lost(1).tells_lost(&[0, 3], 1).want(2, true).place();
    env.resolves_failed(2, "2 processes").lends(3, 0).submit(5, &[]).place().runs(3, &[5]);
}
