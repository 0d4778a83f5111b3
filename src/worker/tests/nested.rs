//! Nested tasks, and tasks that wait for them.

use super::*;

fn nested(number: u64, depth: u32) -> RankOrder {
    RankOrder::Run(RunTask { depth, ..task(number, 1, &[]) })
}

impl Env {
    fn run_at(&mut self, depth: u32, number: u64) -> &mut Self {
        self.order(nested(number, depth))
    }

    fn executes_at(&mut self, depth: u32, number: u64) -> &mut Self {
        self.says(WorkerAction::Execute(RunTask { depth, ..task(number, 1, &[]) }))
    }

    fn waits(&mut self, threads: u32) -> &mut Self {
        self.says(WorkerAction::Report(RankReport::Waits { slots: threads }))
    }
}

#[test]
fn deeper_tasks_start_first_and_are_given_back_last() {
    let mut env = slots(1);
    env.run(1, &[]).start().executes(&[1]);
    env.run(2, &[]).run_at(1, 3).run_at(2, 4).run_at(2, 5).run_at(1, 6).holds(0, 6);
    env.computed(1, small()).start().executes_at(2, 4).retract(3).gives_back(&[2, 6, 3]).retract_done();
    env.computed(4, small()).start().executes_at(2, 5).holds(0, 1);
}

#[test]
fn a_task_that_waits_gives_its_slot_back() {
    let mut env = slots(1);
    env.run(1, &[])
        .run(2, &[])
        .start()
        .executes(&[1])
        .handle(WorkerEvent::Paused(None))
        .start()
        .executes(&[2])
        .waits(1);
    env.run(3, &[]).start().quiet();
    // it goes on beside the other one, and then no slot is free for a third
    env.handle(WorkerEvent::Resumed(None)).start().waits(0).computed(1, small()).start().quiet();
    env.computed(2, small()).start().executes(&[3]);
}

#[test]
fn rank_0_is_told_once_a_turn_how_many_wait() {
    let mut env = slots(2);
    env.run(1, &[]).run(2, &[]).start().executes(&[1, 2]);
    env.handle(WorkerEvent::Paused(None))
        .handle(WorkerEvent::Paused(None))
        .handle(WorkerEvent::Resumed(None))
        .handle(WorkerEvent::Paused(None))
        .quiet();
    env.start().waits(2).start().quiet();
    env.handle(WorkerEvent::Resumed(None)).handle(WorkerEvent::Paused(None)).start().quiet();
}

#[test]
fn nothing_is_handed_over_in_advance_while_tasks_wait() {
    let mut env = slots(1);
    (1..=3).for_each(|number| _ = env.run(number, &[]));
    env.start().executes(&[1]).takes(1_000).computed(1, small()).handle(WorkerEvent::Paused(None)).start();
    env.executes(&[2, 3]).waits(1);
    let mut env = slots(1);
    (1..=3).for_each(|number| _ = env.run(number, &[]));
    env.start().executes(&[1]).takes(1_000).computed(1, small()).run_at(1, 4).start().executes_at(1, 4);
    env.said.clear();
    env.handle(WorkerEvent::Paused(None)).start().executes(&[2]).waits(1).holds(0, 3);
}

#[test]
fn a_thread_that_has_not_waited_cannot_go_on() {
    slots(1).refuse(WorkerEvent::Resumed(None));
}

#[test]
fn that_tasks_of_a_definition_nest_is_passed_on() {
    slots(1).order(RankOrder::Nests { def: DefId(3) }).says(WorkerAction::Nests(DefId(3)));
}

#[test]
fn a_task_of_several_slots_gives_all_of_them_back() {
    let wide = DefId(1);
    let definition = Definition {
        def: wide,
        function: 1,
        name: "f".into(),
        shared: Blob::default(),
        slots: 2,
        memory: 0,
        gpus: 0,
        timeout: 0,
    };
    let run = |number, depth| RunTask { def: wide, depth, ..task(number, 1, &[]) };
    let mut env = slots(2);
    env.order(RankOrder::Define(definition.clone())).says(WorkerAction::Learn(definition));
    env.order(RankOrder::Run(run(1, 0)))
        .order(RankOrder::Run(run(2, 1)))
        .start()
        .says(WorkerAction::Execute(run(2, 1)));
    env.start().quiet().handle(WorkerEvent::Paused(Some(TaskId(2)))).start();
    env.says(WorkerAction::Execute(run(1, 0)))
        .waits(2)
        .handle(WorkerEvent::Resumed(Some(TaskId(2))))
        .start()
        .waits(0);
}
