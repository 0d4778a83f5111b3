//! Queues of values: first in, first out, with a limit if the user sets one.

use super::{ObjectActions, ObjectCaller, reply};
use crate::ids::Rank;
use crate::protocol::{Blob, ObjectOp, ReplyKind};
use std::collections::VecDeque;

/// The values of a queue, with the calls that wait for a value or for room.
#[derive(Debug, Default)]
pub(crate) struct QueueState {
    items: VecDeque<Blob>,
    /// The largest number of values; 0 for no limit.
    limit: u64,
    is_closed: bool,
    getting: VecDeque<ObjectCaller>,
    putting: VecDeque<(ObjectCaller, Blob)>,
}

impl QueueState {
    pub(super) fn handle(
        &mut self,
        from: ObjectCaller,
        op: ObjectOp,
        payload: Blob,
        out: &mut ObjectActions,
    ) -> bool {
        let none = Blob::default;
        match op {
            ObjectOp::Put { .. } if self.is_closed => reply(from, ReplyKind::Closed, none(), out),
            ObjectOp::Put { limit } => {
                if self.limit == 0 {
                    self.limit = limit;
                }
                self.putting.push_back((from, payload));
                self.settle(out);
            }
            ObjectOp::Get => {
                self.getting.push_back(from);
                self.settle(out);
            }
            ObjectOp::TryGet => match self.items.pop_front() {
                Some(item) => {
                    reply(from, ReplyKind::Done, item, out);
                    self.settle(out);
                }
                None if self.is_closed => reply(from, ReplyKind::Closed, none(), out),
                None => reply(from, ReplyKind::Nothing, none(), out),
            },
            ObjectOp::Len => {
                let length = self.items.len() as u64;
                reply(from, ReplyKind::Done, Blob::new(&length.to_le_bytes()), out);
            }
            ObjectOp::Close => {
                self.is_closed = true;
                reply(from, ReplyKind::Done, none(), out);
                for (waits, _) in self.putting.drain(..) {
                    reply(waits, ReplyKind::Closed, none(), out);
                }
                self.settle(out);
            }
            ObjectOp::Cancel { call } => {
                let own = ObjectCaller { rank: from.rank, call };
                let before = self.getting.len() + self.putting.len();
                self.getting.retain(|waits| *waits != own);
                self.putting.retain(|(waits, _)| *waits != own);
                if self.getting.len() + self.putting.len() < before {
                    reply(own, ReplyKind::Cancelled, none(), out);
                }
            }
            _ => return false,
        }
        true
    }

    /// Moves values from calls that put to the queue and from there to calls that take, as far as there is room.
    fn settle(&mut self, out: &mut ObjectActions) {
        loop {
            if !self.getting.is_empty()
                && let Some(item) = self.items.pop_front()
            {
                if let Some(to) = self.getting.pop_front() {
                    reply(to, ReplyKind::Done, item, out);
                }
                continue;
            }
            let has_room = self.limit == 0 || (self.items.len() as u64) < self.limit;
            let Some((from, item)) = has_room.then(|| self.putting.pop_front()).flatten() else { break };
            self.items.push_back(item);
            reply(from, ReplyKind::Done, Blob::default(), out);
        }
        if self.is_closed {
            for waits in self.getting.drain(..) {
                reply(waits, ReplyKind::Closed, Blob::default(), out);
            }
        }
    }

    pub(super) fn lost(&mut self, rank: Rank, out: &mut ObjectActions) {
        self.getting.retain(|waits| waits.rank != rank);
        self.putting.retain(|(waits, _)| waits.rank != rank);
        self.settle(out);
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn check(&self) -> Result<(), String> {
        let items = self.items.len() as u64;
        if (items > 0 || self.is_closed) && !self.getting.is_empty() {
            return Err(format!("{items} values, and {} calls wait for one", self.getting.len()));
        }
        if !self.putting.is_empty() && (self.is_closed || self.limit == 0 || items < self.limit) {
            return Err(format!("{} calls wait for room, and there is some", self.putting.len()));
        }
        if self.limit > 0 && items > self.limit {
            return Err(format!("{items} values of at most {}", self.limit));
        }
        Ok(())
    }
}
