//! What only the rank knows that runs an instance.

use serde::{Deserialize, Serialize};

use crate::script::values::value::ScriptValue;

/// What only the rank knows that runs an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuntimeVar {
    /// The number of the rank.
    Rank,
    /// How many ranks there are.
    Ranks,
    /// The host's name.
    Host,
    /// The instance's private folder.
    Scratch,
    /// How often it was tried, counted from 1.
    Attempt,
    /// The instance's index in its family.
    Index,
    /// How many threads it was given.
    Threads,
    /// A number for random generators that depends on the task and the index alone.
    Seed,
    /// The script's folder.
    Here,
}

impl RuntimeVar {
    /// All of them with the names that scripts use.
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

    /// The fact of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(n, _)| *n == name).map(|(_, fact)| *fact)
    }

    /// Whether it is the same wherever and however often an instance runs, as file names have to be.
    pub fn is_fixed(self) -> bool {
        matches!(self, RuntimeVar::Index | RuntimeVar::Seed)
    }

    /// Whether it is a text; the others are integers.
    pub fn is_text(self) -> bool {
        matches!(self, RuntimeVar::Host | RuntimeVar::Scratch | RuntimeVar::Here)
    }
}

/// The facts of one run of an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuntimeVars {
    /// The number of the rank.
    pub rank: u32,
    /// How many ranks there are.
    pub ranks: u32,
    /// The host's name.
    pub host: String,
    /// The instance's private folder.
    pub scratch: String,
    /// How often it was tried, counted from 1.
    pub attempt: u32,
    /// The instance's index in its family.
    pub index: u64,
    /// How many threads it was given.
    pub threads: u32,
    /// A number for random generators.
    pub seed: u64,
    /// The script's folder.
    pub here: String,
}

impl RuntimeVars {
    /// One of them, as a value.
    pub fn get(&self, fact: RuntimeVar) -> ScriptValue {
        match fact {
            RuntimeVar::Rank => ScriptValue::Int(self.rank.into()),
            RuntimeVar::Ranks => ScriptValue::Int(self.ranks.into()),
            RuntimeVar::Host => ScriptValue::Text(self.host.clone()),
            RuntimeVar::Scratch => ScriptValue::Text(self.scratch.clone()),
            RuntimeVar::Attempt => ScriptValue::Int(self.attempt.into()),
            RuntimeVar::Index => ScriptValue::Int(self.index as i64),
            RuntimeVar::Threads => ScriptValue::Int(self.threads.into()),
            // Half the range, so that programs that read a signed number take it.
            RuntimeVar::Seed => ScriptValue::Int((self.seed >> 1) as i64),
            RuntimeVar::Here => ScriptValue::Text(self.here.clone()),
        }
    }
}
