//! The order of control frames while they are being received.

use crate::ids::{IdMap, Rank};
use crate::transport::Arrival;
use std::collections::VecDeque;

/// A queue of control frames (short messages) that are being received, for each sender in the order in which MPI
/// announced them (probe). A frame is delivered when it is complete and all earlier ones of its sender are delivered,
/// so that frames from one rank to another stay in order.
#[derive(Default)]
pub(super) struct FrameQueue {
    senders: IdMap<Rank, SenderFrames>,
    /// Number of frames in the queue, which are not delivered yet.
    open: usize,
}

/// The frames from one sending rank.
#[derive(Default)]
struct SenderFrames {
    /// The frames, each `None` until it is complete. The first one has the number `first`.
    frames: VecDeque<Option<Vec<u8>>>,
    first: u64,
}

/// The position of a frame in the queue: its sender, and its number among the sender's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueuePosition {
    sender: Rank,
    number: u64,
}

impl FrameQueue {
    /// Whether no frame is being received.
    pub(super) fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// Whether a frame of `rank` is not delivered yet, so that later ones have to queue.
    pub(super) fn has(&self, rank: Rank) -> bool {
        self.senders.get(&rank).is_some_and(|sender| !sender.frames.is_empty())
    }

    /// Adds an incomplete frame of `rank` to the queue and returns its position.
    pub(super) fn expect(&mut self, rank: Rank) -> QueuePosition {
        let sender = self.senders.entry(rank).or_default();
        sender.frames.push_back(None);
        self.open += 1;
        QueuePosition { sender: rank, number: sender.first + sender.frames.len() as u64 - 1 }
    }

    /// Completes the frame at the position `place` in the queue, and appends to `arrived` all frames that can be
    /// delivered now.
    pub(super) fn came(&mut self, place: QueuePosition, frame: Vec<u8>, arrived: &mut Vec<Arrival>) {
        let Some(sender) = self.senders.get_mut(&place.sender) else { return };
        let at = place.number.checked_sub(sender.first).and_then(|at| usize::try_from(at).ok());
        let Some(slot) = at.and_then(|at| sender.frames.get_mut(at)) else { return };
        *slot = Some(frame);
        while let Some(frame) = sender.frames.front_mut().and_then(Option::take) {
            sender.frames.pop_front();
            sender.first += 1;
            self.open -= 1;
            arrived.push(Arrival::Control { from: place.sender, frame });
        }
    }

    /// Gives up the frames that were expected from `rank`, which has died.
    pub(super) fn forget(&mut self, rank: Rank) {
        if let Some(sender) = self.senders.get_mut(&rank) {
            let given_up = sender.frames.drain(..).count();
            // the numbers go on, so that a late completion is not taken for a later frame
            sender.first += given_up as u64;
            self.open -= given_up;
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
        let (mut queue, mut out) = (FrameQueue::default(), Vec::new());
        let places: Vec<QueuePosition> =
            [1, 2, 1, 1].into_iter().map(|rank| queue.expect(Rank(rank))).collect();
        queue.came(places[2], vec![2], &mut out);
        assert!(take(&mut out).is_empty());
        queue.came(places[1], vec![9], &mut out);
        assert_eq!(take(&mut out), [(2, 9)]);
        assert!(queue.has(Rank(1)) && !queue.has(Rank(2)));
        queue.came(places[0], vec![1], &mut out);
        assert_eq!(take(&mut out), [(1, 1), (1, 2)]);
        let late = queue.expect(Rank(2));
        queue.came(places[3], vec![3], &mut out);
        queue.came(late, vec![4], &mut out);
        assert_eq!(take(&mut out), [(1, 3), (2, 4)]);
        assert!(queue.is_empty());
    }

    #[test]
    fn what_a_dead_rank_has_sent_is_given_up() {
        let (mut queue, mut out) = (FrameQueue::default(), Vec::new());
        let places: Vec<QueuePosition> = [1, 2, 1].into_iter().map(|rank| queue.expect(Rank(rank))).collect();
        queue.forget(Rank(1));
        queue.came(places[2], vec![1], &mut out);
        assert!(take(&mut out).is_empty());
        queue.came(places[1], vec![2], &mut out);
        assert_eq!(take(&mut out), [(2, 2)]);
        assert!(queue.is_empty());
    }

    #[test]
    fn many_frames_under_way_cost_no_more_each_than_few() {
        const FRAMES: usize = 200_000; // 2 x 10^10 steps if each looked at all others
        let (mut queue, mut out) = (FrameQueue::default(), Vec::new());
        let places: Vec<QueuePosition> = (0..FRAMES).map(|at| queue.expect(Rank(at as u32 % 2))).collect();
        for place in places.iter().rev() {
            assert!(queue.has(Rank(0)));
            queue.came(*place, vec![1], &mut out);
        }
        assert_eq!(out.len(), FRAMES);
        assert!(queue.is_empty());
    }
}
