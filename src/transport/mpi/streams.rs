//! Streams over MPI: large values of which each rank holds a few pieces at a time.
//!
//! ```text
//! source's thread -> piece -> MPI_Isend .. MPI_Irecv -> piece -> sink's thread
//!        <- empty buffer <-                    <- empty buffer <-
//! ```
//!
//! A message is a piece and a last byte: [`GOOD`], or [`FAILED`] where the bytes before are the reason why the source
//! has failed. After a failure the messages that are left have no bytes but that one, so that as many come as were
//! announced and no receive has to be taken back.
//!
//! A thread of its own makes the pieces, another one takes them: reading and writing of files wait. A rank sends at most
//! [`STREAMS_MAX`] streams at a time; others wait for their turn. The receiver asks for no more than it takes in at a
//! time, so each stream that is being sent is taken in, and none waits for another in a circle.

use super::communicator::Comm;
use super::request::Requests;
use crate::ids::Rank;
use crate::transport::mpi::in_flight::{Pinned, Route};
use crate::transport::stream::{PIECE, PIECES_HELD, PieceReader, PieceWriter, STREAMS_MAX};
use crate::transport::stream::{StreamSink, StreamSource};
use crate::transport::{Arrival, BulkTarget, TransportError};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{Builder, JoinHandle};

/// The last byte of a message whose other bytes are a piece.
const GOOD: u8 = 0;
/// The last byte of a message whose other bytes are the reason why the source has failed.
const FAILED: u8 = 1;
/// The number of messages of a stream that are being sent at a time; the other pieces are being made.
const SENT_AT_ONCE: usize = 4;

/// A stream that this rank sends.
struct Outgoing {
    route: Route,
    /// The number of messages for which MPI was given no send yet.
    left: u64,
    /// The number of messages that are being sent.
    under_way: usize,
    pieces: Receiver<Vec<u8>>,
    /// Where the buffers of sent pieces go.
    spare: Sender<Vec<u8>>,
}

/// A stream that this rank receives.
struct Incoming {
    route: Route,
    /// The tag of the stream as the caller of the transport knows it.
    tag: u32,
    target: Box<dyn BulkTarget>,
    /// The number of messages that the stream has.
    total: u64,
    /// The number of messages for which MPI was given a receive.
    posted: u64,
    /// The number of messages that were handed to the sink's thread.
    taken: u64,
    /// Messages that have come, from number `taken` on; `None` for those that have not.
    came: VecDeque<Option<Vec<u8>>>,
    /// Where pieces go; `None` after the last.
    pieces: Option<Sender<Vec<u8>>>,
    spare: Receiver<Vec<u8>>,
    buffers: Vec<Vec<u8>>,
    thread: Option<JoinHandle<()>>,
}

/// The streams of a rank that are under way.
pub(super) struct Streams {
    outgoing: Vec<Option<Outgoing>>,
    incoming: Vec<Option<Incoming>>,
    /// Streams to be sent when others have ended.
    waiting: VecDeque<(Route, Arc<dyn StreamSource>)>,
    piece_max: usize,
}

/// The number of messages of a stream.
fn messages(length: u64, piece_max: usize) -> u64 {
    length.div_ceil(piece_max as u64)
}

/// Puts a value into the first free place of a list.
fn place<T>(slots: &mut Vec<Option<T>>, value: T) -> u32 {
    let free = slots.iter().position(Option::is_none).unwrap_or_else(|| {
        slots.push(None);
        slots.len() - 1
    });
    slots[free] = Some(value);
    free as u32
}

impl Streams {
    /// Makes an empty table. At most `piece_max` bytes travel in one message.
    pub(super) fn new(piece_max: usize) -> Streams {
        Streams {
            outgoing: Vec::new(),
            incoming: Vec::new(),
            waiting: VecDeque::new(),
            piece_max: piece_max.min(PIECE),
        }
    }

    /// Number of streams that this rank sends or is to send.
    pub(super) fn sends(&self) -> usize {
        self.outgoing.iter().flatten().count() + self.waiting.len()
    }

    /// Number of streams that this rank receives.
    pub(super) fn receives(&self) -> usize {
        self.incoming.iter().flatten().count()
    }

    /// Whether a stream is being sent, or has begun to come.
    pub(super) fn is_moving(&self) -> bool {
        self.sends() > 0 || self.incoming.iter().flatten().any(|stream| stream.taken > 0)
    }

