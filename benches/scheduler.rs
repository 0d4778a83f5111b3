//! What the scheduler costs by itself: rank 0's state machine alone, without MPI, threads or tasks.
//!
//! `cargo bench --bench scheduler [-- [shape] [most tasks]]`, such as `-- tree 10000000`.
//!
//! It is driven as rank 0's head drives it: the client submits everything, then each turn brings up to 64 reports of
//! simulated ranks and places once, and in the end the client drops its futures. A task's time is that of its whole
//! life, in processor time, since others may use the machine. Bytes are what the scheduler holds at its fullest, with
//! what `malloc` adds to each block. Times are medians of runs in which the sizes take turns, so that a slow moment of
//! the machine hits all of them.

#![allow(unsafe_code)] // a global allocator that counts cannot be had without

use dtask::internal::compact::Ranges;
use dtask::internal::ids::{Attempt, DefId, Rank, TaskId};
use dtask::internal::protocol::{
    Blob, BulkLayout, Definition, InputSource, RankOrder, RankReport, ReportedResult, RunTask,
};
use dtask::internal::scheduler::{DefOptions, NewTask, RankInfo, Scheduler, SchedulerAction, SchedulerEvent};
use dtask::internal::worker::{self, Worker};
use rustix::time::{ClockId, clock_gettime};
use smallvec::SmallVec;
use std::alloc::{GlobalAlloc, System};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

const SLOTS: u32 = 4;
const BATCH: usize = 64;
const DEF: DefId = DefId(0);
/// What each task takes as its rank reports it.
const NANOS: u32 = 10_000;
/// Cost of a task at 10^6 beside that at 10^3.
const RATIO_MAX: f64 = 1.3;
const BYTES_MAX: f64 = 200.0;
/// Each size is measured at least this long and this often.
const LONG_ENOUGH: Duration = Duration::from_millis(250);
const ROUNDS: usize = 5;

/// Bytes in use, as glibc's `malloc` spends them. One thread allocates, so plain loads and stores do.
static USED: AtomicUsize = AtomicUsize::new(0);

struct Counting;

fn spent(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

fn spent_on(layout: std::alloc::Layout) -> usize {
    spent(layout.size()) + if layout.align() > 16 { layout.align() } else { 0 }
}

// SAFETY: every call goes on to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        USED.store(USED.load(Relaxed).wrapping_add(spent_on(layout)), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: std::alloc::Layout) {
        USED.store(USED.load(Relaxed).wrapping_sub(spent_on(layout)), Relaxed);
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: std::alloc::Layout, size: usize) -> *mut u8 {
        let used = USED.load(Relaxed).wrapping_sub(spent(layout.size()));
        USED.store(used.wrapping_add(spent(size)), Relaxed);
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Independent,
    Chain,
    /// Reduction of pairs.
    Tree,
    /// The same, with results that stay where they were made.
    TreeStored,
    /// Task (i, j) takes (i-1, j) and (i, j-1).
    Grid,
    Family,
}

use Shape::*;

impl Shape {
    const ALL: [(Shape, &str); 6] = [
        (Independent, "independent"),
        (Chain, "chain"),
        (Tree, "tree"),
        (TreeStored, "tree-stored"),
        (Grid, "grid"),
        (Family, "family"),
    ];

    /// How many tasks it has when asked for about `n`.
    fn size(self, n: u64) -> u64 {
        match self {
            Tree | TreeStored => n.div_ceil(2) * 2 - 1,
            Grid => n.isqrt() * n.isqrt(),
            _ => n,
        }
    }

    /// What task `k` takes, in a grid with rows of `side` tasks.
    fn inputs(self, n: u64, side: u64, k: u64) -> SmallVec<[TaskId; 2]> {
        let mut inputs = SmallVec::new();
        match self {
            Independent | Family => {}
            Chain => inputs.extend(k.checked_sub(1).map(TaskId)),
            Tree | TreeStored => {
                let leaves = n.div_ceil(2);
                inputs.extend(
                    k.checked_sub(leaves).into_iter().flat_map(|k| [TaskId(2 * k), TaskId(2 * k + 1)]),
                );
            }
            Grid => {
                inputs.extend(k.checked_sub(side).map(TaskId));
                inputs.extend((!k.is_multiple_of(side)).then(|| TaskId(k - 1)));
            }
        }
        inputs
    }

