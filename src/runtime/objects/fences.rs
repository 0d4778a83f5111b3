//! Fences: a home waits until all has come that other ranks have sent before; see `objects::voids`.

use super::{ObjectRequest, ReplySink};
use crate::ids::Rank;
use crate::protocol::{Blob, HandleTicket, ObjectCall, ObjectOp, Peer};
use crate::runtime::executor::Executor;
use crate::runtime::executor::error::ExecutorError;
use crate::runtime::outbox::Links;
use crate::runtime::threads::pool::Compute;
use crate::transport::Transport;
use std::collections::BTreeSet;

impl<C: Compute> Executor<C> {
    /// Asks all living ranks for a sign. This rank's own sign comes when the requests of its threads are handled, which
    /// they have queued before.
    pub(super) fn begin_fence<T: Transport>(
        &mut self,
        number: u64,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        let own = self.place().rank;
        let ranks = (0..links.transport.ranks() as u32).map(Rank);
        let alive: BTreeSet<Rank> = ranks.filter(|rank| !self.objects.dead.contains(rank)).collect();
        for &rank in alive.iter().filter(|rank| **rank != own) {
            links.send(rank, &Peer::Fence { number })?;
        }
        self.objects.machine.fence_asked(alive);
        self.objects.own_fence = Some(number);
        Ok(())
    }

    /// Gives this rank's own sign, if one is due. The reactor calls it when it has handled the queued requests.
    ///
    /// # Errors
    /// When the network fails.
    pub(crate) fn own_fence_passed<T: Transport>(
        &mut self,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        match self.objects.own_fence.take() {
            Some(number) => self.fence_back(self.place().rank, number, links),
            None => Ok(()),
        }
    }

    pub(super) fn fence_back<T: Transport>(
        &mut self,
        from: Rank,
        number: u64,
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        self.objects.machine.fence_back(from, number, &mut self.objects.actions);
        self.act_on_objects(links)
    }

    /// Tells the homes of objects that a task will not read these copies of handles, since it has failed or never runs.
    ///
    /// # Errors
    /// When the network fails.
    pub(crate) fn void_tickets<T: Transport>(
        &mut self,
        tickets: &[HandleTicket],
        links: &mut Links<T>,
    ) -> Result<(), ExecutorError> {
        for &HandleTicket { object, side, ticket } in tickets {
            let call = ObjectCall { object, call: 0, op: ObjectOp::Void { side, ticket, failed: true } };
            let (payload, sink) = (Blob::default(), ReplySink::None);
            self.object_request(ObjectRequest::Call { call, payload, sink }, links)?;
        }
        Ok(())
    }
}
