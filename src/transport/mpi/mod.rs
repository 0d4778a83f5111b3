//! The transport over MPI point-to-point messages. The only place that names MPI.
//!
//! Everything happens on one thread at a time (`MPI_THREAD_SERIALIZED`, or on the one that initialised MPI where that
//! allows no more than `MPI_THREAD_FUNNELED`), on a duplicate of the communicator that was given, and without a
//! blocking call:
//!
//! * Control frames travel on tag 0. They are looked for by `MPI_Iprobe` until there are no more, and received into
//!   buffers of exactly their length. Nobody else receives here, so the message that was probed is the one received. Of
//!   long frames MPI sends the head alone and the rest when the receiver asks (its rendezvous protocol); they are
//!   received in the background (`control_frames`), since waiting for a sender that computes would hold up everybody.
//! * Bulk data travels on tags from 1 on, in pieces of at most `piece_max` bytes, because MPI counts with an `int`. All
//!   pieces of a transfer have the same tag: MPI keeps messages of one pair of ranks and one tag in order. At most
//!   64 pieces of one transfer are under way at a time. A long transfer begins with a short piece: when that has come,
//!   the receiver knows that its sender has begun.
//! * A value that is no memory, such as the files of a command, is a stream: `streams` sends it piece by piece.
//! * A rank that has died (User-Level Failure Mitigation, ULFM): MPI fails the calls that concern it. Each error is
//!   looked at: if it comes of a death, what is under way to and from that rank is given up, and the next poll tells of
//!   the death ([`Arrival::Lost`]); later messages of that rank are dropped. Every other error is one.
//! * Memory that is sent or received belongs to the request until MPI is done with it; see `request`, and
//!   `communicator` for the other calls.

mod bulk;
pub(crate) mod communicator;
mod control_frames;
mod ending;
pub(crate) mod in_flight;
mod init;
mod presence;
mod request;
mod streams;

pub use init::{MpiWorld, abort, can_survive, check_thread, host_name, library_version};
pub use presence::await_all;

use crate::ids::Rank;
use crate::protocol::FRAME_MAX;
use crate::transport::mpi::control_frames::FrameQueue;
use crate::transport::mpi::in_flight::{Pinned, Route, TransferMemory};
use crate::transport::{Arrival, BulkSource, BulkTarget, Flight, Transport, TransportError};
use bulk::Transfers;
use communicator::Comm;
pub use mpi::traits::Communicator;
use request::{ReceiveMemory, Requests, SendMemory};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use streams::Streams;

/// The usual `piece_max` of `MpiTransport::new`, the longest MPI message in bytes: 1 GiB, well below MPI's limit of 2
/// GiB.
pub const PIECE_MAX: usize = 1 << 30;

/// Length in bytes of the longest control frame that every MPI sends whole (eager protocol), so that receiving it waits
/// for nobody. The lowest limit known is 4 KiB less a header: Open MPI's for shared memory.
const SHORT: usize = 2048;
/// The MPI tag of control frames (short messages of the protocol).
const CONTROL: i32 = 0;
/// Most control frames received in one poll, so that a flood of frames does not delay bulk data.
const FRAMES_PER_POLL: usize = 1024;
/// Number of buffers of control frames kept for reuse, of at most [`FRAME_MAX`] bytes each.
const SPARE_BUFFERS: usize = 64;

/// The endpoint of one rank in the network, over MPI.
///
/// Only the thread that initialised MPI may call it where [`Transport::any_thread`] is false.
pub struct MpiTransport {
    // Declared before `comm`, so that requests are dropped before the communicator that they use.
    requests: Requests,
    comm: Comm,
    bulk: Transfers,
    streams: Streams,
    /// Number of control frames that are being sent.
    outgoing: usize,
    /// Control frames that are being received.
    incoming: FrameQueue,
    /// Bulk messages of zero bytes, which count as arrived without being sent, and deaths that are not told yet.
    ready: Vec<Arrival>,
    finished: Vec<Pinned>,
    spare: Vec<Vec<u8>>,
    /// The ranks that have died.
    dead: BTreeSet<i32>,
}

impl MpiTransport {
    /// Makes a transport over all ranks of `comm`, on a duplicate of it. Every rank of `comm` must call this, with the
    /// same `piece_max`: the longest message of bulk data in bytes, [`PIECE_MAX`] except in tests.
    ///
    /// # Errors
    /// When `comm` is an inter-communicator, or MPI cannot duplicate it.
    pub fn new(comm: &impl Communicator, piece_max: usize) -> Result<Self, TransportError> {
        Ok(MpiTransport {
            requests: Requests::new(),
            comm: Comm::duplicate(comm)?,
            bulk: Transfers::new(piece_max.clamp(1, PIECE_MAX)),
            streams: Streams::new(piece_max.clamp(1, PIECE_MAX)),
            outgoing: 0,
            incoming: FrameQueue::default(),
            ready: Vec::new(),
            finished: Vec::new(),
            spare: Vec::new(),
            dead: BTreeSet::new(),
        })
    }

