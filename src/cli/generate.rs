//! The commands `dtask completions` and `dtask man`, generated from the command line's own description.

use super::{Cli, DONE, STARTUP};
use crate::console;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;

/// Prints the completion script of a shell; returns the exit code.
pub(super) fn completions(shell: Shell) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "dtask", &mut text);
    let _ = console::Output.write_all(&text);
    DONE
}

/// Prints the manual page, followed by those of the subcommands. Returns the exit code.
pub(super) fn man() -> u8 {
    let mut text = Vec::new();
    let mut command = Cli::command();
    command.build();
    let subcommands = command.get_subcommands().cloned().collect::<Vec<_>>();
    let pages = std::iter::once(command).chain(subcommands);
    for page in pages {
        if let Err(error) = clap_mangen::Man::new(page).render(&mut text) {
            console::error(format_args!("error: the manual page cannot be made: {error}"));
            return STARTUP;
        }
    }
    let _ = console::Output.write_all(&text);
    DONE
}
