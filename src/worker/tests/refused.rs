//! Results that cannot be taken in, and the end of the run.

use super::*;

impl Env {
    fn refused(&mut self, task: u64) -> &mut Self {
        self.handle(WorkerEvent::Refused(TaskId(task), Box::new(error())))
    }

    fn reports_failed(&mut self, task: u64) -> &mut Self {
        let (task, error) = (TaskId(task), Box::new(error()));
        self.says(WorkerAction::Report(RankReport::Failed { task, attempt: 1, error }))
    }
}

#[test]
fn a_task_whose_input_cannot_be_taken_in_fails_and_others_do_not() {
    let mut env = slots(1);
    env.run(1, &[at(8, 2)]).fetches(8, 2).run(2, &[at(9, 2)]).fetches(9, 2);
    env.refused(8).reports_failed(1).holds(1, 1).arrived(9).reports_fetched(9).start().executes(&[2]);
    env.computed(2, small()).release(9).drops(9).holds(0, 0);
    env.refuse(WorkerEvent::Refused(TaskId(8), Box::new(error())));
}

#[test]
fn a_task_that_fails_for_one_input_waits_for_the_others() {
    let mut env = slots(1);
    env.run(1, &[at(8, 2), at(9, 2)]).fetches(8, 2).fetches(9, 2).run(2, &[soon(1)]);
    env.refused(8).quiet().arrived(9).reports_fetched(9).reports_failed(1).gives_back(&[2]);
    env.release(9).drops(9).holds(0, 0);
}

#[test]
fn memory_is_freed_where_a_task_computes_or_is_to() {
    let mut env = slots(1);
    let will_free = |env: &Env| env.worker.will_free();
    assert!(!will_free(&env));
    env.run(1, &[at(8, 2)]).fetches(8, 2);
    assert!(!will_free(&env), "the task waits for an input");
    env.run(2, &[]);
    assert!(will_free(&env), "a task is to start");
    env.start().executes(&[2]);
    assert!(will_free(&env), "a task computes");
    env.handle(WorkerEvent::Paused(Some(TaskId(2))));
    assert!(!will_free(&env), "it waits for another, perhaps for the first");
    env.handle(WorkerEvent::Resumed(Some(TaskId(2))));
    assert!(will_free(&env));
    env.computed(2, small());
    assert!(!will_free(&env));
    env.refused(8).reports_failed(1);
}

#[test]
fn a_client_that_waits_for_what_cannot_be_taken_in_is_told() {
    let mut env = slots(1);
    env.bring(8, 2).fetches(8, 2).refused(8);
    let report = RankReport::Refused { task: TaskId(8), error: Box::new(error()) };
    env.says(WorkerAction::Report(report)).holds(0, 0);
}

#[test]
fn at_the_end_of_the_run_nothing_more_starts() {
    let mut env = slots(1);
    env.run(1, &[]).start().executes(&[1]).run(2, &[]).run(3, &[at(8, 2)]).fetches(8, 2);
    env.order(RankOrder::Shutdown).gives_back(&[2]).arrived(8).reports_fetched(8).start().quiet();
    assert_eq!(env.worker.running(), 1);
    env.computed(1, small()).start().quiet();
    assert_eq!(env.worker.running(), 0);
}
