//! Map-reduce as it stands in the plan: its input and its stages.

use crate::mapreduce::{Mapper, Operator};
use crate::script::plan::task::TaskAction;
use serde::{Deserialize, Serialize};

/// A map-reduce.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapReduce {
    /// What is read.
    pub input: MapReduceInput,
    /// Bytes that a mapper gets at a time.
    pub split: u64,
    /// Makes `key TAB value` lines of lines.
    pub map: MapStage,
    /// Makes fewer lines of a mapper's, before they travel.
    pub combine: Option<ReduceStage>,
    /// Makes the result of lines that are sorted by key.
    pub reduce: ReduceStage,
    /// Bytes of lines that are held in memory before they are spilled to scratch.
    pub buffer: u64,
}

/// What a map-reduce reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MapReduceInput {
    /// Files, relative to the script's folder.
    Files(Vec<String>),
    /// What another task has written, by the number of the reference; each instance is one split.
    Of(usize),
}

/// What makes keys and values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MapStage {
    /// One that is built in.
    BuiltIn(Mapper),
    /// A command that reads lines and writes lines.
    Command(Box<TaskAction>),
}

/// What makes one value, or lines, of the values of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReduceStage {
    /// One that is built in.
    BuiltIn(Operator),
    /// A command that reads lines and writes lines.
    Command(Box<TaskAction>),
}

impl MapStage {
    /// What tells it from others: the name of one that is built in.
    pub fn name(&self) -> String {
        if let MapStage::BuiltIn(mapper) = self { format!("{mapper:?}") } else { "command".to_owned() }
    }
}

impl ReduceStage {
    /// As [`MapStage::name`].
    pub fn name(&self) -> String {
        if let ReduceStage::BuiltIn(operator) = self { format!("{operator:?}") } else { "command".to_owned() }
    }
}

impl MapReduce {
    /// The commands of its stages.
    pub fn commands(&self) -> impl Iterator<Item = &TaskAction> {
        let map = if let MapStage::Command(action) = &self.map { Some(&**action) } else { None };
        let others = self.combine.iter().chain([&self.reduce]).filter_map(|stage| match stage {
            ReduceStage::Command(action) => Some(&**action),
            ReduceStage::BuiltIn(_) => None,
        });
        map.into_iter().chain(others)
    }

    /// Whether a mapper, and whether a reducer, starts a command.
    pub fn starts(&self) -> (bool, bool) {
        let combines = matches!(self.combine, Some(ReduceStage::Command(_)));
        let maps = combines || matches!(self.map, MapStage::Command(_));
        (maps, matches!(self.reduce, ReduceStage::Command(_)))
    }

    /// The operator by which a mapper's lines are combined, and the one that makes the result of what comes of them.
    pub fn operators(&self) -> (Option<Operator>, Option<Operator>) {
        let built_in = |stage: &ReduceStage| match stage {
            ReduceStage::BuiltIn(operator) => Some(*operator),
            ReduceStage::Command(_) => None,
        };
        let reduce = built_in(&self.reduce);
        match &self.combine {
            // what can be combined is, asked or not
            None => (reduce, reduce.map(Operator::of_parts)),
            Some(stage) if stage == &self.reduce => (built_in(stage), reduce.map(Operator::of_parts)),
            Some(stage) => (built_in(stage), reduce),
        }
    }
}
