//! The profile of a rank (`--profile`): how the time of its reactor and its slots divides into phases.
//!
//! The reactor says when it goes from one phase to the next. A turn in which nothing moved counts as waiting, not as
//! work. The time of the slots is summed from the durations of tasks.

use crate::protocol::Spent;
use std::fmt::Write;
use std::time::Instant;

/// The phases of a reactor, in the order of [`Spent::reactor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProfilePhase {
    /// Polls for messages of other ranks, the client and compute threads.
    Polling,
    /// Decodes messages.
    Decoding,
    /// Runs the state machines and the tables around them: all work that belongs to none of the other phases.
    Machine,
    /// Chooses ranks for tasks (rank 0), or hands tasks to compute threads.
    Placing,
    /// Encodes and sends messages, begins transfers.
    Sending,
    /// Computes short tasks within a turn, on the thread that makes the turn.
    Computing,
    /// Waits while data that this rank has asked other ranks for are on their way.
    Data,
    /// Waits while no data are on their way to this rank.
    Idle,
}

const PHASES: usize = 8;
const NAMES: [&str; PHASES] =
    ["polling", "decoding", "machine", "placing", "sending", "computing", "data", "idle"];

/// Sums of a rank's time by phase, in nanoseconds. It reads no clock: the caller passes the time in.
#[derive(Debug, Clone)]
struct Account {
    phase: ProfilePhase,
    since: u64,
    /// Time by phase in the current turn of the reactor and in the wait before it, in nanoseconds.
    turn: [u64; PHASES],
    turn_ended: u64,
    reactor: [u64; PHASES],
    slots: u64,
    /// Time that compute threads have spent within tasks, in nanoseconds.
    computing: u64,
    /// Time of slots that are free only because the inputs of tasks are still being fetched, in nanoseconds.
    data: u64,
}

impl Account {
    fn new(slots: u32) -> Self {
        Account {
            phase: ProfilePhase::Idle,
            since: 0,
            turn: [0; PHASES],
            turn_ended: 0,
            reactor: [0; PHASES],
            slots: slots.into(),
            computing: 0,
            data: 0,
        }
    }

    fn enter(&mut self, phase: ProfilePhase, now: u64) -> ProfilePhase {
        self.turn[self.phase as usize] += now - self.since;
        self.since = now;
        std::mem::replace(&mut self.phase, phase)
    }

    fn turn_ended(&mut self, moved: bool, fetching: bool, without_data: u32, now: u64) {
        let waiting = if fetching { ProfilePhase::Data } else { ProfilePhase::Idle };
        self.enter(waiting, now);
        self.data += (now - self.turn_ended) * u64::from(without_data);
        self.turn_ended = now;
        let turn = std::mem::take(&mut self.turn);
        if moved {
            self.reactor.iter_mut().zip(turn).for_each(|(all, of_turn)| *all += of_turn);
        } else {
            self.reactor[waiting as usize] += turn.iter().sum::<u64>();
        }
    }

    fn spent(&self, now: u64) -> Spent {
        let mut reactor = self.reactor;
        reactor.iter_mut().zip(self.turn).for_each(|(all, of_turn)| *all += of_turn);
        reactor[self.phase as usize] += now - self.since;
        // `computing` and `data` are measured at other moments than the total, which they must not exceed
        let all = now * self.slots;
        let computing = self.computing.min(all);
        let data = self.data.min(all - computing);
        Spent { reactor, slots: [computing, data, all - computing - data] }
    }
}

/// The measurement of how a rank spends its time; `None` inside without `--profile`, and all calls do nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile(Option<Box<(Instant, Account)>>);

impl Profile {
    /// Begins the measurement of a rank with the given number of slots.
    pub(crate) fn on(slots: u32) -> Self {
        Profile(Some(Box::new((Instant::now(), Account::new(slots)))))
    }

    /// Notes that the reactor begins `phase`; returns the phase that has ended.
    #[inline]
    pub(crate) fn enter(&mut self, phase: ProfilePhase) -> ProfilePhase {
        match self.0.as_deref_mut() {
            Some((begin, account)) if account.phase != phase => account.enter(phase, nanos(begin)),
            _ => phase,
        }
    }

    /// Notes the end of a turn of the reactor, and whether anything moved in it. `state` tells whether data are on
    /// their way to this rank, and how many slots are free only because tasks wait for these data.
    #[inline]
    pub(crate) fn turn_ended(&mut self, moved: bool, state: impl FnOnce() -> (bool, u32)) {
        if let Some((begin, account)) = self.0.as_deref_mut() {
            let (fetching, without_data) = state();
            account.turn_ended(moved, fetching, without_data, nanos(begin));
        }
    }

