//! Prefetch: tasks that were sent ahead of an input wait for the leader here that makes it, and are given back with
//! it.

use super::*;

fn seen(env: &mut Env, count: u32) -> &mut Env {
    env.order(RankOrder::Seen { count })
}

#[test]
fn a_follower_starts_when_its_leader_has_ended() {
    for (output, input, held) in [(small(), inline(1), 0), (stored(), here(1), 1)] {
        let mut env = slots(1);
        env.run(1, &[]).run(2, &[soon(1)]).start().executes(&[1]).start().quiet().holds(0, 2);
        env.computed(1, output).start().says(WorkerAction::Execute(task(2, 1, &[input]))).holds(held, 1);
        env.release(1).quiet().computed(2, small());
        if held > 0 {
            env.drops(1);
        }
        env.holds(0, 0);
    }
}

#[test]
fn an_order_that_comes_after_its_leader_has_ended_finds_the_result() {
    for (output, input) in [(small(), inline(1)), (stored(), here(1))] {
        let mut env = slots(1);
        env.run(1, &[]).start().executes(&[1]).computed(1, output).run(2, &[soon(1), soon(1)]).start();
        env.says(WorkerAction::Execute(task(2, 1, &[input.clone(), input]))).computed(2, small());
    }
}

#[test]
fn an_order_that_comes_after_its_leader_has_failed_is_given_back() {
    let mut env = slots(1);
    env.with_copies(&[8]).run(1, &[]).start().executes(&[1]).computed(1, Err(error()));
    env.run(2, &[here(8), soon(1), at(9, 2)]).gives_back(&[2]).holds(1, 0); // and nothing is fetched for it
    env.run(3, &[soon(2)]).gives_back(&[3]).start().quiet().release(8).drops(8);
}

#[test]
fn an_order_that_comes_after_its_leader_was_given_back_is_given_back() {
    let mut env = slots(1);
    env.run(1, &[])
        .retract(1)
        .gives_back(&[1])
        .retract_done()
        .run(2, &[soon(1)])
        .gives_back(&[2])
        .holds(0, 0);
}

#[test]
fn a_result_may_come_between_the_parts_of_an_order() {
    let mut env = slots(1);
    env.run(1, &[]).start().executes(&[1]);
    env.order(RankOrder::Run(RunTask { more: 2, ..task(2, 1, &[soon(1)]) }))
        .computed(1, small())
        .start()
        .quiet();
    let inputs = vec![inline(5), soon(1)];
    env.order(RankOrder::MoreInputs { task: TaskId(2), inputs, more: 0 }).start();
    env.says(WorkerAction::Execute(task(2, 1, &[inline(1), inline(5), inline(1)])));
}

#[test]
fn what_rank_0_has_seen_is_forgotten_the_oldest_first() {
    let mut env = slots(3);
    env.run(1, &[]).run(2, &[]).run(3, &[]).run(4, &[]).start().executes(&[1, 2, 3]);
    env.computed(1, small()).computed(2, Err(error())).retract(1).gives_back(&[4]).retract_done();
    env.computed(3, stored());
    seen(&mut env, 2);
    let unseen: Vec<u64> = env.worker.unseen.iter().map(|(task, _)| task.0).collect();
    assert_eq!(unseen, [4, 3]);
    seen(&mut env, 2);
    assert!(env.worker.unseen.is_empty());
    seen(&mut env, 9).quiet(); // more than there is: a damaged message
}

/// A task with followers is started again on this rank: the end of its first start must not be taken for that of the
/// second.
#[test]
fn a_leader_that_is_started_again_is_waited_for_anew() {
    let mut env = slots(1);
    env.run(1, &[]).start().executes(&[1]).computed(1, Err(error()));
    seen(&mut env, 1).run_again(1, &[]).run(2, &[soon(1)]).quiet().start().executes(&[1]).start().quiet();
    env.computed_as(1, 2, small()).start().executes(&[2]).computed(2, small()).holds(0, 0);
}

#[test]
fn the_same_input_twice_is_waited_for_once_and_used_twice() {
    let mut env = slots(1);
    env.run(1, &[])
        .run(2, &[soon(1), inline(5), soon(1)])
        .start()
        .executes(&[1])
        .computed(1, stored())
        .start();
    env.says(WorkerAction::Execute(task(2, 1, &[here(1), inline(5), here(1)])));
    env.release(1).quiet().computed(2, small()).drops(1).holds(0, 0);
}

#[test]
fn the_same_failed_input_twice_gives_a_task_back_once() {
    let mut env = slots(1);
    env.run(1, &[]).run(2, &[soon(1), inline(5), soon(1)]).start().executes(&[1]).computed(1, Err(error()));
    env.gives_back(&[2]).holds(0, 0);
}

#[test]
fn a_follower_waits_for_its_other_inputs_too() {
    for leader_first in [true, false] {
        let mut env = slots(1);
        env.with_copies(&[7]).run(1, &[]).run(2, &[here(7), soon(1), at(8, 2)]).fetches(8, 2).start();
        env.executes(&[1]).release(7).quiet();
        match leader_first {
            true => env.computed(1, stored()).start().quiet().arrived(8).reports_fetched(8),
            false => env.arrived(8).reports_fetched(8).start().quiet().computed(1, stored()),
        };
        env.start().says(WorkerAction::Execute(task(2, 1, &[here(7), here(1), at(8, 2)])));
        env.release(1).release(8).computed(2, small()).drops(7).drops(1).drops(8).holds(0, 0);
    }
}

