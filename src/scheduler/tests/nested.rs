//! Nested tasks, on ranks other than 0: numbers, depth, answers, slots that are given back, owners that die.

use super::*;
use crate::protocol::{NestedAnswer, NestedDefinition, NestedTask, ResourceRequest};

/// The number of the task that `rank` submits after it has submitted `count` others.
fn of(rank: u32, count: u64) -> u64 {
    TaskId::first_of(Rank(rank)).0 + count
}

impl Env {
    fn define_at(&mut self, rank: u32, def: u32, function: u64) -> &mut Self {
        let (name, shared) = (format!("f{def}"), Blob::default());
        let definition =
            Definition { def: DefId(def), function, name, shared, slots: 1, memory: 0, gpus: 0, timeout: 0 };
        let nested = NestedDefinition {
            definition,
            priority: 0,
            retries: 0,
            retry_delay: 0,
            on: None,
            among: None,
            prefer: None,
            needs: ResourceRequest::default(),
        };
        self.from(rank, RankReport::Define(Box::new(nested)))
    }

    fn nested(parent: u64, task: u64, inputs: &[u64]) -> Box<NestedTask> {
        let inputs = inputs.iter().map(|&input| TaskId(input)).collect();
        Box::new(NestedTask {
            task: TaskId(task),
            parent: TaskId(parent),
            def: DefId(0),
            key: 1,
            args: Blob::new(&[task as u8]),
            inputs,
            more: 0,
        })
    }

    /// Lets `parent`, which runs on `rank`, submit `task`, which takes `inputs`.
    fn nest(&mut self, rank: u32, parent: u64, task: u64, inputs: &[u64]) -> &mut Self {
        self.from(rank, RankReport::Submit(Self::nested(parent, task, inputs)))
    }

    fn want_at(&mut self, rank: u32, task: u64, value: bool) -> &mut Self {
        self.from(rank, RankReport::Want { task: TaskId(task), value })
    }

    fn drop_at(&mut self, rank: u32, task: u64) -> &mut Self {
        self.from(rank, RankReport::Drop { task: TaskId(task) })
    }

    fn waits(&mut self, rank: u32, threads: u32) -> &mut Self {
        self.from(rank, RankReport::Waits { slots: threads })
    }

    fn answers(&mut self, rank: u32, task: u64, answer: NestedAnswer) -> &mut Self {
        self.sends(rank, RankOrder::Answer { task: TaskId(task), answer })
    }

    /// Lets rank 1 run task 1, which submits the first `children` tasks of that rank.
    fn parent(&mut self, children: u64) -> &mut Self {
        self.submit(1, &[]).place().runs(1, &[1]).define_at(1, 0, 7);
        (0..children).for_each(|count| _ = self.nest(1, 1, of(1, count), &[]));
        assert_eq!(self.nests.contains(&(1, DefId(0))), children > 0);
        self
    }
}

fn failed(text: &str) -> NestedAnswer {
    NestedAnswer::Failed(TaskError { task: "f0-0000000000000001".into(), ..error(text) })
}

#[test]
fn a_task_that_waits_lets_what_it_has_submitted_run_in_its_slot() {
    let mut env = ranks([0, 1]);
    env.parent(2).waits(1, 1).place();
    let first = env.take_run(1, of(1, 0));
    assert_eq!((first.depth, first.def), (1, DefId(0)), "the same function is the same definition");
    env.runs(1, &[of(1, 1)]).want_at(1, of(1, 0), true).finish_with(1, of(1, 0), inline("v"));
    env.answers(1, of(1, 0), NestedAnswer::Inline(Blob::new(b"v"))).drop_at(1, of(1, 0)).is_gone(of(1, 0));
    env.waits(1, 0).finish_with(1, of(1, 1), stored(64)).want_at(1, of(1, 1), true);
    env.answers(1, of(1, 1), NestedAnswer::Here).drop_at(1, of(1, 1)).releases(1, &[of(1, 1)]);
    env.finish(1, 1).release(&[1]).records(0);
}

