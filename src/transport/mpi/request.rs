//! Requests of MPI (sends and receives under way) that own their memory, behind safe types.
//!
//! rsmpi's own `Request` borrows its buffer and panics when it is dropped unfinished, which fits no event loop, so
//! requests are made over `mpi::ffi` here, and in `communicator`. The rules that make it sound:
//!
//! * MPI reads or writes a request's memory until the request is complete. So [`Requests`] owns it ([`Pinned`]) next to
//!   the handle and returns it when MPI has reported completion; at its drop, memory of unfinished ones is leaked.
//! * [`SendMemory`] and [`ReceiveMemory`] ask for their slice once and keep its address: the slice borrows from a value
//!   that is owned and not touched until the last request on it is complete, and so stays valid whatever its type does.
//! * Handles belong to one thread at a time: only the whole transport is `Send`, where MPI allows it (`any_thread`).
#![allow(unsafe_code)]

use crate::transport::mpi::communicator::{Comm, Result, SUCCESS, check, class, count, received};
use crate::transport::mpi::in_flight::{Pinned, Route, TransferMemory};
use crate::transport::{BulkSource, BulkTarget, TransportError};
use mpi::ffi::{self, MPI_Datatype, MPI_Status};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::raw::{c_int, c_void};
use std::rc::Rc;
use std::sync::Arc;

// SAFETY: handles, addresses and shared counts (`Rc`) are all inside of the transport and go with it; what is sent and
// received into is `Send` itself. That MPI is called by a thread that it allows is what `any_thread` is for.
unsafe impl Send for super::MpiTransport {}

/// Memory that the pieces of a bulk transfer are sent from.
pub(super) struct SendMemory {
    _owner: Arc<dyn BulkSource>,
    start: *const u8,
    length: usize,
}

impl SendMemory {
    /// Asks `owner` for its bytes, once, so that the address stays the same.
    pub(super) fn new(owner: Arc<dyn BulkSource>) -> Rc<SendMemory> {
        let bytes = owner.bytes();
        let (start, length) = (bytes.as_ptr(), bytes.len());
        Rc::new(SendMemory { _owner: owner, start, length })
    }

    /// The length of the memory in bytes.
    pub(super) fn length(&self) -> usize {
        self.length
    }
}

/// Memory that the pieces of a bulk transfer are received into.
pub(super) struct ReceiveMemory {
    /// The target as a raw pointer, since a `Box` claims that nobody else writes to its contents.
    owner: *mut dyn BulkTarget,
    start: *mut u8,
    length: usize,
}

impl ReceiveMemory {
    /// Asks `owner` for its memory, once, so that the address stays the same.
    pub(super) fn new(owner: Box<dyn BulkTarget>) -> Rc<ReceiveMemory> {
        let owner = Box::into_raw(owner);
        // SAFETY: just made from a box.
        let bytes = unsafe { (*owner).bytes_mut() };
        Rc::new(ReceiveMemory { owner, start: bytes.as_mut_ptr(), length: bytes.len() })
    }

    /// The length of the memory in bytes.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Returns the filled target; `None` while pieces of it are still being received.
    pub(super) fn finish(self: Rc<Self>) -> Option<Box<dyn BulkTarget>> {
        let target = ManuallyDrop::new(Rc::into_inner(self)?);
        // SAFETY: made by `Box::into_raw`; nobody else has it, and `drop` will not run.
        Some(unsafe { Box::from_raw(target.owner) })
    }
}

impl Drop for ReceiveMemory {
    fn drop(&mut self) {
        // SAFETY: made by `Box::into_raw`; pieces under way share this in an `Rc`, so that none is left.
        drop(unsafe { Box::from_raw(self.owner) });
    }
}

/// The MPI requests under way: one array of handles for `MPI_Testsome`, and the memory that each of them uses.
pub(super) struct Requests {
    handles: Vec<ffi::MPI_Request>,
    held: Vec<(Route, ManuallyDrop<Pinned>)>,
    indices: Vec<c_int>,
    statuses: Vec<MaybeUninit<MPI_Status>>,
}

impl Requests {
    /// Makes an empty list of requests.
    pub(super) fn new() -> Self {
        Requests { handles: Vec::new(), held: Vec::new(), indices: Vec::new(), statuses: Vec::new() }
    }

