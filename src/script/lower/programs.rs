//! Checks that the program that `run` names exists and is executable.

use std::path::{Path, PathBuf};

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Span;

/// Reports a program of a `run` key that does not exist or is not executable. A name with a slash is a path from the
/// script's folder; any other name is searched on PATH.
pub(crate) fn check(program: &str, span: &Span, cx: &mut DiagnosticCollector) {
    if program.contains('/') {
        let path = cx.source.dir().join(program);
        let label = match (path.exists(), is_program(&path)) {
            (_, true) => return,
            (true, false) => "not executable",
            (false, false) => "no such file",
        };
        let diagnostic = Diagnostic::new(
            Code::ProgramNotFound,
            span.clone(),
            format!("the program `{program}` cannot be started"),
        )
        .label(label);
        let help = if label == "not executable" {
            format!("chmod +x {program}")
        } else {
            "paths start from the script's folder".to_string()
        };
        return cx.push(diagnostic.help(help));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if folders.iter().any(|folder| is_program(&folder.join(program))) {
        return;
    }
    let diagnostic = Diagnostic::new(
        Code::ProgramNotFound,
        span.clone(),
        format!("the program `{program}` is not on PATH"),
    )
    .label("not found");
    let beside = cx.source.dir().join(program);
    let help = is_program(&beside).then(|| format!("it is in the script's folder: write `./{program}`"));
    cx.push(diagnostic.maybe_help(help));
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
