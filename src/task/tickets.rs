//! Copies of handles inside encoded values: each has a number, its ticket, which the home of the object counts as a handle
//! until somebody reads the copy.
//!
//! A value may be encoded to learn its length, or for a task that never runs, or be dropped unread. So whoever encodes a
//! value collects its tickets, and decides: they are announced to the objects' homes, forgotten with the bytes, or voided
//! later.

use crate::protocol::{HandleTicket, ObjectId, ObjectOp};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// The way to the homes of objects.
pub(crate) trait TicketOffice: Send + Sync {
    /// Sends an operation to an object's home, without a reply.
    fn tell(&self, object: ObjectId, op: ObjectOp);
}

/// A copy of a handle inside encoded bytes.
pub(crate) struct CopyTicket {
    /// The object, the side and the number of the copy.
    pub ticket: HandleTicket,
    office: Arc<dyn TicketOffice>,
}

thread_local! {
    /// The tickets of the value that this thread encodes; `None` while nobody collects them.
    static COLLECTED: RefCell<Option<Vec<CopyTicket>>> = const { RefCell::new(None) };
    /// Whether the value that this thread decodes has had handles so far.
    static FOUND: Cell<bool> = const { Cell::new(false) };
}

impl CopyTicket {
    /// Makes the ticket of a copy that was just encoded: hands it to whoever collects, else announces it at once.
    pub(crate) fn made(ticket: HandleTicket, office: Arc<dyn TicketOffice>) {
        let copy = CopyTicket { ticket, office };
        let left = COLLECTED.with_borrow_mut(|collected| match collected {
            Some(collected) => {
                collected.push(copy);
                None
            }
            None => Some(copy),
        });
        if let Some(copy) = left {
            copy.announce();
        }
    }

    /// Tells the object's home that the copy is under way.
    pub(crate) fn announce(&self) {
        let HandleTicket { object, side, ticket } = self.ticket;
        self.office.tell(object, ObjectOp::Ticket { side, ticket });
    }

    /// Tells the object's home that nobody will read the copy, if nobody has.
    pub(crate) fn void(&self) {
        let HandleTicket { object, side, ticket } = self.ticket;
        self.office.tell(object, ObjectOp::Void { side, ticket, failed: false });
    }
}

/// Calls `encode`, and returns with its result the tickets of the handles that it has encoded. They are not announced.
pub(crate) fn collecting<R>(encode: impl FnOnce() -> R) -> (R, Vec<CopyTicket>) {
    let before = COLLECTED.replace(Some(Vec::new()));
    /// Puts the collection of the caller back, also when `encode` panics.
    struct Restore(Option<Vec<CopyTicket>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            COLLECTED.set(self.0.take());
        }
    }
    let restore = Restore(before);
    let result = encode();
    let tickets = COLLECTED.take().unwrap_or_default();
    drop(restore);
    (result, tickets)
}

/// Calls `decode`, and returns with its result whether it has decoded handles.
pub(crate) fn reading<R>(decode: impl FnOnce() -> R) -> (R, bool) {
    let before = FOUND.replace(false);
    let result = decode();
    (result, FOUND.replace(before))
}

/// Notes that this thread has decoded a handle.
pub(crate) fn found() {
    FOUND.set(true);
}

/// Copies of handles in the encoding of a value that is kept. When the value is dropped, nobody will read those that were
/// not read.
#[derive(Default)]
pub(crate) struct KeptTickets(Vec<CopyTicket>);

impl KeptTickets {
    /// Announces the tickets, and keeps them.
    pub(crate) fn new(tickets: Vec<CopyTicket>) -> Self {
        tickets.iter().for_each(CopyTicket::announce);
        KeptTickets(tickets)
    }
}

impl Drop for KeptTickets {
    fn drop(&mut self) {
        self.0.iter().for_each(CopyTicket::void);
    }
}
