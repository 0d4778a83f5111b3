//! Placement: the task that goes first, and the rank that gets it.

use super::*;
use crate::scheduler::ranks::BACKLOG_MAX;

fn filler(env: &mut Env, tasks: std::ops::Range<u64>) {
    tasks.for_each(|task| _ = env.submit(task, &[]));
}

#[test]
fn priority_goes_first_then_depth_then_order() {
    let mut env = ranks([0, 1]);
    env.define(priority(1)).define(priority(-1)).scatter(1, inline("x"));
    env.submit_as(2, 10, &[1]).submit(11, &[]).submit(12, &[1]).submit(13, &[]).submit_as(1, 14, &[]).place();
    env.runs(1, &[14, 12]).quiet(); // its slot and one more
    for (done, next) in [(14, 11), (12, 13), (11, 10)] {
        env.finish(1, done).place().runs(1, &[next]);
    }
}

#[test]
fn tasks_spread_over_the_least_loaded_ranks() {
    let mut env = ranks([0, 1, 2, 1]);
    filler(&mut env, 1..5);
    env.place().runs(1, &[1]).runs(2, &[2, 4]).runs(3, &[3]);
}

#[test]
fn a_rank_that_computes_nothing_gets_nothing() {
    let mut env = ranks([0, 1, 0]);
    filler(&mut env, 1..4);
    env.place().runs(1, &[1, 2]).quiet().finish(1, 1).place().runs(1, &[3]);
}

#[test]
fn a_large_input_draws_its_consumer_even_to_a_busy_rank() {
    let mut env = ranks([0, 1, 1]);
    env.stored_at(1, 1, 1 << 30).stored_at(1, 2, 8).submit(9, &[]).place().runs(1, &[9]);
    env.submit(3, &[1]).place().runs(1, &[3]); // 0.5 s to fetch, 50 ms to wait
    env.submit(4, &[2]).place();
    assert_eq!(env.take_run(2, 4).inputs, [at(2, 1, 8)]);
}

#[test]
fn of_two_large_inputs_the_larger_draws() {
    let mut env = ranks([0, 1, 1]);
    env.submit(1, &[]).submit(2, &[]).place().runs(1, &[1]).runs(2, &[2]);
    env.finish_stored(1, 1, 1 << 20).finish_stored(2, 2, 1 << 24).submit(3, &[1, 2]).place();
    assert_eq!(env.take_run(2, 3).inputs, [at(1, 1, 1 << 20), here(2)]);
}

/// Work per rank is bounded for flow control, and no input is so large that this bound is exceeded.
#[test]
fn a_large_input_does_not_draw_more_than_a_rank_may_have_queued() {
    let mut env = ranks([0, 1, 1]);
    env.takes(1_000).stored_at(1, 1, 1 << 34); // 8 s to fetch, against a microsecond each
    for task in 2..5_000 {
        env.scheduler.handle(SchedulerEvent::Submit(Env::new_task(task, 0, &[1])), &mut Vec::new()).unwrap();
    }
    env.place();
    let queued = env.drain(1).len();
    assert!(queued <= BACKLOG_MAX as usize + 1, "{queued} tasks sent to one rank");
    env.drain(2);
}

#[test]
fn short_tasks_get_a_long_backlog_and_long_ones_one_task() {
    let mut env = ranks([0, 2]);
    filler(&mut env, 1..2000);
    env.place().runs(1, &[1, 2, 3]).quiet(); // nothing is known of their time yet
    env.takes(1_000).finish(1, 1).finish(1, 2).finish(1, 3).place();
    let short = env.drain(1).len();
    assert_eq!(short, 2_000_000 / 1_300 + 1 - 513, "as many as fit the horizon, at most the longest backlog");
}

#[test]
fn the_backlog_shrinks_when_tasks_turn_out_long() {
    let mut env = ranks([0, 1]);
    filler(&mut env, 1..4000);
    env.place().runs(1, &[1, 2]).takes(100_000_000).finish(1, 1).place().runs(1, &[3]).quiet();
    env.finish(1, 2).place().runs(1, &[4]).quiet();
}

