//! Tasks that need several slots, devices, memory, or counters of the job.

use super::*;
use crate::compact::Ranges;
use crate::scheduler::{COUNTERS_MAX, ResourceRequest};

fn slots(slots: u32) -> DefOptions {
    needing(ResourceRequest { slots, ..ResourceRequest::default() })
}

fn needing(needs: ResourceRequest) -> DefOptions {
    DefOptions { needs, ..DefOptions::default() }
}

fn memory(memory: u64) -> DefOptions {
    needing(ResourceRequest { memory, ..ResourceRequest::default() })
}

fn gpus(gpus: u32) -> DefOptions {
    needing(ResourceRequest { gpus, ..ResourceRequest::default() })
}

/// Options of a definition whose tasks take an amount of `count` from counter 1, the licences.
fn licences(count: u32) -> DefOptions {
    let mut counters = [0; COUNTERS_MAX];
    counters[1] = count;
    needing(ResourceRequest { counters, ..ResourceRequest::default() })
}

fn total(env: &mut Env, total: u32) {
    env.handle(SchedulerEvent::Counter { counter: 1, total });
}

fn rank(slots: u32) -> RankInfo {
    RankInfo { slots, ..RankInfo::default() }
}

#[test]
fn a_wide_task_goes_where_its_slots_are_free_and_leaves_the_rest_to_others() {
    let mut env = ranks([0, 2, 4]);
    env.define(slots(3)).submit_as(1, 1, &[]).place().runs(2, &[1]);
    (2..=5).for_each(|task| _ = env.submit(task, &[]));
    // two tasks on rank 1: one beside the wide one, and one in its queue
    env.place().runs(1, &[2, 3, 5]).runs(2, &[4]);
}

#[test]
fn no_more_run_at_a_time_than_fit_and_none_waits_on_the_rank() {
    let mut env = ranks([0, 4]);
    env.define(slots(2));
    (1..=4).for_each(|task| _ = env.submit_as(1, task, &[]));
    env.place().runs(1, &[1, 2]).quiet().finish(1, 2).place().runs(1, &[3]);
    env.quiet().finish(1, 1).finish(1, 3).place().runs(1, &[4]);
}

/// A wide task (of several slots) must start although new small tasks keep coming.
#[test]
fn a_rank_is_kept_free_for_a_wide_task() {
    let mut env = ranks([0, 2]);
    env.define(slots(2));
    (1..=6).for_each(|task| _ = env.submit(task, &[]));
    env.place().runs(1, &[1, 2, 3]).submit_as(1, 9, &[]).place().quiet();
    env.finish(1, 1).place().quiet().finish(1, 2).place().quiet(); // 3 runs, 4 would fit
    env.finish(1, 3).place().runs(1, &[9, 4]).quiet();
    env.finish(1, 9).place().runs(1, &[5, 6]);
}

#[test]
fn only_one_rank_is_kept_free() {
    let mut env = ranks([0, 2, 2]);
    env.define(slots(2));
    (1..=6).for_each(|task| _ = env.submit(task, &[]));
    env.place().runs(1, &[1, 3, 5]).runs(2, &[2, 4, 6]);
    (20..=23).for_each(|task| _ = env.submit(task, &[]));
    env.submit_as(1, 9, &[]).submit_as(1, 10, &[]).place().quiet();
    env.finish(1, 1).finish(2, 2).place().runs(2, &[20]).quiet();
    env.finish(1, 3).finish(1, 5).place().runs(1, &[9]).quiet(); // then the next in line has a rank kept free
    env.finish(1, 9).place();
    env.drain(1);
    env.drain(2);
}

#[test]
fn what_is_more_urgent_is_not_held_back() {
    let mut env = ranks([0, 2]);
    env.define(slots(2)).define(priority(1));
    env.submit(1, &[]).submit_as(1, 2, &[]);
    (3..=6).for_each(|task| _ = env.submit_as(2, task, &[]));
    env.place().runs(1, &[3, 4, 5]).finish(1, 3).place().runs(1, &[6]).quiet();
    env.finish(1, 4).finish(1, 5).finish(1, 6).place().runs(1, &[2, 1]);
}