    /// Adds the duration of a task on a compute thread.
    #[inline]
    pub(crate) fn computed(&mut self, nanos: u64) {
        if let Some((_, account)) = self.0.as_deref_mut() {
            account.computing += nanos;
        }
    }

    /// The times measured so far; `None` without `--profile`.
    pub(crate) fn spent(&self) -> Option<Box<Spent>> {
        self.0.as_deref().map(|(begin, account)| Box::new(account.spent(nanos(begin))))
    }
}

fn nanos(begin: &Instant) -> u64 {
    u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The table of the profile, as text: a line for each rank, with the share of each phase in percent. Empty if no rank
/// was measured.
pub(crate) fn table(ranks: &[Option<Box<Spent>>]) -> String {
    let mut text = String::new();
    if ranks.iter().all(Option::is_none) {
        return text;
    }
    let head = |names: &[&str]| names.iter().map(|name| format!("{name:>10}")).collect::<String>();
    let _ = writeln!(text, "profile: % of the time of each rank's reactor │ % of its slots' time");
    let _ = writeln!(text, "rank{} │{}", head(&NAMES), head(&["computing", "data", "idle"]));
    for (rank, spent) in ranks.iter().enumerate() {
        let Some(spent) = spent else { continue };
        let slots = shares(&spent.slots).unwrap_or_else(|| format!("{:>10}", "no slots"));
        let _ = writeln!(text, "{rank:>4}{} │{slots}", shares(&spent.reactor).unwrap_or_default());
    }
    text
}

fn shares(nanos: &[u64]) -> Option<String> {
    let all: u64 = nanos.iter().fold(0, |sum, nanos| sum.saturating_add(*nanos));
    let share = |nanos: &u64| format!("{:>10.1}", *nanos as f64 / all as f64 * 100.0);
    (all > 0).then(|| nanos.iter().map(share).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_to_the_phase_that_it_was_spent_in() {
        let mut account = Account::new(0);
        account.enter(ProfilePhase::Polling, 10);
        account.enter(ProfilePhase::Decoding, 13);
        account.enter(ProfilePhase::Machine, 18);
        account.enter(ProfilePhase::Polling, 20);
        account.turn_ended(true, false, 0, 21);
        // in this order: the wait before the turn, two times of polling, decoding, the state machine; after the turn's
        // end, waiting
        assert_eq!(account.spent(121).reactor, [4, 5, 2, 0, 0, 0, 0, 110]);
        assert_eq!(account.spent(121).slots, [0, 0, 0]);
    }

    #[test]
    fn a_turn_in_which_nothing_moved_is_waiting() {
        let mut account = Account::new(1);
        account.enter(ProfilePhase::Polling, 5);
        account.turn_ended(false, false, 0, 8);
        account.enter(ProfilePhase::Polling, 10);
        account.turn_ended(false, true, 0, 14);
        account.enter(ProfilePhase::Polling, 20);
        account.turn_ended(true, true, 0, 21);
        // the wait counts as one for data from the second turn's beginning on, since that turn saw data on their way
        assert_eq!(account.spent(21).reactor, [1, 0, 0, 0, 0, 0, 12, 8]);
    }

    #[test]
    fn slots_compute_wait_for_data_or_idle_and_never_more_than_there_are() {
        let mut account = Account::new(2);
        account.turn_ended(false, true, 1, 100);
        account.turn_ended(true, true, 2, 150);
        account.computing = 80;
        assert_eq!(account.spent(200).slots, [80, 200, 120]);
        account.computing = 350;
        assert_eq!(account.spent(200).slots, [350, 50, 0]);
        account.computing = 500;
        assert_eq!(account.spent(200).slots, [400, 0, 0]);
    }

    #[test]
    fn without_a_profile_nothing_is_measured() {
        let mut profile = Profile::default();
        profile.enter(ProfilePhase::Machine);
        profile.computed(5);
        profile.turn_ended(true, || unreachable!("nobody asks"));
        assert_eq!(profile.spent(), None);
    }

    #[test]
    fn the_table_has_a_line_per_rank_that_was_measured() {
        assert_eq!(table(&[None, None]), "");
        let spent = |slots| Some(Box::new(Spent { reactor: [100, 0, 200, 0, 0, 0, 1, 699], slots }));
        let text = table(&[spent([0, 0, 0]), None, spent([1, 1, 2])]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let reactor = ["10.0", "0.0", "20.0", "0.0", "0.0", "0.0", "0.1", "69.9", "│"];
        assert_eq!(lines[2], [&["0"][..], &reactor, &["no", "slots"]].concat());
        assert_eq!(lines[3], [&["2"][..], &reactor, &["25.0", "25.0", "50.0"]].concat());
        assert_eq!(lines.len(), 4);
    }
}