#[test]
fn a_pinned_task_runs_there_alone_and_waits_for_room() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2));
    (1..=4).for_each(|task| _ = env.submit_as(1, task, &[]));
    env.place().runs(2, &[1, 2]).quiet().finish(2, 1).place().runs(2, &[3]);
    env.release(&[4]).finish(2, 2).place().quiet(); // cancelled while it waited for its rank
    env.submit_as(1, 5, &[]).place().runs(2, &[5]);
}

#[test]
fn pinned_tasks_do_not_stop_the_others() {
    let mut env = ranks([0, 1, 1]);
    env.define(DefOptions { priority: 9, ..on(2) });
    (1..=9).for_each(|task| _ = env.submit_as(1, task, &[]));
    env.submit(10, &[]).place().runs(2, &[1, 2]).runs(1, &[10]);
}

#[test]
fn a_task_pinned_where_nothing_is_computed_fails() {
    let mut env = ranks([0, 1]);
    env.define(on(0)).define(on(7));
    env.submit_as(1, 1, &[]).submit_as(2, 2, &[]).submit(3, &[2]).want(1, true).want(3, true).place();
    env.resolves_failed(1, "rank 0").resolves_failed(3, "rank 7");
}

#[test]
fn without_a_rank_that_computes_everything_fails() {
    let mut env = ranks([0, 0]);
    env.submit(1, &[]).submit(2, &[1]).family(0, 10, 3).want(2, true).want(11, false).place();
    env.resolves_failed(2, "no rank").resolves_failed(11, "no rank");
    env.release(&[1, 2, 10, 11, 12]).records(0);
}

mod memory {
    use super::*;

    #[test]
    fn roots_go_where_there_is_memory() {
        let mut env = limited([(0, u64::MAX), (2, 100), (2, 100)]);
        env.stored_at(1, 1, 101);
        filler(&mut env, 2..4);
        env.place().runs(2, &[2, 3]);
    }

    #[test]
    fn roots_are_withheld_while_memory_is_short_but_what_frees_it_is_not() {
        let mut env = limited([(0, u64::MAX), (1, 100)]);
        env.stored_at(1, 1, 101).submit(2, &[1]).submit(3, &[]).release(&[1]).place().runs(1, &[2]).quiet();
        env.finish(1, 2).releases(1, &[1]).place().runs(1, &[3]);
    }

    #[test]
    fn what_a_rank_has_on_disk_leaves_room_for_roots() {
        let mut env = limited([(0, u64::MAX), (1, 100)]);
        env.stored_at(1, 1, 101).submit(2, &[1]).submit(3, &[]).release(&[1]).place().runs(1, &[2]).quiet();
        env.from(1, RankReport::OnDisk { bytes: 50, moved: 50 }).place().runs(1, &[3]);
        let mut env = limited([(0, u64::MAX), (1, 100)]);
        env.stored_at(1, 1, 101).submit(2, &[1]).submit(3, &[]).release(&[1]).place().runs(1, &[2]);
        env.from(1, RankReport::OnDisk { bytes: 50, moved: 50 })
            .from(1, RankReport::OnDisk { bytes: 0, moved: 50 });
        env.place().quiet();
    }

    #[test]
    fn with_nothing_under_way_a_root_goes_to_a_full_rank() {
        let mut env = limited([(0, u64::MAX), (2, 100)]);
        env.stored_at(1, 1, 101).submit(2, &[]).submit(3, &[]).place().runs(1, &[2]).quiet();
        env.finish(1, 2).place().runs(1, &[3]);
    }

    /// A root that waits for memory must not hold back the tasks that would free memory.
    #[test]
    fn an_urgent_root_that_is_withheld_lets_others_pass() {
        let mut env = limited([(0, u64::MAX), (2, 100)]);
        env.define(priority(5));
        env.stored_at(1, 1, 101).submit(2, &[1]).release(&[1]).submit(9, &[]).place().runs(1, &[2]);
        env.quiet().submit(3, &[2]).submit_as(1, 4, &[]).scatter(5, inline("x")).submit(6, &[5]);
        env.place().runs(1, &[6, 3]).quiet(); // t3 follows t2
        env.finish(1, 2).releases(1, &[1]).submit(7, &[5]).place().runs(1, &[4]);
        env.finish(1, 6).place().runs(1, &[7]).finish(1, 3).place().runs(1, &[9]);
    }
}