    fn output(self) -> ReportedResult {
        match self {
            TreeStored => ReportedResult::Stored {
                nbytes: 8_000,
                layout: BulkLayout::Bulk { container: 1, element: 1, shape: SmallVec::from_slice(&[1_000]) },
            },
            _ => ReportedResult::Inline(Blob::new(&[1, 2, 3, 4])),
        }
    }
}

/// The other ranks, as far as rank 0 can tell.
struct Ranks {
    queues: Vec<VecDeque<(TaskId, Attempt)>>,
    /// Ranks with tasks, in the order in which they report.
    turns: VecDeque<Rank>,
    fetched: Vec<(Rank, TaskId)>,
    retracts: Vec<(Rank, usize)>,
}

impl Ranks {
    fn new(ranks: usize) -> Self {
        Ranks {
            queues: vec![VecDeque::new(); ranks + 1],
            turns: VecDeque::new(),
            fetched: Vec::new(),
            retracts: Vec::new(),
        }
    }

    fn queue(&mut self, rank: Rank, task: TaskId, attempt: Attempt) {
        let queue = &mut self.queues[rank.index()];
        if queue.is_empty() {
            self.turns.push_back(rank);
        }
        queue.push_back((task, attempt));
    }

    fn take(&mut self, action: SchedulerAction) {
        let SchedulerAction::Send(rank, order) = action else { return };
        match order {
            RankOrder::Run(RunTask { task, attempt, inputs, .. }) => {
                let comes = inputs.iter().filter(|input| matches!(input.source, InputSource::At { .. }));
                self.fetched.extend(comes.map(|input| (rank, input.task)));
                self.queue(rank, task, attempt);
            }
            RankOrder::RunRange { first, count, .. } => {
                (0..u64::from(count)).for_each(|k| self.queue(rank, TaskId(first.0 + k), 1));
            }
            RankOrder::Retract { count } => self.retracts.push((rank, count as usize)),
            _ => {}
        }
    }

    /// Bytes in use that are not the scheduler's.
    fn bytes(&self) -> usize {
        let queues = self.queues.iter().filter(|queue| queue.capacity() > 0);
        let queues: usize =
            queues.map(|queue| spent(queue.capacity() * size_of::<(TaskId, Attempt)>())).sum();
        queues
            + spent(self.turns.capacity() * size_of::<Rank>())
            + spent(self.fetched.capacity() * size_of::<(Rank, TaskId)>())
            + spent(self.retracts.capacity() * size_of::<(Rank, usize)>())
    }
}

/// Processor time of this process so far.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A life of many tasks.
struct Run {
    scheduler: Scheduler,
    ranks: Ranks,
    out: Vec<SchedulerAction>,
    events: u64,
    finished: u64,
}

#[derive(Debug, Clone, Default)]
struct Cost {
    events: u64,
    submit: Duration,
    run: Duration,
    release: Duration,
    bytes: usize,
}

impl Cost {
    fn total(&self) -> Duration {
        self.submit + self.run + self.release
    }
}

impl Run {
    fn tell(&mut self, event: SchedulerEvent) {
        self.events += 1;
        self.scheduler.handle(event, &mut self.out).expect("no event is wrong");
    }

    fn place(&mut self) {
        self.scheduler.place(&mut self.out);
        self.out.drain(..).for_each(|action| self.ranks.take(action));
    }