    /// Whether no request is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Number of control frames that are being sent.
    pub(super) fn outgoing(&self) -> usize {
        self.held.iter().filter(|(_, held)| matches!(**held, Pinned::Outgoing(_))).count()
    }

    /// Starts a request to send or receive the memory `held`.
    pub(super) fn start(&mut self, comm: &Comm, route: Route, mut held: Pinned) -> Result<()> {
        let handle = begin(comm, route, &mut held)?;
        self.handles.push(handle);
        self.held.push((route, ManuallyDrop::new(held)));
        Ok(())
    }

    /// Starts a request. Returns its memory if it is complete at once, as small frames are; `None` if not.
    pub(super) fn try_start(&mut self, comm: &Comm, route: Route, mut pin: Pinned) -> Result<Option<Pinned>> {
        let mut handle = begin(comm, route, &mut pin)?;
        let mut pin = ManuallyDrop::new(pin);
        let (mut done, mut status) = (0, MaybeUninit::<MPI_Status>::uninit());
        // SAFETY: the request is the one just made.
        let rc = unsafe { ffi::MPI_Test(&mut handle, &mut done, status.as_mut_ptr()) };
        check(rc, || pin.attempt(route))?;
        if done == 0 {
            self.handles.push(handle);
            self.held.push((route, pin));
            return Ok(None);
        }
        // SAFETY: a request that is complete writes its status.
        complete(route, &mut pin, unsafe { status.assume_init_ref() }, comm.byte)?;
        Ok(Some(ManuallyDrop::into_inner(pin)))
    }

    /// Appends the memory of complete requests to `finished`, and to `failed` the errors of those that have ended with
    /// one, each with the other rank. Allocates where there are more requests than ever before.
    ///
    /// A request that ended with an error is removed, its memory leaked: MPI does not say whether it still uses it.
    pub(super) fn poll(
        &mut self,
        comm: &Comm,
        finished: &mut Vec<Pinned>,
        failed: &mut Vec<(c_int, TransportError)>,
    ) -> Result<()> {
        let total = self.handles.len();
        if total == 0 {
            return Ok(());
        }
        if self.indices.len() < total {
            self.indices.resize(total.next_power_of_two(), 0);
            self.statuses.resize_with(total.next_power_of_two(), MaybeUninit::uninit);
        }
        let mut completed: c_int = 0;
        // SAFETY: the three arrays have at least `total` places; handles are live: complete ones are taken out below.
        let rc = unsafe {
            ffi::MPI_Testsome(
                count(total, || "testing requests".into())?,
                self.handles.as_mut_ptr(),
                &mut completed,
                self.indices.as_mut_ptr(),
                self.statuses.as_mut_ptr().cast::<MPI_Status>(),
            )
        };
        let in_status = class(rc) == ffi::MPI_ERR_IN_STATUS as c_int;
        if !in_status {
            check(rc, || "testing requests".into())?;
        }
        // MPI_UNDEFINED, when no handle is active, is negative.
        let completed = usize::try_from(completed).unwrap_or(0);
        for k in 0..completed {
            let index = self.indices[k] as usize;
            // SAFETY: MPI has written the first `completed` statuses.
            let status = unsafe { self.statuses[k].assume_init_ref() };
            // MPI sets the field only if the call returns MPI_ERR_IN_STATUS.
            let code = if in_status { status.MPI_ERROR } else { SUCCESS };
            let (route, held) = &mut self.held[index];
            let result = check(code, || held.attempt(*route));
            if let Err(error) = result.and_then(|()| complete(*route, held, status, comm.byte)) {
                // A negative index marks the request for the second pass below: its memory must not be freed.
                self.indices[k] = -1 - self.indices[k];
                failed.push((route.peer, error));
            }
        }
        let indices = &mut self.indices[..completed];
        // From the end, so that the entries that `swap_remove` moves were looked at.
        indices.sort_unstable_by_key(|&i| std::cmp::Reverse(i.max(-1 - i)));
        for &index in indices.iter() {
            let place = index.max(-1 - index) as usize;
            self.handles.swap_remove(place);
            let (_, held) = self.held.swap_remove(place);
            if index >= 0 {
                finished.push(ManuallyDrop::into_inner(held));
            }
        }
        Ok(())
    }

