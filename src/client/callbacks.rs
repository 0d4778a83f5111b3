//! Callbacks: functions that run when a task has ended, on the rank that holds its future.
//!
//! They run one after the other on a thread of their own, which the first one starts: they may submit tasks and wait.

use super::ClientShared;
use super::future::Future;
use crate::compact::Runs;
use crate::console;
use crate::runtime::head::Request;
use crate::runtime::wait::{NextEnd, Wait, WaitUntil};
use crate::task::value::panic_text;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

type Callback = Box<dyn FnOnce() + Send>;

/// The callbacks of a rank, with the thread that runs them.
pub(crate) struct Callbacks {
    wait: Arc<Wait>,
    state: Mutex<CallbackState>,
    idle: Condvar,
}

#[derive(Default)]
struct CallbackState {
    /// The callbacks whose tasks have not ended, by their index in the wait.
    waiting: BTreeMap<u32, Callback>,
    next: u32,
    free: Vec<u32>,
    is_running: bool,
    is_closed: bool,
    thread: Option<JoinHandle<()>>,
}

impl Default for Callbacks {
    fn default() -> Self {
        let wait = Wait::for_ends_until(WaitUntil::Next, 0);
        Callbacks { wait, state: Mutex::default(), idle: Condvar::new() }
    }
}

impl Callbacks {
    /// Notes a callback, and returns its index in the wait. Starts the thread if there is none. Gives the callback back
    /// if the run has ended or no thread can be started.
    fn add(self: &Arc<Self>, callback: Callback) -> Result<u32, Callback> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(callback);
        }
        if state.thread.is_none() {
            let own = self.clone();
            match thread::Builder::new().name("dtask-callbacks".into()).spawn(move || own.work()) {
                Ok(thread) => state.thread = Some(thread),
                Err(_) => return Err(callback),
            }
        }
        let place = state.free.pop().unwrap_or_else(|| {
            state.next += 1;
            state.next - 1
        });
        self.wait.add(place);
        state.waiting.insert(place, callback);
        Ok(place)
    }

    fn work(&self) {
        while let NextEnd::Ended(place) = self.wait.next(None, None) {
            let callback = {
                let mut state = self.state.lock();
                state.is_running = true;
                state.free.push(place);
                state.waiting.remove(&place)
            };
            if let Some(callback) = callback {
                call(callback);
            }
            self.state.lock().is_running = false;
            self.idle.notify_all();
        }
        let left = {
            let mut state = self.state.lock();
            state.is_closed = true;
            std::mem::take(&mut state.waiting)
        };
        drop(left); // without the lock: they hold futures
        self.idle.notify_all();
    }

    /// Waits until all callbacks have run, also those that callbacks add meanwhile.
    pub(crate) fn finish(&self) {
        let mut state = self.state.lock();
        while !state.is_closed && (state.is_running || !state.waiting.is_empty()) {
            self.idle.wait(&mut state);
        }
    }

    /// Ends the thread, since the run has ended with the reason `why`. Callbacks whose tasks have not ended never run.
    pub(crate) fn close(&self, why: &str) {
        self.wait.close(why);
        let thread = self.state.lock().thread.take();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join(); // it catches panics
        }
    }
}

fn call(callback: Callback) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(callback)) {
        console::error(format_args!(
            "dtask: a function given to `Future::on_done` has panicked: {}",
            panic_text(&*payload)
        ));
    }
}

impl ClientShared {
    /// Waits until all callbacks of this rank have run.
    pub(crate) fn finish_callbacks(&self) {
        if let Some(callbacks) = self.callbacks.get() {
            callbacks.finish();
        }
    }
}

impl<T: 'static> Future<T> {
    /// Lets `callback` run when the task has ended, with a result or an error; soon, if it has ended already. It gets
    /// the future, and runs on the rank of the program that calls this, on a thread for callbacks: one after the other,
    /// so it should be short. It may submit tasks and wait for them.
    ///
    /// The run does not end before the callbacks of its closure have run. A panic in a callback is printed.
    ///
    /// ```
    /// # fn f(client: &dtask::Client) -> dtask::Result<()> {
    /// let sum = client.submit(|n: u64| (0..n).sum::<u64>(), (1_000,));
    /// sum.on_done(|ended| println!("{ended:?}"));
    /// # Ok(()) }
    /// ```
    pub fn on_done(&self, callback: impl FnOnce(&Future<T>) + Send + 'static) {
        let shared = &self.handle.shared;
        let callbacks = shared.callbacks.get_or_init(Arc::default);
        let own = self.clone();
        let mut tasks = Runs::default();
        tasks.push(self.handle.task().0);
        match callbacks.add(Box::new(move || callback(&own))) {
            Ok(first) => {
                shared.mailbox.push(Request::Want { tasks, first, wait: callbacks.wait.clone() });
                shared.answer_if_closed(&callbacks.wait);
            }
            Err(callback) => {
                drop(callback);
                console::error(
                    "dtask: a function given to `Future::on_done` never runs: the run has ended, or no thread can be started",
                );
            }
        }
    }
}
