//! Finds paths that cannot be written, before anything runs: a folder lies there, or their folder is read-only or
//! cannot be made.
//!
//! Whether a folder can be written is tried with a file that has no name: no other test is as reliable. Start at
//! [`check`].

use crate::arrays::slab;
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::{ScriptSource, Span};
use crate::script::lint::save_paths;
use crate::script::lint::writers::{self, WriteKind};
use crate::script::plan::execution::Dir;
use crate::script::plan::runtime_vars::{RuntimeVar, RuntimeVars};
use crate::script::plan::task::{PlanTask, Save, StreamTarget};
use crate::script::plan::template::{Fill, RenderScope, Template, TemplatePart};
use crate::script::syntax::script::RawScript;
use crate::script::values::links;
use rustix::fs::Access;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The most paths of a script that are looked at. On a network file system a look takes up to a millisecond.
const LOOKED_AT: u64 = 10_000;
/// The bit in the mode of a folder in which only the owner of a file may replace it.
const STICKY: u32 = 0o1000;

/// The reason why a path cannot be written.
#[derive(Clone, Debug)]
enum Obstacle {
    /// A folder lies at the path.
    Folder,
    /// A file lies where the path needs a folder.
    File(PathBuf),
    /// A folder or file that cannot be written.
    Refused(PathBuf, String),
}

/// Checks that the paths which the script writes can be written on this machine, as far as they are known before the
/// run. Of tasks that are not `needed` none is looked at.
pub(crate) fn check(
    script: &RawScript,
    tasks: &[Option<PlanTask>],
    needed: &[bool],
    cx: &mut DiagnosticCollector,
) {
    let mut search = ObstacleSearch { folders: HashMap::new(), left: LOOKED_AT };
    for ((raw, task), _) in script.tasks.iter().zip(tasks).zip(needed).filter(|(_, needed)| **needed) {
        let Some(task) = task else { continue };
        let mut paths: Vec<(&Span, &Template, WriteKind)> = Vec::new();
        for (raw, save) in raw.saves.iter().zip(&task.saves) {
            let is_folder = save_paths::is_folder(task, save);
            let kind = if is_folder { WriteKind::Folder } else { WriteKind::Save };
            if is_folder
                && let Some(warning) = search.replaced(task, (save, &raw.path.span), script, &cx.source)
            {
                cx.push(warning);
            }
            paths.push((&raw.path.span, &save.path, kind));
        }
        for (raw, target) in raw.targets.iter().zip(&task.targets) {
            paths.push((&raw.span, target, WriteKind::Target));
        }
        if let (Some(raw), Dir::Path(dir)) = (&raw.execution.dir, &task.execution.dir) {
            paths.push((&raw.span, dir, WriteKind::Dir));
        }
        let streams =
            [(&raw.stdout, &task.stdout, WriteKind::Stdout), (&raw.stderr, &task.stderr, WriteKind::Stderr)];
        for (raw, stream, kind) in streams {
            if let (Some(raw), StreamTarget::Path(template)) = (raw, stream) {
                paths.push((&raw.span, template, kind));
            }
        }
        for (span, template, kind) in paths {
            if let Some(found) = search.first(task, template, kind, span, &cx.source) {
                cx.push(found);
            }
        }
    }
}

/// The folders looked at so far.
struct ObstacleSearch {
    folders: HashMap<PathBuf, Option<Obstacle>>,
    /// The number of paths that may still be looked at.
    left: u64,
}

