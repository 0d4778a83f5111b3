//! A cluster of machines and queues.

mod compute;
mod faults;
mod nested;

use crate::client::{Client, Plan};
use crate::rng::{Rng, hash};
use dtask::internal::error::TaskError;
use dtask::internal::ids::{Attempt, DefId, HEAD, Rank, TaskId};
use dtask::internal::protocol::{InputSource, RankOrder, RankReport, ReportedResult, RunTask};
use dtask::internal::scheduler::{self, RankInfo, Scheduler};
use dtask::internal::worker::{self, Worker};
use nested::Nest;
pub use nested::with_nested;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

struct Node {
    worker: Worker,
    alive: bool,
    store: BTreeMap<TaskId, u64>,
    running: Vec<Running>,
    /// Computed, their results in the store, but the worker has not heard of it.
    computed: VecDeque<worker::WorkerEvent>,
    /// Posted receives: from whom, on which tag.
    fetching: BTreeMap<TaskId, (Rank, u32)>,
    defs: BTreeSet<u32>,
    /// Tasks that were submitted here, and their definitions.
    numbered: u64,
    numbered_defs: u32,
    /// Has heard something since it last started tasks.
    unstarted: bool,
}

/// A task that is computed.
struct Running {
    run: RunTask,
    /// The values of its inputs, taken when it was started.
    inputs: Vec<u64>,
    nest: Nest,
    /// Whether it has taken longer than it may, so that its result is an error.
    is_late: bool,
}

struct Transfer {
    from: Rank,
    to: Rank,
    task: TaskId,
    tag: u32,
    value: u64,
}

/// What can happen next.
#[derive(Debug, Clone, Copy)]
enum Move {
    Speak,
    Hear,
    Report(usize),
    Order(usize),
    Ask(usize, usize),
    Data(usize),
    Compute(usize),
    Computed(usize),
    Start(usize),
    /// The end of a pause.
    Due(usize),
    Place,
    Die,
    Notice,
}

pub struct Cluster {
    rng: Rng,
    aloud: bool,
    scheduler: Scheduler,
    client: Client,
    /// Rank 0's numbers of the client's definitions, and how many it has given.
    numbers: Vec<DefId>,
    defs: u32,
    nests: bool,
    nodes: Vec<Node>,
    said: VecDeque<scheduler::SchedulerEvent>,
    orders: Vec<VecDeque<RankOrder>>,
    reports: Vec<VecDeque<RankReport>>,
    asks: Vec<Vec<VecDeque<(TaskId, u32)>>>,
    data: Vec<Transfer>,
    /// Tasks that have failed and start again when their pause is over.
    pauses: Vec<(TaskId, Attempt)>,
    victims: Vec<Rank>,
    /// A rank may die after each so many steps.
    period: u64,
    notices: Vec<Rank>,
    noticed: BTreeSet<Rank>,
    unplaced: bool,
    nanos: Vec<u32>,
    /// How readily each kind of move is taken in this run: some links are slow, some ranks late.
    weights: Vec<usize>,
    tags: u32,
    steps: u64,
    most_steps: u64,
    fingerprint: u64,
}

impl Cluster {
    pub fn new(seed: u64, aloud: bool) -> Self {
        let mut rng = Rng::new(seed);
        let ranks = 2 + rng.below(5);
        let tasks = rng.pick(&[3, 10, 10, 30, 30, 60, 300]);
        let slow: &[usize] = if rng.chance(50) { &[1, 10, 10, 10, 60] } else { &[1, 1, 50, 50, 500] };
        let short = rng.chance(20);
        let infos: Vec<RankInfo> = (0..ranks)
            .map(|rank| RankInfo {
                slots: if rank == 0 { rng.pick(&[0, 0, 1]) } else { 1 + rng.below(3) as u32 },
                memory_limit: if short { 100_000 } else { u64::MAX },
                host: rank as u32 / 2,
                memory: 100,
                gpus: if rank == 0 { 0 } else { rng.below(3) as u32 },
            })
            .collect();
        let most = if rng.chance(20) { 0 } else { ranks };
        let victims: Vec<Rank> = (1..ranks as u32).map(Rank).take(rng.below(most + 1)).collect();
        let none_left = infos[0].slots == 0 && victims.len() == ranks - 1;
        let (failing, inline) = (rng.chance(40), rng.pick(&[0, 20, 50, 100]));
        let nesting = rng.pick(&[0, 10, 40]);
        let needy = if rng.chance(50) { rng.pick(&[20, 60, 100]) } else { 0 };
        let (known, dying) = (infos.clone(), victims.clone());
        let plan = Plan { tasks, ranks: known, needy, victims: dying, none_left, failing, inline, nesting };
        let node = |info: &RankInfo| Node {
            worker: Worker::new(info.slots),
            alive: true,
            store: BTreeMap::new(),
            running: Vec::new(),
            computed: VecDeque::new(),
            fetching: BTreeMap::new(),
            defs: BTreeSet::new(),
            numbered: 0,
            numbered_defs: 0,
            unstarted: false,
        };
        Cluster {
            scheduler: Scheduler::new(&infos),
            client: Client::new(plan),
            numbers: Vec::new(),
            pauses: Vec::new(),
            defs: 0,
            nests: false,
            nodes: infos.iter().map(node).collect(),
            aloud,
            said: VecDeque::new(),
            orders: vec![VecDeque::new(); ranks],
            reports: vec![VecDeque::new(); ranks],
            asks: vec![vec![VecDeque::new(); ranks]; ranks],
            data: Vec::new(),
            victims,
            period: rng.pick(&[4, 16, 64, 256]),
            notices: Vec::new(),
            noticed: BTreeSet::new(),
            unplaced: false,
            nanos: (0..8).map(|_| rng.pick(&[100, 20_000, 300_000, 50_000_000, u32::MAX])).collect(),
            weights: (0..64).map(|_| rng.pick(slow)).collect(),
            tags: 0,
            steps: 0,
            most_steps: 20_000 + 20_000 * tasks as u64,
            fingerprint: 0,
            rng,
        }
    }

