//! Submission: ready and blocked tasks, failed inputs, and events that are refused.

use super::*;

#[test]
fn a_task_without_inputs_is_ready_and_goes_to_a_rank() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).is(1, Status::Pending).quiet().place().is(1, Status::Assigned);
    let run = env.take_run(1, 1);
    assert_eq!((run.attempt, run.def, run.args, run.more), (1, DefId(0), Blob::new(&[1]), 0));
    assert!(run.inputs.is_empty());
}

#[test]
fn a_blocked_task_is_ready_when_its_last_input_is_done() {
    let mut env = ranks([0, 1, 1]);
    env.submit(1, &[]).submit(2, &[]).submit(3, &[1, 2]).place().runs(1, &[1]).runs(2, &[2]);
    assert_eq!(*env.state(3), TaskState::Blocked { missing: 2 });
    env.finish(1, 1).place().quiet();
    assert_eq!(*env.state(3), TaskState::Blocked { missing: 1 });
    env.finish_stored(2, 2, 64).place();
    assert_eq!(env.take_run(2, 3).inputs, [by_value(1, "v"), here(2)]);
}

#[test]
fn an_input_that_is_done_already_blocks_nothing() {
    let mut env = ranks([0, 1]);
    env.stored_at(1, 1, 64).submit(2, &[1]);
    assert_eq!(*env.state(2), TaskState::Ready);
    env.place();
    assert_eq!(env.take_run(1, 2).inputs, [here(1)]);
}

#[test]
fn the_same_input_twice_counts_twice() {
    let mut env = ranks([0, 1, 1]);
    env.define(on(2)); // so that it does not follow its input
    env.submit(1, &[]).submit_as(1, 2, &[1, 1]).place().runs(1, &[1]);
    assert_eq!(*env.state(2), TaskState::Blocked { missing: 2 });
    env.finish(1, 1).place();
    assert_eq!(env.take_run(2, 2).inputs, [by_value(1, "v"), by_value(1, "v")]);
    env.release(&[1]).finish(2, 2).is_gone(1).release(&[2]).records(0);
}

#[test]
fn a_task_on_a_failed_input_fails_at_once_with_its_cause() {
    let mut env = ranks([0, 2]);
    env.submit(1, &[]).submit(2, &[]).place().runs(1, &[1, 2]).fail(1, 1, "boom");
    env.submit(3, &[2, 1]).submit(4, &[3]).is(3, Status::Failed).is(4, Status::Failed);
    env.want(4, true).resolves_failed(4, "boom").release(&[1, 2, 3, 4]);
    env.finish(1, 2).records(0); // which it had been waiting for too
}

#[test]
fn an_unknown_input_is_refused_and_changes_nothing() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).family(0, 10, 5);
    env.refuse(SchedulerEvent::Submit(Env::new_task(2, 0, &[1, 99])));
    env.refuse(SchedulerEvent::Submit(Env::new_task(2, 0, &[12, 99])));
    env.refuse(SchedulerEvent::Submit(Env::new_task(2, 0, &[2])));
    env.release(&[1]).records(0); // a use counted for the refused one would keep it
}

#[test]
fn a_number_that_is_known_already_is_refused() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).family(0, 10, 5).scatter(2, inline("x"));
    env.refuse(SchedulerEvent::Submit(Env::new_task(1, 0, &[])));
    env.refuse(SchedulerEvent::Submit(Env::new_task(12, 0, &[])));
    env.refuse(SchedulerEvent::Scatter { task: TaskId(2), key: 2, output: inline("y") });
    env.refuse(SchedulerEvent::Scatter { task: TaskId(14), key: 2, output: inline("y") });
    env.refuse(SchedulerEvent::SubmitFamily { def: DefId(0), first: TaskId(u64::MAX), count: 2 });
}

#[test]
fn a_definition_comes_before_its_tasks_and_in_order() {
    let mut env = ranks([0, 1]);
    env.refuse(SchedulerEvent::Submit(Env::new_task(1, 1, &[])));
    env.refuse(SchedulerEvent::SubmitFamily { def: DefId(1), first: TaskId(1), count: 2 });
    let definition = Definition {
        def: DefId(2),
        function: 7,
        name: "g".into(),
        shared: Blob::default(),
        slots: 1,
        memory: 0,
        gpus: 0,
        timeout: 0,
    };
    env.refuse(SchedulerEvent::define(definition, DefOptions::default()));
}

#[test]
fn what_the_client_has_let_go_of_cannot_be_named_again() {
    let mut env = ranks([0, 1]);
    env.stored_at(1, 1, 64).submit(2, &[1]).place().runs(1, &[2]).finish_stored(1, 2, 64);
    env.release(&[1]).releases(1, &[1]);
    assert_eq!(*env.state(1), TaskState::Released); // a recipe for t2 only: nothing would ever make it again for t3
    env.refuse(SchedulerEvent::Submit(Env::new_task(3, 0, &[1])));
    env.refuse(SchedulerEvent::Want { task: TaskId(1), value: true });
}

#[test]
fn each_rank_learns_a_definition_once_and_before_its_first_task() {
    let mut env = ranks([0, 1, 1]); // the environment checks both
    env.define(DefOptions::default());
    env.submit_as(1, 1, &[]).submit_as(1, 2, &[]).submit_as(1, 3, &[]).submit(4, &[]).place();
    env.runs(1, &[1, 3]).runs(2, &[2, 4]);
    assert_eq!(env.known.len(), 3);
}

#[test]
fn more_inputs_than_one_message_takes_follow_in_order() {
    use crate::protocol::INPUTS_MAX;
    let many: Vec<u64> = (1..=2 * INPUTS_MAX as u64 + 3).collect();
    let mut env = ranks([0, 1]);
    for &task in &many {
        env.scatter(task, inline("x"));
    }
    env.submit(9999, &many).place();
    let run = env.take_run(1, 9999);
    assert_eq!((run.inputs.len(), run.more as usize), (INPUTS_MAX, INPUTS_MAX + 3));
    let mut got: Vec<u64> = run.inputs.iter().map(|input| input.task.0).collect();
    for left in [3, 0] {
        match env.take(1) {
            RankOrder::MoreInputs { task: TaskId(9999), inputs, more } if more == left => {
                got.extend(inputs.iter().map(|input| input.task.0));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(got, many);
}

#[test]
fn a_record_is_small_enough_for_ten_million_tasks() {
    assert!(
        size_of::<crate::scheduler::ScheduledTask>() <= 160,
        "{} bytes",
        size_of::<crate::scheduler::ScheduledTask>()
    );
}
