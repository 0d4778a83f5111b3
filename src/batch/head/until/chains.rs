//! The chains of a task with `until`, as a pure machine: what is submitted of each, and where each ends.

use crate::batch::resume::todo::Todo;
use crate::compact::Ranges;
use crate::script::plan::until::Until;
use crate::script::sweep::family::Sweep;

/// The most instances of a chain that are submitted before their verdicts are known. A chain of microsecond tasks ends
/// so many in a turn of rank 0's loop.
const AHEAD: u32 = 256;

/// The verdict on an instance that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The condition does not hold: the chain goes on.
    GoesOn,
    /// The condition holds: the chain ends with this instance.
    Met,
    /// The instance was behind the end of its chain, and did not run.
    Behind,
    /// The instance has no result, or the condition could not be evaluated: the chain is broken.
    Broken,
}

/// The state of one chain. Positions count its instances from 0.
#[derive(Debug, Clone, Copy)]
struct Chain {
    /// The position of the instance that is submitted next.
    next: u64,
    /// The position behind the last instance that is needed, as far as it is known.
    limit: u64,
    /// The number of submitted instances whose verdicts are not known.
    pending: u32,
    /// The most instances to be submitted without known verdicts.
    ahead: u32,
    /// The turn in which verdicts have last come.
    turn: u64,
    /// Whether the chain ends before its range does: the condition holds, or the chain is broken.
    has_ended: bool,
}

impl Chain {
    fn is_over(&self) -> bool {
        self.next >= self.limit && self.pending == 0
    }
}

/// The chains of one task.
#[derive(Debug)]
pub(crate) struct Chains {
    family: Sweep,
    until: Until,
    chains: Vec<Chain>,
    /// The numbers of chains that are not over.
    active: Vec<u32>,
    /// The indices of all instances that are not needed, since they are behind the end of their chains.
    pub(crate) not_needed: Ranges,
    turn: u64,
    /// The number of the task in the plan.
    task: usize,
}

impl Chains {
    /// Makes the chains of a task as earlier runs have left them: `todo` has the instances that run, and those that have
    /// met the condition before.
    pub(crate) fn new(task: usize, family: &Sweep, until: &Until, todo: &Todo) -> Chains {
        let count = until.chains(family);
        let mut chains = Chains {
            family: family.clone(),
            until: until.clone(),
            chains: Vec::with_capacity(usize::try_from(count).unwrap_or_default().min(1 << 24)),
            active: Vec::new(),
            not_needed: Ranges::default(),
            turn: 0,
            task,
        };
        for number in 0..count {
            let length = until.length(family, number);
            let new = Chain { next: 0, limit: length, pending: 0, ahead: 1, turn: 0, has_ended: false };
            chains.chains.push(new);
        }
        for instance in todo.met(task).flatten() {
            let Some((number, position)) = until.place(family, instance) else { continue };
            let behind = until.instance(family, number, position + 1);
            // a chain that is run anew may go on for longer
            if behind.is_some_and(|behind| todo.runs(task, behind)) {
                continue;
            }
            let chain = &mut chains.chains[number as usize];
            (chain.limit, chain.has_ended) = (chain.limit.min(position + 1), true);
        }
        for number in 0..chains.chains.len() {
            let (from, to) = (chains.chains[number].limit, until.length(family, number as u64));
            chains.note_not_needed(number, from..to);
            chains.pass_over(number, todo);
            if !chains.chains[number].is_over() {
                chains.active.push(number as u32);
            }
        }
        chains
    }

    fn note_not_needed(&mut self, number: usize, positions: std::ops::Range<u64>) {
        if self.until.axis.stride == 1 && !positions.is_empty() {
            let at = |position| self.until.instance(&self.family, number as u64, position);
            if let (Some(first), Some(last)) = (at(positions.start), at(positions.end - 1)) {
                self.not_needed.insert_range(first..last + 1);
            }
            return;
        }
        for position in positions {
            if let Some(instance) = self.until.instance(&self.family, number as u64, position) {
                self.not_needed.insert(instance);
            }
        }
    }

    /// Moves a chain on to its next instance that runs.
    fn pass_over(&mut self, number: usize, todo: &Todo) {
        let Chain { mut next, limit, .. } = self.chains[number];
        while next < limit {
            let Some(instance) = self.until.instance(&self.family, number as u64, next) else { break };
            if todo.runs(self.task, instance) {
                break;
            }
            // along the last axis the instances of a chain follow one another
            let jump = match self.until.axis.stride {
                1 => todo.next(self.task, instance).saturating_sub(instance),
                _ => 1,
            };
            next = next.saturating_add(jump.max(1));
        }
        self.chains[number].next = next.min(limit);
    }

    fn place(&self, instance: u64) -> Option<(usize, u64)> {
        let (number, position) = self.until.place(&self.family, instance)?;
        Some((usize::try_from(number).ok().filter(|number| *number < self.chains.len())?, position))
    }

    /// The numbers of chains that are not over.
    pub(crate) fn active(&self) -> &[u32] {
        &self.active
    }

    /// Drops chains that are over from the list of active ones.
    pub(crate) fn sweep(&mut self) {
        let Chains { active, chains, .. } = self;
        active.retain(|number| !chains[*number as usize].is_over());
    }