    /// Removes all requests to or from the dead rank `peer`: memory is freed where MPI can cancel the request, else leaked.
    pub(super) fn abandon(&mut self, peer: c_int) {
        for place in (0..self.handles.len()).rev() {
            if self.held[place].0.peer == peer {
                let mut handle = self.handles.swap_remove(place);
                let (_, held) = self.held.swap_remove(place);
                // an error is that of the death itself
                if let Ok(true) = cancel(&mut handle, &held) {
                    drop(ManuallyDrop::into_inner(held));
                }
            }
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        // The memory of what is unfinished is leaked by `ManuallyDrop`. Receives are cancelled, so that freeing the
        // communicator leaves nothing behind that would write to memory in the future.
        if !mpi::environment::is_finalized() {
            for (handle, (_, held)) in self.handles.iter_mut().zip(&self.held) {
                let _ = cancel(handle, held);
            }
        }
    }
}

/// Cancels a request; true if its memory is free again. Sends are not cancelled, so that only complete ones are free:
/// cancelling a send is deprecated, and some implementations refuse it.
fn cancel(handle: &mut ffi::MPI_Request, held: &Pinned) -> Result<bool> {
    let mut done: c_int = 0;
    let attempt = || "cancelling a request".to_string();
    // SAFETY: the handle is live, or null once complete, which `MPI_Test` allows and `MPI_Cancel` is kept from.
    unsafe {
        check(ffi::MPI_Test(handle, &mut done, ffi::RSMPI_STATUS_IGNORE), attempt)?;
        if done == 0 && held.is_received() {
            check(ffi::MPI_Cancel(handle), attempt)?;
            // Complete at once if no message has reached the receive yet; else its memory has to be left alone.
            check(ffi::MPI_Test(handle, &mut done, ffi::RSMPI_STATUS_IGNORE), attempt)?;
        }
    }
    Ok(done != 0)
}

/// Starts a request on the memory of `held`, which must be kept until the request is complete.
fn begin(comm: &Comm, route: Route, held: &mut Pinned) -> Result<ffi::MPI_Request> {
    let Route { peer, tag } = route;
    let length = held.length();
    let count = count(length, || held.attempt(route))?;
    let receive = held.is_received();
    let start = match held {
        Pinned::Outgoing(frame) | Pinned::Sent { buffer: frame, .. } => frame.as_mut_ptr(),
        Pinned::Incoming { frame, .. } | Pinned::Received { buffer: frame, .. } => {
            frame.clear();
            frame.reserve(length);
            frame.as_mut_ptr()
        }
        Pinned::Piece { memory, offset, .. } => {
            if offset.checked_add(length).is_none_or(|end| end > memory.length()) {
                return Err(TransportError(format!("{}: outside of the memory", held.attempt(route))));
            }
            match memory {
                TransferMemory::Source(source) => source.start.cast_mut().wrapping_add(*offset),
                TransferMemory::Target(target) => target.start.wrapping_add(*offset),
            }
        }
    };
    let start = start.cast::<c_void>();
    // SAFETY: `length` bytes from `start` are in memory that `held` owns, and that stays where it is when `held` is
    // moved. What is sent is only read.
    let (rc, request) = unsafe {
        let mut request = ffi::RSMPI_REQUEST_NULL;
        let rc = if receive {
            ffi::MPI_Irecv(start, count, comm.byte, peer, tag, comm.raw, &mut request)
        } else {
            ffi::MPI_Isend(start, count, comm.byte, peer, tag, comm.raw, &mut request)
        };
        (rc, request)
    };
    check(rc, || held.attempt(route))?;
    Ok(request)
}

/// Finishes a request that has ended without an error: checks that a received message has the length agreed.
fn complete(route: Route, held: &mut Pinned, status: &MPI_Status, byte: MPI_Datatype) -> Result<()> {
    if held.is_received() {
        held.verify(route, received(status, byte)?)?;
    }
    if let Pinned::Incoming { frame, length, .. } | Pinned::Received { buffer: frame, length, .. } = held {
        // SAFETY: room was reserved for so many bytes, and MPI has written them, as just verified.
        unsafe { frame.set_len(*length) };
    }
    Ok(())
}
