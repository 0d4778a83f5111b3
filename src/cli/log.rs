//! The command `dtask log`.

use super::check::read;
use super::{DONE, FAILED, LogArgs, STARTUP, USAGE};
use crate::batch::head::run_folder::RunFolder;
use crate::batch::rank::logs;
use crate::console;
use crate::script::options::LoadOptions;
use std::io::{self, Write};

/// Prints what instances of a task have written, from the logs of the script's last run; returns the exit code.
pub(super) fn log(args: &LogArgs) -> u8 {
    let Ok(plan) = read(&args.script, &args.set, LoadOptions::default()) else { return USAGE };
    let folder = RunFolder::path_of(&plan);
    let stream = if args.stderr { "stderr" } else { "stdout" };
    let found = match logs::find(&folder, &args.instance, stream) {
        Ok(found) => found,
        Err(error) => {
            console::error(format_args!(
                "error: the logs in `{}` cannot be read: {error}; they are there once the script has run",
                folder.display()
            ));
            return STARTUP;
        }
    };
    if found.is_empty() {
        console::error(format_args!(
            "error: no `{}` in the logs: it has not run, has written nothing to {stream}, or the script sends its {stream} \
             elsewhere; a name is written `task`, `task[T=300]` or `task[T=300,p=1]`",
            args.instance
        ));
        return FAILED;
    }
    let several = found.len() > 1;
    let mut out = io::BufWriter::new(console::Output);
    let mut copy = || -> io::Result<()> {
        for one in &found {
            if several {
                writeln!(out, "==> {} <==", one.label)?;
            }
            one.copy(&mut out)?;
        }
        out.flush()
    };
    match copy() {
        Ok(()) => DONE,
        // a reader that closes the pipe early is no error
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => DONE,
        Err(_) if console::failure().is_some() => STARTUP,
        Err(error) => {
            console::error(format_args!("error: the log could not be copied: {error}"));
            STARTUP
        }
    }
}