    /// A number that any difference in what happened would change.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Runs to the end; panics if that does not come, or is not right.
    pub fn run(&mut self) {
        loop {
            let moves = self.moves();
            let Some(next) = self.choose(&moves) else { break };
            self.steps += 1;
            assert!(self.steps < self.most_steps, "no end after {} steps", self.steps);
            self.take(next);
        }
        assert!(self.client.is_done(), "it hangs: nothing is under way, but the client waits");
        assert_eq!((self.scheduler.records(), self.scheduler.assigned()), (0, 0), "(records, assigned)");
        for (rank, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.alive) {
            let left = (node.worker.held(), node.worker.unfinished(), node.store.len(), node.fetching.len());
            assert_eq!(left, (0, 0, 0, 0), "rank {rank}: (held, unfinished, stored, fetching)");
        }
    }

    fn moves(&self) -> Vec<(Move, usize)> {
        let mut moves = Vec::new();
        let mut may = |possible: bool, next: Move, weight: usize| {
            if possible {
                moves.push((next, self.weights[weight % 64]));
            }
        };
        may(self.client.can_speak(), Move::Speak, 0);
        may(!self.said.is_empty(), Move::Hear, 1);
        may(self.unplaced, Move::Place, 2);
        may(!self.notices.is_empty(), Move::Notice, 3);
        for (rank, node) in self.nodes.iter().enumerate() {
            may(!self.reports[rank].is_empty(), Move::Report(rank), 10 + rank);
            if node.alive {
                may(!self.orders[rank].is_empty(), Move::Order(rank), 20 + rank);
                may(
                    node.running.iter().any(|running| running.nest.can_go_on()),
                    Move::Compute(rank),
                    30 + rank,
                );
                may(!node.computed.is_empty(), Move::Computed(rank), 37 + rank);
                may(node.unstarted, Move::Start(rank), 50 + rank);
                for by in 0..self.nodes.len() {
                    may(!self.asks[by][rank].is_empty(), Move::Ask(by, rank), by * 7 + rank);
                }
            }
        }
        for pause in 0..self.pauses.len() {
            may(true, Move::Due(pause), 57);
        }
        for transfer in 0..self.data.len() {
            may(true, Move::Data(transfer), 40 + self.data[transfer].from.index());
        }
        // the dying is rare, but comes before the end
        let dies = !self.victims.is_empty() && (self.steps.is_multiple_of(self.period) || moves.is_empty());
        if dies && !self.client.is_done() {
            moves.push((Move::Die, 10));
        }
        moves
    }

    fn choose(&mut self, moves: &[(Move, usize)]) -> Option<Move> {
        if self.rng.chance(1) {
            let at = self.rng.below(64);
            self.weights[at] = self.rng.pick(&[1, 10, 60, 300]);
        }
        let mut at = self.rng.below(moves.iter().map(|(_, weight)| weight).sum());
        moves
            .iter()
            .find(|(_, weight)| at.checked_sub(*weight).map(|rest| at = rest).is_none())
            .map(|found| found.0)
    }

    fn note(&mut self, what: impl Fn() -> String) {
        if self.aloud {
            println!("{:5} {}", self.steps, what());
        }
    }

