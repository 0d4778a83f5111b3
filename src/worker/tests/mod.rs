//! A small test language (DSL) for the worker. Each verb is one event, after which every invariant is checked. The
//! worker's actions are kept until a test takes them, and a test that ends with an action not taken fails.

mod inputs;
mod loss;
mod nested;
pub(crate) mod prefetch;
mod queue;
mod refused;
mod results;

use super::{Worker, WorkerAction, WorkerEvent};
use crate::error::{ProtocolError, TaskError};
use crate::ids::{Attempt, DefId, Rank, TaskId};
use crate::protocol::{
    Blob, BulkLayout, Definition, InputSource, RankOrder, RankReport, ReportedResult, RunTask, TaskInput,
};
use std::collections::VecDeque;

const LAYOUT: BulkLayout = BulkLayout::Encoded;

struct Env {
    worker: Worker,
    said: VecDeque<WorkerAction>,
    nanos: u32,
}

fn slots(slots: u32) -> Env {
    Env { worker: Worker::new(slots), said: VecDeque::new(), nanos: 50_000_000 }
}

fn inline(task: u64) -> TaskInput {
    TaskInput { task: TaskId(task), source: InputSource::Inline(Blob::new(b"v")) }
}

fn here(task: u64) -> TaskInput {
    TaskInput { task: TaskId(task), source: InputSource::Here }
}

fn soon(task: u64) -> TaskInput {
    TaskInput { task: TaskId(task), source: InputSource::Upcoming }
}

fn at(task: u64, holder: u32) -> TaskInput {
    TaskInput {
        task: TaskId(task),
        source: InputSource::At { holder: Rank(holder), nbytes: 64, layout: LAYOUT },
    }
}

#[allow(clippy::result_large_err, reason = "the worker takes it by value, as it is sent")]
fn stored() -> Result<ReportedResult, TaskError> {
    Ok(ReportedResult::Stored { nbytes: 64, layout: LAYOUT })
}

#[allow(clippy::result_large_err, reason = "the worker takes it by value, as it is sent")]
fn small() -> Result<ReportedResult, TaskError> {
    Ok(ReportedResult::Inline(Blob::new(b"v")))
}

fn error() -> TaskError {
    TaskError::of_attempt("boom".into(), "f".into(), Rank(1), "h".into(), 1)
}

fn task(task: u64, attempt: Attempt, inputs: &[TaskInput]) -> RunTask {
    let inputs = inputs.to_vec();
    RunTask {
        task: TaskId(task),
        attempt,
        def: DefId(0),
        key: 0,
        args: Blob::default(),
        inputs,
        more: 0,
        depth: 0,
    }
}

impl Env {
    fn try_handle(&mut self, event: WorkerEvent) -> Result<(), ProtocolError> {
        let mut out = Vec::new();
        let done = self.worker.handle(event.clone(), &mut out);
        if let Err(wrong) = self.worker.check() {
            panic!("after {event:?}: {wrong}");
        }
        self.said.extend(out);
        done
    }

    fn handle(&mut self, event: WorkerEvent) -> &mut Self {
        if let Err(refused) = self.try_handle(event.clone()) {
            panic!("{event:?}: {refused}");
        }
        self
    }

    fn refuse(&mut self, event: WorkerEvent) -> &mut Self {
        assert!(self.try_handle(event.clone()).is_err(), "{event:?} is taken");
        self
    }

    // ---- events

    fn order(&mut self, order: RankOrder) -> &mut Self {
        self.handle(WorkerEvent::Order(order))
    }

    fn run(&mut self, number: u64, inputs: &[TaskInput]) -> &mut Self {
        self.order(RankOrder::Run(task(number, 1, inputs)))
    }

    fn run_again(&mut self, number: u64, inputs: &[TaskInput]) -> &mut Self {
        self.order(RankOrder::Run(task(number, 2, inputs)))
    }

    fn release(&mut self, task: u64) -> &mut Self {
        self.order(RankOrder::Release { task: TaskId(task) })
    }

    fn bring(&mut self, task: u64, holder: u32) -> &mut Self {
        self.order(RankOrder::Bring { task: TaskId(task), holder: Rank(holder), nbytes: 64, layout: LAYOUT })
    }

    fn retract(&mut self, count: u32) -> &mut Self {
        self.order(RankOrder::Retract { count })
    }

