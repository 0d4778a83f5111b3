//! Values of a rank, which its tasks share.

use crate::runtime::threads::task_context;
use std::sync::Arc;

/// The rank's own value, made by `make` once a rank: a model that is read from a file, a connection, a cache.
///
/// The first task that asks makes it. Tasks that ask meanwhile wait for that; all later ones get it at once. It is
/// known by the closure: each `local(..)` in the program's text is a value of its own, and a function (`local(load)`)
/// is the same value wherever it stands. For that the closure must capture nothing, which the compiler checks.
///
/// ```
/// use std::collections::HashMap;
///
/// fn load() -> HashMap<String, f64> {
///     HashMap::from([("carbon".to_owned(), 12.011)]) // from a large file, say
/// }
///
/// fn mass(element: String) -> f64 {
///     let table = dtask::local(load);
///     table.get(&element).copied().unwrap_or(f64::NAN)
/// }
/// # fn f(client: &dtask::Client) -> dtask::Result<()> {
/// assert_eq!(client.submit(mass, ("carbon".to_owned(),)).result()?, 12.011);
/// # Ok(()) }
/// ```
///
/// Outside of tasks, as in the closure given to [`run`](crate::run) or in a thread that a task has started, it is the
/// value of the rank too. It is kept until the run ends, and longer only by those who still hold it. A value that is to
/// change has a lock or atomics inside; pure tasks should not let their results depend on that.
///
/// Code of a task before its first call of `local` may run twice, as with [`current`](crate::current): a short task
/// begins on a thread that must not wait, and starts again on another one if the value is not there.
///
/// # Panics
/// When `make` does: the task's error. The next task that asks tries again. Also when `make` asks for the value that it
/// makes. `make` must not wait for other tasks: [`current`](crate::current) is an error in it.
pub fn local<T, F>(make: F) -> Arc<T>
where
    F: FnOnce() -> T + 'static,
    T: Send + Sync + 'static,
{
    const { CapturesNothing::<F>::CHECKED }
    task_context::local(make)
}

/// Like [`local`], for what can fail. The value is kept only if it is made: the next task that asks tries again.
///
/// ```
/// fn header() -> Result<String, dtask::Failure> {
///     let header = dtask::try_local(|| std::fs::read_to_string("/etc/hostname"))?;
///     Ok(header.trim().to_owned())
/// }
/// ```
///
/// # Errors
/// Those of `make`.
///
/// # Panics
/// As [`local`].
pub fn try_local<T, E, F>(make: F) -> Result<Arc<T>, E>
where
    F: FnOnce() -> Result<T, E> + 'static,
    T: Send + Sync + 'static,
{
    const { CapturesNothing::<F>::CHECKED }
    task_context::try_local(make)
}

struct CapturesNothing<F>(std::marker::PhantomData<F>);

impl<F> CapturesNothing<F> {
    const CHECKED: () = assert!(
        size_of::<F>() == 0,
        "dtask: this closure captures variables, and the first call's would count for all tasks of the rank. Keep a \
         map for values that depend on something: `dtask::local(|| Mutex::new(HashMap::new()))`"
    );
}