#[test]
fn a_value_is_brought_to_the_rank_that_waits_for_it() {
    let mut env = ranks([0, 1, 1]);
    env.parent(1).place().runs(2, &[of(1, 0)]).want_at(1, of(1, 0), true);
    env.finish_with(2, of(1, 0), stored(64)).answers(1, of(1, 0), NestedAnswer::Done);
    let bring = RankOrder::Bring { task: TaskId(of(1, 0)), holder: Rank(2), nbytes: 64, layout: LAYOUT };
    env.sends(1, bring).drop_at(1, of(1, 0)).from(1, RankReport::Fetched { task: TaskId(of(1, 0)) });
    env.answers(1, of(1, 0), NestedAnswer::Here).releases(2, &[of(1, 0)]).releases(1, &[of(1, 0)]).records(1);
}

#[test]
fn failures_and_states_are_told_to_the_owner() {
    let mut env = ranks([0, 1, 1]);
    env.parent(2).place().runs(2, &[of(1, 0)]).runs(1, &[of(1, 1)]).want_at(1, of(1, 0), false).fail(
        2,
        of(1, 0),
        "boom",
    );
    env.answers(1, of(1, 0), failed("boom"));
    env.from(1, RankReport::Ask { task: TaskId(of(1, 0)) });
    env.sends(1, RankOrder::Status { task: TaskId(of(1, 0)), status: Status::Failed });
    // a failure that a task passes on from another keeps the other's name
    let handed_on = TaskError { task: "first-12".into(), ..error("boom") };
    let attempt = env.scheduler.task(TaskId(1)).map_or(0, |record| record.attempt);
    env.want(1, true)
        .from(1, RankReport::Failed { task: TaskId(1), attempt, error: Box::new(handed_on.clone()) });
    env.resolves(1, TaskOutcome::Failed(handed_on.into()));
}

#[test]
fn deeper_tasks_go_before_all_others() {
    let mut env = ranks([0, 1]);
    env.submit(1, &[]).submit(2, &[]).submit(3, &[]).place().runs(1, &[1, 2]).define_at(1, 0, 7);
    env.nest(1, 1, of(1, 0), &[]).waits(1, 1).place();
    env.runs(1, &[of(1, 0)]).nest(1, of(1, 0), of(1, 1), &[]).waits(1, 2).place();
    assert_eq!(env.take_run(1, of(1, 1)).depth, 2);
    env.waits(1, 3).place().runs(1, &[3]);
}

#[test]
fn a_rank_with_many_that_wait_gets_no_more_roots_while_anything_runs() {
    let mut env = ranks([0, 1]);
    env.parent(1).place().runs(1, &[of(1, 0)]);
    for task in 2..=80 {
        env.submit(task, &[]);
    }
    let most = 65;
    for waiting in 1..most {
        env.waits(1, waiting as u32).place();
        env.runs(1, &[waiting + 1]);
    }
    env.waits(1, most as u32).place().quiet();
    // when nothing runs any more, the rank gets tasks all the same: a waiting task may wait for one of them
    let assigned = env.scheduler.assigned() as u32;
    env.waits(1, assigned).place();
    assert!(!env.orders[&1].is_empty());
    env.orders.clear();
}

