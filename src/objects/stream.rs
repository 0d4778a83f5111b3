//! The two ends of a channel, each on its rank: flow control by credits, so that at most a channel's capacity of items
//! is under way, from all ranks together (`credits` deals them out).
//!
//! ```text
//!   sender's rank: Outlet ── Item, Item, … ──► receiver's rank: Inlet ── taken by the receiver
//!                         ◄── Credit{count} ──
//! ```

use crate::ids::Rank;
use crate::protocol::Blob;
use std::collections::{BTreeMap, VecDeque};

/// The place of the receiving end, as a sending rank knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReceiverPlace {
    /// Nobody has asked for it.
    Unknown,
    /// The registry was asked, and answers when somebody receives.
    Asked,
    /// The receiver is on this rank.
    At(Rank),
    /// There is no receiver any more, for this reason.
    Gone(String),
}

/// The sending end of a channel on a rank.
#[derive(Debug)]
pub(crate) struct Outlet {
    /// The number of items that can be sent before the receiver has taken some.
    credits: u32,
    /// The number of credits that this rank has, also those of items under way.
    share: u32,
    /// The number of credits that the registry wants back and that are still in use.
    recalled: u32,
    capacity: u32,
    /// Whether the registry was asked for credits.
    is_asking: bool,
    place: ReceiverPlace,
    /// Items that were sent before the place of the receiver was known.
    backlog: VecDeque<Blob>,
    /// The number of items sent and not reported to the registry yet.
    unreported: u64,
}

impl Outlet {
    /// Makes the end of a channel in which at most `capacity` items are under way.
    pub(crate) fn new(capacity: u32) -> Self {
        Outlet {
            credits: 0,
            share: 0,
            recalled: 0,
            capacity: capacity.max(1),
            is_asking: false,
            place: ReceiverPlace::Unknown,
            backlog: VecDeque::new(),
            unreported: 0,
        }
    }

    /// Takes one credit, the right to send one item. Returns false if there is none and the sender has to wait.
    ///
    /// # Errors
    /// The reason, when nobody receives any more.
    pub(crate) fn reserve(&mut self) -> Result<bool, String> {
        if let ReceiverPlace::Gone(why) = &self.place {
            return Err(why.clone());
        }
        if self.credits == 0 {
            return Ok(false);
        }
        self.credits -= 1;
        Ok(true)
    }

    /// Accepts an item for which a credit was taken. Returns the rank that it is to be sent to now, with the item;
    /// `None` while the place of the receiver is not known, or when there is none any more.
    pub(crate) fn send(&mut self, item: Blob) -> Option<(Rank, Blob)> {
        self.unreported += 1;
        match self.place {
            ReceiverPlace::At(rank) => Some((rank, item)),
            ReceiverPlace::Unknown | ReceiverPlace::Asked => {
                self.backlog.push_back(item);
                None
            }
            ReceiverPlace::Gone(_) => None,
        }
    }

    /// Whether the registry has to be asked for the rank of the receiver. Returns true at the first call only.
    pub(crate) fn asks(&mut self) -> bool {
        let asks = self.place == ReceiverPlace::Unknown;
        if asks {
            self.place = ReceiverPlace::Asked;
        }
        asks
    }

    /// Notes the rank of the receiver, and returns the items that have waited for it.
    pub(crate) fn found(&mut self, rank: Rank) -> VecDeque<Blob> {
        if !matches!(self.place, ReceiverPlace::Gone(_)) {
            self.place = ReceiverPlace::At(rank);
        }
        std::mem::take(&mut self.backlog)
    }

    /// Whether the registry has to be asked for credits: there are none, and other ranks may have some. Returns true
    /// once until [`Outlet::granted`].
    pub(crate) fn wants_credits(&mut self) -> bool {
        let wants = self.credits == 0 && self.share < self.capacity && !self.is_asking;
        self.is_asking |= wants;
        wants
    }

    /// The largest number of items under way in the channel.
    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Notes that the registry has given `count` credits. Returns the number to give back to it.
    pub(crate) fn granted(&mut self, count: u32) -> u32 {
        self.is_asking = false;
        self.share += count;
        self.taken(count)
    }

    /// Notes that the receiver has taken `count` items. Returns the number of credits to give back to the registry.
    pub(crate) fn taken(&mut self, count: u32) -> u32 {
        self.credits = self.credits.saturating_add(count);
        self.give_back(self.recalled)
    }

    /// Notes that the registry wants `count` credits back. Returns the number to give back now.
    pub(crate) fn recall(&mut self, count: u32) -> u32 {
        // on the registry's own rank it may come before the credits that it is about
        self.recalled = self.recalled.saturating_add(count);
        self.give_back(self.recalled)
    }

