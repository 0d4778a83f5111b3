//! The files to which the streams of each instance go, by number.

use crate::batch::head::outputs::piece_order::PieceOrder;
use crate::batch::outputs::{STDERR, STDOUT};
use crate::batch::resume::todo::Todo;
use crate::batch::task_def::facts;
use crate::script::plan::Plan;
use crate::script::plan::task::{PlanTask, StreamTarget};
use crate::script::plan::template::{RenderScope, Template};
use crate::script::values::links;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// Finds the file to which a stream of an instance goes. Files are numbered from 0, in the order in which the plan
/// names them.
#[derive(Default)]
pub(crate) struct StreamRoutes {
    /// By task number, the files of the task's streams (standard output, standard error) if all its instances share
    /// them.
    fixed: Vec<[Option<u32>; 2]>,
    /// The numbers of the files whose paths depend on the instance, by path.
    numbers: HashMap<PathBuf, u32>,
}

/// A file to which streams of instances are appended, with the numbers of its outputs by task, in the order of the
/// tasks. The number of an output is twice the index of its instance, and one more for standard error.
#[derive(Debug, Default)]
pub(crate) struct StreamFile {
    pub path: PathBuf,
    pub tasks: SmallVec<[(usize, PieceOrder); 1]>,
}

impl StreamFile {
    /// The list of outputs that the file gets from a task; made if the task is not the last one added.
    fn of(&mut self, task: usize) -> &mut PieceOrder {
        if self.tasks.last().is_none_or(|(last, _)| *last != task) {
            self.tasks.push((task, PieceOrder::default()));
        }
        let last = self.tasks.len() - 1;
        &mut self.tasks[last].1
    }
}

/// The path of the file to which rank 0 appends a stream (standard output or error) of an instance.
///
/// # Errors
/// When the path cannot be rendered; the text is for the user.
fn path_of(plan: &Plan, task: &PlanTask, stream: &Template, index: u64) -> Result<PathBuf, String> {
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

/// Removes `.` and `..` from a path, so that different spellings of a path are equal.
fn normal(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(whole.pop()),
            other => whole.push(other),
        }
    }
    whole
}

impl StreamRoutes {
    /// Finds the files of the instances of a plan that run, which are in `todo`. For each path that cannot be rendered,
    /// an error message is added to `failed`.
    pub(crate) fn new(plan: &Plan, todo: &Todo, failed: &mut Vec<String>) -> (StreamRoutes, Vec<StreamFile>) {
        let mut routes = StreamRoutes { fixed: vec![[None; 2]; plan.tasks.len()], numbers: HashMap::new() };
        let mut files = Files::default();
        for (number, task) in plan.tasks.iter().enumerate() {
            if todo.from(number, 0).next().is_none() {
                continue;
            }
            let mut varied: SmallVec<[(u32, &Template); 2]> = SmallVec::new();
            let mut fixed = [None; 2];
            for (which, stream) in paths(task) {
                if stream.as_literal().is_none() {
                    varied.push((which, stream));
                    continue;
                }
                match path_of(plan, task, stream, 0) {
                    Ok(path) => fixed[which as usize] = Some(files.number(&path, true)),
                    Err(error) => failed.push(error),
                }
            }
            match fixed {
                _ if !varied.is_empty() => {}
                [Some(file), Some(other)] if file == other => {
                    let order = files.list[file as usize].of(number);
                    let runs = todo.from(number, 0);
                    runs.for_each(|run| order.push_run(2 * run.start, 1, 2 * (run.end - run.start)));
                }
                _ => {
                    for (which, file) in (0..).zip(fixed) {
                        if let Some(file) = file {
                            let order = files.list[file as usize].of(number);
                            let runs = todo.from(number, 0);
                            runs.for_each(|run| {
                                order.push_run(2 * run.start + which, 2, run.end - run.start);
                            });
                        }
                    }
                }
            }
            let instances = todo.from(number, 0).flatten();
            for index in instances.take(if varied.is_empty() { 0 } else { usize::MAX }) {
                let mut both = fixed;
                for (which, stream) in &varied {
                    match path_of(plan, task, stream, index) {
                        Ok(path) => {
                            let file = files.number(&path, false);
                            routes.numbers.entry(path).or_insert(file);
                            both[*which as usize] = Some(file);
                        }
                        Err(error) => failed.push(error),
                    }
                }
                for (which, file) in (0..).zip(both) {
                    if let Some(file) = file {
                        files.list[file as usize].of(number).push(2 * index + which);
                    }
                }
            }
            routes.fixed[number] = fixed;
        }
        (routes, files.list)
    }

