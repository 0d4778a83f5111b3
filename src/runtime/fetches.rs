//! The fetches of results from other ranks: which are under way, and which have to wait.
//!
//! A long result has a transfer of its own: the receive is posted, then the holder is asked (rendezvous). A short one,
//! of at most [`FETCH_INLINE_MAX`] bytes, comes inside a message ([`Peer::Value`]), many of them in one frame: ten
//! thousand results of 200 bytes are then a few dozen messages. Both are limited, so that a gather of a million results
//! does not flood this rank. A result with files, from a rank that sees other files, is a stream, which comes piece by
//! piece into this rank's files: it takes no memory, and few of them are under way at a time.

use super::outbox::Links;
use super::profile::ProfilePhase;
use crate::error::{CodecError, ProtocolError};
use crate::ids::{IdMap, Rank, TaskId};
use crate::protocol::{Blob, BulkLayout, FETCH_INLINE_MAX, Peer, TAG_INLINE};
use crate::runtime::executor::error::ExecutorError;
use crate::task::value::AnyValue;
use crate::task::{allocation, bulk};
use crate::transport::Transport;
use crate::transport::stream::STREAMS_MAX;
use std::collections::{HashSet, VecDeque};

/// Largest number of transfers from other ranks under way at once: enough to keep every link busy. Each needs an MPI
/// tag of its own.
const TRANSFERS_MAX: usize = 512;
/// Largest number of short results that are being fetched inside messages for each transfer that may be under way.
const SHORT_PER_TRANSFER: usize = 16;
/// Largest number of bytes that are being fetched inside messages at once: what has arrived and is not read yet takes
/// memory.
const SHORT_BYTES_MAX: u64 = 8 << 20;

/// A result that is to be fetched.
struct WantedResult {
    task: TaskId,
    holder: Rank,
    nbytes: u64,
    layout: BulkLayout,
    /// Whether the result has arrived damaged before.
    again: bool,
}

impl WantedResult {
    fn is_short(&self) -> bool {
        self.nbytes <= FETCH_INLINE_MAX && !matches!(self.layout, BulkLayout::Pack { .. })
    }

    /// Whether the result has files of its rank.
    fn has_files(&self) -> bool {
        matches!(self.layout, BulkLayout::Pack { same_files } if same_files > 0)
    }
}

/// The fetches of a rank.
pub(crate) struct Fetches {
    /// The results that come by a transfer, by the rank that holds them and the tag (see `transfer`).
    transfers: IdMap<u64, WantedResult>,
    /// The number of bytes of the results that are being transferred.
    transfer_bytes: u64,
    next_tag: u32,
    /// The results that come inside messages.
    short: IdMap<TaskId, WantedResult>,
    short_bytes: u64,
    postponed: VecDeque<WantedResult>,
    /// The streams that are under way, by rank and tag (see `transfer`): values that are taken in piece by piece, and that
    /// nobody holds in memory.
    streams: IdMap<u64, TaskId>,
    /// Streams that have to wait.
    later_streams: VecDeque<WantedResult>,
    /// Results for which there was no memory at the last attempt, with the reason.
    starved: VecDeque<(WantedResult, CodecError)>,
    /// Ranks that see the same files as this one: those of the same host and container.
    pub same_files: HashSet<Rank>,
    /// Largest number of transfers under way at once, fewer in some tests.
    pub transfers_max: usize,
}

impl Default for Fetches {
    fn default() -> Self {
        Fetches {
            transfers: IdMap::default(),
            transfer_bytes: 0,
            next_tag: 1,
            short: IdMap::default(),
            short_bytes: 0,
            postponed: VecDeque::new(),
            streams: IdMap::default(),
            later_streams: VecDeque::new(),
            starved: VecDeque::new(),
            same_files: HashSet::new(),
            transfers_max: TRANSFERS_MAX,
        }
    }
}

impl Fetches {
    /// Whether nothing is being fetched or to be fetched.
    pub(crate) fn is_empty(&self) -> bool {
        self.are_still() && self.starved.is_empty()
    }

    /// Whether nothing is under way or about to be: what is left waits for memory.
    fn are_still(&self) -> bool {
        self.transfers.is_empty()
            && self.short.is_empty()
            && self.postponed.is_empty()
            && self.streams.is_empty()
            && self.later_streams.is_empty()
    }

    /// Whether results wait for memory.
    pub(crate) fn are_starved(&self) -> bool {
        !self.starved.is_empty()
    }