    fn is_dead(&self, rank: Rank) -> bool {
        !self.dead.is_empty() && i32::try_from(rank.0).is_ok_and(|rank| self.dead.contains(&rank))
    }

    /// Excuses an error of MPI that comes of a death: of that of rank `peer`, or of any rank where no other rank is
    /// known to be concerned. The deaths are told by the next poll. Any other error is returned.
    fn excuse(&mut self, peer: Option<i32>, error: TransportError) -> Result<(), TransportError> {
        let mut found = false;
        for rank in self.comm.dead().unwrap_or_default() {
            if self.dead.insert(rank) {
                found = true;
                self.ready.push(Arrival::Lost { rank: Rank(rank as u32) });
                self.give_up(rank);
            }
        }
        let is_excused = peer.map_or(found, |peer| self.dead.contains(&peer));
        if is_excused { Ok(()) } else { Err(error) }
    }

    /// Gives up what is under way to and from the dead rank `peer`.
    fn give_up(&mut self, peer: i32) {
        let from = Rank(peer as u32);
        self.requests.abandon(peer);
        self.bulk.forget(peer);
        self.streams.forget(peer);
        self.ready.retain(|arrival| !matches!(arrival, Arrival::Bulk { from: rank, .. } if *rank == from));
        self.outgoing = self.requests.outgoing();
        self.incoming.forget(from);
    }

    /// The route to `peer`; an error unless `peer` is another rank of the communicator.
    fn route(&self, peer: Rank, tag: i32, attempt: &str) -> Result<Route, TransportError> {
        match i32::try_from(peer.0) {
            Ok(rank) if rank == self.comm.rank() => {
                Err(TransportError(format!("{attempt} rank {peer}: that is this rank itself")))
            }
            Ok(rank) if rank < self.comm.ranks() => Ok(Route { peer: rank, tag }),
            _ => Err(TransportError(format!("{attempt} rank {peer}: there are {} ranks", self.comm.ranks()))),
        }
    }

    /// The tag that MPI gets for a bulk transfer: from 1 to below the implementation's highest tag, which may be as low
    /// as 32767.
    fn bulk_tag(&self, tag: u32) -> i32 {
        let range = self.comm.tag_max() as u32 - 1;
        1 + (tag % range) as i32
    }

    /// Receives control frames until no more have arrived, or [`FRAMES_PER_POLL`] have been received.
    fn receive_frames(&mut self, arrived: &mut Vec<Arrival>) -> Result<(), TransportError> {
        for _ in 0..FRAMES_PER_POLL {
            let (from, length) = match self.comm.probe(CONTROL) {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(error) => return self.excuse(None, error),
            };
            let sender = Rank(from as u32);
            if self.is_dead(sender) {
                self.comm.discard(from, CONTROL).or_else(|error| self.excuse(Some(from), error))?;
                continue;
            }
            if length > FRAME_MAX {
                return Err(TransportError(format!(
                    "rank {from} sent a control frame of {length} bytes; {FRAME_MAX} are allowed"
                )));
            }
            self.receive_frame(sender, length, arrived).or_else(|error| self.excuse(Some(from), error))?;
        }
        Ok(())
    }

    /// Receives the control frame that was just probed, of `length` bytes from the rank `sender`.
    fn receive_frame(
        &mut self,
        sender: Rank,
        length: usize,
        arrived: &mut Vec<Arrival>,
    ) -> Result<(), TransportError> {
        let from = sender.0 as i32;
        let mut frame = self.buffer();
        if length <= SHORT && !self.incoming.has(sender) {
            self.comm.receive(from, CONTROL, length, &mut frame)?;
            arrived.push(Arrival::Control { from: sender, frame });
            return Ok(());
        }
        let place = self.incoming.expect(sender);
        let held = Pinned::Incoming { frame, length, place };
        match self.requests.try_start(&self.comm, Route { peer: from, tag: CONTROL }, held)? {
            Some(held) => self.ended(held, arrived),
            None => Ok(()),
        }
    }

    /// Begins to send a short message on this tag.
    fn send_frame(&mut self, to: Rank, tag: i32, frame: Vec<u8>) -> Result<(), TransportError> {
        let route = self.route(to, tag, "sending a control frame to")?;
        if frame.len() > FRAME_MAX {
            let length = frame.len();
            return Err(TransportError(format!(
                "a control frame of {length} bytes; {FRAME_MAX} are allowed"
            )));
        }
        if self.is_dead(to) {
            return Ok(());
        }
        match self.requests.try_start(&self.comm, route, Pinned::Outgoing(frame)) {
            Ok(Some(Pinned::Outgoing(buffer))) => self.recycle(buffer),
            Ok(_) => self.outgoing += 1,
            Err(error) => return self.excuse(Some(route.peer), error),
        }
        Ok(())
    }