    fn take(&mut self, next: Move) {
        match next {
            Move::Speak => {
                let events = self.client.speak(&mut self.rng);
                self.said.extend(events);
            }
            Move::Hear => {
                if let Some(event) = self.said.pop_front() {
                    if let scheduler::SchedulerEvent::Scatter {
                        task,
                        output: ReportedResult::Stored { .. },
                        ..
                    } = &event
                    {
                        let (task, value) = (*task, self.client.specs[task].value);
                        self.nodes[0].store.insert(task, value);
                        self.tell(HEAD, worker::WorkerEvent::Put(task));
                    }
                    self.client.heard(&event);
                    self.schedule(event);
                }
            }
            Move::Report(rank) => {
                if let Some(report) = self.reports[rank].pop_front() {
                    self.schedule(scheduler::SchedulerEvent::From(Rank(rank as u32), report));
                }
            }
            Move::Notice => {
                let at = self.rng.below(self.notices.len());
                let lost = self.notices.swap_remove(at);
                self.noticed.insert(lost);
                self.schedule(scheduler::SchedulerEvent::Lost(lost));
            }
            Move::Due(at) => {
                let (task, attempt) = self.pauses.swap_remove(at);
                self.schedule(scheduler::SchedulerEvent::Due { task, attempt });
            }
            Move::Place => self.place(),
            Move::Order(rank) => {
                if let Some(order) = self.orders[rank].pop_front() {
                    if let RankOrder::Answer { task, answer } = &order {
                        return self.answered(rank, *task, answer);
                    }
                    if matches!(order, RankOrder::Team { .. }) {
                        return; // the executor notes it for the task
                    }
                    if let RankOrder::Lost { rank: lost } = order {
                        // receives that can no longer complete are withdrawn
                        self.nodes[rank].fetching.retain(|_, (from, _)| *from != lost);
                    }
                    self.tell(Rank(rank as u32), worker::WorkerEvent::Order(order));
                }
            }
            Move::Ask(by, rank) => {
                if let Some((task, tag)) = self.asks[by][rank].pop_front() {
                    self.tell(
                        Rank(rank as u32),
                        worker::WorkerEvent::Asked { by: Rank(by as u32), task, tag, same_files: false },
                    );
                }
            }
            Move::Data(at) => self.deliver(at),
            Move::Compute(rank) => self.compute(rank),
            Move::Computed(rank) => {
                if let Some(event) = self.nodes[rank].computed.pop_front() {
                    self.tell(Rank(rank as u32), event);
                }
            }
            Move::Start(rank) => self.start(rank),
            Move::Die => self.die(),
        }
    }

    // ---- rank 0

    fn schedule(&mut self, event: scheduler::SchedulerEvent) {
        self.note(|| format!("scheduler <- {event:?}"));
        let mut out = Vec::new();
        if let Err(refused) = self.scheduler.handle(event.clone(), &mut out) {
            panic!("{event:?} is refused: {refused}");
        }
        if let Err(wrong) = self.scheduler.check() {
            panic!("after {event:?}: {wrong}");
        }
        match event {
            scheduler::SchedulerEvent::Define(..) => {
                self.numbers.push(DefId(self.defs));
                self.defs += 1;
            }
            // the same function is the same definition, whoever submits it
            scheduler::SchedulerEvent::From(_, RankReport::Define(_))
                if self.is_heard(&event) && !self.nests =>
            {
                self.nests = true;
                self.defs += 1;
            }
            // one for another attempt with more memory
            _ => self.defs = self.scheduler.definitions() as u32,
        }
        self.unplaced = true;
        self.act(out);
    }

    /// Whether a report counts: its sender is not known to have died.
    fn is_heard(&self, event: &scheduler::SchedulerEvent) -> bool {
        matches!(event, scheduler::SchedulerEvent::From(rank, _) if !self.noticed.contains(rank))
    }

    fn place(&mut self) {
        let mut out = Vec::new();
        self.scheduler.place(&mut out);
        if let Err(wrong) = self.scheduler.check() {
            panic!("after placing: {wrong}");
        }
        self.unplaced = false;
        self.act(out);
    }

    fn act(&mut self, actions: Vec<scheduler::SchedulerAction>) {
        for action in actions {
            self.note(|| format!("scheduler -> {action:?}"));
            self.fingerprint = hash(self.fingerprint, format!("{action:?}").as_bytes());
            match action {
                scheduler::SchedulerAction::Send(rank, order) if self.nodes[rank.index()].alive => {
                    self.orders[rank.index()].push_back(order);
                }
                scheduler::SchedulerAction::Send(..) => {}
                scheduler::SchedulerAction::Abandoned(_)
                | scheduler::SchedulerAction::Unheard(_)
                | scheduler::SchedulerAction::Void(_) => {}
                scheduler::SchedulerAction::Delay { task, attempt, .. } => self.pauses.push((task, attempt)),
                scheduler::SchedulerAction::Resolve(task, outcome) => {
                    let here = self.nodes[0].store.get(&task).copied();
                    self.client.told(task, &outcome, here);
                }
            }
        }
    }

