//! Work whose instructions `.ci/instructions.sh` counts: `test_instructions WORKLOAD N`.
//!
//! It is run with `n` and with `2 n` things to do, and the difference, divided by `n`, is the cost of one: start-up and
//! whatever else is done once drops out. Nothing here waits, reads a clock or starts a thread.

#![allow(unsafe_code)] // to replace the source of hash seeds

use dtask::internal::ids::{Attempt, DefId, Rank, TaskId};
use dtask::internal::protocol::{
    Blob, BulkLayout, Definition, Frame, RankOrder, RankReport, ReportedResult, RunTask, TaskInput, append,
    decode, index_argument,
};
use dtask::internal::scheduler::{DefOptions, NewTask, RankInfo, Scheduler, SchedulerAction, SchedulerEvent};
use dtask::internal::script::{LoadOptions, parse};
use dtask::internal::worker::{self, Worker};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::fmt::Write;
use std::hint::black_box;

const RANKS: u32 = 16;
const SLOTS: u32 = 4;
const BATCH: usize = 64;
const DEF: DefId = DefId(0);

/// Takes the place of libc's `getrandom`, from which the standard library seeds its hash tables: the same seeds in
/// every run, so that chains of equal hashes are the same too.
///
/// # Safety
/// As for libc's: `length` bytes at `bytes` may be written.
// SAFETY: no other symbol of this name is linked in statically, and the signature is libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(bytes: *mut u8, length: usize, _flags: u32) -> isize {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::write_bytes(bytes, 0x5A, length) };
    length as isize
}

#[derive(Clone, Copy)]
enum Shape {
    Independent,
    Chain,
    Tree,
}

impl Shape {
    /// What task `k` of `n` takes; of a tree the leaves come first.
    fn inputs(self, n: u64, k: u64) -> SmallVec<[TaskId; 2]> {
        let mut inputs = SmallVec::new();
        match self {
            Shape::Independent => {}
            Shape::Chain => inputs.extend(k.checked_sub(1).map(TaskId)),
            Shape::Tree => {
                let pair = k.checked_sub(n.div_ceil(2)).filter(|pair| 2 * pair + 1 < k);
                inputs.extend(pair.into_iter().flat_map(|pair| [TaskId(2 * pair), TaskId(2 * pair + 1)]));
            }
        }
        inputs
    }
}

/// The scheduler, and what its ranks have been told to compute.
struct Cluster {
    scheduler: Scheduler,
    out: Vec<SchedulerAction>,
    queues: Vec<VecDeque<(TaskId, Attempt)>>,
    turns: VecDeque<Rank>,
    retracts: Vec<(Rank, u32)>,
}

impl Cluster {
    fn new() -> Self {
        let mut infos = vec![RankInfo { slots: SLOTS, ..RankInfo::default() }; RANKS as usize + 1];
        infos[0].slots = 0;
        Cluster {
            scheduler: Scheduler::new(&infos),
            out: Vec::new(),
            queues: vec![VecDeque::new(); infos.len()],
            turns: VecDeque::new(),
            retracts: Vec::new(),
        }
    }

    fn tell(&mut self, event: SchedulerEvent) {
        self.scheduler.handle(event, &mut self.out).expect("no event is wrong");
    }

    fn place(&mut self) {
        self.scheduler.place(&mut self.out);
        for action in self.out.drain(..) {
            let SchedulerAction::Send(rank, order) = action else { continue };
            match order {
                RankOrder::Run(run) => {
                    let queue = &mut self.queues[rank.index()];
                    if queue.is_empty() {
                        self.turns.push_back(rank);
                    }
                    queue.push_back((run.task, run.attempt));
                }
                RankOrder::Retract { count } => self.retracts.push((rank, count)),
                _ => {}
            }
        }
    }

    /// Gives back what ranks were asked for, reports up to 64 ends, and places once: a turn of rank 0's loop.
    fn turn(&mut self) -> u64 {
        for (rank, count) in std::mem::take(&mut self.retracts) {
            for _ in 0..count {
                if self.queues[rank.index()].len() <= SLOTS as usize {
                    break;
                }
                let Some((task, attempt)) = self.queues[rank.index()].pop_back() else { break };
                self.tell(SchedulerEvent::From(rank, RankReport::Retracted { task, attempt }));
            }
            self.tell(SchedulerEvent::From(rank, RankReport::RetractDone));
        }
        let mut ended = 0;
        while ended < BATCH
            && let Some(rank) = self.turns.pop_front()
        {
            for _ in 0..(BATCH - ended).min(SLOTS as usize) {
                let Some((task, attempt)) = self.queues[rank.index()].pop_front() else { break };
                let output = ReportedResult::Inline(Blob::new(&[1, 2, 3, 4]));
                self.tell(SchedulerEvent::From(
                    rank,
                    RankReport::Finished { task, attempt, nanos: 10_000, output },
                ));
                ended += 1;
            }
            if !self.queues[rank.index()].is_empty() {
                self.turns.push_back(rank);
            }
        }
        self.place();
        ended as u64
    }
}

