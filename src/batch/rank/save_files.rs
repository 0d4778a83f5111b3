//! Saving of a command's outputs under the paths of its `save`, each file whole or not at all.

use crate::batch::outputs;
use crate::batch::saved_folder;
use crate::batch::task_def::TaskDef;
use crate::batch::whole_files::NewFile;
use crate::commands::outputs::Content;
use crate::commands::{CommandOutput, OutFile, is_program};
use crate::error::Failure;
use crate::script::plan::task::{Save, Select};
use crate::script::plan::template::RenderScope;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Saves the outputs of a command to the paths that the script's `save` names. A file that no other task reads is moved
/// instead of copied, if source and destination are on the same file system.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn save(def: &TaskDef, scope: &RenderScope<'_>, output: &CommandOutput) -> Result<(), Failure> {
    for (at, save) in def.task.saves.iter().enumerate() {
        let path = Path::new(&def.here).join(save.path.render(scope)?);
        let written = match save.select {
            Select::File(number) => {
                let out = output.outs.get(number);
                let out =
                    out.ok_or_else(|| Failure::new("internal error: an output to be saved is not there"))?;
                let again = |save: &Save| matches!(save.select, Select::File(other) if other == number);
                let last =
                    !def.keep.contains(&outputs::file(number)) && !def.task.saves[at + 1..].iter().any(again);
                match out.is_folder {
                    true => saved_folder::save(&out.path, &path, last),
                    false => write_file(out, &path, last),
                }
            }
            _ => write_stream(output.stdout.content(), &path),
        };
        written.map_err(|error| Failure::new(format!("`{}` could not be saved: {error}", path.display())))?;
    }
    Ok(())
}

fn write_stream(content: Content<'_>, path: &Path) -> io::Result<()> {
    let mut file = NewFile::create(path)?;
    match content {
        Content::Memory(bytes) => file.write_all(bytes)?,
        Content::File(stored) => file.copy(stored.path())?,
    }
    file.finish()
}

/// Writes an output file to `path`, under a temporary name until it is whole. The file is moved if `last` (nobody else
/// needs it), else copied, never linked: the user may change a saved file while the run goes on.
fn write_file(out: &OutFile, path: &Path, last: bool) -> io::Result<()> {
    let mut file = NewFile::create(path)?;
    let found = fs::symlink_metadata(&out.path)?;
    let program = is_program(&out.path);
    let moved = last && found.is_file() && found.nlink() == 1 && file.take(&out.path)?;
    if !moved {
        file.copy(&out.path)?;
    }
    if program {
        file.make_program()?;
    }
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn written(dir: &Path) -> OutFile {
        let path: PathBuf = dir.join("out");
        fs::write(&path, "field").unwrap();
        OutFile { name: "out".into(), path, length: 5, is_folder: false }
    }

    #[test]
    fn what_nobody_else_wants_is_moved_and_all_else_copied() {
        let dir = tempfile::tempdir().unwrap();
        let saved = dir.path().join("sub/saved");
        for (last, linked, moved) in [(true, false, true), (false, false, false), (true, true, false)] {
            let out = written(dir.path());
            let other = dir.path().join("other");
            if linked {
                fs::hard_link(&out.path, &other).unwrap();
            }
            let inode = fs::metadata(&out.path).unwrap().ino();
            write_file(&out, &saved, last).unwrap();
            assert_eq!(fs::read(&saved).unwrap(), b"field");
            assert_eq!(fs::metadata(&saved).unwrap().ino() == inode, moved, "{last} {linked}");
            assert_eq!(out.path.exists(), !moved);
            let usual = dir.path().join("usual");
            fs::write(&usual, "").unwrap();
            assert_eq!(fs::metadata(&saved).unwrap().mode(), fs::metadata(&usual).unwrap().mode());
            assert_eq!(fs::read_dir(dir.path().join("sub")).unwrap().count(), 1, "nothing is left beside it");
            let _ = fs::remove_file(&out.path);
        }
    }

    #[test]
    fn a_name_that_a_folder_has_is_an_error_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("sub/saved/x")).unwrap();
        for last in [true, false] {
            let out = written(dir.path());
            assert!(write_file(&out, &dir.path().join("sub/saved"), last).is_err());
            assert_eq!(fs::read_dir(dir.path().join("sub")).unwrap().count(), 1);
        }
    }
}
