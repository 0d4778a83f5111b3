//! Families: many tasks of one definition that differ only by an index. A family is stored as a definition and a
//! range, and its instances get records only when they start or are named.

use super::Scheduler;
use super::event::SchedulerAction;
use super::task::{ScheduledTask, TaskState};
use crate::compact::Ranges;
use crate::error::ProtocolError;
use crate::ids::{DefId, TaskId};
use crate::protocol::index_argument;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// A family (one function over a range of indexes) of which some instances have no task record yet.
#[derive(Debug)]
pub(super) struct PendingFamily {
    /// The definition (function and options) of all instances.
    pub def: DefId,
    /// The number of instances (tasks) in the whole family.
    pub count: u64,
    /// The lowest index whose instance has not been started and has no record.
    pub next: u64,
    /// Indexes from `next` on whose instances have a record already, since an event named them, such as a wait for one.
    touched: Ranges,
}

impl PendingFamily {
    /// The number of instances from `next` on, up to the first that has a record, and at most `limit`.
    pub(super) fn run_length(&self, limit: u64) -> u64 {
        let stop = self.touched.first().map_or(self.count, |touched| touched.start);
        stop.min(self.next.saturating_add(limit)) - self.next
    }

    /// Advances `next` by `taken` instances, which have started, and past the instances with a record that follow.
    pub(super) fn advance(&mut self, taken: u64) {
        self.next += taken;
        if self.touched.first().is_some_and(|touched| touched.start == self.next)
            && let Some(touched) = self.touched.pop_first()
        {
            self.next = touched.end;
        }
    }

    /// Whether every instance of the family has, or had, a record: nothing is left to start from the family's range of
    /// indexes.
    pub(super) fn is_started(&self) -> bool {
        self.next >= self.count
    }
}

/// The families of which some instances have no record, by the number of the family's first task.
#[derive(Debug, Default)]
pub(super) struct Families(BTreeMap<TaskId, PendingFamily>);

impl Families {
    /// The family with this first task, or `None` if all of its instances have records.
    pub(super) fn get_mut(&mut self, first: TaskId) -> Option<&mut PendingFamily> {
        self.0.get_mut(&first)
    }

    /// Forgets a family, whose instances have all started or are dropped, and returns it.
    pub(super) fn remove(&mut self, first: TaskId) -> Option<PendingFamily> {
        self.0.remove(&first)
    }

    /// Number of families of which some instances have no record yet.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn find(&self, task: TaskId) -> Option<(TaskId, u64)> {
        let (&first, family) = self.0.range(..=task).next_back()?;
        let index = task.0 - first.0;
        (index < family.count && index >= family.next && !family.touched.contains(index))
            .then_some((first, index))
    }

    /// Whether `task` is an instance of a family and has no record yet, since it has not started and no event has named
    /// it.
    pub(super) fn is_waiting(&self, task: TaskId) -> bool {
        self.find(task).is_some()
    }
}

impl Scheduler {
    pub(super) fn on_submit_family(
        &mut self,
        def: DefId,
        first: TaskId,
        count: u64,
    ) -> Result<(), ProtocolError> {
        let (options, class) = self.def(def).map(|def| (def.options, def.class))?;
        if first.0.checked_add(count).is_none() || self.is_known(first) {
            return Err(ProtocolError(format!("a family of {count} tasks from {first:?} on cannot be")));
        }
        if count == 0 {
            return Ok(());
        }
        self.families.0.insert(first, PendingFamily { def, count, next: 0, touched: Ranges::default() });
        if let Some(class) = class {
            self.constrained.push_family(class, options.priority, first);
        } else if options.on.is_some() || options.among.is_some() || options.prefer.is_some() {
            // a task that may run on some ranks only waits in a rank's own queue, which holds single tasks
            self.touch_all(first);
        } else {
            self.ready.push_family(options.priority, first);
        }
        Ok(())
    }

    pub(super) fn on_release_family(
        &mut self,
        first: TaskId,
        count: u64,
        except: Ranges,
        out: &mut Vec<SchedulerAction>,
    ) -> Result<(), ProtocolError> {
        if count == 0 {
            // an empty family uses up no number, so `first` may be the first task of the next family
            return Ok(());
        }
        // the instances whose futures are still held get a record, and the rest of the family is forgotten
        if let Some(next) = self.families.get_mut(first).map(|family| family.next) {
            for index in except.iter().flat_map(|range| range.start.max(next)..range.end) {
                self.touch(TaskId(first.0 + index));
            }
        }
        if let Some(family) = self.families.remove(first) {
            out.push(SchedulerAction::Abandoned(family.def));
        }
        let mut from = first.0;
        while let Some(task) = self.tasks.next_from(from)
            && task.0 - first.0 < count
        {
            from = task.0 + 1;
            if let Some(record) = self.tasks.get_mut(task)
                && record.held
                && !except.contains(task.0 - first.0)
            {
                record.held = false;
                self.release_if_unneeded(task, out);
            }
        }
        Ok(())
    }

    /// Makes the record of instance `index` of a family of definition `def`.
    pub(super) fn instance(def: DefId, index: u64) -> ScheduledTask {
        ScheduledTask::new(TaskState::Ready, def, index, &index_argument(index))
    }

    /// Whether the number `task` is in use, by a task with a record or by an instance without one.
    pub(super) fn is_known(&self, task: TaskId) -> bool {
        self.tasks.get(task).is_some() || self.families.is_waiting(task)
    }

    /// Makes records for all instances of a family that have none, and forgets the family's range of indexes.
    pub(super) fn touch_all(&mut self, first: TaskId) {
        let Some(count) = self.families.get_mut(first).map(|family| family.count) else { return };
        for index in 0..count {
            self.touch(TaskId(first.0 + index));
        }
        self.families.remove(first);
    }

    /// Makes a record for `task`, which an event names, if it is an instance of a family and has none.
    pub(super) fn touch(&mut self, task: TaskId) {
        if self.tasks.get(task).is_some() {
            return;
        }
        let Some((first, index)) = self.families.find(task) else { return };
        let Some(family) = self.families.get_mut(first) else { return };
        let def = family.def;
        family.touched.insert(index);
        family.advance(0);
        self.tasks.insert(task, Self::instance(def, index), SmallVec::new());
        self.placed_at_the_end(task);
        self.enqueue(def, 0, task);
    }
}