/// The whole life of `n` tasks in rank 0's state machine.
fn scheduler(shape: Shape, n: u64) {
    let mut cluster = Cluster::new();
    let definition = Definition {
        def: DEF,
        function: 1,
        name: "f".into(),
        shared: Blob::default(),
        slots: 1,
        memory: 0,
        gpus: 0,
        timeout: 0,
    };
    cluster.tell(SchedulerEvent::define(definition, DefOptions::default()));
    for k in 0..n {
        let (args, inputs) = (index_argument(k), shape.inputs(n, k));
        cluster.tell(SchedulerEvent::Submit(NewTask {
            task: TaskId(k),
            def: DEF,
            key: k,
            args,
            inputs,
            parent: None,
        }));
    }
    cluster.place();
    let mut finished = 0;
    while finished < n {
        let ended = cluster.turn();
        assert!(ended > 0, "no rank has a task, and {finished} of {n} have ended");
        finished += ended;
    }
    for k in 0..n {
        cluster.tell(SchedulerEvent::Release(TaskId(k)));
        if k.is_multiple_of(BATCH as u64) {
            cluster.place();
        }
    }
    cluster.place();
    assert_eq!((cluster.scheduler.records(), cluster.scheduler.assigned()), (0, 0), "something is left");
}

/// The whole life of `n` tasks in the state machine of a computing rank.
fn rank(n: u64) {
    let (mut worker, mut out) = (Worker::new(SLOTS), Vec::new());
    let mut running: VecDeque<(TaskId, Attempt)> = VecDeque::new();
    let mut next = 0;
    while next < n || !running.is_empty() {
        let end = n.min(next + BATCH as u64);
        for k in next..end {
            worker
                .handle(worker::WorkerEvent::Order(run_order(k, Vec::new())), &mut out)
                .expect("no order is wrong");
        }
        next = end;
        for (task, attempt) in running.drain(..) {
            let output = Ok(ReportedResult::Inline(Blob::new(&[1, 2, 3, 4])));
            let event = worker::WorkerEvent::Computed { task, attempt, nanos: 10_000, output };
            worker.handle(event, &mut out).expect("no end is wrong");
        }
        worker.start(&mut out);
        for action in out.drain(..) {
            if let worker::WorkerAction::Execute(run) = action {
                running.push_back((run.task, run.attempt));
            }
        }
    }
    assert_eq!(worker.unfinished(), 0);
}

fn run_order(task: u64, inputs: Vec<TaskInput>) -> RankOrder {
    let (task, args) = (TaskId(task), index_argument(task));
    RankOrder::Run(RunTask { task, attempt: 1, def: DEF, key: 0, args, inputs, more: 0, depth: 0 })
}

/// Message `k` of a run that has gone on for a while: an order and the report that answers it, with and without data.
fn order_and_report(k: u64) -> (RankOrder, RankReport) {
    let task = TaskId(1_000_000 + k);
    let layout = BulkLayout::Bulk { container: 1, element: 1, shape: SmallVec::from_slice(&[1_000_000]) };
    let (inputs, output) = if k.is_multiple_of(2) {
        (Vec::new(), ReportedResult::Inline(Blob::new(&k.to_le_bytes())))
    } else {
        let source = dtask::internal::protocol::InputSource::At {
            holder: Rank(3),
            nbytes: 8_000_000,
            layout: layout.clone(),
        };
        (vec![TaskInput { task, source }], ReportedResult::Stored { nbytes: 8_000_000, layout })
    };
    (run_order(task.0, inputs), RankReport::Finished { task, attempt: 1, nanos: 1_500, output })
}

/// The frames of `n` orders and of `n` reports, 64 messages in each; decoded as well where `decoded`.
fn protocol(n: u64, decoded: bool) {
    let (mut orders, mut reports) = (Vec::new(), Vec::new());
    let mut messages = 0;
    for k in 0..n {
        let (order, report) = order_and_report(k);
        append(&mut orders, black_box(&order)).expect("it can be encoded");
        append(&mut reports, black_box(&report)).expect("it can be encoded");
        if (k + 1).is_multiple_of(BATCH as u64) || k + 1 == n {
            for frame in [&mut orders, &mut reports] {
                if decoded {
                    messages += match decode(black_box(frame)).expect("it can be decoded") {
                        Frame::Orders(all) => all.len(),
                        Frame::Reports(all) => all.len(),
                        _ => 0,
                    };
                }
                frame.clear();
            }
        }
    }
    assert_eq!(messages as u64, if decoded { 2 * n } else { 0 });
}

/// What `dtask check` does with a script of `n` tasks, each of which reads two others.
fn check(n: u64) {
    let mut text = String::from("dtask = 1\nname = \"workflow\"\n");
    let mut state = 1u64;
    let mut below = |end: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % end.max(1)
    };
    for at in 0..n {
        let (a, b) = (below(at), below(at));
        let inputs = if at < 2 { String::new() } else { format!(", \"{{step_{a}}}\", \"{{step_{b}}}\"") };
        writeln!(
            text,
            "[task.step_{at}]\nrun = [\"./work\", \"-o\", \"{{out}}\"{inputs}]\nout = \"part_{at}.bin\""
        )
        .expect("a string can be written to");
    }
    let source = dtask::internal::script::ScriptSource::new("workflow.toml", "/nowhere", text);
    let plan = parse(source, &[], LoadOptions::default());
    assert_eq!(plan.unwrap_or_else(|errors| panic!("{errors}")).tasks.len() as u64, n);
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some((workload, n)) = words.first().zip(words.get(1).and_then(|n| n.parse().ok())) else {
        panic!("usage: test_instructions WORKLOAD N")
    };
    match workload.as_str() {
        "scheduler-independent" => scheduler(Shape::Independent, n),
        "scheduler-chain" => scheduler(Shape::Chain, n),
        "scheduler-tree" => scheduler(Shape::Tree, n),
        "worker" => rank(n),
        "protocol-encode" => protocol(n, false),
        "protocol-encode-decode" => protocol(n, true),
        "check" => check(n),
        other => panic!("no workload is called {other}"),
    }
}
