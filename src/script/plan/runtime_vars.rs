//! What only the rank knows that runs an instance.

use serde::{Deserialize, Serialize};

use crate::script::values::value::Value;

/// What only the rank knows that runs an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuntimeFact {
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

impl RuntimeFact {
    /// All of them with the names that scripts use.
    pub const NAMED: [(&'static str, RuntimeFact); 9] = [
        ("rank", RuntimeFact::Rank),
        ("ranks", RuntimeFact::Ranks),
        ("host", RuntimeFact::Host),
        ("scratch", RuntimeFact::Scratch),
        ("attempt", RuntimeFact::Attempt),
        ("index", RuntimeFact::Index),
        ("threads", RuntimeFact::Threads),
        ("seed", RuntimeFact::Seed),
        ("here", RuntimeFact::Here),
    ];

    /// The fact of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(n, _)| *n == name).map(|(_, fact)| *fact)
    }

    /// Whether it is the same wherever and however often an instance runs, as file names have to be.
    pub fn is_fixed(self) -> bool {
        matches!(self, RuntimeFact::Index | RuntimeFact::Seed)
    }

    /// Whether it is a text; the others are integers.
    pub fn is_text(self) -> bool {
        matches!(self, RuntimeFact::Host | RuntimeFact::Scratch | RuntimeFact::Here)
    }
}

/// The facts of one run of an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
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

impl Facts {
    /// One of them, as a value.
    pub fn get(&self, fact: RuntimeFact) -> Value {
        match fact {
            RuntimeFact::Rank => Value::Int(self.rank.into()),
            RuntimeFact::Ranks => Value::Int(self.ranks.into()),
            RuntimeFact::Host => Value::Text(self.host.clone()),
            RuntimeFact::Scratch => Value::Text(self.scratch.clone()),
            RuntimeFact::Attempt => Value::Int(self.attempt.into()),
            RuntimeFact::Index => Value::Int(self.index as i64),
            RuntimeFact::Threads => Value::Int(self.threads.into()),
            // Half the range, so that programs that read a signed number take it.
            RuntimeFact::Seed => Value::Int((self.seed >> 1) as i64),
            RuntimeFact::Here => Value::Text(self.here.clone()),
        }
    }
}
