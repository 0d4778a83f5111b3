//! Handles of objects inside values that are encoded.
//!
//! A handle that leaves its rank counts as a handle until its bytes are read (`crate::objects::references`). Bytes that
//! are made to be measured are never read, so handles in them are only counted. A result with handles stays a value in
//! its rank's memory, however small it is, so that the handles go with it when nobody has read it.

use std::cell::Cell;

thread_local! {
    /// The number of handles that the measured value has had so far; `None` where nothing is measured.
    static MEASURED: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Ends the measuring, also where a user's `Serialize` panics.
struct Ends(Option<usize>);

impl Drop for Ends {
    fn drop(&mut self) {
        MEASURED.set(self.0);
    }
}

/// Encodes a value by `work` to learn its length, or decodes it. Returns the outcome, and whether the value has handles.
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (T, bool) {
    let ends = Ends(MEASURED.replace(Some(0)));
    let outcome = work();
    let has_handles = MEASURED.get() > Some(0);
    drop(ends);
    (outcome, has_handles)
}

/// Counts a handle that is being encoded or decoded. Returns whether its bytes are only measured.
pub(crate) fn count() -> bool {
    let before = MEASURED.get();
    MEASURED.set(before.map(|count| count + 1));
    before.is_some()
}