    /// Sends a stream, or lets it wait for its turn.
    pub(super) fn send(&mut self, route: Route, source: Arc<dyn StreamSource>) {
        self.waiting.push_back((route, source));
        self.begin_waiting();
    }

    fn begin_waiting(&mut self) {
        while self.outgoing.iter().flatten().count() < STREAMS_MAX
            && let Some((route, source)) = self.waiting.pop_front()
        {
            let stream = Outgoing::begin(route, source, self.piece_max);
            place(&mut self.outgoing, stream);
        }
    }

    /// Receives a stream of at least one byte into a target.
    pub(super) fn receive(
        &mut self,
        (requests, comm): (&mut Requests, &Comm),
        (route, tag): (Route, u32),
        target: Box<dyn BulkTarget>,
        sink: Arc<dyn StreamSink>,
    ) -> Result<(), TransportError> {
        let stream = Incoming::begin((route, tag), target, sink, self.piece_max);
        let number = place(&mut self.incoming, stream);
        match &mut self.incoming[number as usize] {
            Some(stream) => stream.post(requests, comm, number, self.piece_max),
            None => Ok(()),
        }
    }

    /// Takes the buffer of a message of stream `stream` that was sent.
    pub(super) fn sent(&mut self, stream: u32, buffer: Vec<u8>) {
        if let Some(Some(stream)) = self.outgoing.get_mut(stream as usize) {
            stream.under_way -= 1;
            let _ = stream.spare.send(buffer); // the source may have ended
        }
    }

    /// Takes message number `number` of stream `stream`.
    pub(super) fn came(&mut self, stream: u32, number: u64, buffer: Vec<u8>) {
        let Some(Some(stream)) = self.incoming.get_mut(stream as usize) else { return };
        let Some(at) = number.checked_sub(stream.taken).and_then(|at| usize::try_from(at).ok()) else {
            return;
        };
        if stream.came.len() <= at {
            stream.came.resize_with(at + 1, || None);
        }
        stream.came[at] = Some(buffer);
    }

    /// Moves all streams on: gives MPI what has been made, and the sinks what has come. Appends the errors of MPI to
    /// `failed`, each with the other rank. True if anything has moved.
    pub(super) fn progress(
        &mut self,
        (requests, comm): (&mut Requests, &Comm),
        arrived: &mut Vec<Arrival>,
        failed: &mut Vec<(i32, TransportError)>,
    ) -> bool {
        let mut moved = false;
        for (number, slot) in self.outgoing.iter_mut().enumerate() {
            let Some(stream) = slot else { continue };
            match stream.start(requests, comm, number as u32) {
                Ok(started) => moved |= started,
                Err(error) => failed.push((stream.route.peer, error)),
            }
            if stream.left == 0 && stream.under_way == 0 {
                *slot = None;
            }
        }
        self.begin_waiting();
        for (number, slot) in self.incoming.iter_mut().enumerate() {
            let Some(stream) = slot else { continue };
            moved |= stream.hand_on();
            if let Err(error) = stream.post(requests, comm, number as u32, self.piece_max) {
                failed.push((stream.route.peer, error));
            }
            if stream.has_ended()
                && let Some(Incoming { route, tag, target, .. }) = slot.take()
            {
                arrived.push(Arrival::Bulk { from: Rank(route.peer as u32), tag, target });
            }
        }
        moved
    }

    /// Gives up the streams to and from the rank `peer`, which has died and whose requests were abandoned.
    pub(super) fn forget(&mut self, peer: i32) {
        self.waiting.retain(|(route, _)| route.peer != peer);
        for slot in &mut self.outgoing {
            slot.take_if(|stream| stream.route.peer == peer);
        }
        for slot in &mut self.incoming {
            slot.take_if(|stream| stream.route.peer == peer);
        }
    }
}

