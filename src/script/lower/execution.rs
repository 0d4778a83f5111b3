//! Lowers the settings with which a command is run.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::plan::execution::{Dir, Execution};
use crate::script::resolve::resolver::Resolver;
use crate::script::resolve::written::TextContext;
use crate::script::syntax::execution::RawExecution;

/// Lowers the settings with which a command is run: resolves the `{references}` in its working directory and copies the
/// other settings.
pub(crate) fn execution(
    raw: &RawExecution,
    resolver: &mut Resolver<'_>,
    cx: &mut DiagnosticCollector,
) -> Execution {
    let dir = match &raw.dir {
        None => Dir::Here,
        Some(text) if text.value == "here" => Dir::Here,
        Some(text) if text.value == "scratch" => Dir::Scratch,
        Some(text) => {
            if text.value.trim().is_empty() {
                cx.push(
                    Diagnostic::new(Code::BadValue, text.span.clone(), "this names no folder")
                        .label("expected a folder")
                        .help("write \"here\", \"scratch\" or a path"),
                );
            }
            Dir::Path(resolver.template(text, TextContext::File, cx))
        }
    };
    raw.clone().with_dir(dir)
}