    /// Takes all credits that are not in use, to give them back to the registry.
    pub(crate) fn give_all_back(&mut self) -> u32 {
        self.give_back(u32::MAX)
    }

    fn give_back(&mut self, most: u32) -> u32 {
        let count = self.credits.min(most);
        self.credits -= count;
        self.share -= count.min(self.share);
        self.recalled -= count.min(self.recalled);
        count
    }

    /// The number of credits that this rank has, for the receiver, which gives them back in halves of that; 1 while the
    /// registry wants some back, so that each comes at once.
    pub(crate) fn share(&self) -> u32 {
        if self.recalled > 0 { 1 } else { self.share }
    }

    /// Notes that nobody receives any more. The first reason stays.
    pub(crate) fn gone(&mut self, why: String) {
        self.backlog.clear();
        self.is_asking = false;
        if !matches!(self.place, ReceiverPlace::Gone(_)) {
            self.place = ReceiverPlace::Gone(why);
        }
    }

    /// The place of the receiver.
    pub(crate) fn place(&self) -> &ReceiverPlace {
        &self.place
    }

    /// Whether items wait for the place of the receiver, or were sent and not reported to the registry, or credits are
    /// to come.
    pub(crate) fn is_needed(&self) -> bool {
        !self.backlog.is_empty() || self.unreported > 0 || self.is_asking
    }

    /// The number of items that were sent since the last call, for the registry.
    pub(crate) fn report(&mut self) -> u64 {
        std::mem::take(&mut self.unreported)
    }
}

/// The outcome of an attempt to take an item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// An item. If a credit message is due, also the rank to send it to and the number of its items taken.
    Item(Blob, Option<(Rank, u32)>),
    /// No item has arrived, but more may come.
    None,
    /// There will be no more items: the sending end is closed.
    End,
    /// Some items may be missing, for this reason.
    Lost(String),
}

/// The receiving end of a channel on its rank.
#[derive(Debug)]
pub(crate) struct Inlet {
    items: VecDeque<(Rank, Blob)>,
    /// The number of items taken from a rank with all credits after which a credit message is sent to it.
    batch: u32,
    /// The number of credits of each rank that has not all of them.
    shares: BTreeMap<Rank, u32>,
    owed: BTreeMap<Rank, u32>,
    received: u64,
    /// The number of items that were sent in all, once nobody sends any more.
    total: Option<u64>,
    lost: Option<String>,
}

impl Inlet {
    /// Makes the end of a channel in which at most `capacity` items are under way.
    pub(crate) fn new(capacity: u32) -> Self {
        Inlet {
            items: VecDeque::new(),
            batch: (capacity / 2).max(1),
            shares: BTreeMap::new(),
            owed: BTreeMap::new(),
            received: 0,
            total: None,
            lost: None,
        }
    }

    /// Notes an item that has come from `from`.
    pub(crate) fn arrived(&mut self, from: Rank, item: Blob) {
        self.received += 1;
        self.items.push_back((from, item));
    }

    /// Takes the next item, if there is one.
    pub(crate) fn take(&mut self) -> Taken {
        if let Some((from, item)) = self.items.pop_front() {
            *self.owed.entry(from).or_default() += 1;
            let credit = self.due(from);
            return Taken::Item(item, credit);
        }
        match (&self.lost, self.total) {
            (Some(why), _) => Taken::Lost(why.clone()),
            (None, Some(total)) if self.received >= total => Taken::End,
            _ => Taken::None,
        }
    }

    /// The credits to give back to a rank, if as many were taken as half of what it has.
    fn due(&mut self, from: Rank) -> Option<(Rank, u32)> {
        let batch = self.shares.get(&from).map_or(self.batch, |share| (share / 2).max(1).min(self.batch));
        let owed = self.owed.get_mut(&from)?;
        (*owed >= batch).then(|| (from, std::mem::take(owed)))
    }

    /// Notes the number of credits of a rank. Returns those that are to be given back to it now.
    pub(crate) fn shared(&mut self, from: Rank, share: u32) -> Option<(Rank, u32)> {
        self.shares.insert(from, share);
        self.due(from)
    }

    /// Notes that nobody sends any more: `total` items were sent. `lost` is the reason if some of them may be missing.
    pub(crate) fn ended(&mut self, total: u64, lost: Option<String>) {
        self.total = Some(total);
        if self.lost.is_none() {
            self.lost = lost;
        }
    }

    /// Whether [`Inlet::take`] would return something other than [`Taken::None`].
    pub(crate) fn is_ready(&self) -> bool {
        !self.items.is_empty()
            || self.lost.is_some()
            || self.total.is_some_and(|total| self.received >= total)
    }

    /// The number of items that are there and were not taken.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}
