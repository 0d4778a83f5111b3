//! Carries out the operations of a program, and knows what each result must be.

use super::plan::{Look, Operation, Shape, plan};
use super::tasks::{self, ON_PURPOSE};
use super::{Expected, Limits, List, Slot, fresh, mix};
use dtask::{Client, Error, Failure, Future, Rank};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// What was not as it must be, by the number of the test: also in programs whose results nobody looks at.
static WRONG: Mutex<Vec<(u64, String)>> = Mutex::new(Vec::new());

fn note_wrong(test: u64, what: String) {
    WRONG.lock().unwrap_or_else(PoisonError::into_inner).push((test, what));
}

/// What was wrong first in the programs of a test.
pub fn first_wrong(test: u64) -> Option<String> {
    let wrong = WRONG.lock().unwrap_or_else(PoisonError::into_inner);
    wrong.iter().find(|(of, _)| *of == test).map(|(_, what)| what.clone())
}

/// A program that runs, or that is computed serially.
pub struct Program {
    /// `None` where it is computed serially.
    pub(super) client: Option<Client>,
    pub(super) limits: Limits,
    pub(super) seed: u64,
    /// A number of this attempt of this program alone, for names of objects.
    pub(super) own: u64,
    pub(super) slots: Vec<Slot>,
    /// The actor that the program calls, and what its sum must be; the sum is `None` where there is no actor.
    pub(super) actor: (Option<dtask::Actor<super::coordination::Sum>>, Option<u64>),
}

/// Runs the program of this seed. `path` tells apart attempts of the programs above it.
pub fn program(seed: u64, limits: Limits, path: u64) -> Result<List, Failure> {
    let client = dtask::current()?;
    let (rank, attempt) = dtask::internal::running().unwrap_or((Rank(0), Default::default()));
    let own = mix(path, 1, &[vec![seed, u64::from(rank.0), u64::from(u32::from(attempt))]])[0];
    run(Program { client: Some(client), limits, seed, own, slots: Vec::new(), actor: (None, None) })
}

/// What [`program`] gives; `None` if it fails.
pub fn serial(seed: u64, limits: Limits) -> Option<List> {
    run(Program { client: None, limits, seed, own: 0, slots: Vec::new(), actor: (None, None) }).ok()
}

fn run(mut program: Program) -> Result<List, Failure> {
    for (at, operation) in plan(program.seed, program.limits).into_iter().enumerate() {
        let told = format!("{operation:?}");
        if matches!(operation, Operation::Refuse) {
            return Err(Failure::new(ON_PURPOSE));
        }
        program.operate(operation).map_err(|error| {
            let text = error.to_string();
            if program.limits.lossy && program.limits.objects || text.contains("WRONG") {
                return error;
            }
            let text = format!("WRONG: program {}, operation {at}, {told}: {text}", program.seed);
            note_wrong(program.limits.test, text.clone());
            Failure::new(text)
        })?;
    }
    let all: Vec<usize> = (0..program.slots.len()).filter(|&at| !program.slots[at].is_dropped).collect();
    program.operate(Operation::Look { inputs: all, how: Look::Each }).inspect_err(|error| {
        if !(program.limits.lossy && program.limits.objects) {
            note_wrong(program.limits.test, format!("program {}, at its end: {error}", program.seed));
        }
    })?;
    let sure = |slot: &Slot| slot.expected.value.clone().filter(|_| !slot.expected.cancelled);
    let values: Vec<List> = program.slots.iter().filter_map(sure).collect();
    Ok(mix(program.seed, 1 + program.seed % 40, &values))
}

impl Program {
    /// The slots that these numbers stand for.
    fn picked(&self, inputs: &[usize]) -> Vec<usize> {
        let live: Vec<usize> = (0..self.slots.len()).filter(|&at| !self.slots[at].is_dropped).collect();
        // often recent ones, so that graphs get deep
        let pick = |input: &usize| {
            let span = if input.is_multiple_of(3) { live.len() } else { live.len().min(6) };
            live[live.len() - 1 - input % span]
        };
        if live.is_empty() { Vec::new() } else { inputs.iter().map(pick).collect() }
    }

    fn futures(&self, slots: &[usize]) -> Vec<Future<List>> {
        slots.iter().filter_map(|&at| self.slots[at].future.clone()).collect()
    }

    fn expected(&self, slots: &[usize], compute: impl FnOnce(&[List]) -> Option<List>) -> Expected {
        Expected::of(slots.iter().map(|&at| &self.slots[at].expected), compute)
    }

