//! What happens around one run: virtual time, the steps of the ranks, deaths, and commands that are no processes.

use super::dice::Dice;
use super::disk::{Death, SimulatedDisk};
use super::random_script::{Fate, SimScript};
use crate::batch::head::interrupt;
use crate::clock::SimulatedTime;
use crate::commands::{Captured, CommandError, CommandOutput, CommandSpec, StreamOutput, Usage};
use crate::ids::Rank;
use crate::simulated::Cluster;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The number of steps of ranks after which a run counts as hanging.
const STEPS: u64 = 400_000;

/// What befalls a run: the numbers of steps at which something happens.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// Everything dies.
    pub(super) death: Option<(u64, Death)>,
    /// A signal announces the end of the job.
    pub(super) notice: Option<u64>,
    /// A rank other than 0 dies.
    pub(super) lost: Vec<(u64, Rank)>,
}

/// The payload of the unwinding that stands for the death of the process.
pub(super) struct Killed;

/// A successful end of a command.
pub(super) type Executed = (usize, u64);

thread_local! {
    /// The ranks of this thread's simulation.
    static CLUSTER: RefCell<Option<Cluster>> = const { RefCell::new(None) };
}

/// Lends the ranks of this thread's simulation; `None` within a step, or on the thread of a task.
pub(super) fn with_cluster<T>(act: impl FnOnce(&mut Cluster) -> T) -> Option<T> {
    CLUSTER.with(|cluster| Some(act(cluster.try_borrow_mut().ok()?.as_mut()?)))
}

/// Makes these ranks those of this thread's simulation; without, ends it.
pub(super) fn set_cluster(new: Option<Cluster>) {
    let old = CLUSTER.with(|cluster| cluster.replace(new));
    drop(old);
}

pub(super) struct World {
    state: Mutex<WorldState>,
    disk: SimulatedDisk,
    script: Arc<SimScript>,
    run: u32,
    /// The longest time that a command takes, in milliseconds.
    slowness: u64,
}

struct WorldState {
    steps: u64,
    executed: Vec<Executed>,
    now: Instant,
    dice: Dice,
    faults: Faults,
}

impl World {
    pub(super) fn new(
        dice: &mut Dice,
        faults: Faults,
        disk: SimulatedDisk,
        script: Arc<SimScript>,
        run: u32,
    ) -> Arc<World> {
        let (dice, slowness) = (Dice::new(dice.next()), dice.pick(&[5, 50, 2_000]));
        let state = WorldState { steps: 0, executed: Vec::new(), now: Instant::now(), dice, faults };
        Arc::new(World { state: Mutex::new(state), disk, script, run, slowness })
    }

    /// The number of steps so far, and the commands that have succeeded.
    pub(super) fn take(&self) -> (u64, Vec<Executed>) {
        let state = &mut *self.state.lock();
        (state.steps, std::mem::take(&mut state.executed))
    }

    fn advance(&self, time: Duration) {
        self.state.lock().now += time;
    }

    fn step(&self) {
        let (step, lost, death) = {
            let WorldState { steps, faults, .. } = &mut *self.state.lock();
            *steps += 1;
            let step = *steps;
            if faults.notice.is_some_and(|at| at <= step) {
                faults.notice = None;
                interrupt::ASKED_HERE.set(true);
            }
            let is_now = |(at, _): &(u64, Rank)| *at <= step;
            let lost: Vec<Rank> = faults.lost.iter().filter(|lost| is_now(lost)).map(|lost| lost.1).collect();
            faults.lost.retain(|lost| !is_now(lost));
            let death = faults.death.filter(|(at, _)| *at <= step);
            (step, lost, death)
        };
        assert!(step < STEPS, "it hangs: {step} steps");
        if let Some((_, death)) = death {
            self.disk.die(death);
            std::panic::resume_unwind(Box::new(Killed));
        }
        let stepped = with_cluster(|cluster| {
            lost.into_iter().for_each(|rank| cluster.lose(rank));
            cluster.step()
        });
        if let Some(Err(wrong)) = stepped {
            panic!("after {step} steps: {wrong}");
        }
    }

    /// The end of a command `sim NAME INDEX FILE ..`.
    pub(super) fn command(&self, spec: &CommandSpec) -> Result<CommandOutput, CommandError> {
        let words: Vec<&str> = spec.argv.iter().map(|word| word.to_str().expect("a text")).collect();
        let [_, name, index, files @ ..] = words.as_slice() else { panic!("{words:?}") };
        let number = self.script.tasks.iter().position(|task| task.name == *name).expect("a task");
        let (task, index) = (&self.script.tasks[number], index.parse().expect("an index"));
        let attempt = spec.env.iter().find(|(name, _)| name == "DTASK_ATTEMPT").expect("it is told");
        let attempt = attempt.1.to_str().and_then(|text| text.parse().ok()).expect("a number");
        let takes = Duration::from_millis(1 + self.state.lock().dice.below(self.slowness));
        let failed = |cause| {
            let captured = Captured { stdout: StreamOutput::default(), stderr: StreamOutput::default() };
            CommandError::Failed { cause: Box::new(cause), captured }
        };
        if let Some(timeout) = spec.timeout.filter(|timeout| *timeout < takes) {
            self.advance(timeout);
            let (program, tail) = ("sim".to_owned(), String::new());
            return Err(failed(CommandError::TimedOut { program, timeout, tail }));
        }
        self.advance(takes);
        if task.fate(index, attempt, self.run) != Fate::Works {
            let (program, code, tail) = ("sim".to_owned(), 7, String::new());
            return Err(failed(CommandError::Exit { program, code, tail }));
        }
        let sum: f64 = files.iter().map(|file| sum_of(OsStr::new(file))).sum();
        self.state.lock().executed.push((number, index));
        let (stdout, stderr) =
            (StreamOutput::of(task.printed(index, sum).into_bytes()), StreamOutput::default());
        Ok(CommandOutput { stdout, stderr, outs: Vec::new(), exit: 0, usage: Usage::default() })
    }
}

/// The sum of the numbers in a text, or of an array of numbers in the form of numpy.
fn sum_of(file: &OsStr) -> f64 {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
    if bytes.starts_with(b"\x93NUMPY") {
        let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let numbers = bytes[10 + header..].chunks_exact(8);
        return numbers.map(|bytes| f64::from_le_bytes(bytes.try_into().expect("eight"))).sum();
    }
    let text = String::from_utf8(bytes).expect("a text");
    let numbers =
        text.split(|c: char| c.is_whitespace() || "[],".contains(c)).filter(|word| !word.is_empty());
    numbers.map(|word| word.parse::<f64>().unwrap_or_else(|_| panic!("{file:?}: {text:?}"))).sum()
}

impl SimulatedTime for World {
    fn now(&self) -> Instant {
        self.state.lock().now
    }

    fn pass(&self, time: Duration) {
        self.advance(time);
        if with_cluster(|_| ()).is_none() {
            return; // a task pauses
        }
        let steps = self.state.lock().dice.below(12);
        (0..steps).for_each(|_| self.step());
    }
}