/// With memory of the host set aside for two tasks, too little would be left for either to start.
#[test]
fn ranks_of_one_host_are_not_kept_free_for_more_memory_than_it_has() {
    let on = |slots| RankInfo { slots, memory: 100, ..RankInfo::default() };
    let mut env = cluster(&[0, 2, 2].map(on));
    env.define(memory(100)).define(memory(60)).define(memory(61));
    env.submit_as(1, 1, &[]).place().runs(1, &[1]).submit_as(2, 2, &[]).submit_as(3, 3, &[]).place().quiet();
    env.finish(1, 1).place().runs(1, &[2]).quiet().finish(1, 2).place().runs(1, &[3]);
}

/// If the more urgent task and the one with the reservation both waited for the other, neither would ever start.
#[test]
fn what_is_more_urgent_gets_a_rank_that_was_kept_free() {
    let mut env = ranks([0, 2]);
    env.define(slots(2)).define(priority(1));
    (1..=3).for_each(|task| _ = env.submit(task, &[]));
    env.place().runs(1, &[1, 2, 3]).submit_as(1, 9, &[]).place().quiet();
    env.submit_as(2, 10, &[]).place().quiet().finish(1, 1).place().runs(1, &[10]).quiet();
    env.finish(1, 2).finish(1, 3).finish(1, 10).place().runs(1, &[9]);
}

#[test]
fn counters_are_for_the_whole_job_and_come_back() {
    let mut env = ranks([0, 4, 4]);
    total(&mut env, 3);
    env.define(licences(1)).define(retries(1));
    (1..=5).for_each(|task| _ = env.submit_as(1, task, &[]));
    env.place().runs(1, &[1, 3]).runs(2, &[2]).quiet();
    env.finish(1, 1).place().runs(1, &[4]).fail(2, 2, "no").place().runs(2, &[5]).quiet();
}

#[test]
fn who_needs_much_of_a_counter_is_not_passed_for_ever() {
    let mut env = ranks([0, 8]);
    total(&mut env, 2);
    env.define(licences(1)).define(licences(2));
    env.submit_as(1, 1, &[]).submit_as(1, 2, &[]).place().runs(1, &[1, 2]);
    env.submit_as(2, 3, &[]).submit_as(1, 4, &[]).finish(1, 1).place().quiet();
    env.submit(5, &[]).place().runs(1, &[5]); // no rank is kept free for it
    env.finish(1, 2).place().runs(1, &[3]).finish(1, 3).place().runs(1, &[4]);
}

#[test]
fn a_lost_rank_gives_back_what_its_tasks_took() {
    let mut env = cluster(&[rank(0), rank(2), rank(2)]);
    total(&mut env, 1);
    env.define(licences(1)).submit_as(1, 1, &[]).submit_as(1, 2, &[]).place().runs(1, &[1]).quiet();
    env.lost(1).tells_lost(&[0, 2], 1).place().runs(2, &[2]).finish(2, 2).place().runs(2, &[1]);
}

#[test]
fn what_is_kept_free_on_a_lost_rank_is_forgotten() {
    let mut env = ranks([0, 2, 2]);
    env.define(slots(2));
    (1..=4).for_each(|task| _ = env.submit(task, &[]));
    env.place().runs(1, &[1, 3]).runs(2, &[2, 4]).submit_as(1, 9, &[]).place();
    env.lost(1).tells_lost(&[0, 2], 1).place().finish(2, 2).place().quiet(); // rank 2 is kept free now
    env.finish(2, 4).place().runs(2, &[9, 1]);
    env.release(&[9]).finish(2, 9).place().runs(2, &[3]);
}

#[test]
fn devices_belong_to_ranks_and_memory_to_hosts() {
    let on = |host, gpus| RankInfo { slots: 4, host, memory: 100, gpus, ..RankInfo::default() };
    let mut env = cluster(&[RankInfo { slots: 0, ..on(0, 0) }, on(0, 0), on(0, 1), on(1, 2)]);
    env.define(gpus(1)).define(memory(60));
    (1..=4).for_each(|task| _ = env.submit_as(1, task, &[]));
    env.place().runs(2, &[1]).runs(3, &[2, 3]).quiet();
    (11..=13).for_each(|task| _ = env.submit_as(2, task, &[]));
    env.place().runs(1, &[11]).runs(3, &[12]).quiet(); // rank 2 has slots, but its host's memory is taken
    env.finish(1, 11).place().runs(1, &[13]).finish(3, 2).place().runs(3, &[4]);
}