impl ObstacleSearch {
    /// The error about the first instance of a task whose path cannot be written.
    fn first(
        &mut self,
        task: &PlanTask,
        template: &Template,
        kind: WriteKind,
        span: &Span,
        source: &ScriptSource,
    ) -> Option<Diagnostic> {
        let is_certain = |part: &TemplatePart| match part {
            TemplatePart::Text(_) => true,
            TemplatePart::Fill { what, .. } => {
                matches!(what, Fill::Param(..) | Fill::Env(_) | Fill::Fact(RuntimeVar::Index))
            }
        };
        if !template.parts.iter().all(is_certain) {
            return None;
        }
        let instances = if template.as_literal().is_some() { 1 } else { task.family.len() };
        for index in 0..instances.min(self.left) {
            self.left -= 1;
            let facts = RuntimeVars { index, ..RuntimeVars::default() };
            let (values, env) = (task.family.bindings(index), |name: &str| std::env::var(name).ok());
            let scope = RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env };
            let path = template.render(&scope).ok()?;
            let makes_array = !task.action.is_command() && kind == WriteKind::Save;
            let path =
                if makes_array { slab::split(&path).map_or(path.as_str(), |(file, _)| file) } else { &path };
            if let Some(obstacle) = self.look(&source.dir().join(path), kind) {
                let says = format!("`{}` {} `{path}`", task.label(index), kind.verb());
                return Some(tell(&says, &obstacle, span, source));
            }
        }
        None
    }

    /// The warning about a folder with files in it that a script saves a folder in place of, although it has not been
    /// run here before.
    fn replaced(
        &mut self,
        task: &PlanTask,
        (save, span): (&Save, &Span),
        script: &RawScript,
        source: &ScriptSource,
    ) -> Option<Diagnostic> {
        if writers::own_paths(script, source).1.is_some_and(|folder| source.dir().join(folder).exists()) {
            return None;
        }
        let path = save.path.as_literal().or_else(|| {
            let facts = RuntimeVars::default();
            let (values, env) = (task.family.bindings(0), |name: &str| std::env::var(name).ok());
            let scope = RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env };
            save.path.render(&scope).ok()
        })?;
        const HELP: &str = "what is in it would be gone: choose a folder that the script alone writes";
        fs::read_dir(source.dir().join(&path)).ok()?.next()?.ok()?;
        let message =
            format!("`{}` saves a folder to `{path}`, where a folder with files lies", task.label(0));
        let diagnostic = Diagnostic::new(Code::ReplacedFolder, span.clone(), message);
        Some(diagnostic.label("is replaced as a whole").help(HELP))
    }

    /// Finds the reason why a path cannot be written; `None` if it can.
    fn look(&mut self, path: &Path, kind: WriteKind) -> Option<Obstacle> {
        let refused = |path: &Path, why: String| Some(Obstacle::Refused(path.to_owned(), why));
        let access = |path: &Path| rustix::fs::access(path, Access::WRITE_OK).map_err(io::Error::from);
        let path = match links::end(path) {
            Ok(Some(path)) => path,
            // a link such as /dev/stdout leads to an open file, not to a path
            Ok(None) => return access(path).err().and_then(|error| refused(path, error.to_string())),
            Err(_) => return refused(path, "its links lead in a circle".to_owned()),
        };
        let found = match fs::metadata(&path) {
            Ok(found) => found,
            Err(_) => return self.folder_of(&path),
        };
        match found.file_type() {
            kind_of if kind_of.is_dir() && kind == WriteKind::Folder => self.folder_of(&path),
            // a command may make a folder at its target
            kind_of if kind_of.is_dir() => {
                (![WriteKind::Target, WriteKind::Dir].contains(&kind)).then_some(Obstacle::Folder)
            }
            _ if [WriteKind::Dir, WriteKind::Folder].contains(&kind) => Some(Obstacle::File(path)),
            kind_of if !kind_of.is_file() => {
                access(&path).err().and_then(|error| refused(&path, error.to_string()))
            }
            _ if kind == WriteKind::Target && access(&path).is_ok() => None,
            _ => self.folder_of(&path).or_else(|| is_of_another(&path, &found)),
        }
    }

    /// Finds the reason why no files can be made in the folder of a path, or that folder cannot be made.
    fn folder_of(&mut self, path: &Path) -> Option<Obstacle> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        if let Some(known) = self.folders.get(folder) {
            return known.clone();
        }
        let obstacle = match fs::metadata(folder) {
            Ok(found) if !found.is_dir() => Some(Obstacle::File(folder.to_owned())),
            Ok(_) => tempfile::tempfile_in(folder).err().map(|error| {
                // the system's reason without the name of the file that was tried
                let why = error.to_string().split(" at path").next().unwrap_or_default().to_owned();
                Obstacle::Refused(folder.to_owned(), why)
            }),
            // a symbolic link that leads nowhere
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder.is_symlink() => {
                Some(Obstacle::File(folder.to_owned()))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                self.folder_of(folder)
            }
            Err(error) => Some(Obstacle::Refused(folder.to_owned(), error.to_string())),
        };
        self.folders.insert(folder.to_owned(), obstacle.clone());
        obstacle
    }
}

/// Whether a path belongs to another user and lies in a folder like `/tmp` (with the sticky bit), in which only the
/// owner of a file may replace it. Returns that obstacle.
fn is_of_another(path: &Path, found: &fs::Metadata) -> Option<Obstacle> {
    let folder = fs::metadata(path.parent()?).ok()?;
    let own = rustix::process::geteuid().as_raw();
    let is_kept = folder.mode() & STICKY != 0 && ![found.uid(), folder.uid(), 0].contains(&own) && own != 0;
    is_kept.then(|| Obstacle::Refused(path.to_owned(), "it belongs to another user".to_owned()))
}

fn tell(says: &str, obstacle: &Obstacle, span: &Span, source: &ScriptSource) -> Diagnostic {
    let shown = |path: &Path| path.strip_prefix(source.dir()).unwrap_or(path).display().to_string();
    let folder = |path: &Path| match shown(path) {
        here if here.is_empty() => "the script's folder".to_owned(),
        other => format!("`{other}`"),
    };
    let (code, message, label, help) = match obstacle {
        Obstacle::Folder => {
            let message = format!("{says}, which is a folder");
            (Code::InTheWay, message, "a folder lies here", "write the name of a file in it, or move it away")
        }
        Obstacle::File(path) => {
            let message = format!("{says}, and `{}` is no folder", shown(path));
            (Code::InTheWay, message, "needs a folder", "choose another path, or move away what lies there")
        }
        Obstacle::Refused(path, why) => {
            let message = format!("{says}, and {} cannot be written: {why}", folder(path));
            (Code::Unwritable, message, "cannot be written", "choose a path in a folder that you may write")
        }
    };
    Diagnostic::new(code, span.clone(), message).label(label).help(help)
}