    pub(super) fn add(
        &mut self,
        expected: Expected,
        inputs: Vec<usize>,
        is_single: bool,
        future: Option<Future<List>>,
    ) {
        self.slots.push(Slot { future, is_dropped: false, expected, inputs, is_single });
    }

    /// Adds the slot of a task without inputs that can be cancelled.
    pub(super) fn add_new(&mut self, value: Option<List>, future: Option<Future<List>>) {
        self.add(Expected::sure(value), Vec::new(), true, future);
    }

    fn operate(&mut self, operation: Operation) -> Result<(), Failure> {
        let client = self.client.clone();
        let client = client.as_ref();
        match operation {
            Operation::Make { salt, length, options } => {
                let future = client.map(|client| self.with_options(client, options, salt, length));
                self.add_new(Some(fresh(salt, length)), future);
            }
            Operation::Mix { salt, length, inputs, shape } => {
                self.mix(client, (salt, length), &inputs, shape)
            }
            Operation::Then { input } => {
                for at in self.picked(&[input]) {
                    let expected = self.expected(&[at], |lists| Some(tasks::step(lists[0].clone())));
                    let future = self.slots[at].future.as_ref().map(|future| future.then(tasks::step));
                    self.add(expected, vec![at], false, future);
                }
            }
            Operation::Split { salt } => {
                let split = client.map(|client| client.submit(tasks::halves, (salt,)).split());
                let (first, second) = split.unzip();
                let (left, right) = tasks::halves(salt);
                self.add_new(Some(left), first);
                self.add_new(Some(right), second);
            }
            Operation::Scatter { salt, length, spread } => {
                let value = fresh(salt, length);
                let future = client.map(|client| match spread {
                    0 => client.scatter(value.clone()),
                    1 => client.broadcast(value.clone()),
                    _ if self.limits.lossy => client.scatter(value.clone()),
                    _ => client.scatter_each([value.clone(), value.clone()]).remove(1),
                });
                // a value is on one rank only, and is lost with it
                let lossy = self.limits.lossy;
                self.add(Expected::sure(Some(value)), Vec::new(), !lossy, future);
            }
            Operation::Replicate { input, copies } => {
                for at in self.picked(&[input]) {
                    if let (Some(client), Some(future)) = (client, &self.slots[at].future) {
                        client.replicate(future, copies);
                    }
                }
            }
            Operation::Tree { inputs } => self.tree(client, &inputs),
            Operation::Chunked { salt, items, size } => {
                let pairs = (0..items).map(|n| (salt, n));
                let chunks = client.map(|client| client.map_chunked(tasks::of_pair, pairs.clone(), size));
                let Some(client) = client else {
                    let value = pairs.flat_map(tasks::of_pair).collect();
                    self.add(Expected::sure(Some(value)), Vec::new(), false, None);
                    return Ok(());
                };
                let concat = |chunks: Vec<Vec<List>>| chunks.concat().concat();
                let future = client.submit(concat, (chunks.unwrap_or_default(),));
                let value = pairs.flat_map(tasks::of_pair).collect();
                self.add(Expected::sure(Some(value)), Vec::new(), false, Some(future));
            }
            Operation::Family { salt, count } => {
                let family = client.map(|client| client.options().family_with(tasks::of_index, salt, count));
                let family = family.transpose()?;
                for index in 0..count {
                    let future = family.as_ref().and_then(|family| family.get(index));
                    self.add_new(Some(tasks::of_index(salt, index)), future);
                }
            }
            Operation::MapReduce { inputs, partitions } => self.map_reduce(client, &inputs, partitions),
            Operation::Nested { seed } => {
                let (limits, own) = (self.below(), self.own);
                let future = client.map(|client| client.submit(program, (seed, limits, own)));
                self.add_new(serial(seed, limits), future);
            }
            Operation::NestedDropped { seed } => {
                drop(client.map(|client| client.submit(program, (seed, self.below(), self.own))));
            }
            Operation::Fails { salt } => {
                let future = client.map(|client| match salt % 2 {
                    0 => client.submit(tasks::fails, (salt,)),
                    _ => client.options().retries((salt % 3) as u16).submit(tasks::panics, (salt,)),
                });
                self.add_new(None, future);
            }
            Operation::FailsOnce { salt } => {
                let retried =
                    |client: &Client| client.options().retries(2).submit(tasks::fails_once, (salt,));
                self.add_new(Some(fresh(salt, 7)), client.map(retried));
            }
            Operation::Retry { input } => {
                self.futures(&self.picked(&[input])).iter().for_each(Future::retry);
            }
            Operation::Cancel { input } => self.cancel(input),
            Operation::Drop { input } => {
                for at in self.picked(&[input]) {
                    self.slots[at].future = None;
                    self.slots[at].is_dropped = true;
                }
            }
            Operation::Look { inputs, how } => {
                let slots = self.picked_or_all(inputs, how);
                if let Some(client) = client {
                    self.look(client, &slots, how)?;
                }
            }
            Operation::Use { what, salt } => self.use_object(what, salt)?,
            Operation::Refuse => {}
        }
        Ok(())
    }

