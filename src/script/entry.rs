//! A `dtask` of one's own, in the one place of this module that knows the command line above it.

use crate::script::values::registry::Registry;
use std::process::ExitCode;

/// The whole `dtask` command, with functions that scripts can call by name.
///
/// Every rank calls it, with the same registry, as the only thing in `main`: it reads the command line.
pub fn main(registry: Registry) -> ExitCode {
    registry.install();
    crate::cli::main()
}
