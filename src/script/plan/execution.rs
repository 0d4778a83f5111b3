//! Where a command of the plan is run.

use super::template::Template;
use crate::script::values::execution;
use serde::{Deserialize, Serialize};

/// How a task's command is run, its folder resolved.
pub(crate) type Execution = execution::Execution<Dir>;

/// Where a command is run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Dir {
    /// In the script's folder.
    #[default]
    Here,
    /// In the instance's private folder.
    Scratch,
    /// In this one, relative to the script's folder.
    Path(Template),
}
