//! The queue: order, slots, tasks handed over in advance, and tasks taken back.

use super::*;

#[test]
fn tasks_start_in_the_order_in_which_they_came() {
    let mut env = slots(2);
    env.run(1, &[]).run(2, &[]).run(3, &[]).quiet().start().executes(&[1, 2]).start().quiet();
    env.computed(2, small()).start().executes(&[3]).holds(0, 2);
}

#[test]
fn a_range_is_one_task_after_the_other() {
    use crate::protocol::index_argument;
    let mut env = slots(3);
    env.order(RankOrder::RunRange { def: DefId(4), first: TaskId(10), index: 100, count: 3 })
        .holds(0, 3)
        .start();
    for k in 0..3 {
        let run =
            RunTask { def: DefId(4), key: 100 + k, args: index_argument(100 + k), ..task(10 + k, 1, &[]) };
        env.says(WorkerAction::Execute(run));
    }
}

#[test]
fn short_tasks_are_handed_over_in_advance_and_long_ones_are_not() {
    let mut env = slots(1);
    (1..=1000).for_each(|number| _ = env.run(number, &[]));
    env.start().executes(&[1]).takes(1_000).computed(1, small()).start();
    assert_eq!(env.said.drain(..).count(), 1 + 100, "one for the slot, and 100 µs of them");
    env.takes(10).computed(2, small());
    (3..=90).for_each(|number| _ = env.computed(number, small()));
    env.start();
    assert_eq!(env.worker.running, 1 + 256, "never more than that");
    env.said.clear();
    env.takes(u32::MAX).computed(91, small()).start().quiet();
}

#[test]
fn a_rank_without_slots_starts_nothing() {
    slots(0).run(1, &[]).start().quiet().retract(9).gives_back(&[1]).retract_done();
}

#[test]
fn the_last_ones_are_given_back_first() {
    let mut env = slots(1);
    (1..=4).for_each(|number| _ = env.run(number, &[]));
    env.start().executes(&[1]).retract(2).gives_back(&[4, 3]).retract_done().computed(1, small()).start();
    env.executes(&[2]).holds(0, 1);
}

#[test]
fn what_runs_or_waits_for_inputs_is_not_given_back() {
    let mut env = slots(1);
    env.run(1, &[])
        .run(2, &[at(8, 2)])
        .fetches(8, 2)
        .start()
        .executes(&[1])
        .retract(9)
        .retract_done()
        .holds(1, 2);
    env.retract(0).retract_done();
}

#[test]
fn what_is_given_back_lets_go_of_its_inputs() {
    let mut env = slots(0);
    env.with_copies(&[8]).run(1, &[here(8), here(8)]).release(8).quiet().retract(1).drops(8).gives_back(&[1]);
    env.retract_done().holds(0, 0);
}

#[test]
fn what_was_not_running_cannot_be_computed() {
    slots(1).refuse(WorkerEvent::Computed { task: TaskId(1), attempt: 1, nanos: 1, output: small() });
}

#[test]
fn definitions_are_passed_on_and_the_end_changes_nothing() {
    let definition = Definition {
        def: DefId(0),
        function: 1,
        name: "f".into(),
        shared: Blob::default(),
        slots: 1,
        memory: 0,
        gpus: 0,
        timeout: 0,
    };
    let mut env = slots(1);
    env.order(RankOrder::Define(definition.clone())).says(WorkerAction::Learn(definition));
    env.order(RankOrder::Shutdown).order(RankOrder::Leave);
}

fn cancel(task: u64) -> RankOrder {
    RankOrder::Cancel { task: TaskId(task) }
}

#[test]
fn what_waits_is_given_back_when_it_is_cancelled_and_what_runs_is_told() {
    let mut env = slots(1);
    env.run(1, &[]).run(2, &[]).run(3, &[soon(2)]).start().executes(&[1]);
    env.order(cancel(2)).gives_back(&[2, 3]).order(cancel(3)).quiet();
    env.order(cancel(1)).says(WorkerAction::Cancel(TaskId(1))).computed(1, small());
    env.order(cancel(1)).quiet().holds(0, 0); // it has ended
}

#[test]
fn a_task_that_is_cancelled_while_its_input_comes_is_given_back_when_that_is_here() {
    let mut env = slots(1);
    env.run(2, &[at(1, 9)]).fetches(1, 9).order(cancel(2)).quiet().order(cancel(2)).quiet();
    env.arrived(1).reports_fetched(1).gives_back(&[2]).release(1).drops(1).holds(0, 0);
}

#[test]
fn a_nested_task_is_cancelled_in_its_queue() {
    let mut env = slots(1);
    let nested = |number| RankOrder::Run(RunTask { depth: 2, ..task(number, 1, &[]) });
    env.run(1, &[])
        .start()
        .executes(&[1])
        .order(nested(2))
        .order(nested(3))
        .order(cancel(3))
        .gives_back(&[3]);
    env.order(cancel(2)).gives_back(&[2]).computed(1, small()).start().quiet();
}

#[test]
fn slots_that_programs_take_are_no_tasks() {
    let mut env = slots(3);
    (1..=4).for_each(|number| _ = env.run(number, &[]));
    env.order(RankOrder::Lend { slots: 2 }).start().executes(&[1]).takes(1).computed(1, small());
    // short tasks are not handed over in advance either, as they would run in slots that are taken
    env.start().executes(&[2]).quiet().order(RankOrder::Lend { slots: 0 }).start().executes(&[3, 4]);
    env.computed(2, small()).computed(3, small()).computed(4, small());
    env.order(RankOrder::Lend { slots: 3 }).run(5, &[]).start().quiet().order(RankOrder::Lend { slots: 2 });
    env.start().executes(&[5]).computed(5, small());
}
