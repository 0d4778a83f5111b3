//! Shared output files, written by rank 0: `stdout = path` where instances append to one file.

use crate::batch::head::display::shown;
use crate::batch::outputs::{STDERR, STDOUT};
use crate::batch::task_def::facts;
use crate::batch::whole_files::NewFile;
use crate::script::plan::Plan;
use crate::script::plan::task::{PlanTask, StreamTarget};
use crate::script::plan::template::{RenderScope, Template};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A shared output file that is not complete, with the outputs that it still waits for.
struct Sink {
    /// The number of the last task that appends to the file.
    task: usize,
    /// The number of outputs that are still to be appended.
    missing: u64,
    /// The number of instances without an output.
    lost: u64,
    /// Whether some of those instances are left for the next run.
    left: bool,
    file: Option<BufWriter<NewFile>>,
    error: Option<io::Error>,
}

/// All shared output files of a run. Each is written whole or not at all.
#[derive(Default)]
pub(crate) struct Sinks {
    open: HashMap<PathBuf, Sink>,
    /// By task, the earlier tasks that append to a file of the same path.
    before: HashMap<usize, BTreeSet<usize>>,
    /// Paths of the files that are complete.
    pub written: Vec<PathBuf>,
    /// Messages about files that were not written.
    pub failed: Vec<String>,
    /// Paths of the files that are left for the next run.
    pub left: Vec<String>,
    /// Datasets whose instances are done, and which are not in their file nevertheless.
    pub unsaved: HashSet<String>,
}

/// The path of the file to which an instance's stream goes.
///
/// # Errors
/// When the path cannot be rendered; the text is for the user.
pub(crate) fn path_of(
    plan: &Plan,
    task: &PlanTask,
    stream: &Template,
    index: u64,
) -> Result<PathBuf, String> {
    let facts = facts(task, index, &plan.dir.display().to_string());
    let env = |name: &str| std::env::var(name).ok();
    let values = task.family.bindings(index);
    let scope = RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env };
    let path = stream.render(&scope).map_err(|error| format!("{}: {error}", task.label(index)))?;
    Ok(plan.dir.join(path))
}

/// The streams of a task that go to files, by output number, standard output first.
pub(crate) fn paths(task: &PlanTask) -> impl Iterator<Item = (u32, &Template)> {
    let stderr = task.action.is_command().then_some((STDERR, &task.stderr));
    let streams = [Some((STDOUT, &task.stdout)), stderr];
    streams.into_iter().flatten().filter_map(|(which, stream)| match stream {
        StreamTarget::Path(path) => Some((which, path)),
        StreamTarget::Log | StreamTarget::Null => None,
    })
}

impl Sinks {
    /// Counts the outputs that each file will get.
    pub(crate) fn new(plan: &Plan) -> Sinks {
        let mut sinks = Sinks::default();
        for (number, task) in plan.tasks.iter().enumerate() {
            for (_, stream) in paths(task) {
                // most families write to one file, whose path is then rendered once
                let (times, count) = if stream.as_literal().is_some() {
                    (1, task.family.len())
                } else {
                    (task.family.len(), 1)
                };
                for index in 0..times {
                    match path_of(plan, task, stream, index) {
                        Ok(path) => sinks.expect(number, path, count),
                        Err(error) => sinks.failed.push(error),
                    }
                }
            }
        }
        sinks
    }

    fn expect(&mut self, task: usize, path: PathBuf, count: u64) {
        let new = || Sink { task, missing: 0, lost: 0, left: false, file: None, error: None };
        let sink = self.open.entry(path).or_insert_with(new);
        sink.missing += count;
        let before = std::mem::replace(&mut sink.task, task);
        if before != task {
            self.before.entry(task).or_default().insert(before);
        }
    }

    /// Tasks whose outputs must all be appended before those of `task`.
    pub(crate) fn before(&self, task: usize) -> impl Iterator<Item = usize> {
        self.before.get(&task).into_iter().flatten().copied()
    }

