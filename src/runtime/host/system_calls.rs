//! Calls of the system that no crate has: the time slice of threads, and handlers for the end of a process within a
//! task.
//!
//! # The time slice
//! The time slice of dtask's threads is the time for which a thread may run before the kernel lets another one run on
//! its core.
//!
//! A rank's threads wait for one another and for other ranks. Where there are fewer cores than such threads, one that
//! polls in vain yields (`sched_yield`). Linux since 6.6 then passes it over for a whole slice, and a thread that wakes
//! up waits until the running one's slice is over: 1.5 to 3 ms by default, in which hundreds of tasks could have run.
//! With shorter slices tasks of 100 µs that follow one another over ranks run five times as fast; where each thread has
//! a core, they change nothing. Older systems do not know slices, and ignore the request.
//!
//! Source: `Documentation/scheduler/sched-eevdf.rst` of Linux, and sched_setattr(2).
//!
//! # Last words
//! A stack overflow, an `abort` or an `exit` within a task ends the rank's process, and with it the job. The handlers
//! say first which task it was. They run in a process in disorder: they call nothing but what signal-safety(7) allows,
//! allocate nothing and take no lock. Rust's runtime gives each thread a stack for them.
#![allow(unsafe_code)]

use crate::runtime::threads::{job, task_context};
use libc::c_int;
use rustix::fs::{Mode, OFlags};
use std::ffi::CString;
use std::io::Write;
use std::mem::{size_of, zeroed};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Once, OnceLock};

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

/// The signals by which a process dies of a fault of its own, with their names.
const DEADLY: [(c_int, &str); 5] = [
    (libc::SIGABRT, "SIGABRT (an abort)"),
    (libc::SIGSEGV, "SIGSEGV (a stack overflow, or a wrong address)"),
    (libc::SIGBUS, "SIGBUS (a wrong address)"),
    (libc::SIGFPE, "SIGFPE (wrong arithmetic)"),
    (libc::SIGILL, "SIGILL (a wrong instruction)"),
];
/// Exit code of a process in which a task has called `exit`.
const EXITED: c_int = 70;

/// The rank and host as the last words name them. Process-wide, as signals are.
static PLACE: OnceLock<String> = OnceLock::new();
/// The handlers that were there before, in the order of [`DEADLY`]; null where none was replaced.
static BEFORE: [AtomicPtr<libc::sigaction>; DEADLY.len()] =
    [const { AtomicPtr::new(ptr::null_mut()) }; DEADLY.len()];
/// Set once the handler has named a task: a stack overflow ends in an abort, which need not be reported as well.
static TOLD: AtomicBool = AtomicBool::new(false);

/// The file in which the process notes the task that it ends in, for the next run.
static CRASHES: OnceLock<CString> = OnceLock::new();

/// Sets the file to which the handlers append a line where the process ends in a task that has a name in the layer above:
/// its group and index, and the rank. Only the first call has an effect.
pub(crate) fn note_crashes_in(file: impl FnOnce() -> PathBuf) {
    CRASHES.get_or_init(|| CString::new(file().into_os_string().into_vec()).unwrap_or_default());
}

/// Appends a line about the calling thread's task to the file of crashes. Like the handlers that call it, it allocates
/// nothing.
fn note_crash() {
    let (Some(file), Some(origin), Some(place)) = (CRASHES.get(), task_context::origin(), PLACE.get()) else {
        return;
    };
    let mut line = [0u8; 512];
    let mut rest = &mut line[..];
    let _ = writeln!(rest, "{} {} {place}", origin.group, origin.index);
    let length = 512 - rest.len();
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
    // nobody is left to be told of an error
    if let Ok(file) = rustix::fs::open(file.as_c_str(), flags, Mode::from(0o600)) {
        let _ = rustix::io::write(&file, &line[..length]);
    }
}

/// Installs, once in a process, the handlers that name the task in which the process ends. `place` is the rank with its
/// host. Threads that run no task keep the handlers that were there.
pub(crate) fn name_the_task_at_the_end(place: String) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = PLACE.set(place);
        for ((signal, _), before) in DEADLY.iter().zip(&BEFORE) {
            // SAFETY: numbers and pointers only, which may be 0. `last_words` may run at any time on any thread: it
            // calls nothing that is not safe in a handler.
            unsafe {
                let mut own: libc::sigaction = zeroed();
                own.sa_sigaction = last_words as *const () as usize;
                own.sa_flags = libc::SA_ONSTACK;
                let mut old: libc::sigaction = zeroed();
                if libc::sigaction(*signal, ptr::null(), &raw mut old) == 0 {
                    // lives as long as the process, as the handler does
                    before.store(Box::into_raw(Box::new(old)), Ordering::SeqCst);
                    libc::sigaction(*signal, &raw const own, ptr::null_mut());
                }
            }
        }
        // SAFETY: the function lives as long as the process.
        unsafe { libc::atexit(at_exit) };
    });
}

/// Handles a deadly signal: names the task of the thread, and hands the signal on to the handler that was there before.
extern "C" fn last_words(signal: c_int) {
    let found = DEADLY.iter().zip(&BEFORE).find(|((number, _), _)| *number == signal);
    let Some(((_, name), before)) = found else { return };
    if is_computing() && !TOLD.swap(true, Ordering::SeqCst) {
        say(&[" was ended by ", name, " in "]);
        note_crash();
    }
    // SAFETY: both calls are safe in a handler; the pointer is null or leads to what was leaked for it. A faulting
    // instruction faults again when this returns; an abort has to be raised again.
    unsafe {
        let before = before.load(Ordering::SeqCst);
        if !before.is_null() {
            libc::sigaction(signal, before, ptr::null_mut());
        }
        if signal == libc::SIGABRT {
            libc::raise(signal);
        }
    }
}

/// Handles the exit of the process: one that a task has asked for would end the job as if all were well.
extern "C" fn at_exit() {
    if task_context::running().is_some() {
        say(&[" is ended by `exit` in "]);
        note_crash();
        // SAFETY: ends the process at once, after what C has buffered is written.
        unsafe {
            libc::fflush(ptr::null_mut());
            libc::_exit(EXITED);
        }
    }
}

fn is_computing() -> bool {
    task_context::running().is_some() || job::is_quiet()
}

/// Writes one line to standard error without an allocation: the rank, `words`, and the task of the calling thread.
fn say(words: &[&str]) {
    let mut line = [0u8; 512];
    let mut length = 0;
    let mut push = |text: &str| {
        let room = &mut line[length..];
        let count = text.len().min(room.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        length += count;
    };
    push("dtask: ");
    push(PLACE.get().map_or("", String::as_str));
    words.iter().for_each(|word| push(word));
    match task_context::running() {
        Some(running) => {
            push("the task `");
            push(running.name);
            push("`");
        }
        None => push("a parallel part of a task"),
    }
    push(", and with it the run: a task that fails should return an error or panic\n");
    let _ = rustix::io::write(rustix::stdio::stderr(), &line[..length]);
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