    /// Lets [`Fetches::start`] try once more what waits for memory, before all that came later.
    pub(crate) fn try_again(&mut self) {
        while let Some((wanted, _)) = self.starved.pop_back() {
            self.postponed.push_front(wanted);
        }
    }

    /// Gives up the result that waits for memory the longest, if nothing that is under way here may free any: returns
    /// its task, with the reason.
    pub(crate) fn give_up(&mut self) -> Option<(TaskId, CodecError)> {
        if !self.are_still() {
            return None;
        }
        self.starved.pop_front().map(|(wanted, why)| (wanted.task, why))
    }

    /// The ranks that owe this one a result now.
    pub(crate) fn debtors(&self) -> impl Iterator<Item = Rank> + '_ {
        let transfers = self.transfers.keys().chain(self.streams.keys()).map(|key| Rank((key >> 32) as u32));
        transfers.chain(self.short.values().map(|wanted| wanted.holder))
    }

    /// Adds a result to those that are to be fetched. [`Fetches::start`] starts as many as may be under way.
    pub(crate) fn push(&mut self, task: TaskId, holder: Rank, nbytes: u64, layout: BulkLayout) {
        let wanted = WantedResult { task, holder, nbytes, layout, again: false };
        if wanted.has_files() && !self.same_files.contains(&holder) {
            self.later_streams.push_back(wanted);
        } else {
            self.postponed.push_back(wanted);
        }
    }

    /// Gives up all fetches from `rank`, which has died.
    pub(crate) fn forget(&mut self, rank: Rank) {
        self.transfers.retain(|key, _| Rank((*key >> 32) as u32) != rank);
        self.transfer_bytes = self.transfers.values().map(|wanted| wanted.nbytes).sum();
        self.short.retain(|_, wanted| wanted.holder != rank);
        self.short_bytes = self.short.values().map(|wanted| wanted.nbytes).sum();
        self.postponed.retain(|wanted| wanted.holder != rank);
        self.starved.retain(|(wanted, _)| wanted.holder != rank);
        self.streams.retain(|key, _| Rank((*key >> 32) as u32) != rank);
        self.later_streams.retain(|wanted| wanted.holder != rank);
    }

    /// Ends the transfer from `from` on `tag`, and returns the task whose result it has brought; `None` if it was given
    /// up.
    pub(crate) fn arrived(&mut self, from: Rank, tag: u32) -> Option<TaskId> {
        if let Some(task) = self.streams.remove(&transfer(from, tag)) {
            return Some(task);
        }
        let wanted = self.transfers.remove(&transfer(from, tag))?;
        self.transfer_bytes -= wanted.nbytes;
        Some(wanted.task)
    }

    /// Whether the transfer from `from` on `tag` has neither ended nor been given up.
    pub(crate) fn is_open(&self, from: Rank, tag: u32) -> bool {
        self.transfers.contains_key(&transfer(from, tag))
    }

    /// Ends the transfer from `from` on `tag`, which has brought a damaged result, and asks for the result once more.
    /// Returns its task if that was done before already, so that it is given up.
    pub(crate) fn damaged(&mut self, from: Rank, tag: u32) -> Option<TaskId> {
        let wanted = self.transfers.remove(&transfer(from, tag))?;
        self.transfer_bytes -= wanted.nbytes;
        if wanted.again {
            return Some(wanted.task);
        }
        self.postponed.push_front(WantedResult { again: true, ..wanted });
        None
    }

    /// Makes the value of a result that has come inside a message; `None` if its fetch was given up.
    ///
    /// # Errors
    /// When its bytes are not those that were announced.
    pub(crate) fn brought(
        &mut self,
        from: Rank,
        task: TaskId,
        bytes: Blob,
    ) -> Result<Option<AnyValue>, ExecutorError> {
        if self.short.get(&task).is_none_or(|wanted| wanted.holder != from) {
            return Ok(None);
        }
        let Some(WantedResult { nbytes, layout, .. }) = self.short.remove(&task) else { return Ok(None) };
        self.short_bytes -= nbytes;
        if layout == BulkLayout::Encoded && AnyValue::wire_length(nbytes as usize) == Some(bytes.len()) {
            return Ok(Some(AnyValue::from_wire(bytes.0.into_vec()))); // the bytes as they are
        }
        let mut target = bulk::allocate(&layout, nbytes, false)?;
        let into = target.bytes_mut();
        if into.len() != bytes.len() {
            let (is, should) = (bytes.len(), into.len());
            return Err(
                ProtocolError(format!("{task:?} of rank {from}: {is} bytes instead of {should}")).into()
            );
        }
        into.copy_from_slice(&bytes);
        let value = target.into_any().downcast::<AnyValue>();
        let value = value.map_err(|_| ProtocolError(format!("{task:?} has arrived in foreign memory")))?;
        Ok(Some(*value))
    }

    /// Whether a fetch may start, when memory has room for `room` more bytes of results. If no fetch is under way, one
    /// always may, so that results larger than the memory limit are fetched too.
    fn may_start(&self, next: &WantedResult, room: u64) -> bool {
        if next.is_short() {
            self.short.len() < SHORT_PER_TRANSFER * self.transfers_max
                && self.short_bytes + next.nbytes <= SHORT_BYTES_MAX
        } else {
            self.transfers.is_empty()
                || (self.transfers.len() < self.transfers_max
                    && self.transfer_bytes.saturating_add(next.nbytes) <= room)
        }
    }

    /// Starts fetches as long as not too many are under way, and their results fit into `room` bytes of memory. One whose
    /// memory cannot be allocated now waits, and lets others pass. Returns a task whose result can never be taken in, with
    /// the reason; `None` when no more can be started.
    ///
    /// # Errors
    /// When the network fails.
    pub(crate) fn start<T: Transport>(
        &mut self,
        room: u64,
        links: &mut Links<T>,
    ) -> Result<Option<(TaskId, CodecError)>, ExecutorError> {
        self.start_streams(links)?;
        while self.postponed.front().is_some_and(|next| self.may_start(next, room))
            && let Some(wanted) = self.postponed.pop_front()
        {
            let before = links.profile.enter(ProfilePhase::Sending);
            let WantedResult { task, holder, nbytes, ref layout, .. } = wanted;
            if wanted.is_short() {
                links.send(holder, &Peer::Fetch { task, tag: TAG_INLINE, same_files: false })?;
                self.short_bytes += nbytes;
                self.short.insert(task, wanted);
            } else {
                let same_files = wanted.has_files();
                let target = match bulk::allocate(layout, nbytes, same_files) {
                    Ok(target) => target,
                    Err(why) => {
                        links.profile.enter(before);
                        if usize::try_from(nbytes).is_ok_and(|bytes| allocation::check::<u8>(bytes).is_err())
                        {
                            self.starved.push_back((wanted, why));
                            continue;
                        }
                        return Ok(Some((task, why)));
                    }
                };
                let tag = self.free_tag(holder);
                self.transfers.insert(transfer(holder, tag), wanted);
                self.transfer_bytes += nbytes;
                links.transport.receive_bulk(holder, tag, target)?;
                links.send(holder, &Peer::Fetch { task, tag, same_files })?;
            }
            links.profile.enter(before);
        }
        Ok(None)
    }

    /// Starts streams that had to wait. Their receiver takes in as many at a time as their sender sends, so that none
    /// waits for another in a circle of ranks.
    fn start_streams<T: Transport>(&mut self, links: &mut Links<T>) -> Result<(), ExecutorError> {
        while self.streams.len() < STREAMS_MAX.min(self.transfers_max)
            && let Some(WantedResult { task, holder, nbytes, layout, .. }) = self.later_streams.pop_front()
        {
            let before = links.profile.enter(ProfilePhase::Sending);
            let target = bulk::allocate(&layout, nbytes, false)?;
            let tag = self.free_tag(holder);
            self.streams.insert(transfer(holder, tag), task);
            links.transport.receive_bulk(holder, tag, target)?;
            links.send(holder, &Peer::Fetch { task, tag, same_files: false })?;
            links.profile.enter(before);
        }
        Ok(())
    }

    /// A tag on which nothing comes from this rank.
    fn free_tag(&mut self, holder: Rank) -> u32 {
        let is_used = |tag| {
            let key = transfer(holder, tag);
            self.transfers.contains_key(&key) || self.streams.contains_key(&key)
        };
        let mut tag = self.next_tag;
        while is_used(tag) {
            tag = next_tag(tag);
        }
        self.next_tag = next_tag(tag);
        tag
    }
}

fn transfer(from: Rank, tag: u32) -> u64 {
    u64::from(from.0) << 32 | u64::from(tag)
}

/// The next tag for a bulk transfer, after `tag`: 1 to 30,000, then 1 again. Every MPI allows tags up to 2^15 - 1.
fn next_tag(tag: u32) -> u32 {
    if tag >= 30_000 { 1 } else { tag + 1 }
}