    /// Appends the output of an instance; `None` means that it has none. The last output completes the file, which then
    /// gets its final name.
    pub(crate) fn append(&mut self, path: &Path, bytes: Option<&[u8]>) {
        let Some(sink) = self.open.get_mut(path) else { return };
        match bytes {
            Some(bytes) if sink.error.is_none() && sink.lost == 0 => {
                sink.error = sink.write(path, bytes).err();
            }
            Some(_) => {}
            None => {
                sink.lost += 1;
                sink.file = None;
            }
        }
        sink.missing = sink.missing.saturating_sub(1);
        if sink.missing == 0
            && let Some(sink) = self.open.remove(path)
        {
            self.finish(path, sink);
        }
    }

    /// Notes that the next output of a file is left for the next run. The file is then left too.
    pub(crate) fn leave(&mut self, path: &Path) {
        if let Some(sink) = self.open.get_mut(path) {
            sink.left = true;
        }
    }

    /// Gives up the files that are not complete. If `resumable`, they are left for the next run.
    pub(crate) fn give_up(&mut self, resumable: bool) {
        let mut left: Vec<PathBuf> = self.open.drain().map(|(path, _)| path).collect();
        left.sort_unstable();
        if resumable {
            self.left.extend(left.iter().map(|path| shown(path)));
            return;
        }
        let told = |path: &PathBuf| format!("{} was not written: the run was stopped", shown(path));
        self.failed.extend(left.iter().map(told));
    }

    fn finish(&mut self, path: &Path, sink: Sink) {
        let name = shown(path);
        if sink.left {
            self.left.push(name);
            return;
        }
        if sink.lost > 0 {
            let (outputs, is) = if sink.lost == 1 { ("output", "is") } else { ("outputs", "are") };
            self.failed.push(format!("{name} was not written: {} {outputs} of it {is} missing", sink.lost));
            return;
        }
        let outcome = match (sink.error, sink.file) {
            (Some(error), _) => Err(error),
            (None, Some(file)) => {
                file.into_inner().map_err(|error| error.into_error()).and_then(NewFile::finish)
            }
            (None, None) => Ok(()),
        };
        match outcome {
            Ok(()) => self.written.push(path.to_owned()),
            Err(error) => self.failed.push(format!("{name} could not be written: {error}")),
        }
    }
}

impl Sink {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => empty.insert(BufWriter::new(NewFile::create(path)?)),
        };
        file.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let mut sinks = Sinks::default();
        for name in ["whole", "torn", "sub/other"] {
            sinks.expect(0, path(name), 2);
        }
        for name in ["whole", "torn", "sub/other"] {
            sinks.append(&path(name), Some(b"one\n"));
            assert!(!path(name).exists());
        }
        sinks.append(&path("whole"), Some(b"two\n"));
        sinks.append(&path("torn"), None);
        sinks.append(&path("sub/other"), Some(b""));
        assert_eq!(fs::read(path("whole")).unwrap(), b"one\ntwo\n");
        assert_eq!(fs::read(path("sub/other")).unwrap(), b"one\n");
        assert_eq!(sinks.written, [path("whole"), path("sub/other")]);
        assert!(
            sinks.failed[0].ends_with("torn was not written: 1 output of it is missing"),
            "{:?}",
            sinks.failed
        );
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn only_tasks_with_a_file_in_common_wait_for_each_other() {
        let mut sinks = Sinks::default();
        for (task, name) in [(0, "a"), (1, "b"), (2, "a"), (2, "c"), (3, "a"), (3, "c")] {
            sinks.expect(task, name.into(), 1);
        }
        let before: Vec<Vec<usize>> = (0..4).map(|task| sinks.before(task).collect()).collect();
        assert_eq!(before, [vec![], vec![], vec![0], vec![2]]); // that 0 is before 3 follows
    }
}