    /// Slots are looked at by their own numbers at the end of a program.
    fn picked_or_all(&self, inputs: Vec<usize>, how: Look) -> Vec<usize> {
        let is_own = |at: &usize| self.slots.get(*at).is_some_and(|slot| !slot.is_dropped);
        if matches!(how, Look::Each) && inputs.iter().all(is_own) { inputs } else { self.picked(&inputs) }
    }

    fn below(&self) -> Limits {
        Limits { depth: self.limits.depth - 1, ..self.limits }
    }

    fn with_options(&self, client: &Client, options: u64, salt: u64, length: u64) -> Future<List> {
        let ranks = client.ranks() as u64;
        let rank = Rank(if ranks == 1 { 0 } else { 1 + options / 64 % (ranks - 1) } as u32);
        let chosen = client.options().priority((options / 8 % 5) as i32).pure(options & 1 == 0);
        let chosen = match options / 2 % 4 {
            0 if !self.limits.lossy => chosen.on(rank),
            1 => chosen.prefer(rank),
            2 if !self.limits.lossy => chosen.on_any([rank, Rank(ranks as u32 - 1)]),
            _ => chosen,
        };
        chosen.submit(fresh, (salt, length))
    }

    fn mix(&mut self, client: Option<&Client>, (salt, length): (u64, u64), inputs: &[usize], shape: Shape) {
        let mut slots = self.picked(inputs);
        match shape {
            Shape::References => slots.truncate(2),
            Shape::Optional => slots.truncate(1),
            _ => {}
        }
        let expected = self.expected(&slots, |lists| Some(mix(salt, length, lists)));
        let futures = self.futures(&slots);
        let future = client.map(|client| match (shape, &futures[..]) {
            (Shape::References, [a, b]) => client.submit(tasks::references, (salt, length, a, b)),
            (Shape::Optional, [..]) => {
                client.submit(tasks::optional, (salt, length, futures.first().cloned()))
            }
            (Shape::Nested, _) => {
                let nested: Vec<Vec<Future<List>>> = futures.chunks(2).map(<[_]>::to_vec).collect();
                client.submit(tasks::nested, (salt, length, nested))
            }
            (Shape::Map, _) => {
                let map: HashMap<u64, Future<List>> = (0..).zip(futures.iter().cloned()).collect();
                client.submit(tasks::map, (salt, length, map))
            }
            _ => client.submit(tasks::vector, (salt, length, &futures)),
        });
        self.add(expected, slots, true, future);
    }

    fn tree(&mut self, client: Option<&Client>, inputs: &[usize]) {
        let slots = self.picked(inputs);
        let expected = self.expected(&slots, |lists| {
            let mut level = lists.to_vec();
            while level.len() > 1 {
                let join = |pair: &[List]| match pair {
                    [left, right] => tasks::join(left.clone(), right.clone()),
                    _ => pair[0].clone(),
                };
                level = level.chunks(2).map(join).collect();
            }
            level.pop()
        });
        let future = client.map(|client| client.reduce_tree(tasks::join, self.futures(&slots)));
        self.add(expected, slots, false, future);
    }

    fn map_reduce(&mut self, client: Option<&Client>, inputs: &[usize], partitions: usize) {
        let slots = self.picked(inputs);
        let reduced = |lists: &[List]| {
            let mut sums: BTreeMap<u64, u64> = BTreeMap::new();
            for (key, value) in lists.iter().cloned().flat_map(tasks::pairs) {
                sums.entry(key).and_modify(|sum| *sum = tasks::sum(*sum, value)).or_insert(value);
            }
            Some(tasks::flat(sums.into_iter().collect()))
        };
        let expected = self.expected(&slots, reduced);
        let future = client.map(|client| {
            let parts = client.map_reduce(self.futures(&slots), tasks::pairs, tasks::sum, partitions);
            let all = |parts: Vec<Vec<(u64, u64)>>| {
                let mut all = parts.concat();
                all.sort_unstable();
                tasks::flat(all)
            };
            client.submit(all, (parts,))
        });
        self.add(expected, slots, false, future);
    }

