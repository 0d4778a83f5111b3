//! The calls to MPI, behind safe types.
//!
//! The only file of the transport with `unsafe`: rsmpi's own `Request` borrows its buffer and panics when it is dropped
//! unfinished, which fits no event loop, so requests are made over `mpi::ffi` here. The rules that make it sound:
//!
//! * MPI reads or writes a request's memory until the request is complete. So [`Requests`] owns it ([`Pinned`]) next to
//!   the handle and returns it when MPI has reported completion; at its drop, memory of unfinished ones is leaked.
//! * [`SendMemory`] and [`ReceiveMemory`] ask for their slice once and keep its address: the slice borrows from a value
//!   that is owned and not touched until the last request on it is complete, and so stays valid whatever its type does.
//! * Handles belong to one thread at a time: only the whole transport is `Send`, where MPI allows it (`any_thread`).
//! * Every return code is checked. Our duplicate communicator returns errors instead of ending the job.
#![allow(unsafe_code)]

use crate::transport::mpi::in_flight::{Pinned, Route, TransferMemory};
use crate::transport::{BulkSource, BulkTarget, TransportError};
use mpi::ffi::{self, MPI_Datatype, MPI_Status};
use mpi::traits::Communicator;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::raw::{c_char, c_int, c_void};
use std::rc::Rc;
use std::sync::Arc;

type Result<T> = std::result::Result<T, TransportError>;

// SAFETY: handles, addresses and shared counts (`Rc`) are all inside of the transport and go with it; what is sent and
// received into is `Send` itself. That MPI is called by a thread that it allows is what `any_thread` is for.
unsafe impl Send for super::MpiTransport {}

/// Makes an error whose text is MPI's for the error code, with the operation that was attempted.
fn describe(code: c_int, attempt: impl FnOnce() -> String) -> TransportError {
    // MPI_MAX_ERROR_STRING is 256 in Open MPI and 512 to 1024 in MPICH and its descendants.
    let mut text = [0u8; 4096];
    let mut length: c_int = 0;
    // SAFETY: the buffer is longer than any implementation's MPI_MAX_ERROR_STRING.
    let rc = unsafe { ffi::MPI_Error_string(code, text.as_mut_ptr().cast::<c_char>(), &mut length) };
    let length = usize::try_from(length).unwrap_or(0).min(text.len());
    let text = if rc == SUCCESS { String::from_utf8_lossy(&text[..length]) } else { "unknown error".into() };
    let text = text.trim_end_matches(['\0', '\n']).replace('\n', " "); // MPICH appends a stack of lines
    TransportError(format!("{}: MPI reported error {code}: {text}", attempt()))
}

const SUCCESS: c_int = ffi::MPI_SUCCESS as c_int;

fn check(code: c_int, attempt: impl FnOnce() -> String) -> Result<()> {
    if code == SUCCESS { Ok(()) } else { Err(describe(code, attempt)) }
}

/// The class of an MPI error code: codes of an implementation may say more than their class.
fn class(code: c_int) -> c_int {
    let mut class = code;
    // SAFETY: `class` is ours; a code that MPI does not know leaves it as it is.
    if code != SUCCESS && unsafe { ffi::MPI_Error_class(code, &mut class) } != SUCCESS { code } else { class }
}

/// A duplicate of a communicator for dtask alone: its messages cannot meet those of the user. Freed when dropped.
pub(super) struct Comm {
    raw: ffi::MPI_Comm,
    byte: MPI_Datatype,
    rank: c_int,
    ranks: c_int,
    tag_max: c_int,
    /// Makes the type not `Send`: in MPICH a handle of MPI is a number, which would be `Send`.
    one_thread: PhantomData<*mut ()>,
}

