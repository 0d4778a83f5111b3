//! The entry point of programs with functions of their own: the only file of this module that uses the command line.

use crate::script::values::registry::Registry;
use std::process::ExitCode;

/// Runs the whole `dtask` command, with functions that scripts can call by name.
///
/// Every rank must call it with the same registry, as the only statement of `main`: it reads the command line.
pub fn main(registry: Registry) -> ExitCode {
    registry.install();
    crate::cli::main()
}