impl Outgoing {
    fn begin(route: Route, source: Arc<dyn StreamSource>, piece_max: usize) -> Outgoing {
        let (give, pieces) = channel();
        let (spare, empty) = channel::<Vec<u8>>();
        let left = messages(source.length(), piece_max);
        let thread = move || {
            let mut made = 1; // the writer has a buffer already
            let mut next = |mut piece: Vec<u8>| {
                piece.push(GOOD);
                let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
                give.send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
                match empty.try_recv() {
                    Ok(buffer) => Ok(buffer),
                    Err(_) if made < PIECES_HELD => {
                        made += 1;
                        Ok(Vec::with_capacity(piece_max + 1))
                    }
                    Err(_) => empty.recv().map_err(gone),
                }
            };
            let mut writer = PieceWriter::new(source.length(), piece_max, &mut next);
            if let Err(error) = source.write_to(&mut writer).and_then(|()| writer.finish()) {
                let mut why = error.to_string().into_bytes();
                why.truncate(piece_max);
                why.push(FAILED);
                let _ = give.send(why);
            }
        };
        // without a thread nothing gives pieces, and the receiver is told so
        let _ = Builder::new().name("dtask-stream".into()).spawn(thread);
        Outgoing { route, left, under_way: 0, pieces, spare }
    }

    /// Gives MPI the pieces that were made.
    fn start(&mut self, requests: &mut Requests, comm: &Comm, stream: u32) -> Result<bool, TransportError> {
        let mut moved = false;
        while self.left > 0 && self.under_way < SENT_AT_ONCE {
            let buffer = match self.pieces.try_recv() {
                Ok(buffer) => buffer,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => vec![FAILED],
            };
            self.left -= 1;
            self.under_way += 1;
            moved = true;
            let length = buffer.len();
            requests.start(comm, self.route, Pinned::Sent { buffer, length, stream })?;
        }
        Ok(moved)
    }
}

impl Incoming {
    fn begin(
        (route, tag): (Route, u32),
        target: Box<dyn BulkTarget>,
        sink: Arc<dyn StreamSink>,
        piece_max: usize,
    ) -> Incoming {
        let (pieces, full) = channel::<Vec<u8>>();
        let (give_back, spare) = channel();
        let total = messages(sink.length(), piece_max);
        let thread = move || {
            let mut next = |buffer: Vec<u8>| {
                if buffer.capacity() > 0 {
                    let _ = give_back.send(buffer); // the stream may have been given up
                }
                let mut piece = full.recv().map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
                match piece.pop() {
                    Some(GOOD) => Ok(piece),
                    Some(FAILED) if piece.is_empty() => Err(io::Error::other("its rank cannot read it")),
                    Some(FAILED) => Err(io::Error::other(String::from_utf8_lossy(&piece).into_owned())),
                    _ => Err(io::ErrorKind::InvalidData.into()),
                }
            };
            sink.read_from(&mut PieceReader::new(&mut next));
        };
        // without a thread the target is not filled, and says so
        let thread = Builder::new().name("dtask-stream".into()).spawn(thread).ok();
        Incoming {
            route,
            tag,
            target,
            total,
            posted: 0,
            taken: 0,
            came: VecDeque::new(),
            pieces: Some(pieces),
            spare,
            buffers: vec![Vec::new(); PIECES_HELD],
            thread,
        }
    }

    /// Posts receives, as many as there are buffers.
    fn post(
        &mut self,
        requests: &mut Requests,
        comm: &Comm,
        stream: u32,
        piece_max: usize,
    ) -> Result<(), TransportError> {
        self.buffers.extend(self.spare.try_iter());
        if self.buffers.is_empty() && self.posted == self.taken && !self.sink_runs() {
            self.buffers.push(Vec::new()); // a sink that has failed gives none back
        }
        while self.posted < self.total
            && let Some(buffer) = self.buffers.pop()
        {
            let (number, length) = (self.posted, piece_max + 1);
            self.posted += 1;
            requests.start(comm, self.route, Pinned::Received { buffer, length, stream, number })?;
        }
        Ok(())
    }

    /// Hands the sink's thread the messages that have come, in their order.
    fn hand_on(&mut self) -> bool {
        let before = self.taken;
        while let Some(Some(_)) = self.came.front()
            && let Some(Some(buffer)) = self.came.pop_front()
        {
            self.taken += 1;
            if let Some(Err(unread)) = self.pieces.as_ref().map(|pieces| pieces.send(buffer)) {
                self.buffers.push(unread.0); // the sink has failed: what is left comes for nothing
            }
        }
        if self.taken == self.total {
            self.pieces = None;
        }
        self.taken > before
    }

    fn sink_runs(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn has_ended(&self) -> bool {
        self.taken == self.total && !self.sink_runs()
    }
}