#[test]
fn a_follower_of_two_waits_for_both() {
    let mut env = slots(2);
    env.run(1, &[]).run(2, &[]).run(3, &[soon(1), soon(2)]).start().executes(&[1, 2]);
    env.computed(2, small()).start().quiet().computed(1, small()).start();
    env.says(WorkerAction::Execute(task(3, 1, &[inline(1), inline(2)])));
}

#[test]
fn followers_run_first_and_in_order() {
    let mut env = slots(1);
    env.run(1, &[]).run(8, &[]).run(9, &[]).run(2, &[soon(1)]).run(3, &[soon(2)]).run(4, &[soon(1)]);
    let order = [1, 2, 3, 4, 8, 9];
    for done in order {
        env.start().executes(&[done]).start().quiet().computed(done, small());
    }
    env.holds(0, 0);
}

#[test]
fn a_leader_that_is_taken_back_takes_its_followers_along() {
    let mut env = slots(1);
    env.with_copies(&[8]).run(9, &[]).run(5, &[soon(9)]).run(1, &[]).run(2, &[soon(1), here(8)]);
    env.run(3, &[soon(2), soon(1)]).run(4, &[soon(1)]).start().executes(&[9]).release(8).quiet();
    // t5 follows a running task, so it is not given back
    env.retract(1)
        .gives_back(&[1])
        .drops(8)
        .gives_back(&[2, 3, 4])
        .retract_done()
        .retract(9)
        .retract_done()
        .holds(0, 2);
    env.computed(9, small()).start().executes(&[5]);
}

/// A chain of a thousand tasks can be sent ahead of its inputs. When the first is given back, each gives back the next,
/// which must not be done by recursion.
#[test]
fn a_long_chain_is_given_back_without_a_deep_stack() {
    fn give_back(failed: bool) {
        let mut env = slots(u32::from(failed));
        env.run(1, &[]);
        (2..=1_000).for_each(|number| _ = env.run(number, &[soon(number - 1)]));
        let rest: Vec<u64> = (2..=1_000).collect();
        match failed {
            true => env.start().executes(&[1]).computed(1, Err(error())).gives_back(&rest),
            false => env.retract(1).gives_back(&[1]).gives_back(&rest).retract_done(),
        };
        env.holds(0, 0);
    }
    for failed in [true, false] {
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || give_back(failed));
        thread.unwrap().join().unwrap();
    }
}

/// When the follower is given back, rank 0 may tell the holder of its inputs to release them, so no fetch may be open
/// then.
#[test]
fn a_follower_of_what_failed_is_given_back_only_when_its_fetches_are_over() {
    let mut env = slots(1);
    env.run(1, &[]).run(2, &[soon(1), at(8, 2)]).fetches(8, 2).run(3, &[soon(2)]).start().executes(&[1]);
    env.computed(1, Err(error())).quiet().holds(1, 2).run(4, &[soon(2)]).quiet();
    env.arrived(8).reports_fetched(8).gives_back(&[2, 3, 4]).holds(1, 0).release(8).drops(8).start().quiet();
}

/// Two tasks wait for one fetch, and the second follows the first. When the fetch ends, the first is told, and gives
/// the second back with itself.
#[test]
fn a_fetch_that_ends_for_a_task_and_for_its_follower_gives_back_both_once() {
    let mut env = slots(1);
    env.run(1, &[]).run(2, &[soon(1), at(8, 2)]).fetches(8, 2).run(3, &[at(8, 2), soon(2)]).start();
    env.executes(&[1]).computed(1, Err(error())).quiet().release(8);
    env.arrived(8).gives_back(&[2]).drops(8).gives_back(&[3]).holds(0, 0);
}

/// When a fetch ends for a task and its follower, the arrived input must not be counted as missing for the follower.
#[test]
fn a_follower_given_back_at_a_common_fetch_still_waits_for_its_own() {
    let mut env = slots(1);
    env.run(1, &[]).run(2, &[soon(1), at(8, 2)]).fetches(8, 2).run(3, &[soon(2), at(8, 2), at(9, 3)]);
    env.fetches(9, 3).start().executes(&[1]).computed(1, Err(error())).quiet();
    env.arrived(8).reports_fetched(8).gives_back(&[2]).quiet().holds(2, 1);
    env.arrived(9).reports_fetched(9).gives_back(&[3]).holds(2, 0).release(8).release(9).drops(8).drops(9);
}

#[test]
fn a_follower_is_given_back_when_another_input_is_lost() {
    let mut env = slots(1);
    env.run(1, &[]).run(2, &[soon(1), at(8, 2)]).fetches(8, 2).run(3, &[soon(2)]).run(4, &[soon(1)]).start();
    env.executes(&[1]).lost(2).gives_back(&[2, 3]).holds(0, 2);
    env.computed(1, stored()).start().executes(&[4]).release(1).computed(4, small()).drops(1).holds(0, 0);
}

#[test]
fn a_follower_whose_fetch_is_lost_after_its_leader_failed_is_given_back_once() {
    let mut env = slots(1);
    env.run(1, &[]).run(2, &[soon(1), at(8, 2), at(7, 3)]).fetches(8, 2).fetches(7, 3).start().executes(&[1]);
    env.computed(1, Err(error())).quiet().lost(2).quiet().lost(3).gives_back(&[2]).holds(0, 0);
}

#[test]
fn a_follower_of_what_is_made_again_waits_for_the_new_result_though_a_copy_is_here() {
    let mut env = slots(2);
    env.with_copies(&[8]).run(1, &[here(8)]).run_again(8, &[]).run(2, &[soon(8)]).start().executes(&[1, 8]);
    env.start().quiet().computed_as(8, 2, stored()).start().executes(&[2]);
    env.release(8).computed(1, small()).quiet().computed(2, small()).drops(8).holds(0, 0);
}