    /// Handles the completion of an MPI request: `held` is the memory that it used.
    fn ended(&mut self, held: Pinned, arrived: &mut Vec<Arrival>) -> Result<(), TransportError> {
        match held {
            Pinned::Outgoing(buffer) => {
                self.outgoing -= 1;
                self.recycle(buffer);
            }
            Pinned::Incoming { frame, place, .. } => self.incoming.came(place, frame, arrived),
            Pinned::Piece { memory, length, transfer, .. } => {
                // the transfer can take its memory out of the `Rc` after its last piece only if no piece has a share
                // any more
                drop(memory);
                arrived.extend(self.bulk.moved(&mut self.requests, &self.comm, transfer, length)?);
            }
            Pinned::Sent { buffer, stream, .. } => self.streams.sent(stream, buffer),
            Pinned::Received { buffer, stream, number, .. } => self.streams.came(stream, number, buffer),
        }
        Ok(())
    }
}

impl Transport for MpiTransport {
    fn rank(&self) -> Rank {
        Rank(self.comm.rank() as u32)
    }

    fn ranks(&self) -> usize {
        self.comm.ranks() as usize
    }

    fn send_control(&mut self, to: Rank, frame: Vec<u8>) -> Result<(), TransportError> {
        self.send_frame(to, CONTROL, frame)
    }

    fn send_bulk(&mut self, to: Rank, tag: u32, source: Arc<dyn BulkSource>) -> Result<(), TransportError> {
        let route = self.route(to, self.bulk_tag(tag), "sending bulk data to")?;
        if let Some(stream) = source.stream() {
            if !self.is_dead(to) {
                self.streams.send(route, stream);
            }
            return Ok(());
        }
        let memory = TransferMemory::Source(SendMemory::new(source));
        // zero bytes are not sent: the receiver counts such a message as arrived at once (`ready`)
        if memory.length() == 0 || self.is_dead(to) {
            return Ok(());
        }
        let outcome = self.bulk.begin(&mut self.requests, &self.comm, (route, tag), memory);
        outcome.or_else(|error| self.excuse(Some(route.peer), error))
    }

    fn receive_bulk(
        &mut self,
        from: Rank,
        tag: u32,
        mut target: Box<dyn BulkTarget>,
    ) -> Result<(), TransportError> {
        let route = self.route(from, self.bulk_tag(tag), "receiving bulk data from")?;
        if self.is_dead(from) {
            return Ok(()); // the caller is told of the death, and then gives up what it waits for
        }
        if let Some(sink) = target.stream() {
            let mpi = (&mut self.requests, &self.comm);
            let outcome = self.streams.receive(mpi, (route, tag), target, sink);
            return outcome.or_else(|error| self.excuse(Some(route.peer), error));
        }
        if target.bytes_mut().is_empty() {
            self.ready.push(Arrival::Bulk { from, tag, target });
            return Ok(());
        }
        let memory = TransferMemory::Target(ReceiveMemory::new(target));
        let outcome = self.bulk.begin(&mut self.requests, &self.comm, (route, tag), memory);
        outcome.or_else(|error| self.excuse(Some(route.peer), error))
    }

    fn forget(&mut self, from: Rank) -> Result<(), TransportError> {
        let peer = self.route(from, CONTROL, "giving up receives from")?.peer;
        self.give_up(peer);
        Ok(())
    }

    fn poll(&mut self, arrived: &mut Vec<Arrival>) -> Result<bool, TransportError> {
        let before = arrived.len();
        arrived.append(&mut self.ready);
        self.receive_frames(arrived)?;
        let mut failed = Vec::new();
        let streams = self.streams.progress((&mut self.requests, &self.comm), arrived, &mut failed);
        for (peer, error) in failed.drain(..) {
            self.excuse(Some(peer), error)?;
        }
        if self.requests.is_empty() {
            return Ok(streams || arrived.len() > before);
        }
        let mut finished = std::mem::take(&mut self.finished);
        let polled = self.requests.poll(&self.comm, &mut finished, &mut failed);
        let mut outcome = polled.or_else(|error| self.excuse(None, error));
        let moved = streams || !finished.is_empty();
        for held in finished.drain(..) {
            outcome = outcome.and(self.ended(held, arrived));
        }
        self.finished = finished;
        for (peer, error) in failed {
            outcome = outcome.and(self.excuse(Some(peer), error));
        }
        outcome.map(|()| moved || arrived.len() > before)
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && (1..=2 * FRAME_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    fn any_thread(&self) -> bool {
        init::any_thread()
    }

    fn flight(&self) -> Flight {
        // Long frames too need calls of MPI to progress.
        let is_moving = self.bulk.is_moving() || self.streams.is_moving();
        if is_moving || self.outgoing > 0 || !self.incoming.is_empty() || !self.ready.is_empty() {
            Flight::Moving
        } else if self.bulk.count() + self.streams.receives() > 0 {
            Flight::Expected
        } else {
            Flight::None
        }
    }

    fn quiet(&self) -> bool {
        self.outgoing + self.bulk.sends() + self.streams.sends() == 0
    }
}

/// Waits before the next poll after `looks` polls that found nothing: spins, yields, then sleeps longer and longer
/// (exponential back-off).
fn idle(looks: u32) {
    match looks {
        0..64 => std::hint::spin_loop(),
        64..96 => std::thread::yield_now(),
        _ => std::thread::sleep(Duration::from_micros(20 << (looks - 96).min(8))),
    }
}