    // ---- the ranks

    fn tell(&mut self, rank: Rank, event: worker::WorkerEvent) {
        self.note(|| format!("rank {rank} <- {event:?}"));
        let node = &mut self.nodes[rank.index()];
        let mut out = Vec::new();
        if let Err(refused) = node.worker.handle(event.clone(), &mut out) {
            panic!("rank {rank} refuses {event:?}: {refused}");
        }
        if let Err(wrong) = node.worker.check() {
            panic!("rank {rank} after {event:?}: {wrong}");
        }
        node.unstarted = true;
        self.obey(rank, out);
    }

    fn start(&mut self, rank: usize) {
        let node = &mut self.nodes[rank];
        let mut out = Vec::new();
        node.worker.start(&mut out);
        if let Err(wrong) = node.worker.check() {
            panic!("rank {rank} after starting: {wrong}");
        }
        node.unstarted = false;
        self.obey(Rank(rank as u32), out);
    }

    fn obey(&mut self, rank: Rank, actions: Vec<worker::WorkerAction>) {
        for action in actions {
            self.note(|| format!("rank {rank} -> {action:?}"));
            let node = &mut self.nodes[rank.index()];
            match action {
                worker::WorkerAction::Learn(definition) => {
                    assert!(node.defs.insert(definition.def.0), "rank {rank} learns {definition:?} twice");
                }
                worker::WorkerAction::Nests(def) => {
                    assert!(node.defs.contains(&def.0), "{def:?} is not known")
                }
                worker::WorkerAction::Execute(run) => {
                    let spec = &self.client.specs[&run.task];
                    assert!(
                        node.defs.contains(&run.def.0),
                        "rank {rank} does not know the definition of {run:?}"
                    );
                    let of_client = self.numbers.get(spec.def.index());
                    assert!(of_client.is_none_or(|def| *def == run.def || run.attempt > 1), "{run:?}");
                    assert_eq!((of_client.is_none(), &run.args), (run.depth > 0, &spec.args), "{run:?}");
                    assert!(
                        run.inputs.iter().map(|input| input.task).eq(spec.inputs.iter().copied()),
                        "{run:?}"
                    );
                    let value = |input: &dtask::internal::protocol::TaskInput| match &input.source {
                        InputSource::Inline(value) => {
                            u64::from_le_bytes(value[..].try_into().expect("eight bytes"))
                        }
                        _ => *node
                            .store
                            .get(&input.task)
                            .unwrap_or_else(|| panic!("{input:?} of {run:?} is not here")),
                    };
                    let values = run.inputs.iter().map(value).collect();
                    let is_late = self.client.is_timed(spec.def) && run.depth == 0 && self.rng.chance(30);
                    if is_late {
                        let (task, attempt) = (run.task, run.attempt);
                        let (message, host) = ("too late".to_owned(), "h".to_owned());
                        let error = TaskError::of_attempt(message, String::new(), rank, host, attempt);
                        let report = RankReport::TimedOut { task, attempt, error: Box::new(error) };
                        self.reports[rank.index()].push_back(report);
                    }
                    node.running.push(Running { run, inputs: values, nest: Nest::default(), is_late });
                }
                worker::WorkerAction::Fetch { task, holder, nbytes, layout } => {
                    let spec = &self.client.specs[&task];
                    assert_eq!((nbytes, layout), (spec.nbytes, spec.layout()), "{task:?}");
                    assert!(!node.store.contains_key(&task), "rank {rank} fetches {task:?}, which is here");
                    self.tags += 1;
                    assert!(node.fetching.insert(task, (holder, self.tags)).is_none());
                    self.asks[rank.index()][holder.index()].push_back((task, self.tags));
                }
                worker::WorkerAction::Give { to, task, tag, same_files: _ } => {
                    let value =
                        *node.store.get(&task).unwrap_or_else(|| panic!("{task:?} to give is not here"));
                    if self.nodes[to.index()].alive {
                        self.data.push(Transfer { from: rank, to, task, tag, value });
                    }
                }
                worker::WorkerAction::Cancel(task) => {
                    let is_computed = |event: &worker::WorkerEvent| matches!(event, worker::WorkerEvent::Computed { task: other, .. } if *other == task);
                    let runs = node.running.iter().any(|running| running.run.task == task);
                    assert!(runs || node.computed.iter().any(is_computed), "{task:?} is told, but not here");
                }
                worker::WorkerAction::Report(report) => self.reports[rank.index()].push_back(report),
                worker::WorkerAction::Drop(task) => {
                    assert!(
                        node.store.remove(&task).is_some(),
                        "rank {rank} drops {task:?}, which is not here"
                    );
                }
            }
        }
    }
}
