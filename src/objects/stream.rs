//! The two ends of a channel, each on its rank: flow control by credits, so that at most a channel's capacity of items
//! is under way from a rank.
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
    place: ReceiverPlace,
    /// Items that were sent before the place of the receiver was known.
    backlog: VecDeque<Blob>,
    /// The number of items sent and not reported to the registry yet.
    unreported: u64,
}

impl Outlet {
    /// Makes the end of a channel that lets `capacity` items be under way.
    pub(crate) fn new(capacity: u32) -> Self {
        Outlet {
            credits: capacity.max(1),
            place: ReceiverPlace::Unknown,
            backlog: VecDeque::new(),
            unreported: 0,
        }
    }

    /// Takes the right to send one item: true if it may be sent now; false if the sender has to wait.
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

    /// Notes an item for which a right was taken. Returns the rank that it is to be sent to now, with the item; `None`
    /// while the place of the receiver is not known, or when there is none any more.
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

    /// Whether the registry is to be asked for the place of the receiver; true once.
    pub(crate) fn asks(&mut self) -> bool {
        let asks = self.place == ReceiverPlace::Unknown;
        if asks {
            self.place = ReceiverPlace::Asked;
        }
        asks
    }

    /// Notes the place of the receiver, and returns the items that have waited for it.
    pub(crate) fn found(&mut self, rank: Rank) -> VecDeque<Blob> {
        if !matches!(self.place, ReceiverPlace::Gone(_)) {
            self.place = ReceiverPlace::At(rank);
        }
        std::mem::take(&mut self.backlog)
    }

    /// Notes that the receiver has taken `count` items.
    pub(crate) fn taken(&mut self, count: u32) {
        self.credits = self.credits.saturating_add(count);
    }

    /// Notes that nobody receives any more. The first reason stays.
    pub(crate) fn gone(&mut self, why: String) {
        self.backlog.clear();
        if !matches!(self.place, ReceiverPlace::Gone(_)) {
            self.place = ReceiverPlace::Gone(why);
        }
    }

    /// The place of the receiver.
    pub(crate) fn place(&self) -> &ReceiverPlace {
        &self.place
    }

    /// Whether items wait for the place of the receiver.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// The number of items that were sent since the last call, for the registry.
    pub(crate) fn report(&mut self) -> u64 {
        std::mem::take(&mut self.unreported)
    }
}

/// The outcome of a look for an item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// An item, and the rank that is to be told that as many of its items were taken, if it is time for that.
    Item(Blob, Option<(Rank, u32)>),
    /// There is none now.
    None,
    /// There will be none any more: nobody sends.
    End,
    /// Some items may be missing, for this reason.
    Lost(String),
}

/// The receiving end of a channel on its rank.
#[derive(Debug)]
pub(crate) struct Inlet {
    items: VecDeque<(Rank, Blob)>,
    /// Number of taken items of a rank after which it is told.
    batch: u32,
    owed: BTreeMap<Rank, u32>,
    received: u64,
    /// The number of items that were sent in all, once nobody sends any more.
    total: Option<u64>,
    lost: Option<String>,
}

impl Inlet {
    /// Makes the end of a channel that lets `capacity` items be under way.
    pub(crate) fn new(capacity: u32) -> Self {
        Inlet {
            items: VecDeque::new(),
            batch: (capacity / 2).max(1),
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
            let owed = self.owed.entry(from).or_default();
            *owed += 1;
            let credit = (*owed >= self.batch).then(|| (from, std::mem::take(owed)));
            return Taken::Item(item, credit);
        }
        match (&self.lost, self.total) {
            (Some(why), _) => Taken::Lost(why.clone()),
            (None, Some(total)) if self.received >= total => Taken::End,
            _ => Taken::None,
        }
    }

    /// Notes that nobody sends any more: `total` items were sent. `lost` is the reason if some of them may be missing.
    pub(crate) fn ended(&mut self, total: u64, lost: Option<String>) {
        self.total = Some(total);
        if self.lost.is_none() {
            self.lost = lost;
        }
    }

    /// Whether a look for an item would find one or the end.
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
