//! Every invariant of the worker, as code that tests run after each event.

use super::Worker;
use crate::ids::TaskId;
use crate::protocol::InputSource;
use std::collections::BTreeMap;

impl Worker {
    /// Verifies all invariants of the worker, in time proportional to the number of tasks and results on this rank.
    ///
    /// # Errors
    /// The first violated invariant, as a text.
    pub fn check(&self) -> Result<(), String> {
        let extra: u32 = self.wide.values().map(|width| width - 1).sum();
        if self.extra != extra || self.wide.len() > self.running as usize {
            return Err(format!("{} slots beyond one each noted, {extra} are", self.extra));
        }
        let beyond = self.running > 1 && self.running + self.extra > self.slots;
        if self.extra > 0 && self.paused == 0 && !self.crowded && beyond {
            return Err(format!("{} tasks take {} slots more than {}", self.running, self.extra, self.slots));
        }
        let taken = self.running + self.extra + self.lent;
        if self.lent > 0 && self.running > 0 && self.paused == 0 && !self.crowded && taken > self.slots {
            return Err(format!(
                "{taken} slots are taken of {}, {} of them by programs",
                self.slots, self.lent
            ));
        }
        let mut users: BTreeMap<TaskId, u32> = BTreeMap::new();
        self.check_nested()?;
        let queued = self.queued().chain(self.waiting.values().map(|waiting| &waiting.run));
        let inputs = queued.flat_map(Self::stored_inputs).chain(self.in_use.values().flatten().copied());
        for input in inputs {
            *users.entry(input).or_default() += 1;
        }
        for (task, waiting) in &self.waiting {
            let coming = |input: &&TaskId| self.held.get(*input).is_some_and(|held| held.coming.is_some());
            let soon = waiting.run.inputs.iter().filter(|input| input.source == InputSource::Upcoming);
            let mut missing = Self::stored_inputs(&waiting.run).iter().filter(coming).count();
            for input in soon {
                missing += 1;
                if !self.followers.get(&input.task).is_some_and(|followers| followers.contains(task)) {
                    return Err(format!("{task:?} is to follow {:?}, but does not", input.task));
                }
            }
            if waiting.missing as usize != missing || missing == 0 {
                return Err(format!("{task:?}: {} inputs noted as missing, {missing} are", waiting.missing));
            }
        }
        if let Some((task, _)) = self.followers.iter().find(|(_, followers)| {
            followers.is_empty() || followers.iter().any(|follower| !self.waiting.contains_key(follower))
        }) {
            return Err(format!("{task:?} is followed by what is not here"));
        }
        for (task, held) in &self.held {
            let should = users.remove(task).unwrap_or(0);
            if held.users != should {
                return Err(format!("{task:?}: {} users noted, {should} are", held.users));
            }
            if held.coming.is_none() && !held.waiters.is_empty() {
                return Err(format!("{task:?} is here, but {:?} wait for it", held.waiters));
            }
            if let Some(stray) = held.waiters.iter().find(|waiter| !self.waiting.contains_key(waiter)) {
                return Err(format!("{stray:?} waits for {task:?}, but is not known"));
            }
            if held.released && held.users == 0 && held.coming.is_none() {
                return Err(format!("{task:?} is released and unused, but here"));
            }
        }
        match users.into_iter().next() {
            Some((task, _)) => Err(format!("{task:?} is used, but not here")),
            None => Ok(()),
        }
    }
}
