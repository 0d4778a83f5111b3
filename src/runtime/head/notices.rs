//! Messages to the user about the run as a whole, which rank 0 prints to standard error.

use super::Head;
use crate::clock;
use crate::console;
use crate::ids::{DefId, HEAD, Rank};
use crate::runtime::liveness;
use crate::task::allocation::amount;
use std::time::Duration;

/// The time after which the end of a run that waits for tasks prints their names.
const UNENDED_AFTER: Duration = Duration::from_secs(5);
/// The largest number of tasks that are named when the end of a run waits for them.
const UNENDED_NAMED: usize = 8;

impl Head {
    /// Sets the names of the ranks' hosts, by rank, which stand in messages.
    pub(crate) fn name_hosts(&mut self, hosts: Vec<String>) {
        self.machine.name_hosts(hosts.clone());
        self.hosts = hosts;
    }

    /// Prints how many bytes of results ranks have moved to disk, if any.
    pub(crate) fn tell_spilled(&self) {
        let (ranks, bytes) = self
            .totals
            .spilled
            .iter()
            .filter(|&&bytes| bytes > 0)
            .fold((0, 0), |(ranks, sum), bytes| (ranks + 1, sum + bytes));
        if bytes > 0 {
            console::error(format_args!(
                "dtask: memory was short: {} of results were moved to the local disk of {}",
                amount(bytes.into()),
                console::counted(ranks, "rank")
            ));
        }
    }

    /// Prints the names of the tasks that the end of the run waits for, once it has waited for some seconds.
    pub(crate) fn tell_unended(&mut self) {
        if !self.closing || !self.tells {
            return;
        }
        let (since, told) = self.closed_at.get_or_insert_with(|| (clock::now(), false));
        if *told || clock::since(*since) < UNENDED_AFTER {
            return;
        }
        *told = true;
        let mut names = self.machine.unended(UNENDED_NAMED + 1);
        let more = if names.len() > UNENDED_NAMED { ", and more" } else { "" };
        names.truncate(UNENDED_NAMED);
        let name = |(key, rank): (String, Rank)| {
            format!("{key} on rank {rank} ({})", self.hosts.get(rank.index()).map_or("", String::as_str))
        };
        let names: Vec<String> = names.into_iter().map(name).collect();
        if !names.is_empty() {
            console::error(format_args!(
                "dtask: the closure given to `run` has returned; the run ends when these tasks have: {}{more}",
                names.join(", ")
            ));
        }
    }

    /// Warns, once for each definition, that a future was dropped before its task had started.
    pub(super) fn tell_abandoned(&mut self, def: DefId) {
        if !self.tells || !self.told.insert(def) {
            return;
        }
        let place = self.places.get(&def).map(|place| format!(", submitted at {place},")).unwrap_or_default();
        console::error(format_args!(
            "dtask: a future of `{}`{place} was dropped before its task had started, so the task does not run: keep the \
             future until it has, or give it to `Client::fire_and_forget` (this is said once for each function)",
            self.machine.name_of(def)
        ));
    }

    /// Prints that a rank has died, and what becomes of its tasks. A simulated cluster has no named hosts, and is silent.
    pub(super) fn tell_lost(&self, rank: Rank) {
        let Some(host) = self.hosts.get(rank.index()) else { return };
        let left = self.alive.iter().filter(|alive| **alive).count();
        console::error(format_args!(
            "dtask: rank {rank} ({host}) is lost: its process or its host has died. The run goes on with {}: what ran there \
             runs again, and results that only it had are made again where they are still needed",
            console::counted(left as u64, "rank")
        ));
    }

    /// Prints that a rank has become silent, or is back. `by` is the rank that has noticed it.
    pub(crate) fn tell_link(&self, by: Rank, rank: Rank, seconds: u64, is_back: bool) {
        let name = |rank: Rank| match self.hosts.get(rank.index()) {
            Some(host) => format!("rank {rank} ({host})"),
            None => format!("rank {rank}"),
        };
        let to = if by == HEAD { String::new() } else { format!(" to {}", name(by)) };
        liveness::tell(&name(rank), &to, seconds, is_back);
    }
}
