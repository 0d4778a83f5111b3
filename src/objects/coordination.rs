//! Events, semaphores (and locks) and variables.

use super::{ObjectActions, ObjectCaller, reply};
use crate::ids::Rank;
use crate::protocol::{Blob, ObjectOp, ReplyKind};
use std::collections::VecDeque;

/// A flag, with the calls that wait until it is set.
#[derive(Debug, Default)]
pub(crate) struct EventState {
    is_set: bool,
    waiting: Vec<ObjectCaller>,
}

/// Removes the call number `call` of `rank` from `waiting`; true if it was there.
fn withdraw(waiting: &mut Vec<ObjectCaller>, rank: Rank, call: u64) -> bool {
    let before = waiting.len();
    waiting.retain(|waits| *waits != ObjectCaller { rank, call });
    waiting.len() < before
}

fn cancelled(rank: Rank, call: u64, out: &mut ObjectActions) {
    reply(ObjectCaller { rank, call }, ReplyKind::Cancelled, Blob::default(), out);
}

impl EventState {
    pub(super) fn handle(&mut self, from: ObjectCaller, op: ObjectOp, out: &mut ObjectActions) -> bool {
        match op {
            ObjectOp::Wait if !self.is_set => self.waiting.push(from),
            ObjectOp::Wait => reply(from, ReplyKind::Done, Blob::default(), out),
            ObjectOp::IsSet => {
                let kind = if self.is_set { ReplyKind::Done } else { ReplyKind::Nothing };
                reply(from, kind, Blob::default(), out);
            }
            ObjectOp::Set => {
                self.is_set = true;
                reply(from, ReplyKind::Done, Blob::default(), out);
                for waits in self.waiting.drain(..) {
                    reply(waits, ReplyKind::Done, Blob::default(), out);
                }
            }
            ObjectOp::Clear => {
                self.is_set = false;
                reply(from, ReplyKind::Done, Blob::default(), out);
            }
            ObjectOp::Cancel { call } => {
                if withdraw(&mut self.waiting, from.rank, call) {
                    cancelled(from.rank, call, out);
                }
            }
            _ => return false,
        }
        true
    }

    pub(super) fn lost(&mut self, rank: Rank) {
        self.waiting.retain(|waits| waits.rank != rank);
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn check(&self) -> Result<(), String> {
        if self.is_set && !self.waiting.is_empty() {
            return Err("is set, but calls wait".into());
        }
        Ok(())
    }
}

/// The permits of a semaphore or a lock, with the ranks that hold some and the calls that wait for one.
#[derive(Debug, Default)]
pub(crate) struct PermitState {
    /// The number of permits, held or free; 0 until the first call sets it.
    permits: u32,
    /// The rank of each holder; a rank that holds several is there several times.
    holders: Vec<Rank>,
    waiting: VecDeque<ObjectCaller>,
}

impl PermitState {
    pub(super) fn handle(&mut self, from: ObjectCaller, op: ObjectOp, out: &mut ObjectActions) -> bool {
        match op {
            ObjectOp::Acquire { permits } => {
                self.begin(permits);
                self.waiting.push_back(from);
                self.grant(out);
            }
            ObjectOp::TryAcquire { permits } => {
                self.begin(permits);
                if (self.holders.len() as u64) < u64::from(self.permits) && self.waiting.is_empty() {
                    self.holders.push(from.rank);
                    reply(from, ReplyKind::Done, Blob::default(), out);
                } else {
                    reply(from, ReplyKind::Nothing, Blob::default(), out);
                }
            }
            ObjectOp::Release => {
                if let Some(at) = self.holders.iter().position(|holder| *holder == from.rank) {
                    self.holders.swap_remove(at);
                }
                reply(from, ReplyKind::Done, Blob::default(), out);
                self.grant(out);
            }
            ObjectOp::Cancel { call } => {
                let before = self.waiting.len();
                self.waiting.retain(|waits| *waits != ObjectCaller { rank: from.rank, call });
                if self.waiting.len() < before {
                    cancelled(from.rank, call, out);
                }
            }
            _ => return false,
        }
        true
    }

    fn begin(&mut self, permits: u32) {
        if self.permits == 0 {
            self.permits = permits.max(1);
        }
    }

    fn grant(&mut self, out: &mut ObjectActions) {
        while (self.holders.len() as u64) < u64::from(self.permits)
            && let Some(next) = self.waiting.pop_front()
        {
            self.holders.push(next.rank);
            reply(next, ReplyKind::Done, Blob::default(), out);
        }
    }

    pub(super) fn lost(&mut self, rank: Rank, out: &mut ObjectActions) {
        self.holders.retain(|holder| *holder != rank);
        self.waiting.retain(|waits| waits.rank != rank);
        self.grant(out);
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn check(&self) -> Result<(), String> {
        let (held, permits) = (self.holders.len(), self.permits as usize);
        if held > permits || (held < permits && !self.waiting.is_empty()) {
            return Err(format!(
                "{held} of {permits} permits are held, and {} calls wait",
                self.waiting.len()
            ));
        }
        Ok(())
    }
}

/// A value, with the calls that wait for the first one.
#[derive(Debug, Default)]
pub(crate) struct VariableState {
    value: Option<Blob>,
    waiting: Vec<ObjectCaller>,
}

impl VariableState {
    pub(super) fn handle(
        &mut self,
        from: ObjectCaller,
        op: ObjectOp,
        payload: Blob,
        out: &mut ObjectActions,
    ) -> bool {
        match (op, &self.value) {
            (ObjectOp::Store, _) => {
                reply(from, ReplyKind::Done, Blob::default(), out);
                for waits in self.waiting.drain(..) {
                    reply(waits, ReplyKind::Done, payload.clone(), out);
                }
                self.value = Some(payload);
            }
            (ObjectOp::Load | ObjectOp::TryLoad, Some(value)) => {
                reply(from, ReplyKind::Done, value.clone(), out);
            }
            (ObjectOp::Load, None) => self.waiting.push(from),
            (ObjectOp::TryLoad, None) => reply(from, ReplyKind::Nothing, Blob::default(), out),
            (ObjectOp::Clear, _) => {
                self.value = None;
                reply(from, ReplyKind::Done, Blob::default(), out);
            }
            (ObjectOp::Cancel { call }, _) => {
                if withdraw(&mut self.waiting, from.rank, call) {
                    cancelled(from.rank, call, out);
                }
            }
            _ => return false,
        }
        true
    }

    pub(super) fn lost(&mut self, rank: Rank) {
        self.waiting.retain(|waits| waits.rank != rank);
    }

    #[cfg(any(test, feature = "testing"))]
    pub(super) fn check(&self) -> Result<(), String> {
        if self.value.is_some() && !self.waiting.is_empty() {
            return Err("has a value, but calls wait for one".into());
        }
        Ok(())
    }
}
