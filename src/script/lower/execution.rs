//! Lowering of the keys that say how a command is run.

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Collector, Diagnostic};
use crate::script::plan::execution::{Dir, Execution};
use crate::script::resolve::resolver::{Place, Resolver};
use crate::script::syntax::execution::RawExecution;

/// Resolves the references of the folder.
pub(crate) fn execution(raw: &RawExecution, resolver: &mut Resolver<'_>, cx: &mut Collector) -> Execution {
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
            Dir::Path(resolver.template(text, Place::File, cx))
        }
    };
    raw.clone().with_dir(dir)
}