impl Comm {
    /// Duplicates `original`; every rank of it must call this.
    pub(super) fn duplicate(original: &impl Communicator) -> Result<Comm> {
        let original = original.as_raw();
        let mut inter: c_int = 0;
        // SAFETY: `original` is a live communicator, as the caller has a reference to its owner; here and below.
        check(unsafe { ffi::MPI_Comm_test_inter(original, &mut inter) }, || {
            "looking at the communicator".into()
        })?;
        if inter != 0 {
            return Err(TransportError("dtask cannot work on an inter-communicator".into()));
        }
        // Without the original's info: its hints (such as "no any-source receives") need not be true for us.
        // SAFETY: constants of the MPI library, immutable once it is loaded.
        let (mut raw, info, byte) =
            unsafe { (ffi::RSMPI_COMM_NULL, ffi::RSMPI_INFO_NULL, ffi::RSMPI_UINT8_T) };
        check(
            // SAFETY: as above; `raw` is ours to write.
            unsafe { ffi::MPI_Comm_dup_with_info(original, info, &mut raw) },
            || "duplicating the communicator".into(),
        )?;
        let mut comm = Comm { raw, byte, rank: 0, ranks: 0, tag_max: 0, one_thread: PhantomData };
        let attempt = || "setting up the communicator".to_string();
        let mut value: *const c_int = std::ptr::null();
        let mut found: c_int = 0;
        // SAFETY: `raw` is the live communicator just made. MPI_TAG_UB is a predefined attribute: MPI writes the
        // address of an int that lives as long as the communicator. Its key is an unsigned in some bindings.
        unsafe {
            check(ffi::MPI_Comm_set_errhandler(raw, ffi::RSMPI_ERRORS_RETURN), attempt)?;
            check(ffi::MPI_Comm_rank(raw, &mut comm.rank), attempt)?;
            check(ffi::MPI_Comm_size(raw, &mut comm.ranks), attempt)?;
            let place = std::ptr::from_mut(&mut value).cast::<c_void>();
            check(ffi::MPI_Comm_get_attr(raw, ffi::MPI_TAG_UB as c_int, place, &mut found), attempt)?;
            // 32767 is what the standard guarantees.
            comm.tag_max = if found != 0 && !value.is_null() { (*value).max(32767) } else { 32767 };
        }
        Ok(comm)
    }

    /// The number of this rank in the communicator.
    pub(super) fn rank(&self) -> c_int {
        self.rank
    }

    /// Number of ranks in the communicator.
    pub(super) fn ranks(&self) -> c_int {
        self.ranks
    }

    /// The highest message tag that MPI allows.
    pub(super) fn tag_max(&self) -> c_int {
        self.tag_max
    }

    /// The sender and the length in bytes of the next message on `tag`; `None` if none has arrived.
    pub(super) fn probe(&self, tag: c_int) -> Result<Option<(c_int, usize)>> {
        let mut status = MaybeUninit::<MPI_Status>::uninit();
        let mut found: c_int = 0;
        // SAFETY: the communicator is live; MPI writes the status if it sets the flag.
        let rc =
            unsafe { ffi::MPI_Iprobe(ffi::RSMPI_ANY_SOURCE, tag, self.raw, &mut found, status.as_mut_ptr()) };
        check(rc, || "looking for messages".into())?;
        if found == 0 {
            return Ok(None);
        }
        // SAFETY: the flag is set.
        let status = unsafe { status.assume_init() };
        let length = received(&status, self.byte)?;
        Ok(Some((status.MPI_SOURCE, length)))
    }

    /// Receives the message that was just probed into `buffer`, which becomes exactly as long as the message.
    ///
    /// Nobody else receives on this communicator, so it is there and of that length. The call returns at once if the
    /// message is short enough to have been sent whole; else it waits for the sender's next call.
    pub(super) fn receive(&self, from: c_int, tag: c_int, length: usize, buffer: &mut Vec<u8>) -> Result<()> {
        buffer.clear();
        buffer.reserve(length);
        let attempt = || format!("receiving a frame of {length} bytes from rank {from}");
        let count = count(length, attempt)?;
        let mut status = MaybeUninit::<MPI_Status>::uninit();
        // SAFETY: `buffer` has room for `length` bytes, and lives beyond this blocking call.
        let rc = unsafe {
            let start = buffer.as_mut_ptr().cast::<c_void>();
            ffi::MPI_Recv(start, count, self.byte, from, tag, self.raw, status.as_mut_ptr())
        };
        check(rc, attempt)?;
        // SAFETY: a receive that succeeds writes its status.
        let length = received(unsafe { status.assume_init_ref() }, self.byte)?;
        // SAFETY: MPI has written that many bytes, which fit, else it would have reported truncation.
        unsafe { buffer.set_len(length) };
        Ok(())
    }

    /// Enters a barrier; every rank has entered it when [`Barrier::passed`] is true.
    pub(super) fn barrier(&self) -> Result<Barrier> {
        // SAFETY: a constant of the library; the communicator is live, and MPI defers its freeing beyond the barrier.
        let (rc, request) = unsafe {
            let mut request = ffi::RSMPI_REQUEST_NULL;
            (ffi::MPI_Ibarrier(self.raw, &mut request), request)
        };
        check(rc, || "entering a barrier".into())?;
        Ok(Barrier { request })
    }
}

