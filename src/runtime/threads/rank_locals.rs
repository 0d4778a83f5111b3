//! Values that a rank makes once and shares between its tasks: lazy initialisation, by the type of the initialiser.
//!
//! A process is one rank as a rule, and has one store ([`RankLocals::of_process`]), which threads outside of tasks use
//! too. In the simulated cluster several ranks share a process: each has a store of its own, and its tasks are told of
//! it (`super::task_context`).
//!
//! A value is unmade, being made by one thread, or made. The first thread that asks makes it; others wait for that. An
//! initialiser that fails or panics leaves it unmade, and the next thread that asks makes it.

use parking_lot::{Condvar, Mutex, RwLock};
use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::thread::{self, ThreadId};

type Value = Arc<dyn Any + Send + Sync>;

/// The values that a rank makes once and shares between its tasks (see `dtask::local`).
#[derive(Debug, Default)]
pub(crate) struct RankLocals {
    cells: RwLock<BTreeMap<TypeId, Arc<LocalCell>>>,
}

/// A shared value of a rank, or its place while it is not made yet.
#[derive(Debug, Default)]
struct LocalCell {
    value: OnceLock<Value>,
    /// The thread that makes the value now; `None` if no thread does.
    maker: Mutex<Option<ThreadId>>,
    ended: Condvar,
}

/// The values of the whole process. Under MPI a process is one rank, so its threads that belong to no task (the closure
/// of a run, the one that waits for signals) use them too.
static OF_PROCESS: RankLocals = RankLocals::new();

impl RankLocals {
    /// A store without values, for one rank.
    pub(crate) const fn new() -> RankLocals {
        RankLocals { cells: RwLock::new(BTreeMap::new()) }
    }

    /// The store of shared values of the process: under MPI that of its rank.
    pub(crate) fn of_process() -> &'static RankLocals {
        &OF_PROCESS
    }

    /// The shared value of type `T` with this key. `make` makes it if it is not there. `before` is called before that,
    /// and before the thread waits for another one that makes it.
    ///
    /// # Errors
    /// Those of `make`.
    ///
    /// # Panics
    /// When `make` does, or when `make` itself asks for the value that it is making.
    pub(crate) fn get<T: Send + Sync + 'static, E>(
        &self,
        key: TypeId,
        before: impl Fn(),
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let cell = self.cell(key);
        if let Some(value) = cell.get() {
            return Ok(value);
        }
        before();
        let mut maker = cell.maker.lock();
        loop {
            if let Some(value) = cell.get() {
                return Ok(value);
            }
            match *maker {
                None => break,
                Some(thread) => assert!(
                    thread != thread::current().id(),
                    "what makes a value of the rank asks for that value: call `dtask::local` before a parallel part \
                     of a task, not in it"
                ),
            }
            cell.ended.wait(&mut maker);
        }
        *maker = Some(thread::current().id());
        drop(maker);
        let making = MakingValue(&cell);
        let value = Arc::new(make()?);
        let _ = cell.value.set(value.clone());
        drop(making);
        Ok(value)
    }

    /// Drops the store's references to all values. Each value is dropped when its last user has let go of it.
    pub(crate) fn clear(&self) {
        let cells = std::mem::take(&mut *self.cells.write());
        drop(cells); // not under the lock: a value's `Drop` may ask for another one
    }

    fn cell(&self, key: TypeId) -> Arc<LocalCell> {
        // nearly every call finds the cell, and readers do not wait for one another
        if let Some(cell) = self.cells.read().get(&key) {
            return cell.clone();
        }
        self.cells.write().entry(key).or_default().clone()
    }
}

impl LocalCell {
    fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.value.get()?.clone().downcast().ok()
    }
}

/// A guard of a value that is being made. Its drop ends the making, whether the value was made or not, and lets waiting
/// threads go on.
struct MakingValue<'a>(&'a LocalCell);

impl Drop for MakingValue<'_> {
    fn drop(&mut self) {
        *self.0.maker.lock() = None;
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    const KEY: fn() -> TypeId = TypeId::of::<u8>;

    #[test]
    fn threads_that_come_together_get_the_value_of_the_first() {
        let (locals, barrier, made) = (RankLocals::new(), Barrier::new(8), AtomicU32::new(0));
        let make = || {
            std::thread::sleep(Duration::from_millis(20));
            Ok::<u32, Infallible>(made.fetch_add(1, Ordering::Relaxed))
        };
        let get = || {
            barrier.wait();
            locals.get(KEY(), || {}, make).map_or(9, |value| *value)
        };
        let all: Vec<u32> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(get)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(9)).collect()
        });
        assert_eq!(all, [0; 8]);
        locals.clear();
        assert_eq!(locals.get(KEY(), || {}, make).as_deref(), Ok(&1));
        assert_eq!(locals.get(TypeId::of::<u16>(), || {}, make).as_deref(), Ok(&2));
    }

    #[test]
    fn a_value_that_could_not_be_made_is_made_by_the_next() {
        let locals = RankLocals::new();
        assert_eq!(locals.get(KEY(), || {}, || Err::<u32, _>("no")), Err("no"));
        let panics = || locals.get(KEY(), || {}, || -> Result<u32, ()> { panic!("no") });
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(locals.get(KEY(), || {}, || Ok::<u32, ()>(7)).as_deref(), Ok(&7));
    }

    #[test]
    fn a_value_that_needs_itself_is_an_error_and_no_deadlock() {
        let locals = RankLocals::new();
        let inner = || locals.get(KEY(), || {}, || Ok::<u32, ()>(1)).map(|value| *value);
        let outer = || locals.get(KEY(), || {}, inner);
        assert!(catch_unwind(AssertUnwindSafe(outer)).is_err());
        assert_eq!(locals.get(KEY(), || {}, || Ok::<u32, ()>(7)).as_deref(), Ok(&7));
    }
}
