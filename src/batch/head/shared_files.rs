//! Shared output files, written by rank 0: `stdout = path` where instances append to one file.

use crate::batch::head::display::shown;
use crate::batch::outputs::{STDERR, STDOUT};
use crate::batch::resume::todo::Todo;
use crate::batch::task_def::facts;
use crate::batch::whole_files::NewFile;
use crate::script::plan::Plan;
use crate::script::plan::task::{PlanTask, StreamTarget};
use crate::script::plan::template::{RenderScope, Template};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// An output file to which rank 0 appends the streams of instances, and which still lacks some. Several instances share
/// the file.
struct Sink {
    /// The number of the last task of the plan that appends to the file.
    task: usize,
    /// The number of outputs of instances that are still to be appended.
    missing: u64,
    /// The number of instances that ended without an output for the file. If there are any, the file is not written.
    lost: u64,
    /// Whether some instances without an output are left for the next run of the script, which then writes the file.
    left: bool,
    file: Option<BufWriter<NewFile>>,
    error: Option<io::Error>,
}

/// All output files that rank 0 writes from the streams of instances. Each is written whole, under a temporary name
/// until it is complete, or not at all.
#[derive(Default)]
pub(crate) struct Sinks {
    open: HashMap<PathBuf, Sink>,
    /// By task, the earlier tasks that append to the same file, and so must come first.
    before: HashMap<usize, BTreeSet<usize>>,
    /// Paths of the files that are complete and have their final names.
    pub written: Vec<PathBuf>,
    /// Messages for the user about files that could not be written.
    pub failed: Vec<String>,
    /// Paths of the files that are not written now, but by the next run of the script.
    pub left: Vec<String>,
    /// HDF5 datasets that are not in their file although the instances that make them are done: arrays are missing, or
    /// the file could not be finished.
    pub unsaved: HashSet<String>,
}

/// The path of the file to which rank 0 appends a stream (standard output or error) of an instance.
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

/// The streams of a task that go to files of rank 0, each with its output number and the template of its path; standard
/// output comes first.
pub(crate) fn paths(task: &PlanTask) -> impl Iterator<Item = (u32, &Template)> {
    let stderr = task.action.is_command().then_some((STDERR, &task.stderr));
    let streams = [Some((STDOUT, &task.stdout)), stderr];
    streams.into_iter().flatten().filter_map(|(which, stream)| match stream {
        StreamTarget::Path(path) => Some((which, path)),
        StreamTarget::Log | StreamTarget::Null => None,
    })
}

impl Sinks {
    /// Prepares the files of a run: counts the outputs that each file will get, so that rank 0 knows when it is
    /// complete. Instances that are done have theirs in a file that is complete.
    pub(crate) fn new(plan: &Plan, todo: &Todo) -> Sinks {
        let mut sinks = Sinks::default();
        for (number, task) in plan.tasks.iter().enumerate() {
            for (_, stream) in paths(task) {
                // most families write to one file, whose path is then rendered once
                let count: u64 = todo.from(number, 0).map(|range| range.end - range.start).sum();
                let is_one = stream.as_literal().is_some();
                let instances = todo.from(number, 0).flatten();
                for index in instances.take(if is_one { 1 } else { usize::MAX }) {
                    match path_of(plan, task, stream, index) {
                        Ok(path) => sinks.expect(number, path, if is_one { count } else { 1 }),
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

    /// Earlier tasks that write to the same files as `task`. All their outputs must be appended before those of `task`.
    pub(crate) fn before(&self, task: usize) -> impl Iterator<Item = usize> {
        self.before.get(&task).into_iter().flatten().copied()
    }

    /// Appends the output of the next instance to the file at `path`; `None` means that the instance has no output. The
    /// last output completes the file, which then gets its final name. Returns whether it has got it.
    pub(crate) fn append(&mut self, path: &Path, bytes: Option<&[u8]>) -> bool {
        let Some(sink) = self.open.get_mut(path) else { return false };
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
            return self.finish(path, sink);
        }
        false
    }

    /// Notes that an instance whose output belongs into the file at `path` was deferred. The file is then left for the
    /// next run of the script too.
    pub(crate) fn leave(&mut self, path: &Path) {
        if let Some(sink) = self.open.get_mut(path) {
            sink.left = true;
        }
    }

    /// Gives up all files that still lack outputs, when the run is stopped. If `resumable`, the next run of the script
    /// writes them.
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

    fn finish(&mut self, path: &Path, sink: Sink) -> bool {
        let name = shown(path);
        if sink.left {
            self.left.push(name);
            return false;
        }
        if sink.lost > 0 {
            let (outputs, is) = if sink.lost == 1 { ("output", "is") } else { ("outputs", "are") };
            self.failed.push(format!("{name} was not written: {} {outputs} of it {is} missing", sink.lost));
            return false;
        }
        let outcome = match (sink.error, sink.file) {
            (Some(error), _) => Err(error),
            (None, Some(file)) => {
                file.into_inner().map_err(|error| error.into_error()).and_then(NewFile::finish)
            }
            (None, None) => Ok(()),
        };
        let is_written = outcome.is_ok();
        match outcome {
            Ok(()) => self.written.push(path.to_owned()),
            Err(error) => self.failed.push(format!("{name} could not be written: {error}")),
        }
        is_written
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
