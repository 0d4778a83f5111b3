//! Bulk transfers over MPI: cut into pieces, with a window of pieces under way at a time.

use super::communicator::Comm;
use super::request::Requests;
use crate::ids::Rank;
use crate::transport::mpi::in_flight::{Pinned, Route, TransferMemory};
use crate::transport::{Arrival, TransportError};

/// Most pieces of one bulk transfer that are under way at a time: more would only make `MPI_Testsome` slow.
const WINDOW: usize = 64;
/// Length in bytes of a bulk transfer that takes long, so that the receiver should learn when the sender has begun:
/// from then on it polls without a pause.
const LONG: usize = 1 << 20;
/// Length in bytes of the first piece of a transfer of at least [`LONG`] bytes: short enough for every MPI to send the
/// piece at once (eager protocol).
const FIRST: usize = 2048;

struct Transfer {
    route: Route,
    /// The tag of the transfer as the caller of the transport knows it; the tag for MPI may differ.
    tag: u32,
    memory: TransferMemory,
    /// Number of bytes of the transfer for which MPI was given a send or a receive.
    started: usize,
    /// Number of bytes of the transfer that have arrived or left.
    moved: usize,
}

impl Transfer {
    /// Whether a part of the data has arrived; false for sends.
    fn has_begun(&self) -> bool {
        self.moved > 0 && matches!(self.memory, TransferMemory::Target(_))
    }
}

/// The bulk transfers (large values) of a rank that are under way, by number. MPI sends each in pieces.
pub(super) struct Transfers {
    slots: Vec<Option<Transfer>>,
    /// Numbers of ended transfers, to be used again for new ones.
    free: Vec<u32>,
    sends: usize,
    receives: usize,
    /// Number of receives of which a part has arrived.
    begun: usize,
    piece_max: usize,
}

impl Transfers {
    /// Makes an empty table. At most `piece_max` bytes travel in one message.
    pub(super) fn new(piece_max: usize) -> Self {
        Transfers { slots: Vec::new(), free: Vec::new(), sends: 0, receives: 0, begun: 0, piece_max }
    }

    /// Number of transfers that this rank sends.
    pub(super) fn sends(&self) -> usize {
        self.sends
    }

    /// Number of transfers under way, sent and received ones.
    pub(super) fn count(&self) -> usize {
        self.sends + self.receives
    }

    /// Whether any bulk data are being sent, or have begun to arrive.
    pub(super) fn is_moving(&self) -> bool {
        self.sends + self.begun > 0
    }

    /// Starts the transfer of a large value of at least one byte, to or from another rank.
    pub(super) fn begin(
        &mut self,
        requests: &mut Requests,
        comm: &Comm,
        (route, tag): (Route, u32),
        memory: TransferMemory,
    ) -> Result<(), TransportError> {
        *self.counter(&memory) += 1;
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            (self.slots.len() - 1) as u32
        });
        self.slots[number as usize] = Some(Transfer { route, tag, memory, started: 0, moved: 0 });
        for _ in 0..WINDOW {
            if !self.next_piece(requests, comm, number)? {
                break;
            }
        }
        Ok(())
    }

    /// Counts `length` bytes of a transfer as moved, and starts its next piece or ends it. Returns a received transfer
    /// once it is complete. The caller must have dropped its share of the piece's memory before.
    pub(super) fn moved(
        &mut self,
        requests: &mut Requests,
        comm: &Comm,
        number: u32,
        length: usize,
    ) -> Result<Option<Arrival>, TransportError> {
        let slot = &mut self.slots[number as usize];
        let Some(transfer) = slot else { return Ok(None) };
        let is_first = !transfer.has_begun();
        transfer.moved += length;
        if transfer.moved < transfer.memory.length() {
            self.begun += usize::from(is_first && transfer.has_begun());
            return self.next_piece(requests, comm, number).map(|_| None);
        }
        let Some(Transfer { route, tag, memory, .. }) = slot.take() else { return Ok(None) };
        self.free.push(number);
        self.begun -= usize::from(!is_first);
        *self.counter(&memory) -= 1;
        let TransferMemory::Target(target) = memory else { return Ok(None) };
        let peer = route.peer;
        match target.finish() {
            Some(target) => Ok(Some(Arrival::Bulk { from: Rank(peer as u32), tag, target })),
            None => Err(TransportError(format!("bulk data from rank {peer} is complete and yet in use"))),
        }
    }

    /// Gives up the transfers to and from the rank `peer`, which has died and whose requests were abandoned.
    pub(super) fn forget(&mut self, peer: i32) {
        for number in 0..self.slots.len() {
            if let Some(transfer) = self.slots[number].take_if(|transfer| transfer.route.peer == peer) {
                *self.counter(&transfer.memory) -= 1;
                self.begun -= usize::from(transfer.has_begun());
                self.free.push(number as u32);
            }
        }
    }

    fn counter(&mut self, memory: &TransferMemory) -> &mut usize {
        match memory {
            TransferMemory::Source(_) => &mut self.sends,
            TransferMemory::Target(_) => &mut self.receives,
        }
    }

    /// Starts the next piece of a transfer, if any bytes are left for one.
    fn next_piece(
        &mut self,
        requests: &mut Requests,
        comm: &Comm,
        number: u32,
    ) -> Result<bool, TransportError> {
        let Some(transfer) = &mut self.slots[number as usize] else { return Ok(false) };
        let offset = transfer.started;
        let whole = transfer.memory.length();
        let most = if offset == 0 && whole >= LONG { FIRST.min(self.piece_max) } else { self.piece_max };
        let length = (whole - offset).min(most);
        if length == 0 {
            return Ok(false);
        }
        transfer.started += length;
        let piece = Pinned::Piece { memory: transfer.memory.clone(), offset, length, transfer: number };
        requests.start(comm, transfer.route, piece).map(|()| true)
    }
}
