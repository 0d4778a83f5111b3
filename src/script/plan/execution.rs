//! The working directory of a command in the plan.

use super::template::Template;
use crate::script::values::execution;
use serde::{Deserialize, Serialize};

/// The settings with which a task's command is run; the references in its working directory are resolved.
pub(crate) type Execution = execution::Execution<Dir>;

/// The working directory of a command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Dir {
    /// The script's folder.
    #[default]
    Here,
    /// The instance's private folder.
    Scratch,
    /// A path relative to the script's folder.
    Path(Template),
}
