//! Signs of life: which ranks have been silent for too long.
//!
//! A failed link or a stopped process loses no message and reports no error: the run would wait without a word. So a
//! rank that has nothing to say sends a sign of life now and then ([`RankReport::Alive`](crate::protocol::RankReport)),
//! on the ordinary traffic. Rank 0 watches all ranks, rank 1 watches rank 0, and each rank those that owe it a result.
//! A rank that has been silent for the limit is told once, and again when it is back. Nothing else follows: it may only
//! be slow.
//!
//! The tracker has no clock: it is fed with times, in milliseconds.

use crate::console;
use crate::ids::Rank;
use std::time::{SystemTime, UNIX_EPOCH};

/// Number of signs of life that a rank sends within the limit, where nothing else is to be said.
const SIGNS: u64 = 4;

/// A change of a rank's silence that is reported to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkChange {
    /// Nothing has come from the rank for this many milliseconds, which is the limit or more.
    Silent(Rank, u64),
    /// Something has come from a rank that was silent for this many milliseconds.
    Back(Rank, u64),
}

#[derive(Debug, Clone, Copy, Default)]
struct Watched {
    /// Whether the rank is watched now.
    watched: bool,
    /// Whether something has come since the last look.
    heard: bool,
    /// The time when something last came, or when the watch began.
    last: u64,
    /// Whether the user was warned of the rank's present silence.
    told: bool,
    /// Whether something was sent to the rank since the last look, and when.
    spoken: bool,
    spoken_at: u64,
}

/// The tracker of a rank for the other ranks.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    /// Milliseconds without a sign of life after which a rank counts as silent; 0 for never.
    limit: u64,
    ranks: Vec<Watched>,
    looked: u64,
}

impl Liveness {
    /// Makes the tracker of a rank in a job of `ranks` ranks, at the time `now`. After `limit` milliseconds without a
    /// sign of life a rank counts as silent; 0 for never.
    pub(crate) fn new(limit: u64, ranks: usize, now: u64) -> Self {
        let watched = Watched { last: now, spoken_at: now, ..Watched::default() };
        Liveness { limit, ranks: vec![watched; ranks], looked: now }
    }

    /// Notes that something has come from `rank`.
    pub(crate) fn heard(&mut self, rank: Rank) {
        if let Some(rank) = self.ranks.get_mut(rank.index()) {
            rank.heard = true;
        }
    }

    /// Notes that something is sent to `rank`.
    pub(crate) fn spoken(&mut self, rank: Rank) {
        if let Some(rank) = self.ranks.get_mut(rank.index()) {
            rank.spoken = true;
        }
    }

    /// Whether it is time for [`Liveness::look`].
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.limit > 0 && now.saturating_sub(self.looked) >= (self.limit / (4 * SIGNS)).max(1)
    }

    /// Looks at the watched ranks at the time `now`; `watched` says of each rank whether it is watched. Returns the
    /// changes to report to the user.
    pub(crate) fn look(&mut self, now: u64, watched: impl Fn(Rank) -> bool) -> Vec<LinkChange> {
        let passed = now.saturating_sub(std::mem::replace(&mut self.looked, now));
        // this process itself was stopped or busy for long: messages that came in that time are not read yet
        let was_away = passed > self.limit / 2;
        let mut changes = Vec::new();
        for (number, rank) in self.ranks.iter_mut().enumerate() {
            let name = Rank(number as u32);
            if std::mem::take(&mut rank.spoken) {
                rank.spoken_at = now;
            }
            let before = std::mem::replace(&mut rank.watched, watched(name));
            let silent = now.saturating_sub(rank.last);
            if std::mem::take(&mut rank.heard) {
                rank.last = now;
                if std::mem::take(&mut rank.told) {
                    changes.push(LinkChange::Back(name, silent));
                }
            } else if !rank.watched || !before {
                rank.last = now;
                rank.told = false;
            } else if was_away {
                rank.last += passed;
            } else if silent >= self.limit && !rank.told {
                rank.told = true;
                changes.push(LinkChange::Silent(name, silent));
            }
        }
        changes
    }

    /// Whether `rank`, which watches this one, is to be sent a sign of life: nothing was sent to it for some time.
    pub(crate) fn owes_sign(&self, rank: Rank, now: u64) -> bool {
        let quiet = |rank: &Watched| now.saturating_sub(rank.spoken_at) >= self.limit / SIGNS;
        self.limit > 0 && self.ranks.get(rank.index()).is_some_and(|rank| !rank.spoken && quiet(rank))
    }

    /// Whether this rank itself has found `rank` silent.
    pub(crate) fn is_silent(&self, rank: Rank) -> bool {
        self.ranks.get(rank.index()).is_some_and(|rank| rank.told)
    }
}