    fn turn(&mut self, output: &ReportedResult) {
        for (rank, task) in std::mem::take(&mut self.ranks.fetched) {
            self.tell(SchedulerEvent::From(rank, RankReport::Fetched { task }));
        }
        for (rank, count) in std::mem::take(&mut self.ranks.retracts) {
            for _ in 0..count {
                if self.ranks.queues[rank.index()].len() <= SLOTS as usize {
                    break;
                }
                let Some((task, attempt)) = self.ranks.queues[rank.index()].pop_back() else { break };
                self.tell(SchedulerEvent::From(rank, RankReport::Retracted { task, attempt }));
            }
            self.tell(SchedulerEvent::From(rank, RankReport::RetractDone));
        }
        let mut left = BATCH;
        while left > 0
            && let Some(rank) = self.ranks.turns.pop_front()
        {
            for _ in 0..left.min(SLOTS as usize) {
                let Some((task, attempt)) = self.ranks.queues[rank.index()].pop_front() else { break };
                let report = RankReport::Finished { task, attempt, nanos: NANOS, output: output.clone() };
                self.tell(SchedulerEvent::From(rank, report));
                self.finished += 1;
                left -= 1;
            }
            if !self.ranks.queues[rank.index()].is_empty() {
                self.ranks.turns.push_back(rank);
            }
        }
        self.place();
    }
}

fn life(shape: Shape, n: u64, ranks: usize) -> Cost {
    let mut infos = vec![RankInfo { slots: SLOTS, ..RankInfo::default() }; ranks + 1];
    infos[0].slots = 0;
    let output = shape.output();
    let empty = USED.load(Relaxed);
    let (scheduler, ranks) = (Scheduler::new(&infos), Ranks::new(ranks));
    let mut run = Run { scheduler, ranks, out: Vec::new(), events: 0, finished: 0 };
    let empty = empty + spent(run.ranks.queues.len() * size_of::<VecDeque<(TaskId, Attempt)>>());
    let mut cost = Cost::default();
    let mut sample = |run: &Run| {
        let bench = empty + run.ranks.bytes() + spent(run.out.capacity() * size_of::<SchedulerAction>());
        cost.bytes = cost.bytes.max(USED.load(Relaxed).saturating_sub(bench));
    };

    let begin = used();
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
    run.tell(SchedulerEvent::define(definition, DefOptions::default()));
    if shape == Family {
        run.tell(SchedulerEvent::SubmitFamily { def: DEF, first: TaskId(0), count: n });
    } else {
        let side = n.isqrt();
        for k in 0..n {
            let (args, inputs) = (Blob::new(&[0, 1, k as u8]), shape.inputs(n, side, k));
            run.tell(SchedulerEvent::Submit(NewTask {
                task: TaskId(k),
                def: DEF,
                key: k,
                args,
                inputs,
                parent: None,
            }));
        }
    }
    let submit = used() - begin;
    sample(&run);

    let begin = used();
    run.place();
    let mut next = n / 16;
    while run.finished < n {
        run.turn(&output);
        if run.finished >= next {
            sample(&run);
            next += n / 16;
        }
    }
    let running = used() - begin;
    sample(&run);

    let begin = used();
    if shape == Family {
        run.tell(SchedulerEvent::ReleaseFamily { first: TaskId(0), count: n, except: Ranges::default() });
    } else {
        for k in 0..n {
            run.tell(SchedulerEvent::Release(TaskId(k)));
            if k % BATCH as u64 == 0 {
                run.place();
            }
        }
    }
    run.place();
    let release = used() - begin;

    assert_eq!((run.scheduler.records(), run.scheduler.assigned()), (0, 0), "something is left");
    Cost { events: run.events, submit, run: running, release, ..cost }
}

/// The same for a computing rank: 64 orders, then the start of what can start, then the ends of those.
fn rank_life(n: u64) -> Duration {
    let (mut worker, mut out) = (Worker::new(SLOTS), Vec::new());
    let output = Independent.output();
    let mut running: VecDeque<(TaskId, Attempt)> = VecDeque::new();
    let begin = used();
    let mut next = 0;
    while next < n || !running.is_empty() {
        let batch = next..n.min(next + BATCH as u64);
        next = batch.end;
        for k in batch {
            let (args, inputs) = (Blob::new(&[0, 1, k as u8]), Vec::new());
            let run =
                RunTask { task: TaskId(k), attempt: 1, def: DEF, key: 0, args, inputs, more: 0, depth: 0 };
            worker
                .handle(worker::WorkerEvent::Order(RankOrder::Run(run)), &mut out)
                .expect("no order is wrong");
        }
        for (task, attempt) in running.drain(..) {
            let event =
                worker::WorkerEvent::Computed { task, attempt, nanos: NANOS, output: Ok(output.clone()) };
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
    used() - begin
}

fn median<T: Copy + PartialOrd>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("numbers can be compared"));
    values[values.len() / 2]
}

