//! The calls to MPI that need no memory of a request: on a communicator, on its messages, and on MPI as a whole.
//!
//! Every return code is checked. The duplicate communicator returns errors instead of ending the job.
#![allow(unsafe_code)]

use crate::transport::TransportError;
use mpi::ffi::{self, MPI_Datatype, MPI_Status};
use mpi::traits::Communicator;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::mem::{MaybeUninit, transmute};
use std::os::raw::{c_char, c_int, c_void};
use std::sync::OnceLock;

/// The result of a call to MPI.
pub(super) type Result<T> = std::result::Result<T, TransportError>;

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

/// The code by which MPI reports success.
pub(super) const SUCCESS: c_int = ffi::MPI_SUCCESS as c_int;

/// Converts the return code of a call to MPI; `attempt` names the operation for the error.
pub(super) fn check(code: c_int, attempt: impl FnOnce() -> String) -> Result<()> {
    if code == SUCCESS { Ok(()) } else { Err(describe(code, attempt)) }
}

/// The class of an MPI error code: codes of an implementation may say more than their class.
pub(super) fn class(code: c_int) -> c_int {
    let mut class = code;
    // SAFETY: `class` is ours; a code that MPI does not know leaves it as it is.
    if code != SUCCESS && unsafe { ffi::MPI_Error_class(code, &mut class) } != SUCCESS { code } else { class }
}

/// A duplicate of a communicator for dtask alone: its messages cannot meet those of the user. Freed when dropped.
pub(super) struct Comm {
    /// MPI's handle of the communicator.
    pub(super) raw: ffi::MPI_Comm,
    /// MPI's handle of the type in which all messages are sent: a byte.
    pub(super) byte: MPI_Datatype,
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

    /// Takes the next message of rank `from` on `tag` out of the queue without receiving it: the rank has died, so that
    /// no receive from it need succeed, and the message would be probed for ever.
    pub(super) fn discard(&self, from: c_int, tag: c_int) -> Result<()> {
        let mut status = MaybeUninit::<MPI_Status>::uninit();
        let mut found: c_int = 0;
        // SAFETY: the communicator is live; what MPI writes is ours, and is not read: the handle of the message is given
        // up, and with it what has arrived of the message.
        let rc = unsafe {
            let mut message = MaybeUninit::<ffi::MPI_Message>::uninit();
            let (message, status) = (message.as_mut_ptr(), status.as_mut_ptr());
            ffi::MPI_Improbe(from, tag, self.raw, &mut found, message, status)
        };
        check(rc, || format!("dropping a message of the dead rank {from}"))
    }

    /// The ranks of this communicator that MPI knows to have died, all of them at each call. From then on, MPI does not
    /// refuse to look for messages of any rank on their account. Empty where the library cannot tell (see [`Ulfm`]).
    pub(super) fn dead(&self) -> Result<Vec<c_int>> {
        let Some(Ulfm { acknowledge, acknowledged }) = ulfm() else { return Ok(Vec::new()) };
        let attempt = || "asking which ranks have died".to_string();
        let mut size: c_int = 0;
        // SAFETY: the two functions have the types that ULFM gives them, and the communicator is live; each group is made
        // before it is used, and is freed. The arrays have `size` places.
        unsafe {
            check(acknowledge(self.raw), attempt)?;
            let (mut dead, mut all) =
                (MaybeUninit::<ffi::MPI_Group>::uninit(), MaybeUninit::<ffi::MPI_Group>::uninit());
            check(acknowledged(self.raw, dead.as_mut_ptr()), attempt)?;
            let mut dead = dead.assume_init();
            check(ffi::MPI_Comm_group(self.raw, all.as_mut_ptr()), attempt)?;
            let mut all = all.assume_init();
            check(ffi::MPI_Group_size(dead, &mut size), attempt)?;
            let of_group: Vec<c_int> = (0..size).collect();
            let mut ranks = vec![0; of_group.len()];
            let translated =
                ffi::MPI_Group_translate_ranks(dead, size, of_group.as_ptr(), all, ranks.as_mut_ptr());
            // MPI_GROUP_EMPTY, a constant, may be the group of the dead: Open MPI lets it be freed, MPICH does not
            if size > 0 {
                ffi::MPI_Group_free(&mut dead);
            }
            ffi::MPI_Group_free(&mut all);
            check(translated, attempt)?;
            Ok(ranks)
        }
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

/// The functions of MPI by which ranks survive the death of others (User-Level Failure Mitigation, ULFM), in the
/// library that this process runs with. Not every MPI has them, and no standard does yet, so that they are looked for by
/// name when the program runs.
struct Ulfm {
    /// `MPIX_Comm_failure_ack`: takes note of all deaths up to now.
    acknowledge: unsafe extern "C" fn(ffi::MPI_Comm) -> c_int,
    /// `MPIX_Comm_failure_get_acked`: makes the group of the ranks of whose deaths note was taken.
    acknowledged: unsafe extern "C" fn(ffi::MPI_Comm, *mut ffi::MPI_Group) -> c_int,
}

/// The functions of ULFM, looked up at the first call; `None` where the MPI library has none.
fn ulfm() -> Option<&'static Ulfm> {
    static FOUND: OnceLock<Option<Ulfm>> = OnceLock::new();
    let find = |name: &CStr| {
        // SAFETY: a search by name in the libraries that are loaded already, none of which is ever unloaded.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        (!found.is_null()).then_some(found)
    };
    let find_all = || {
        let (acknowledge, acknowledged) =
            (find(c"MPIX_Comm_failure_ack")?, find(c"MPIX_Comm_failure_get_acked")?);
        // SAFETY: these are the types that the specification of ULFM gives to functions of these names.
        unsafe {
            Some(Ulfm {
                acknowledge: transmute::<*mut c_void, unsafe extern "C" fn(ffi::MPI_Comm) -> c_int>(
                    acknowledge,
                ),
                acknowledged: transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(ffi::MPI_Comm, *mut ffi::MPI_Group) -> c_int,
                >(acknowledged),
            })
        }
    };
    FOUND.get_or_init(find_all).as_ref()
}

/// Whether the MPI library has the functions by which ranks survive the death of others (ULFM). Whether they do is also
/// a matter of how the job is launched.
pub(super) fn has_ulfm() -> bool {
    ulfm().is_some()
}

/// The length in bytes of the received message that `status` describes.
pub(super) fn received(status: &MPI_Status, byte: MPI_Datatype) -> Result<usize> {
    let mut count: c_int = 0;
    // SAFETY: the status was written by MPI.
    check(unsafe { ffi::MPI_Get_count(status, byte, &mut count) }, || "reading a message's length".into())?;
    // MPI_UNDEFINED: 2 GiB or more.
    usize::try_from(count)
        .map_err(|_| TransportError(format!("rank {} sent a message of over 2 GiB", status.MPI_SOURCE)))
}

/// The length as the `int` by which MPI counts; an error from 2 GiB on.
pub(super) fn count(length: usize, attempt: impl FnOnce() -> String) -> Result<c_int> {
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