/// Warns the user that a rank is silent, or says that it is back. `to` names the rank to which it is silent.
pub(crate) fn tell(rank: &str, to: &str, seconds: u64, is_back: bool) {
    if is_back {
        return console::error(format_args!("dtask: {rank} is heard again{to}, after {seconds} s"));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let since = now.saturating_sub(seconds) % 86_400;
    console::error(format_args!(
        "dtask: nothing has come from {rank}{to} since {:02}:{:02}:{:02} UTC, for {seconds} s: its host or its link may \
         be down, or the process is stopped; the run goes on as soon as it is heard again",
        since / 3600,
        since / 60 % 60,
        since % 60
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1000;

    /// Looks from `from` to `to` in steps of 50 ms at ranks that are all watched, and returns the changes with their
    /// times.
    fn looks(liveness: &mut Liveness, from: u64, to: u64, heard: &[u32]) -> Vec<(u64, LinkChange)> {
        let mut changes = Vec::new();
        for now in (from..to).step_by(50) {
            heard.iter().for_each(|&rank| liveness.heard(Rank(rank)));
            changes
                .extend(liveness.look(now, |rank| rank != Rank(0)).into_iter().map(|change| (now, change)));
        }
        changes
    }

    #[test]
    fn a_silent_rank_is_told_once_and_again_when_it_is_back() {
        let mut liveness = Liveness::new(LIMIT, 3, 0);
        assert_eq!(looks(&mut liveness, 0, 3000, &[1, 2]), []);
        let silent = looks(&mut liveness, 3000, 9000, &[1]);
        assert_eq!(silent, [(3950, LinkChange::Silent(Rank(2), 1000))]);
        assert!(liveness.is_silent(Rank(2)) && !liveness.is_silent(Rank(1)));
        let back = looks(&mut liveness, 9000, 12_000, &[1, 2]);
        assert_eq!(back, [(9000, LinkChange::Back(Rank(2), 6050))]);
        assert_eq!(looks(&mut liveness, 12_000, 15_000, &[1, 2]), []);
    }

    #[test]
    fn a_rank_that_was_stopped_itself_blames_nobody() {
        let mut liveness = Liveness::new(LIMIT, 3, 0);
        assert_eq!(looks(&mut liveness, 0, 500, &[1, 2]), []);
        // ten seconds pass in which this process does not run; the messages of the others are not read yet
        assert_eq!(liveness.look(10_500, |_| true), []);
        assert_eq!(looks(&mut liveness, 10_550, 11_000, &[1, 2]), []);
        // and a rank that really is silent is still found
        assert_eq!(looks(&mut liveness, 11_000, 13_000, &[1]).len(), 1);
    }

    #[test]
    fn a_rank_that_owes_nothing_is_not_watched() {
        let mut liveness = Liveness::new(LIMIT, 3, 0);
        for now in (0..5000).step_by(50) {
            assert_eq!(liveness.look(now, |_| false), []);
        }
        // watched only from 5000 ms on, when it begins to owe a result
        let mut told = Vec::new();
        for now in (5000..7000).step_by(50) {
            told.extend(liveness.look(now, |rank| rank == Rank(2)));
        }
        assert_eq!(told, [LinkChange::Silent(Rank(2), 1000)]);
    }

    #[test]
    fn a_sign_of_life_is_owed_where_nothing_else_was_sent() {
        let mut liveness = Liveness::new(LIMIT, 2, 0);
        assert!(!liveness.owes_sign(Rank(1), 200) && liveness.owes_sign(Rank(1), 250));
        liveness.spoken(Rank(1));
        assert!(!liveness.owes_sign(Rank(1), 260));
        liveness.look(260, |_| true);
        assert!(!liveness.owes_sign(Rank(1), 500) && liveness.owes_sign(Rank(1), 510));
    }

    #[test]
    fn without_a_limit_nothing_is_due() {
        let liveness = Liveness::default();
        assert!(!liveness.is_due(u64::MAX) && !liveness.owes_sign(Rank(0), u64::MAX));
    }
}
