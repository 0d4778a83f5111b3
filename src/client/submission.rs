//! Submissions: the numbering of tasks and definitions, and the look-up of pure calls.

use super::arguments::ArgumentPack;
use super::future::FutureHandle;
use super::{ClientShared, ClientState, Held};
use crate::ids::{DefId, HEAD, TaskId};
use crate::protocol::{Blob, Definition};
use crate::runtime::head::Request;
use crate::scheduler::{DefOptions, NewTask, SchedulerEvent};
use crate::task::function;
use std::collections::hash_map::Entry;
use std::panic::Location;
use std::sync::{Arc, Weak};

/// The handle behind `future`, if it still exists and its whole key is `key`. A handle with another key that is equal
/// in half of it is put into `held` instead, since it must not be dropped under the lock.
fn alike(future: &Weak<FutureHandle>, key: u128, held: &mut Held) -> Option<Arc<FutureHandle>> {
    let handle = future.upgrade()?;
    if handle.key() == key {
        return Some(handle);
    }
    held.push(handle);
    None
}

impl ClientState {
    /// The future of the pure call with this key, if it exists. A handle of another call, whose key is equal in half,
    /// may be put into `held`, which the caller drops after it has released the lock.
    pub(super) fn find(&mut self, key: u128, held: &mut Held) -> Option<Arc<FutureHandle>> {
        alike(self.keys.get(key)?, key, held)
    }

    pub(super) fn new_handle(
        &mut self,
        shared: &Arc<ClientShared>,
        key: u128,
        def: DefId,
        pure: bool,
    ) -> Arc<FutureHandle> {
        let task = TaskId(self.next_task);
        self.next_task += 1;
        let handle = FutureHandle::new(task, key, def, pure, shared.clone());
        if pure {
            self.keys.entry(key).insert_entry(Arc::downgrade(&handle));
        }
        handle
    }

    /// The handle of the future of a pure call, and whether the call is new. A single look-up finds or enters the call,
    /// since with a million keys look-ups take most of the time.
    fn pure_handle(
        &mut self,
        shared: &Arc<ClientShared>,
        key: u128,
        def: DefId,
        held: &mut Held,
    ) -> (Arc<FutureHandle>, bool) {
        let entry = self.keys.entry(key);
        if let Entry::Occupied(known) = &entry
            && let Some(handle) = alike(known.get(), key, held)
        {
            return (handle, false);
        }
        let handle = FutureHandle::new(TaskId(self.next_task), key, def, true, shared.clone());
        self.next_task += 1;
        entry.insert_entry(Arc::downgrade(&handle));
        (handle, true)
    }

    /// The future of a call, with the request that submits its task. The request is `None` if the same pure call
    /// already has a future, and so a task.
    #[track_caller]
    pub(super) fn submit<F>(
        &mut self,
        shared: &Arc<ClientShared>,
        pure: bool,
        options: DefOptions,
        function: &F,
        offset: u64,
        pack: &mut ArgumentPack<'_>,
    ) -> (Arc<FutureHandle>, Option<Request>) {
        self.submit_named(shared, pure, options, || function::name_of(function), offset, pack)
    }

    /// The future of a call of the function at `offset`, as [`ClientState::submit`] makes it; `name` gives the
    /// function's name.
    #[track_caller]
    pub(super) fn submit_named(
        &mut self,
        shared: &Arc<ClientShared>,
        pure: bool,
        options: DefOptions,
        name: impl FnOnce() -> String,
        offset: u64,
        pack: &mut ArgumentPack<'_>,
    ) -> (Arc<FutureHandle>, Option<Request>) {
        let mut key = pack.key(offset);
        let parent = pack.parent();
        let def = self.definition(shared, offset, options, name, Blob::default());
        let handle = if pure {
            match self.pure_handle(shared, key, def, &mut pack.held) {
                (handle, true) => handle,
                (handle, false) => return (handle, None),
            }
        } else {
            self.unique += 1;
            key ^= u128::from(self.unique).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
            self.new_handle(shared, key, def, false)
        };
        let (args, inputs) = (pack.take_args(), std::mem::take(&mut pack.inputs));
        let new =
            NewTask { task: handle.number, def, key: (key >> 64) as u64, args: Blob(args), inputs, parent };
        (handle, Some(Request::Fact(SchedulerEvent::Submit(new))))
    }

    /// The number of a definition: a function with these options. A definition is announced to rank 0 at its first use.
    #[track_caller]
    pub(super) fn definition(
        &mut self,
        shared: &ClientShared,
        offset: u64,
        options: DefOptions,
        name: impl FnOnce() -> String,
        arguments: Blob,
    ) -> DefId {
        let known = (offset, options);
        if arguments.is_empty() {
            if let Some((last, def)) = self.last
                && last == known
            {
                return def;
            }
            if let Some(&def) = self.defs.get(&known) {
                self.last = Some((known, def));
                return def;
            }
        }
        let def = DefId(self.names.len() as u32);
        let name = name();
        self.names.push(name.as_str().into());
        if arguments.is_empty() {
            self.defs.insert(known, def);
            self.last = Some((known, def));
        }
        let crate::scheduler::ResourceRequest { memory, gpus, .. } = options.needs;
        let slots = options.needs.slots_of_task();
        let (function, shared_arguments, timeout) = (offset, arguments, options.timeout);
        let definition =
            Definition { def, function, name, shared: shared_arguments, slots, memory, gpus, timeout };
        shared.mailbox.push(Request::Fact(SchedulerEvent::define(definition, options)));
        if shared.rank == HEAD {
            shared.mailbox.push(Request::Place(def, Location::caller()));
        }
        def
    }
}
