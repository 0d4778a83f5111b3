//! The key plan: all that the keys of a script's instances are computed from, in a form that can be stored.

use crate::script::plan::task::Select;
use crate::script::sweep::family::Sweep;
use crate::script::sweep::join::Join;
use crate::script::values::value::{Key, ScriptValue};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::UNIX_EPOCH;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// All that the keys of a script's instances are computed from, by task. Stored in the journal, it gives the keys of an
/// older version of the script.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyPlan {
    /// The tasks, in the order of the plan.
    pub tasks: Vec<KeyTask>,
}

/// All that the keys of one task's instances are computed from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyTask {
    /// The name of the task.
    pub name: String,
    /// The hash of each part of the task's definition, with the part's key in the script, such as `run` or `env`.
    pub parts: Vec<(String, u128)>,
    /// The hash that the keys of all instances of the task begin with: of all `parts`, and of the states of the
    /// `common` files.
    pub base: u128,
    /// A hash of everything that decides the keys: tasks with equal digests have equal keys for equal indices.
    pub digest: u128,
    /// The family of the task: all instances with the values of their parameters.
    pub family: Sweep,
    /// Whether the values of each parameter are part of a key. Row numbers of a table are not, unless the action names
    /// them: rows may be inserted.
    pub counts: Vec<bool>,
    /// Whether the index of an instance is part of its key, since random numbers or the action depend on it.
    pub by_index: bool,
    /// The number of the knot that the task is in; 0 if its instances read no others of the task, and no circle of
    /// tasks leads back to it.
    pub knot: u32,
    /// The references to other tasks, whose results the instances read.
    pub references: Vec<KeyReference>,
    /// The files of the user that only some instances read, by path, with their states.
    pub files: BTreeMap<String, FileState>,
    /// The paths of the files that all instances read, such as the program.
    pub common: Vec<String>,
}

/// A reference of a task to another one, as far as keys depend on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyReference {
    /// The number of the task that is read.
    pub task: usize,
    /// The output of that task that is read.
    pub select: Select,
    /// The join, which tells which instances of that task each instance reads.
    pub join: Join,
    /// The numbers of the references behind whose `else` this one stands.
    pub instead_of: Vec<usize>,
}

/// The state of a file that the user owns, by which a change is noticed: its length, and the time of modification in
/// nanoseconds since 1970. `None` if there is no such file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileState(Option<(u64, u128)>);

impl FileState {
    /// Looks up the state of the file at `path`.
    pub(crate) fn of(path: &Path) -> FileState {
        let state = || {
            let found = std::fs::metadata(path).ok()?;
            Some((found.len(), found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos()))
        };
        FileState(state())
    }

    /// Whether the file existed when its state was looked up.
    pub(crate) fn is_there(self) -> bool {
        self.0.is_some()
    }

    /// Hashes the state, for the keys of instances that read the file.
    pub(super) fn hash(self) -> u64 {
        let FileState(state) = self;
        let (there, (length, modified)) = (state.is_some(), state.unwrap_or_default());
        let mut bytes = [0; 25];
        bytes[0] = u8::from(there);
        bytes[1..9].copy_from_slice(&length.to_le_bytes());
        bytes[9..].copy_from_slice(&modified.to_le_bytes());
        xxh3_64(&bytes)
    }
}

/// Appends a value to the bytes to be hashed, with its type and spelling.
pub(super) fn add_value(value: &ScriptValue, bytes: &mut SmallVec<[u8; 256]>) {
    // `300` and `300.0` are equal in a join, but are written differently into a command
    bytes.push(match value {
        ScriptValue::Int(_) => 0,
        ScriptValue::Float(_) => 1,
        ScriptValue::Text(_) => 2,
        ScriptValue::Bool(_) => 3,
        ScriptValue::Path(_) => 4,
        ScriptValue::Spelled(_) => 5,
    });
    if let ScriptValue::Spelled(spelled) = value {
        bytes.extend_from_slice(&(spelled.text().len() as u64).to_le_bytes());
        bytes.extend_from_slice(spelled.text().as_bytes());
        return;
    }
    match value.key() {
        Key::Int(number) => bytes.extend_from_slice(&number.to_le_bytes()),
        Key::Bits(bits) => bytes.extend_from_slice(&bits.to_le_bytes()),
        Key::Bool(value) => bytes.push(u8::from(value)),
        Key::Text(text) => {
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
}

impl KeyPlan {
    /// Finds the number of the task of that name; `None` if there is none.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
    }

    /// Computes the digests of all tasks, once all their other fields have been set. The digest of a task includes
    /// those of the tasks that it reads.
    pub(super) fn close(&mut self) {
        for at in 0..self.tasks.len() {
            let mut bytes = Vec::new();
            let Some(task) = self.tasks.get(at) else { continue };
            bytes.extend_from_slice(&task.base.to_le_bytes());
            let parts = (&task.name, &task.family, &task.counts, task.by_index, &task.files);
            let _ = crate::codec::encode_into(&parts, &mut bytes);
            let knot = task.knot;
            for reference in &task.references {
                let digest = self.tasks.get(reference.task).map_or(0, |other| match other.knot == knot {
                    true if knot > 0 => other.base,
                    _ => other.digest,
                });
                let parts = (digest, reference.select, &reference.join, &reference.instead_of);
                let _ = crate::codec::encode_into(&parts, &mut bytes);
            }
            let digest = xxh3_128(&bytes);
            if let Some(task) = self.tasks.get_mut(at) {
                task.digest = digest;
            }
            let is_last = self.tasks.iter().skip(at + 1).all(|other| other.knot != knot);
            if knot > 0 && is_last {
                self.close_knot(knot);
            }
        }
    }

    /// Adds to the digests of the tasks of a knot those of all its tasks, since each reads all others in the end.
    fn close_knot(&mut self, knot: u32) {
        let members = || self.tasks.iter().filter(|task| task.knot == knot);
        let all = xxh3_128(&members().flat_map(|task| task.digest.to_le_bytes()).collect::<Vec<u8>>());
        for task in self.tasks.iter_mut().filter(|task| task.knot == knot) {
            task.digest = xxh3_128(&[task.digest.to_le_bytes(), all.to_le_bytes()].concat());
        }
    }
}