/// The median cost of each size; the sizes take turns.
fn measure(shape: Shape, sizes: &[u64], ranks: usize) -> Vec<Cost> {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); sizes.len()];
    for _ in 0..ROUNDS {
        for (&n, costs) in sizes.iter().zip(&mut costs) {
            let begin = used();
            while used() - begin < LONG_ENOUGH / ROUNDS as u32 || costs.is_empty() {
                costs.push(life(shape, n, ranks));
            }
        }
    }
    let middle = |costs: Vec<Cost>| Cost {
        events: costs[0].events,
        submit: median(costs.iter().map(|cost| cost.submit).collect()),
        run: median(costs.iter().map(|cost| cost.run).collect()),
        release: median(costs.iter().map(|cost| cost.release).collect()),
        bytes: median(costs.iter().map(|cost| cost.bytes).collect()),
    };
    costs.into_iter().map(middle).collect()
}

fn main() {
    // `cargo bench` adds `--bench`
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let most: u64 = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let chosen = |name: &str| args.iter().all(|arg| arg.parse::<u64>().is_ok() || arg == name);
    let sizes: Vec<u64> =
        [1_000, 100_000, 1_000_000, 10_000_000].into_iter().filter(|&n| n == 1_000 || n <= most).collect();

    println!("{:40}{:^32}", "", "ns per task");
    println!(
        "{:<12}{:>6}{:>10}{:>11}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "shape",
        "ranks",
        "tasks",
        "events/s",
        "submit",
        "run",
        "release",
        "life",
        "x 10^3",
        "x 1 rank",
        "B/task"
    );
    let mut over: Vec<String> = Vec::new();
    for (shape, name) in Shape::ALL.into_iter().filter(|(_, name)| chosen(name)) {
        let sizes: Vec<u64> = sizes.iter().map(|&n| shape.size(n)).collect();
        let mut alone: Vec<f64> = Vec::new();
        for ranks in [1, 16, 1000] {
            let mut small = f64::NAN;
            for (at, (&n, cost)) in sizes.iter().zip(measure(shape, &sizes, ranks)).enumerate() {
                let per = |time: Duration| time.as_nanos() as f64 / n as f64;
                let (all, bytes) = (per(cost.total()), cost.bytes as f64 / n as f64);
                if at == 0 {
                    small = all;
                }
                if ranks == 1 {
                    alone.push(all);
                }
                println!(
                    "{name:<12}{ranks:>6}{n:>10}{:>10.2}M{:>8.0}{:>8.0}{:>8.0}{all:>8.0}{:>8.2}{:>8.2}{bytes:>8.0}",
                    cost.events as f64 / cost.total().as_secs_f64() / 1e6,
                    per(cost.submit),
                    per(cost.run),
                    per(cost.release),
                    all / small,
                    all / alone[at]
                );
                if n > 900_000 && all > RATIO_MAX * small {
                    over.push(format!("{name} on {ranks}: {n} tasks cost {:.2} times 10^3", all / small));
                }
                if n > 900_000 && bytes > BYTES_MAX {
                    over.push(format!("{name} on {ranks}: {bytes:.0} bytes a task"));
                }
            }
        }
    }
    for n in sizes.into_iter().filter(|_| chosen("worker")) {
        let mut times = Vec::new();
        while times.len() < 5 || times.iter().sum::<Duration>() < LONG_ENOUGH {
            times.push(rank_life(n));
        }
        println!(
            "{:<18}{n:>10}{:>43.0} (a computing rank's own machine)",
            "worker",
            median(times).as_nanos() as f64 / n as f64
        );
    }
    match over.is_empty() {
        true => println!("all within {RATIO_MAX} times the cost at 10^3 and {BYTES_MAX} bytes a task"),
        false => println!("over the limit:\n  {}", over.join("\n  ")),
    }
}