    fn lost(&mut self, rank: u32) -> &mut Self {
        self.order(RankOrder::Lost { rank: Rank(rank) })
    }

    fn arrived(&mut self, task: u64) -> &mut Self {
        self.handle(WorkerEvent::Arrived(TaskId(task)))
    }

    fn asked(&mut self, by: u32, task: u64) -> &mut Self {
        self.handle(WorkerEvent::Asked { by: Rank(by), task: TaskId(task), tag: 7, same_files: false })
    }

    fn takes(&mut self, nanos: u32) -> &mut Self {
        self.nanos = nanos;
        self
    }

    fn computed_as(
        &mut self,
        task: u64,
        attempt: Attempt,
        output: Result<ReportedResult, TaskError>,
    ) -> &mut Self {
        let nanos = self.nanos;
        self.handle(WorkerEvent::Computed { task: TaskId(task), attempt, nanos, output: output.clone() });
        let task = TaskId(task);
        let report = match output {
            Ok(output) => RankReport::Finished { task, attempt, nanos, output },
            Err(error) => RankReport::Failed { task, attempt, error: Box::new(error) },
        };
        // the results that it drops come before its report
        let at = self.said.iter().position(|said| *said == WorkerAction::Report(report.clone()));
        let at = at.unwrap_or_else(|| panic!("{report:?} is not reported, but {:?}", self.said));
        self.said.remove(at);
        self
    }

    fn computed(&mut self, task: u64, output: Result<ReportedResult, TaskError>) -> &mut Self {
        self.computed_as(task, 1, output)
    }

    fn start(&mut self) -> &mut Self {
        let mut out = Vec::new();
        self.worker.start(&mut out);
        if let Err(wrong) = self.worker.check() {
            panic!("after starting: {wrong}");
        }
        self.said.extend(out);
        self
    }

    /// Stores copies of the results of these tasks in the worker's store, as fetched from rank 9.
    fn with_copies(&mut self, tasks: &[u64]) -> &mut Self {
        for &task in tasks {
            self.bring(task, 9).fetches(task, 9).arrived(task).reports_fetched(task);
        }
        self
    }

    // ---- actions

    fn says(&mut self, action: WorkerAction) -> &mut Self {
        assert_eq!(self.said.pop_front(), Some(action), "then {:?}", self.said);
        self
    }

    fn fetches(&mut self, task: u64, holder: u32) -> &mut Self {
        self.says(WorkerAction::Fetch {
            task: TaskId(task),
            holder: Rank(holder),
            nbytes: 64,
            layout: LAYOUT,
        })
    }

    fn reports_fetched(&mut self, task: u64) -> &mut Self {
        self.says(WorkerAction::Report(RankReport::Fetched { task: TaskId(task) }))
    }

    fn drops(&mut self, task: u64) -> &mut Self {
        self.says(WorkerAction::Drop(TaskId(task)))
    }

    fn gives(&mut self, to: u32, task: u64) -> &mut Self {
        self.says(WorkerAction::Give { to: Rank(to), task: TaskId(task), tag: 7, same_files: false })
    }

    fn gives_back(&mut self, tasks: &[u64]) -> &mut Self {
        for &task in tasks {
            self.says(WorkerAction::Report(RankReport::Retracted { task: TaskId(task), attempt: 1 }));
        }
        self
    }

    fn retract_done(&mut self) -> &mut Self {
        self.says(WorkerAction::Report(RankReport::RetractDone))
    }

    fn not_brought(&mut self, task: u64) -> &mut Self {
        self.says(WorkerAction::Report(RankReport::NotBrought { task: TaskId(task) }))
    }

    fn executes(&mut self, tasks: &[u64]) -> &mut Self {
        for &task in tasks {
            match self.said.pop_front() {
                Some(WorkerAction::Execute(run)) if run.task == TaskId(task) => {}
                other => panic!("t{task} is to be executed, but {other:?}, then {:?}", self.said),
            }
        }
        self
    }

    fn quiet(&mut self) -> &mut Self {
        assert!(self.said.is_empty(), "left over: {:?}", self.said);
        self
    }

    fn holds(&mut self, held: usize, unfinished: usize) -> &mut Self {
        assert_eq!((self.worker.held(), self.worker.unfinished()), (held, unfinished), "(held, unfinished)");
        self
    }
}

impl Drop for Env {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.quiet();
        }
    }
}