#[test]
fn numbers_and_names_of_others_are_refused() {
    let mut env = ranks([0, 1, 1]);
    env.parent(1).place().runs(2, &[of(1, 0)]);
    let submit = |rank: u32, task: u64, inputs: &[u64]| {
        SchedulerEvent::From(Rank(rank), RankReport::Submit(Env::nested(1, task, inputs)))
    };
    env.refuse(submit(1, of(1, 0), &[])).refuse(submit(1, of(1, 2), &[])).refuse(submit(1, of(2, 0), &[]));
    env.refuse(submit(2, of(2, 0), &[])).refuse(submit(1, 7, &[]));
    env.refuse(SchedulerEvent::From(Rank(2), RankReport::Drop { task: TaskId(of(1, 0)) }));
    env.refuse(SchedulerEvent::From(Rank(2), RankReport::Want { task: TaskId(of(1, 0)), value: true }));
    env.refuse(SchedulerEvent::From(Rank(1), RankReport::Drop { task: TaskId(1) }));
    env.refuse(SchedulerEvent::Release(TaskId(of(1, 0))));
    env.refuse(SchedulerEvent::Submit(Env::new_task(of(1, 9), 0, &[])))
        .refuse(SchedulerEvent::Submit(Env::new_task(9, 0, &[of(1, 0)])));
    env.define_at(2, 0, 7).refuse(submit(2, of(2, 0), &[of(1, 0)]));
}

#[test]
fn more_inputs_than_fit_into_a_message() {
    let mut env = ranks([0, 1]);
    env.parent(3);
    let mut first = Env::nested(1, of(1, 3), &[of(1, 0)]);
    first.more = 2;
    let more = |inputs: &[u64], more| {
        let inputs = inputs.iter().map(|&input| TaskId(input)).collect();
        RankReport::MoreInputs { task: TaskId(of(1, 3)), inputs, more }
    };
    env.from(1, RankReport::Submit(first)).from(1, more(&[of(1, 1)], 1)).from(1, more(&[of(1, 2)], 0));
    let inputs: Vec<TaskId> = env.scheduler.tasks.inputs(TaskId(of(1, 3))).collect();
    assert_eq!(inputs[..], [0, 1, 2].map(|count| TaskId(of(1, count))));
    env.refuse(SchedulerEvent::From(Rank(1), more(&[of(1, 2)], 0)));
    env.drop_at(1, of(1, 3)).records(4);
}

#[test]
fn what_a_dead_rank_has_submitted_goes_with_it() {
    let mut env = ranks([0, 1, 1]);
    env.parent(3).place().runs(2, &[of(1, 0), of(1, 2)]).runs(1, &[of(1, 1)]).finish_with(
        2,
        of(1, 0),
        stored(64),
    );
    env.want_at(1, of(1, 0), true).answers(1, of(1, 0), NestedAnswer::Done);
    env.orders.clear();
    // one task brought, one running elsewhere, one not started; and the parent
    env.lost(1)
        .sends(0, RankOrder::Lost { rank: Rank(1) })
        .sends(2, RankOrder::Lost { rank: Rank(1) })
        .releases(2, &[of(1, 0)])
        .records(2);
    env.finish_with(2, of(1, 2), stored(64)).releases(2, &[of(1, 2)]).records(1);
    env.place().runs(2, &[1]).define_at(2, 0, 7).nest(2, 1, of(2, 0), &[]).waits(2, 1);
    env.place().runs(2, &[of(2, 0)]);
    // the earlier messages of the dead rank have no effect any more
    env.nest(1, 1, of(1, 3), &[]).want_at(1, of(1, 1), true).records(2);
}

#[test]
fn values_of_a_dead_rank_are_lost_to_what_still_runs() {
    let mut env = ranks([0, 1, 1]);
    env.parent(0).from(1, RankReport::Scatter { task: TaskId(of(1, 0)), key: 0, output: stored(64) });
    env.nest(1, 1, of(1, 1), &[of(1, 0)]).waits(1, 1).place();
    env.orders.clear();
    let on = env.scheduler.task(TaskId(of(1, 1))).map(|record| record.state.clone());
    assert!(matches!(on, Some(TaskState::Assigned { rank: Rank(1), .. })), "it goes where its input is");
    env.lost(1)
        .sends(0, RankOrder::Lost { rank: Rank(1) })
        .sends(2, RankOrder::Lost { rank: Rank(1) })
        .records(1)
        .place()
        .runs(2, &[1])
        .release(&[1]);
    env.finish(2, 1).records(0);
}
