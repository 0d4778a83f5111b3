//! The working directory of a command in the plan.

use super::template::Template;
use crate::script::values::execution;
use serde::{Deserialize, Serialize};

/// The settings with which a task's command is run, such as its working directory, in which references to parameters
/// are resolved.
pub(crate) type Execution = execution::Execution<Dir>;

/// The folder in which a command runs, as the plan keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Dir {
    /// The folder of the script that dtask runs.
    #[default]
    Here,
    /// The scratch folder that every instance of a task gets for itself on its node.
    Scratch,
    /// A path relative to the script's folder, in which parameters of the instance may stand.
    Path(Template),
}