impl Drop for Comm {
    fn drop(&mut self) {
        // The user's program may have finalised MPI before it drops us, after which no call is allowed.
        if !mpi::environment::is_finalized() {
            // SAFETY: the communicator is live and ours. An error is not reported: nobody could act on it.
            unsafe { ffi::MPI_Comm_free(&mut self.raw) };
        }
    }
}

/// A barrier that this rank has entered. No memory belongs to it, so that it may be dropped unfinished.
pub(super) struct Barrier {
    request: ffi::MPI_Request,
}

impl Barrier {
    /// Whether every rank has entered the barrier.
    pub(super) fn passed(&mut self) -> Result<bool> {
        let mut done: c_int = 0;
        // SAFETY: the request is live, or null once it is complete, which counts as complete.
        let rc = unsafe { ffi::MPI_Test(&mut self.request, &mut done, ffi::RSMPI_STATUS_IGNORE) };
        check(rc, || "waiting for the other ranks".into())?;
        Ok(done != 0)
    }
}

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

    /// Appends the memory of complete requests to `finished`. Allocates where there are more requests than ever before.
    ///
    /// A request that ended with an error is removed, its memory leaked: MPI does not say whether it still uses it.
    pub(super) fn poll(&mut self, comm: &Comm, finished: &mut Vec<Pinned>) -> Result<()> {
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
        let mut outcome = Ok(());
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
                outcome = outcome.and(Err(error));
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
        outcome
    }

    /// Removes all requests to or from rank `peer`: memory is freed where MPI can cancel the request, else leaked.
    pub(super) fn abandon(&mut self, peer: c_int) -> Result<()> {
        let mut outcome = Ok(());
        for place in (0..self.handles.len()).rev() {
            if self.held[place].0.peer == peer {
                let mut handle = self.handles.swap_remove(place);
                let (_, held) = self.held.swap_remove(place);
                match cancel(&mut handle, &held) {
                    Ok(true) => drop(ManuallyDrop::into_inner(held)),
                    Ok(false) => {}
                    Err(error) => outcome = Err(error),
                }
            }
        }
        outcome
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
        Pinned::Outgoing(frame) => frame.as_mut_ptr(),
        Pinned::Incoming { frame, .. } => {
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
    if let Pinned::Incoming { frame, length, .. } = held {
        // SAFETY: room was reserved for so many bytes, and MPI has written them, as just verified.
        unsafe { frame.set_len(*length) };
    }
    Ok(())
}

/// The length in bytes of the received message that `status` describes.
fn received(status: &MPI_Status, byte: MPI_Datatype) -> Result<usize> {
    let mut count: c_int = 0;
    // SAFETY: the status was written by MPI.
    check(unsafe { ffi::MPI_Get_count(status, byte, &mut count) }, || "reading a message's length".into())?;
    // MPI_UNDEFINED: 2 GiB or more.
    usize::try_from(count)
        .map_err(|_| TransportError(format!("rank {} sent a message of over 2 GiB", status.MPI_SOURCE)))
}

/// The length as the `int` by which MPI counts; an error from 2 GiB on.
fn count(length: usize, attempt: impl FnOnce() -> String) -> Result<c_int> {
    c_int::try_from(length).map_err(|_| TransportError(format!("{}: more than MPI can count", attempt())))
}

/// Whether the calling thread is the one that initialised MPI.
pub(super) fn is_thread_main() -> Result<bool> {
    let mut flag: c_int = 0;
    // SAFETY: `flag` is ours; callable by any thread while MPI is initialised, which the caller has checked.
    check(unsafe { ffi::MPI_Is_thread_main(&mut flag) }, || "asking for the main thread".into())?;
    Ok(flag != 0)
}

/// Makes MPI return the errors that belong to no communicator, instead of ending the job. In MPICH, errors of
/// `MPI_Testsome` are of this kind. The handler that counts is that of MPI_COMM_SELF since MPI 4, of MPI_COMM_WORLD
/// before.
///
/// Only for an MPI that dtask has initialised itself: in other programs, the handlers of these two belong to the
/// program.
pub(super) fn return_errors() -> Result<()> {
    // SAFETY: constants of the library; both communicators live as long as MPI is initialised, which the caller has
    // done.
    let codes = unsafe {
        [ffi::RSMPI_COMM_WORLD, ffi::RSMPI_COMM_SELF]
            .map(|comm| ffi::MPI_Comm_set_errhandler(comm, ffi::RSMPI_ERRORS_RETURN))
    };
    codes.into_iter().try_for_each(|code| check(code, || "setting up MPI".into()))
}
