//! The time slice of dtask's threads: for how long a thread may run before the kernel lets another one run on its core.
//!
//! A rank's threads wait for one another and for other ranks. Where there are fewer cores than such threads, one that
//! polls in vain yields (`sched_yield`). Linux since 6.6 then passes it over for a whole slice, and a thread that wakes
//! up waits until the running one's slice is over: 1.5 to 3 ms by default, in which hundreds of tasks could have run.
//! With shorter slices tasks of 100 µs that follow one another over ranks run five times as fast; where each thread has
//! a core, they change nothing. Older systems do not know slices, and ignore the request.
//!
//! Source: `Documentation/scheduler/sched-eevdf.rst` of Linux, and sched_setattr(2).
#![allow(unsafe_code)]

use std::mem::{size_of, zeroed};

/// The length of the time slice that dtask asks the kernel for, in nanoseconds: the shortest that Linux grants.
const SHORT: u64 = 100_000;

/// A guard of a shortened time slice: gives the calling thread its old slice back when it is dropped.
pub(crate) struct SchedSlice {
    before: libc::sched_attr,
}

impl SchedSlice {
    /// Asks the kernel for a short time slice, for the calling thread and for all threads that it starts from now on.
    /// `None` where the kernel refuses, or where the thread does not have the normal scheduling policy.
    pub(crate) fn shorten() -> Option<SchedSlice> {
        let before = attributes()?;
        let normal = before.sched_policy == libc::SCHED_OTHER as u32;
        (normal && set(libc::sched_attr { sched_runtime: SHORT, ..before })).then_some(SchedSlice { before })
    }
}

impl Drop for SchedSlice {
    fn drop(&mut self) {
        set(self.before);
    }
}

const SIZE: u32 = size_of::<libc::sched_attr>() as u32;

fn attributes() -> Option<libc::sched_attr> {
    // SAFETY: numbers only, which may be 0.
    let mut attributes: libc::sched_attr = unsafe { zeroed() };
    // SAFETY: the system writes at most `SIZE` bytes there. The calling thread is number 0.
    let rc = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) };
    attributes.size = SIZE;
    (rc == 0).then_some(attributes)
}

fn set(attributes: libc::sched_attr) -> bool {
    // SAFETY: the system only reads it.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_its_own_slice_back() {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let Some(before) = attributes() else { return };
                let slice = SchedSlice::shorten();
                let granted = |thread: libc::sched_attr| thread.sched_runtime == SHORT;
                // older systems know no slices
                let short = attributes().is_some_and(granted);
                let inherited = std::thread::scope(|scope| scope.spawn(attributes).join());
                assert_eq!(inherited.ok().flatten().is_some_and(granted), short);
                drop(slice);
                assert_eq!(attributes().map(|now| now.sched_runtime), Some(before.sched_runtime));
            });
        });
    }
}