    /// Cancels a slot's task. All that take its result fail with it, unless it has ended already.
    fn cancel(&mut self, input: usize) {
        for at in self.picked(&[input]) {
            if !self.slots[at].is_single {
                continue;
            }
            if let Some(future) = &self.slots[at].future {
                future.cancel();
            }
            self.slots[at].expected.cancelled = true;
            for later in at + 1..self.slots.len() {
                let takes = |&input: &usize| self.slots[input].expected.cancelled;
                if self.slots[later].inputs.iter().any(takes) {
                    self.slots[later].expected.cancelled = true;
                }
            }
        }
    }

    /// Compares the outcome of a slot's task with what it must be.
    pub(super) fn compare(&self, at: usize, outcome: Result<&List, &Error>) -> Result<(), Failure> {
        let expected = &self.slots[at].expected;
        match (outcome, &expected.value) {
            (Ok(list), Some(value)) if list == value => Ok(()),
            (Err(Error::Task(_)), _) if expected.cancelled => Ok(()),
            (Err(Error::Task(error)), None) if error.to_string().contains(ON_PURPOSE) => Ok(()),
            (Err(Error::Task(error)), None) if error.to_string().contains("was given no futures") => Ok(()),
            (outcome, value) => {
                let text = |list: &List| format!("{} numbers, {:?}", list.len(), list.first());
                let (outcome, value) = (outcome.map(text), value.as_ref().map(text));
                Err(Failure::new(format!("slot {at}: {outcome:?} in place of {value:?}")))
            }
        }
    }

    fn look(&self, client: &Client, slots: &[usize], how: Look) -> Result<(), Failure> {
        let futures = self.futures(slots);
        let each = |client: &Client, slots: &[usize], futures: &[Future<List>]| -> Result<(), Failure> {
            for (&at, outcome) in slots.iter().zip(client.gather_each(futures)?) {
                self.compare(at, outcome.as_ref())?;
            }
            Ok(())
        };
        match how {
            Look::Each => each(client, slots, &futures),
            Look::Any | Look::FirstError => {
                let (ended, open) = match how {
                    Look::Any => client.wait_any(&futures)?,
                    _ => client.wait_first_error(&futures)?,
                };
                let failed = ended.len() < futures.len();
                if ended.len() + open.len() != futures.len() || ended.is_empty() && !futures.is_empty() {
                    return Err(Failure::new(format!("{} ended, {} open", ended.len(), open.len())));
                }
                if failed && matches!(how, Look::FirstError) {
                    let may_fail = |at: &usize| {
                        let expected = &self.slots[*at].expected;
                        expected.cancelled || expected.value.is_none()
                    };
                    if !slots.iter().any(may_fail) {
                        return Err(Failure::new("nothing could fail"));
                    }
                }
                drop((ended, open));
                each(client, slots, &futures)
            }
            Look::AsCompleted => {
                let mut left = futures.len();
                for future in client.as_completed(&futures) {
                    drop(future.result());
                    left = left.checked_sub(1).ok_or_else(|| Failure::new("one too many"))?;
                }
                if left > 0 {
                    return Err(Failure::new(format!("{left} did not come")));
                }
                each(client, slots, &futures)
            }
            Look::Shared => slots.iter().zip(&futures).try_for_each(|(&at, future)| match future.shared() {
                Ok(list) => self.compare(at, Ok(&list)),
                Err(error) => self.compare(at, Err(&error)),
            }),
            Look::Exception => slots.iter().zip(&futures).try_for_each(|(&at, future)| {
                match (future.exception(), &self.slots[at].expected.value) {
                    (Some(error), _) => self.compare(at, Err(&error)),
                    (None, Some(_)) => Ok(()),
                    (None, None) => Err(Failure::new(format!("slot {at}: a result in place of an error"))),
                }
            }),
            Look::Result => slots
                .iter()
                .zip(&futures)
                .try_for_each(|(&at, future)| self.compare(at, future.result().as_ref())),
        }
    }
}
