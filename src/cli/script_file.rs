//! Finding and reading the script that the command line names: a file, or standard input.

use crate::console;
use crate::script::diagnostics::source::ScriptSource;
use crate::script::diagnostics::suggest::suggest;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// The longest script that is read from a stream, in bytes. A stream may be endless, and must not fill the memory.
const LONGEST: u64 = 64 << 20;

/// The name, in messages and in that of the run folder (`stdin.dtask`), of a script that is read from a stream.
const STREAM: &str = "stdin";

/// Whether a path names an open file descriptor of this process, such as standard input, rather than a file in a
/// folder.
pub(super) fn is_stream(path: &Path) -> bool {
    let below = ["/dev/fd", "/proc/self/fd"];
    path == Path::new("-") || path == Path::new("/dev/stdin") || below.iter().any(|dir| path.starts_with(dir))
}

/// Reads a script that comes as a stream: `-`, `/dev/stdin`, `/dev/fd/63` (as in `dtask <(generate)`). `None` if the
/// path is that of an ordinary file. The script's folder is the working folder, so nothing is written beside the
/// stream.
///
/// # Errors
/// The text for the user, when there is no script in the stream.
pub(super) fn stream(path: &Path) -> Option<Result<ScriptSource, String>> {
    is_stream(path).then(|| {
        let mut input: Box<dyn Read> = if path == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(path).map_err(|error| unreadable(path, &error))?)
        };
        if path == Path::new("-") && io::stdin().is_terminal() {
            console::error("dtask: the script is read from the terminal; Ctrl-D ends it");
        }
        text(&mut input).map_err(|error| unreadable(path, &error)).and_then(|text| {
            let dir =
                std::env::current_dir().map_err(|error| format!("there is no working folder: {error}"))?;
            Ok(ScriptSource::new(STREAM, dir, text))
        })
    })
}

fn text(input: &mut dyn Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    input.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other("it is longer than 64 MiB"));
    }
    if bytes.is_empty() {
        return Err(io::Error::other("nothing came; under mpirun standard input goes to rank 0 alone"));
    }
    String::from_utf8(bytes).map_err(|error| io::Error::other(format!("no UTF-8 text: {error}")))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("the script `{}` cannot be read: {error}", path.display())
}

/// The reason why there is no script to read (no such file, a folder), in one line; `None` if there is a script.
pub(super) fn missing(script: &Path) -> Option<String> {
    let shown = script.display();
    match std::fs::metadata(script) {
        Ok(found) if found.is_dir() => {
            let inside = nearest(&script.join("script.toml"));
            let inside =
                inside.map(|near| format!("; did you mean `{}`?", near.display())).unwrap_or_default();
            Some(format!("`{shown}` is a folder, not a script{inside}"))
        }
        Ok(found) if !found.is_file() && !found.file_type().is_fifo() => {
            Some(format!("`{shown}` is no file that can be read as a script"))
        }
        // a fifo is opened once: its writer may not come back
        Ok(found) if found.file_type().is_fifo() => None,
        Ok(_) => File::open(script).err().map(|error| unreadable(script, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(match nearest(script) {
            Some(near) => format!("there is no script `{shown}`; did you mean `{}`?", near.display()),
            None if script.extension().is_none() => {
                format!("there is no script `{shown}`; see `dtask --help` for what dtask can do")
            }
            None => format!("there is no script `{shown}`"),
        }),
        Err(error) => Some(unreadable(script, &error)),
    }
}

/// The file in the folder of `script` whose name is nearest to that of `script`, which does not exist. Names that end
/// in `.toml` are preferred, since scripts have them.
pub(super) fn nearest(script: &Path) -> Option<PathBuf> {
    let wanted = script.file_name()?.to_str()?;
    let folder = script.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = std::fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut scripts: Vec<String> =
        names.filter(|name| name.ends_with(".toml") && name != "Cargo.toml").collect();
    scripts.sort();
    let found = suggest(wanted, scripts.iter().map(String::as_str)).or_else(|| match &scripts[..] {
        [only] => Some(only.as_str()),
        _ => None,
    })?;
    Some(folder.map_or_else(|| PathBuf::from(found), |folder| folder.join(found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_script_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        for name in ["flow.toml", "other.toml", "flow.txt", "Cargo.toml"] {
            std::fs::write(dir.path().join(name), "").expect("written");
        }
        let near =
            |name: &str| nearest(&dir.path().join(name)).and_then(|path| path.file_name().map(Into::into));
        let is = |name: &str| Some(std::ffi::OsString::from(name));
        assert_eq!(near("flow.tml"), is("flow.toml"));
        assert_eq!(near("flow"), is("flow.toml"));
        assert_eq!(near("otehr.toml"), is("other.toml"));
        assert_eq!(near("x.toml"), None, "every name ends in .toml");
        assert_eq!(near("campaign.toml"), None);
        std::fs::remove_file(dir.path().join("other.toml")).expect("removed");
        assert_eq!(near("campaign.toml"), is("flow.toml"), "there is only one");
    }

    #[test]
    fn streams_are_told_from_files() {
        for name in ["-", "/dev/stdin", "/dev/fd/63", "/proc/self/fd/0"] {
            assert!(is_stream(Path::new(name)), "{name}");
        }
        for name in ["s.toml", "./-", "/dev/null", "/dev/stdin.toml"] {
            assert!(!is_stream(Path::new(name)), "{name}");
        }
        assert!(text(&mut "".as_bytes()).is_err());
        assert!(text(&mut &b"\xff"[..]).is_err());
        assert!(text(&mut io::repeat(b'x')).is_err(), "it never ends");
    }
}
