//! Runtime variables: values that only the rank knows that runs an instance, such as `{dtask.rank}`.

use serde::{Deserialize, Serialize};

use crate::script::values::value::ScriptValue;

/// A runtime variable, written in a script as in `{dtask.rank}`: a value that is known only on the MPI rank that runs
/// the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RuntimeVar {
    /// The number of the MPI rank that runs the instance, counted from 0.
    Rank,
    /// The number of MPI ranks of the job.
    Ranks,
    /// The name of the host on which the instance runs.
    Host,
    /// The path of the instance's scratch folder, which no other instance uses.
    Scratch,
    /// The number of the attempt to run this instance, counted from 1. A failed instance is tried again if the script
    /// asks for that.
    Attempt,
    /// The instance's index among all instances of its task, counted from 0.
    Index,
    /// The number of threads that the scheduler reserved for the instance.
    Threads,
    /// A seed for random generators that depends on the task and the instance's index alone. A repeated run gets an
    /// equal seed.
    Seed,
    /// The path of the folder that has the script.
    Here,
    /// The path of a JSON file with the instance's parameters, inputs, outputs, threads and seed.
    Params,
}

impl RuntimeVar {
    /// All runtime variables with their names in scripts: `rank` stands for `{dtask.rank}`.
    pub const NAMED: [(&'static str, RuntimeVar); 10] = [
        ("rank", RuntimeVar::Rank),
        ("ranks", RuntimeVar::Ranks),
        ("host", RuntimeVar::Host),
        ("scratch", RuntimeVar::Scratch),
        ("attempt", RuntimeVar::Attempt),
        ("index", RuntimeVar::Index),
        ("threads", RuntimeVar::Threads),
        ("seed", RuntimeVar::Seed),
        ("here", RuntimeVar::Here),
        ("params", RuntimeVar::Params),
    ];

    /// Returns the variable of that name, without the `dtask.` before it; `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(n, _)| *n == name).map(|(_, fact)| *fact)
    }

    /// Whether the value is the same wherever and however often an instance runs. Only variables of this kind are
    /// allowed in file names, which must be known before the run.
    pub fn is_fixed(self) -> bool {
        matches!(self, RuntimeVar::Index | RuntimeVar::Seed)
    }

    /// Whether the value of this variable is a text. All other variables are integers.
    pub fn is_text(self) -> bool {
        matches!(self, RuntimeVar::Host | RuntimeVar::Scratch | RuntimeVar::Here | RuntimeVar::Params)
    }
}

/// The values of all runtime variables, such as `{dtask.rank}`, for one run of an instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuntimeVars {
    /// The number of the MPI rank that runs the instance, counted from 0.
    pub rank: u32,
    /// The number of MPI ranks of the job.
    pub ranks: u32,
    /// The name of the host on which the instance runs.
    pub host: String,
    /// The path of the instance's scratch folder, which no other instance uses.
    pub scratch: String,
    /// The number of the attempt to run this instance, counted from 1. A failed instance is tried again if the script
    /// asks for that.
    pub attempt: u32,
    /// The instance's index among all instances of its task, counted from 0.
    pub index: u64,
    /// The number of threads that the scheduler reserved for the instance.
    pub threads: u32,
    /// A seed for random generators that depends on the task and the instance's index alone. A repeated run gets an
    /// equal seed.
    pub seed: u64,
    /// The path of the folder that has the script.
    pub here: String,
    /// The path of a JSON file with the instance's parameters, inputs, outputs, threads and seed.
    pub params: String,
}

impl RuntimeVars {
    /// Returns the value that a runtime variable has in this run of the instance.
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
            RuntimeVar::Params => ScriptValue::Text(self.params.clone()),
        }
    }
}