#[test]
fn needs_that_no_rank_can_meet_are_errors_that_say_which() {
    let mut env = cluster(&[0, 2].map(|slots| RankInfo { slots, memory: 10, ..RankInfo::default() }));
    total(&mut env, 1);
    env.define(slots(3)).define(gpus(1)).define(memory(11)).define(licences(2));
    for def in 1..=4 {
        env.submit_as(def, def.into(), &[]).want(def.into(), true);
    }
    env.family(1, 10, 2).want(11, false).place();
    env.resolves_failed(1, "3 slots at a time, and no rank has so many: at most 2");
    env.resolves_failed(11, "3 slots")
        .resolves_failed(2, "1 devices")
        .resolves_failed(3, "11 bytes of memory");
    env.resolves_failed(4, "2 of a counter that has 1");
}

#[test]
fn when_the_only_rank_that_could_meet_them_is_lost_they_fail() {
    let mut env = ranks([0, 1, 4]);
    env.define(slots(4)).submit_as(1, 1, &[]).submit_as(1, 2, &[1]).want(2, true).place().runs(2, &[1]);
    env.lost(2).tells_lost(&[0, 1], 2).place().resolves_failed(2, "at most 1");
}

#[test]
fn families_with_needs_start_one_by_one_and_can_be_dropped() {
    let mut env = ranks([0, 4]);
    env.define(slots(2))
        .family(1, 10, 1_000_000)
        .want(12, false)
        .place()
        .runs(1, &[12, 10])
        .quiet()
        .records(2);
    env.finish(1, 12)
        .resolves(12, TaskOutcome::Done)
        .place()
        .runs(1, &[11])
        .finish(1, 10)
        .place()
        .runs(1, &[13]);
    env.handle(SchedulerEvent::ReleaseFamily {
        first: TaskId(10),
        count: 1_000_000,
        except: Ranges::default(),
    });
    env.finish(1, 11).finish(1, 13).place().quiet().records(0);
}

#[test]
fn a_cancelled_task_keeps_no_rank_free() {
    let mut env = ranks([0, 2]);
    env.define(slots(2));
    (1..=4).for_each(|task| _ = env.submit(task, &[]));
    env.place().runs(1, &[1, 2, 3]).submit_as(1, 9, &[]).place().finish(1, 1).place().quiet();
    env.release(&[9]).place().runs(1, &[4]);
}

#[test]
fn of_ranks_that_can_meet_the_needs_the_one_with_the_inputs_is_taken() {
    let mut env = ranks([0, 2, 2, 2]);
    env.define(slots(2)).submit(1, &[]).submit(2, &[]).submit(3, &[]).place();
    env.runs(1, &[1]).runs(2, &[2]).runs(3, &[3]);
    env.finish(1, 1).finish(2, 2).finish_stored(3, 3, 1 << 30).submit_as(1, 9, &[3]).place();
    assert_eq!(env.take_run(3, 9).inputs, [here(3)]);
}

#[test]
fn a_task_that_needs_more_is_not_sent_ahead() {
    let mut env = ranks([0, 2]);
    env.define(slots(2)).submit(1, &[]).submit_as(1, 2, &[1]).place().runs(1, &[1]).quiet();
    env.finish_stored(1, 1, 1000).place().runs(1, &[2]);
}

/// A task on which another waits must be able to run on a rank that is reserved for a third.
#[test]
fn a_rank_with_tasks_that_wait_is_not_kept_free() {
    let mut env = ranks([0, 2]);
    env.define(slots(2)).submit_as(1, 1, &[]).submit_as(1, 2, &[]).submit(3, &[]).place().runs(1, &[1]);
    env.quiet().from(1, RankReport::Waits { slots: 1 }).place().runs(1, &[3]).finish(1, 3);
    env.from(1, RankReport::Waits { slots: 0 }).finish(1, 1).place().runs(1, &[2]);
}

#[test]
fn with_a_rank_of_their_own_they_wait_for_that_one() {
    let mut env = ranks([0, 2, 2]);
    env.define(DefOptions { on: Some(Rank(2)), ..slots(2) })
        .define(DefOptions { on: Some(Rank(0)), ..slots(2) });
    env.submit_as(1, 1, &[]).submit_as(1, 2, &[]).place().runs(2, &[1]).quiet();
    env.finish(2, 1).place().runs(2, &[2]).submit_as(2, 3, &[]).want(3, true).place();
    env.resolves_failed(3, "it may only run on rank 0");
}