    /// The files of the streams of an instance, each with the number of the output.
    pub(crate) fn of(&self, plan: &Plan, task: usize, index: u64) -> SmallVec<[(u32, u32); 2]> {
        let (Some(fixed), Some(found)) = (self.fixed.get(task), plan.tasks.get(task)) else {
            return SmallVec::new();
        };
        let file = |(which, stream): (u32, &Template)| {
            let varied = || self.numbers.get(&path_of(plan, found, stream, index).ok()?).copied();
            Some((which, fixed[which as usize].or_else(varied)?))
        };
        paths(found).filter_map(file).collect()
    }
}

/// The files to which streams go, while they are being found.
#[derive(Default)]
struct Files {
    list: Vec<StreamFile>,
    /// The numbers of the files, by normalized path: spellings such as `a/b` and `a/./b` give the same one.
    numbers: HashMap<PathBuf, u32>,
}

impl Files {
    /// The number of the file at a path, which is added to the list if it is new. Symbolic links are followed only if
    /// `links`, since that costs a system call for each of perhaps a million paths.
    fn number(&mut self, path: &Path, links: bool) -> u32 {
        let end = if links { links::end(path).ok().flatten() } else { None };
        let Files { list, numbers } = self;
        *numbers.entry(normal(end.as_deref().unwrap_or(path))).or_insert_with(|| {
            list.push(StreamFile { path: path.to_owned(), ..StreamFile::default() });
            list.len() as u32 - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::diagnostics::source::ScriptSource;
    use crate::script::load::parse;
    use crate::script::options::LoadOptions;

    /// The name of a file, and the outputs that it gets, by task.
    type Named = (String, Vec<(usize, Vec<u64>)>);

    fn files(dir: &Path, script: &str) -> Vec<Named> {
        let source = ScriptSource::new("flow.toml", dir, format!("dtask = 1\n{script}"));
        let plan = parse(source, &[], LoadOptions::default()).expect("a script");
        let mut failed = Vec::new();
        let (routes, files) = StreamRoutes::new(&plan, &Todo::all(&plan), &mut failed);
        assert!(failed.is_empty());
        for (number, file) in (0..).zip(&files) {
            for (task, order) in &file.tasks {
                for output in (0..order.len()).filter_map(|at| order.get(at)) {
                    let stream = (u32::from(output % 2 == 1), number);
                    assert!(routes.of(&plan, *task, output / 2).contains(&stream), "{output}");
                }
            }
        }
        let all = |order: &PieceOrder| (0..order.len()).filter_map(|at| order.get(at)).collect();
        let name = |path: &Path| path.strip_prefix(dir).unwrap().display().to_string();
        let tasks = |file: &StreamFile| file.tasks.iter().map(|(task, order)| (*task, all(order))).collect();
        files.iter().map(|file| (name(&file.path), tasks(file))).collect()
    }

    #[test]
    fn a_file_has_the_outputs_of_all_that_append_to_it_in_order() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("o.txt", dir.path().join("link")).unwrap();
        let found = files(
            dir.path(),
            "[task.a]\nfor = { i = '0..3' }\nrun = 'echo'\nstdout = 'o.txt'\nstderr = 'e.txt'\n\
             [task.b]\nrun = 'echo'\nstdout = 'x/../o.txt'\nstderr = 'link'\n\
             [task.c]\nfor = { i = '0..2', k = '0..3' }\nrun = 'echo'\nstdout = '{k}.txt'\nstderr = 'e.txt'\n\
             [task.d]\nfor = { i = '0..2' }\narray = 'i'\nstdout = './1.txt'\n",
        );
        let expected = [
            ("o.txt", vec![(0, vec![0, 2, 4]), (1, vec![0, 1])]),
            ("e.txt", vec![(0, vec![1, 3, 5]), (2, vec![1, 3, 5, 7, 9, 11])]),
            ("0.txt", vec![(2, vec![0, 6])]),
            ("1.txt", vec![(2, vec![2, 8]), (3, vec![0, 2])]),
            ("2.txt", vec![(2, vec![4, 10])]),
        ];
        assert_eq!(found, expected.map(|(name, outputs)| (name.to_owned(), outputs)));
    }
}