    /// The next instance to submit of a chain; `None` if it is as far ahead as it may be, or needs no more.
    pub(crate) fn next(&self, number: u32) -> Option<u64> {
        let chain = self.chains.get(number as usize)?;
        let goes = chain.next < chain.limit && chain.pending < chain.ahead;
        let instance = || self.until.instance(&self.family, number.into(), chain.next);
        goes.then(instance).flatten()
    }

    /// Notes that the next instance of a chain was submitted.
    pub(crate) fn submitted(&mut self, number: u32, todo: &Todo) {
        let chain = &mut self.chains[number as usize];
        chain.pending += 1;
        chain.next += 1;
        self.pass_over(number as usize, todo);
    }

    /// Begins a turn, in which verdicts that have come are noted.
    pub(crate) fn begin_turn(&mut self) {
        self.turn += 1;
    }

    /// Notes the verdict on a submitted instance. Returns the positions of its chain that are not submitted and never
    /// will be, with the number of the chain.
    pub(crate) fn judge(&mut self, instance: u64, verdict: Verdict) -> Option<(u32, std::ops::Range<u64>)> {
        let (number, position) = self.place(instance)?;
        let turn = self.turn;
        let chain = &mut self.chains[number];
        chain.pending = chain.pending.saturating_sub(1);
        // a chain that has run dry in two turns, one after the other, is faster than rank 0 looks
        if chain.turn + 1 < turn {
            chain.ahead = (chain.ahead / 2).max(1);
        } else if chain.pending == 0 && chain.turn < turn {
            chain.ahead = (chain.ahead * 2).min(AHEAD);
        }
        chain.turn = turn;
        match verdict {
            Verdict::GoesOn => None,
            Verdict::Behind | Verdict::Met | Verdict::Broken => {
                // the verdict of what is behind the end may be seen before that of the end
                let end = if verdict == Verdict::Behind { position } else { position + 1 };
                let rest = chain.next..chain.limit;
                chain.limit = chain.limit.min(end);
                chain.next = chain.next.max(chain.limit);
                chain.has_ended = true;
                if verdict == Verdict::Behind {
                    self.not_needed.insert(instance);
                }
                if verdict != Verdict::Broken {
                    self.note_not_needed(number, rest.clone());
                }
                (!rest.is_empty()).then_some((number as u32, rest))
            }
        }
    }

    /// The instances at some positions of a chain.
    pub(crate) fn instances(
        &self,
        number: u32,
        positions: std::ops::Range<u64>,
    ) -> impl Iterator<Item = u64> + '_ {
        positions.filter_map(move |position| self.until.instance(&self.family, number.into(), position))
    }

    /// Whether all chains are over.
    pub(crate) fn are_over(&self) -> bool {
        self.active.iter().all(|number| self.chains[*number as usize].is_over())
    }

    /// Whether the chain of an instance is over, so that its last instance is known.
    pub(crate) fn is_over(&self, instance: u64) -> bool {
        self.place(instance).is_none_or(|(number, _)| self.chains[number].is_over())
    }

    /// Whether an instance is submitted, or will never be.
    pub(crate) fn is_settled(&self, instance: u64) -> bool {
        self.place(instance).is_none_or(|(number, position)| {
            position < self.chains[number].next || position >= self.chains[number].limit
        })
    }

    /// The number of the chain on which an instance stands.
    pub(crate) fn chain_of(&self, instance: u64) -> Option<u32> {
        self.place(instance).map(|(number, _)| number as u32)
    }

    /// The last instance of the chain on which `instance` stands, as far as it is known.
    pub(crate) fn last(&self, instance: u64) -> Option<u64> {
        let (number, _) = self.place(instance)?;
        let last = self.chains[number].limit.checked_sub(1)?;
        self.until.instance(&self.family, number as u64, last)
    }

    /// Whether the instance `reach` positions behind `instance` on its chain is still to be submitted.
    pub(crate) fn is_read_behind(&self, instance: u64, reach: u64) -> bool {
        self.place(instance).is_some_and(|(number, position)| {
            let chain = &self.chains[number];
            chain.next < chain.limit && position.saturating_add(reach) >= chain.next
        })
    }

    /// The last instances of the chains that are over although the condition has not held, up to the end of the range.
    pub(crate) fn unmet(&self) -> impl Iterator<Item = u64> + '_ {
        let is_unmet = |chain: &Chain| chain.is_over() && !chain.has_ended && chain.limit > 0;
        let all = self.chains.iter().zip(0u64..).filter(move |(chain, _)| is_unmet(chain));
        all.filter(|(chain, number)| chain.limit == self.until.length(&self.family, *number))
            .filter_map(|(chain, number)| self.until.instance(&self.family, number, chain.limit - 1))
    }

    /// An index below which all instances are submitted, or will never be.
    pub(crate) fn low(&self) -> u64 {
        let open = self.active.iter().filter_map(|number| {
            let chain = &self.chains[*number as usize];
            let first = || self.until.instance(&self.family, (*number).into(), chain.next);
            (chain.next < chain.limit).then(first).flatten()
        });
        open.min().unwrap_or(self.family.len())
    }

    /// The instances that run and are neither submitted nor known not to be needed.
    pub(crate) fn unsubmitted(&self, todo: &Todo) -> Ranges {
        let mut all = Ranges::default();
        for number in &self.active {
            let chain = &self.chains[*number as usize];
            for instance in self.instances(*number, chain.next..chain.limit) {
                if todo.runs(self.task, instance) {
                    all.insert(instance);
                }
            }
        }
        all
    }
}
