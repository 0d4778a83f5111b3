//! Finding a command's program in PATH, and explaining why a program does not start.
//!
//! The search is done here and not by exec. So an error can name the directories, a relative path has a definite
//! meaning, and std can use `posix_spawn` even if the command has another PATH.

use super::environment;
use super::{CommandError, CommandSpec};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A command's program, after its executable file was found.
#[derive(Debug)]
pub(crate) struct FoundProgram {
    /// The path of the program's file: absolute unless the command's working directory is relative.
    pub(crate) path: PathBuf,
    /// The program as the command names it, for messages.
    pub(crate) name: String,
    /// The length of all arguments in bytes, each with a terminating zero byte, as the operating system counts it.
    pub(crate) length: usize,
}

/// Finds the file of a command's program, and checks in advance for errors that `exec` reports without a reason.
pub(crate) fn find(spec: &CommandSpec) -> Result<FoundProgram, CommandError> {
    let Some(program) = spec.argv.first().filter(|program| !program.is_empty()) else {
        return Err(CommandError::Empty);
    };
    let name = program.to_string_lossy().into_owned();
    if let Some(index) = spec.argv.iter().position(|argument| argument.as_bytes().contains(&0)) {
        return Err(CommandError::ZeroByte { program: name, index });
    }
    let length = spec.argv.iter().map(|argument| argument.len() + 1).sum();
    let dir_error = |source| CommandError::Dir { program: name.clone(), dir: spec.dir.clone(), source };
    let metadata = fs::metadata(&spec.dir).map_err(dir_error)?;
    if !metadata.is_dir() {
        return Err(dir_error(io::Error::from_raw_os_error(libc::ENOTDIR)));
    }
    if program.as_bytes().contains(&b'/') {
        let path = spec.dir.join(program);
        return match kind(&path) {
            PathKind::Program => Ok(FoundProgram { path, name, length }),
            PathKind::Nothing => Err(CommandError::NotFound { program: name, looked: vec![show(&path)] }),
            PathKind::Other(reason) => Err(CommandError::NotExecutable { path, reason }),
        };
    }
    search(program, name, length, spec)
}

fn search(
    program: &OsStr,
    name: String,
    length: usize,
    spec: &CommandSpec,
) -> Result<FoundProgram, CommandError> {
    let path = environment::path(spec);
    let mut looked = Vec::new();
    let mut almost = None;
    for directory in std::env::split_paths(&path) {
        // An empty entry of PATH is the working directory.
        let directory = spec.dir.join(directory);
        let candidate = directory.join(program);
        match kind(&candidate) {
            PathKind::Program => return Ok(FoundProgram { path: candidate, name, length }),
            PathKind::Other(reason) => almost = almost.or(Some((candidate, reason))),
            PathKind::Nothing => {}
        }
        looked.push(show(&directory));
    }
    match almost {
        Some((path, reason)) => Err(CommandError::NotExecutable { path, reason }),
        None => Err(CommandError::NotFound { program: name, looked }),
    }
}

enum PathKind {
    Program,
    Nothing,
    Other(String),
}

fn kind(path: &Path) -> PathKind {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => PathKind::Other("it is a directory".to_owned()),
        Ok(metadata) if metadata.permissions().mode() & 0o111 == 0 => {
            PathKind::Other(format!("it has no permission to be executed; `chmod +x {}`", path.display()))
        }
        Ok(_) => PathKind::Program,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            PathKind::Other("a directory of its path may not be searched".to_owned())
        }
        Err(_) => PathKind::Nothing,
    }
}

/// Turns the error of the operating system when the program was started in the folder `dir` into an error that tells
/// the user the reason.
pub(crate) fn explain(error: io::Error, found: &FoundProgram, dir: &Path) -> CommandError {
    let program = found.name.clone();
    let not_executable = |reason: String| CommandError::NotExecutable { path: found.path.clone(), reason };
    match error.raw_os_error() {
        // The program and the directory exist, so the interpreter of the script's first line is missing.
        Some(libc::ENOENT) => match interpreter(&found.path) {
            Some(interpreter) => not_executable(format!(
                "its first line names the interpreter `{interpreter}`, which is not on this host"
            )),
            None => not_executable("its loader or interpreter is not on this host".to_owned()),
        },
        Some(libc::ENOEXEC) => not_executable(
            "it is neither a program for this machine nor a script with a first line such as `#!/bin/sh`"
                .to_owned(),
        ),
        Some(libc::EACCES) => match fs::read_dir(dir) {
            Err(source) => CommandError::Dir { program, dir: dir.to_owned(), source },
            Ok(_) => not_executable("permission denied; its file system may be mounted `noexec`".to_owned()),
        },
        Some(libc::ETXTBSY) => not_executable("some process has it open for writing".to_owned()),
        Some(libc::E2BIG) => CommandError::TooLong { program, bytes: found.length },
        _ => CommandError::Spawn { program, source: error },
    }
}

/// The path of the interpreter that the first line of a script (`#!`) names; `None` if the file is no script.
fn interpreter(path: &Path) -> Option<String> {
    let mut line = Vec::new();
    fs::File::open(path).ok()?.take(256).read_to_end(&mut line).ok()?;
    let line = line.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    // A script from Windows has a carriage return in the interpreter's name, which the message must show.
    String::from_utf8_lossy(line)
        .trim_matches(' ')
        .split(' ')
        .next()
        .map(|word| word.escape_debug().to_string())
}

fn show(path: &Path) -> String {
    format!("`{}`", path.display())
}
