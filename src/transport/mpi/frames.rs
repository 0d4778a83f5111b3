//! The order of control frames that are being received.

use crate::ids::Rank;
use crate::transport::Arrival;
use std::collections::VecDeque;

/// Frames whose receive was started, in the order in which they were probed. A frame is delivered when it is complete and
/// all earlier ones of its sender are delivered, so that frames of one pair of ranks stay in order.
#[derive(Default)]
pub(super) struct Queue {
    /// Sender, and the frame once it is complete. The first one has the number `first`.
    frames: VecDeque<Entry>,
    first: u64,
}

enum Entry {
    /// Its receive is not complete.
    Expected(Rank),
    /// Complete, waiting for an earlier one.
    Came(Rank, Vec<u8>),
    /// Delivered, or given up.
    Gone,
}

impl Entry {
    fn is_from(&self, rank: Rank) -> bool {
        matches!(self, Entry::Expected(from) | Entry::Came(from, _) if *from == rank)
    }
}

impl Queue {
    /// Whether nothing is being received.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether a frame of `rank` is not delivered yet, so that later ones have to queue.
    pub(super) fn has(&self, rank: Rank) -> bool {
        self.frames.iter().any(|entry| entry.is_from(rank))
    }

    /// Puts a frame of `rank` into the queue and gives its number.
    pub(super) fn expect(&mut self, rank: Rank) -> u64 {
        self.frames.push_back(Entry::Expected(rank));
        self.first + self.frames.len() as u64 - 1
    }

    /// The frame of that number is complete; delivers what has become deliverable.
    pub(super) fn came(&mut self, number: u64, frame: Vec<u8>, arrived: &mut Vec<Arrival>) {
        let place = number.checked_sub(self.first).map_or(usize::MAX, |place| place as usize);
        let Some(entry) = self.frames.get_mut(place) else { return };
        let Entry::Expected(rank) = *entry else { return };
        *entry = Entry::Came(rank, frame);
        for entry in &mut self.frames {
            match entry {
                Entry::Expected(from) if *from == rank => break,
                Entry::Came(from, frame) if *from == rank => {
                    arrived.push(Arrival::Control { from: rank, frame: std::mem::take(frame) });
                    *entry = Entry::Gone;
                }
                _ => {}
            }
        }
        self.trim();
    }

    /// Gives up what was to come from `rank`.
    pub(super) fn forget(&mut self, rank: Rank) {
        for entry in &mut self.frames {
            if entry.is_from(rank) {
                *entry = Entry::Gone;
            }
        }
        self.trim();
    }

    fn trim(&mut self) {
        while let Some(Entry::Gone) = self.frames.front() {
            self.frames.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(arrived: &mut Vec<Arrival>) -> Vec<(u32, u8)> {
        let text = |arrival| match arrival {
            Arrival::Control { from, frame } => (from.0, frame[0]),
            _ => (u32::MAX, 0),
        };
        arrived.drain(..).map(text).collect()
    }

    #[test]
    fn frames_of_one_sender_stay_in_order_and_others_pass() {
        let (mut queue, mut out) = (Queue::default(), Vec::new());
        let numbers: Vec<u64> = [1, 2, 1, 1].into_iter().map(|rank| queue.expect(Rank(rank))).collect();
        queue.came(numbers[2], vec![2], &mut out);
        assert!(take(&mut out).is_empty());
        queue.came(numbers[1], vec![9], &mut out);
        assert_eq!(take(&mut out), [(2, 9)]);
        assert!(queue.has(Rank(1)) && !queue.has(Rank(2)));
        queue.came(numbers[0], vec![1], &mut out);
        assert_eq!(take(&mut out), [(1, 1), (1, 2)]);
        let late = queue.expect(Rank(2));
        queue.came(numbers[3], vec![3], &mut out);
        queue.came(late, vec![4], &mut out);
        assert_eq!(take(&mut out), [(1, 3), (2, 4)]);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_a_dead_rank_has_sent_is_given_up() {
        let (mut queue, mut out) = (Queue::default(), Vec::new());
        let numbers: Vec<u64> = [1, 2, 1].into_iter().map(|rank| queue.expect(Rank(rank))).collect();
        queue.forget(Rank(1));
        queue.came(numbers[2], vec![1], &mut out);
        assert!(take(&mut out).is_empty());
        queue.came(numbers[1], vec![2], &mut out);
        assert_eq!(take(&mut out), [(2, 2)]);
        assert!(queue.is_empty());
    }
}
