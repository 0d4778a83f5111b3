//! The one scratch directory of a rank: made when a task first needs it, shared by all tasks, removed at the end.

use super::dead_scratch;
use super::scratch::{ScratchError, ScratchRoot, user_prefix};
use crate::client::local::local;
use crate::clock;
use crate::runtime::host::scratch_place::{self, ScratchPlaces};
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

/// The scratch directory of a rank, which all its tasks share.
#[derive(Debug, Default)]
struct OwnScratch {
    state: Mutex<ScratchState>,
    /// The thread that removes directories of jobs that are gone.
    sweeper: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
enum ScratchState {
    /// The directory is not made yet; its first use makes it.
    #[default]
    Unused,
    Open(Arc<ScratchRoot>),
    /// The process is about to end: no directory is made any more.
    Closed,
}

impl ScratchRoot {
    /// The scratch directory of this rank for temporary files. The first call creates it, and begins to remove those of
    /// jobs that are gone.
    ///
    /// # Errors
    /// As for [`ScratchRoot::new`].
    pub fn current() -> Result<Arc<ScratchRoot>, ScratchError> {
        let own = local(OwnScratch::default);
        let mut state = own.state.lock();
        match &*state {
            ScratchState::Open(root) => Ok(root.clone()),
            ScratchState::Closed => Err(ScratchError::Ending),
            ScratchState::Unused => {
                let places = ScratchPlaces::new(scratch_place::chosen().as_deref());
                let root = ScratchRoot::new_in(&places)?;
                *state = ScratchState::Open(root.clone());
                *own.sweeper.lock() = sweeper(places);
                Ok(root)
            }
        }
    }

    /// Chooses the place where this rank makes its scratch directory, and makes it.
    ///
    /// # Errors
    /// When the place cannot be used.
    pub(crate) fn choose(place: PathBuf) -> Result<(), ScratchError> {
        scratch_place::choose(Some(place));
        ScratchRoot::current().map(drop)
    }

    /// Gives up this rank's reference to its scratch directory. The directory is removed when no task or stored file
    /// needs it.
    pub fn leave() {
        let own = local(OwnScratch::default);
        let mut state = own.state.lock();
        if matches!(*state, ScratchState::Closed) {
            return;
        }
        let left = std::mem::take(&mut *state);
        drop(state);
        scratch_place::choose(None);
        drop(left); // not under the lock: there may be much to remove
        if let Some(sweeper) = own.sweeper.lock().take() {
            let _ = sweeper.join();
        }
    }

    /// Removes this rank's scratch directory, whatever tasks still need it, and makes no other: the process is about to
    /// end.
    pub(crate) fn close() {
        let left = std::mem::replace(&mut *local(OwnScratch::default).state.lock(), ScratchState::Closed);
        if let ScratchState::Open(root) = left {
            root.remove();
        }
    }
}

/// Starts a thread that removes the scratch directories of this user's jobs that are gone, in `places` and in those
/// that are tried without a choice.
fn sweeper(places: ScratchPlaces) -> Option<JoinHandle<()>> {
    if clock::is_simulated() {
        return None;
    }
    let places = [places.all(), ScratchPlaces::new(None).all()].concat();
    let sweep = move || dead_scratch::sweep(&places, &user_prefix());
    std::thread::Builder::new().name("dtask-sweep".into()).spawn(sweep).ok()
}
