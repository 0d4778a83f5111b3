//! Inputs: by value, in the store, fetched; many; the same one twice; shared by tasks.

use super::*;

#[test]
fn a_task_with_inputs_by_value_starts_at_once() {
    slots(1)
        .run(1, &[inline(8), inline(9)])
        .quiet()
        .start()
        .executes(&[1])
        .holds(0, 1)
        .computed(1, small())
        .holds(0, 0);
}

#[test]
fn a_task_whose_inputs_are_here_starts_at_once() {
    slots(1).with_copies(&[8]).run(1, &[here(8)]).start().executes(&[1]).computed(1, small()).holds(1, 0);
}

#[test]
fn what_lies_elsewhere_is_fetched_first() {
    let mut env = slots(2);
    env.with_copies(&[7])
        .run(1, &[here(7), at(8, 2), inline(5), at(9, 3)])
        .fetches(8, 2)
        .fetches(9, 3)
        .start()
        .quiet();
    env.holds(3, 1).arrived(9).reports_fetched(9).start().quiet();
    env.arrived(8).reports_fetched(8).start().executes(&[1]).computed(1, small()).holds(3, 0);
}

#[test]
fn the_same_input_twice_is_fetched_once() {
    let mut env = slots(1);
    env.run(1, &[at(8, 2), at(8, 2)]).fetches(8, 2).arrived(8).reports_fetched(8).start().executes(&[1]);
    env.release(8).quiet().computed(1, small()).drops(8).holds(0, 0);
}

#[test]
fn two_tasks_share_one_fetch() {
    let mut env = slots(2);
    env.run(1, &[at(8, 2)]).fetches(8, 2).run(2, &[at(8, 3)]).quiet();
    env.arrived(8).reports_fetched(8).start().executes(&[1, 2]);
    env.release(8).computed(1, small()).quiet().computed(2, small()).drops(8);
}

#[test]
fn what_is_here_already_is_not_fetched_though_rank_0_does_not_know() {
    slots(1).with_copies(&[8]).run(1, &[at(8, 2)]).start().executes(&[1]);
}

#[test]
fn what_should_be_here_but_is_not_is_an_error() {
    let mut env = slots(1);
    env.refuse(WorkerEvent::Order(RankOrder::Run(task(1, 1, &[here(8)]))));
    env.bring(8, 2)
        .fetches(8, 2)
        .refuse(WorkerEvent::Order(RankOrder::Run(task(1, 1, &[here(8)]))))
        .holds(1, 0);
}

#[test]
fn more_inputs_are_put_together() {
    let mut env = slots(1);
    let more =
        |inputs: &[TaskInput], more| RankOrder::MoreInputs { task: TaskId(1), inputs: inputs.to_vec(), more };
    env.order(RankOrder::Run(RunTask { more: 3, ..task(1, 1, &[inline(4)]) })).start().quiet().holds(0, 1);
    env.order(more(&[at(8, 2), at(9, 2)], 1)).quiet().order(more(&[at(8, 2)], 0)).fetches(8, 2).fetches(9, 2);
    env.arrived(8).reports_fetched(8).arrived(9).reports_fetched(9).start();
    let whole = task(1, 1, &[inline(4), at(8, 2), at(9, 2), at(8, 2)]);
    env.says(WorkerAction::Execute(whole));
}

#[test]
fn more_inputs_out_of_turn_are_an_error() {
    let mut env = slots(1);
    let more =
        |number| WorkerEvent::Order(RankOrder::MoreInputs { task: TaskId(number), inputs: vec![], more: 0 });
    env.refuse(more(1)).order(RankOrder::Run(RunTask { more: 3, ..task(1, 1, &[]) }));
    env.refuse(WorkerEvent::Order(RankOrder::Run(task(2, 1, &[])))).refuse(more(2));
}

#[test]
fn what_nobody_waits_for_cannot_arrive() {
    slots(1)
        .refuse(WorkerEvent::Arrived(TaskId(8)))
        .with_copies(&[8])
        .refuse(WorkerEvent::Arrived(TaskId(8)));
}
