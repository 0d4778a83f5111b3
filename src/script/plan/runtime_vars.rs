//! Runtime variables: values that only the rank knows that runs an instance, such as `{dtask.rank}`.

use serde::{Deserialize, Serialize};

use crate::script::values::value::ScriptValue;

/// A runtime variable: a value that only the rank knows that runs an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuntimeVar {
    /// The number of the rank, counted from 0.
    Rank,
    /// The number of ranks.
    Ranks,
    /// The name of the host.
    Host,
    /// The path of the instance's private folder.
    Scratch,
    /// The number of the attempt, counted from 1.
    Attempt,
    /// The instance's index in its family, counted from 0.
    Index,
    /// The number of threads that the instance was given.
    Threads,
    /// A seed for random generators, which depends on the task and the index alone.
    Seed,
    /// The path of the script's folder.
    Here,
}

impl RuntimeVar {
    /// All runtime variables with their names in scripts, the part after `dtask.`.
    pub const NAMED: [(&'static str, RuntimeVar); 9] = [
        ("rank", RuntimeVar::Rank),
        ("ranks", RuntimeVar::Ranks),
        ("host", RuntimeVar::Host),
        ("scratch", RuntimeVar::Scratch),
        ("attempt", RuntimeVar::Attempt),
        ("index", RuntimeVar::Index),
        ("threads", RuntimeVar::Threads),
        ("seed", RuntimeVar::Seed),
        ("here", RuntimeVar::Here),
    ];

    /// Returns the variable of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(n, _)| *n == name).map(|(_, fact)| *fact)
    }

    /// Whether the value is the same wherever and however often an instance runs. File names may contain only such
    /// values.
    pub fn is_fixed(self) -> bool {
        matches!(self, RuntimeVar::Index | RuntimeVar::Seed)
    }

    /// Whether the value is a text; the others are integers.
    pub fn is_text(self) -> bool {
        matches!(self, RuntimeVar::Host | RuntimeVar::Scratch | RuntimeVar::Here)
    }
}

/// The values of all runtime variables for one run of an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuntimeVars {
    /// The number of the rank, counted from 0.
    pub rank: u32,
    /// The number of ranks.
    pub ranks: u32,
    /// The name of the host.
    pub host: String,
    /// The path of the instance's private folder.
    pub scratch: String,
    /// The number of the attempt, counted from 1.
    pub attempt: u32,
    /// The instance's index in its family, counted from 0.
    pub index: u64,
    /// The number of threads that the instance was given.
    pub threads: u32,
    /// A seed for random generators, which depends on the task and the index alone.
    pub seed: u64,
    /// The path of the script's folder.
    pub here: String,
}

impl RuntimeVars {
    /// Returns the value of a variable.
    pub fn get(&self, fact: RuntimeVar) -> ScriptValue {
        match fact {
            RuntimeVar::Rank => ScriptValue::Int(self.rank.into()),
            RuntimeVar::Ranks => ScriptValue::Int(self.ranks.into()),
            RuntimeVar::Host => ScriptValue::Text(self.host.clone()),
            RuntimeVar::Scratch => ScriptValue::Text(self.scratch.clone()),
            RuntimeVar::Attempt => ScriptValue::Int(self.attempt.into()),
            RuntimeVar::Index => ScriptValue::Int(self.index as i64),
            RuntimeVar::Threads => ScriptValue::Int(self.threads.into()),
            // Half the range, so that programs that read a signed number accept it.
            RuntimeVar::Seed => ScriptValue::Int((self.seed >> 1) as i64),
            RuntimeVar::Here => ScriptValue::Text(self.here.clone()),
        }
    }
}
