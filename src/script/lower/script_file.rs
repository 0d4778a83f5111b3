//! Lowers `script`: a program of the script's folder, which its first line or its ending runs.

use std::io::Read;

use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::diagnostic::{Diagnostic, DiagnosticCollector};
use crate::script::diagnostics::source::Text;
use crate::script::diagnostics::suggest::did_you_mean;
use crate::script::lower::command::{check_word, empty};
use crate::script::lower::task::Compiler;
use crate::script::plan::runtime_vars::RuntimeVar;
use crate::script::plan::shell_quote::Quote;
use crate::script::plan::task::TaskAction;
use crate::script::plan::template::{Fill, Template, TemplatePart};
use crate::script::resolve::resolver::Resolver;
use crate::script::resolve::written::TextContext;
use crate::script::syntax::placeholder::{self, PieceKind};
use crate::script::syntax::script::RawTask;

/// The programs that run files without a first line `#!`, by the ending of their names.
const ENDINGS: &[(&str, &[&str])] = &[
    ("py", &["python3"]),
    ("sh", &["/bin/sh", "-eu"]),
    ("bash", &["bash", "-euo", "pipefail"]),
    ("R", &["Rscript"]),
    ("r", &["Rscript"]),
    ("jl", &["julia"]),
    ("pl", &["perl"]),
    ("rb", &["ruby"]),
    ("js", &["node"]),
    ("lua", &["lua"]),
    ("awk", &["awk", "-f"]),
];

impl Compiler<'_> {
    /// Lowers a `script` key to the command that runs the file, with the further words as its arguments. The file is
    /// looked at: its first line says what runs it.
    pub(crate) fn script(
        &self,
        raw: &RawTask,
        file: &Text,
        rest: &[Text],
        resolver: &mut Resolver<'_>,
        cx: &mut DiagnosticCollector,
    ) -> Option<TaskAction> {
        if file.value.trim().is_empty() {
            empty("script", &file.span, cx);
            return None;
        }
        let pieces = placeholder::parse(&file.value);
        if let Some(piece) = pieces.iter().find(|piece| matches!(piece.kind, PieceKind::Reference(_))) {
            let span = cx.source.inside(file, piece.range.clone());
            let message = "the name of a script is known before the run";
            let diagnostic = Diagnostic::new(Code::NotHere, span, message).label("not here");
            cx.push(diagnostic.help("give the value to the script: `script = [\"fit.py\", \"{x}\"]`"));
            return None;
        }
        let interpreter = interpreter(file, cx)?;
        let mut argv = self.wrap(raw, resolver, cx);
        if argv.is_empty() {
            let program = interpreter.first().map(Template::literal);
            self.check_program(program.as_ref(), &file.span, cx);
        }
        argv.extend(interpreter.into_iter().map(Template::literal));
        argv.push(match file.value.starts_with('/') {
            true => Template::literal(&file.value),
            false => {
                let here = Fill::Fact(RuntimeVar::Here);
                let name = file.value.trim_start_matches("./");
                let here = TemplatePart::Fill { what: here, format: None, quote: Quote::None };
                Template { parts: vec![here, TemplatePart::Text(format!("/{name}"))] }
            }
        });
        for word in rest {
            let template = resolver.template(word, TextContext::Command, cx);
            check_word(&template, &word.span, resolver, cx);
            argv.push(template);
        }
        Some(TaskAction::Run { argv })
    }
}

/// Finds the words that run a file. A file that is not there, or that nothing is known to run, is reported.
fn interpreter(file: &Text, cx: &mut DiagnosticCollector) -> Option<Vec<String>> {
    let path = cx.source.dir().join(&file.value);
    let mut begin = Vec::new();
    let read = match std::fs::metadata(&path) {
        Ok(meta) if meta.is_file() => {
            std::fs::File::open(&path).and_then(|file| file.take(1024).read_to_end(&mut begin))
        }
        Ok(_) => Err(std::io::Error::other("it is no file")),
        Err(error) => Err(error),
    };
    if let Err(error) = read {
        let message = format!("cannot read the script `{}`: {error}", file.value);
        let beside: Vec<String> = std::fs::read_dir(cx.source.dir())
            .map(|entries| {
                entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
            })
            .unwrap_or_default();
        let help = did_you_mean(&file.value, beside.iter().map(String::as_str));
        let diagnostic = Diagnostic::new(Code::NoScriptFile, file.span.clone(), message).label("this file");
        cx.push(diagnostic.help(help.unwrap_or_else(|| {
            "`script` names a file, in the folder of this one; a text for a shell is `shell`".to_owned()
        })));
        return None;
    }
    if let Some(words) = first_line(&begin) {
        return Some(words);
    }
    let ending =
        file.value.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, end)| end);
    if let Some((_, words)) = ENDINGS.iter().find(|(known, _)| *known == ending) {
        return Some(words.iter().map(|word| (*word).to_owned()).collect());
    }
    let message = format!("nothing says what runs `{}`", file.value);
    let diagnostic = Diagnostic::new(Code::UnknownLanguage, file.span.clone(), message);
    let known: Vec<String> = ENDINGS.iter().map(|(end, _)| format!(".{end}")).collect();
    cx.push(diagnostic.label("no known ending, and no `#!`").help(format!(
        "begin it with a line like `#!/usr/bin/env python3`, or end its name in one of: {}",
        known.join(", ")
    )));
    None
}

/// The words of a first line `#!/path/program argument`: as for the system, all behind the program is one argument.
fn first_line(begin: &[u8]) -> Option<Vec<String>> {
    let line = begin.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim();
    let (program, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let words = [program, rest.trim()].into_iter().filter(|word| !word.is_empty());
    Some(words.map(str::to_owned).collect()).filter(|words: &Vec<String>| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_read_as_the_system_does() {
        let words = |text: &str| first_line(text.as_bytes()).map(|words| words.join("|"));
        assert_eq!(words("#!/bin/sh\necho"), Some("/bin/sh".into()));
        assert_eq!(words("#! /usr/bin/env -S python3 -u \n"), Some("/usr/bin/env|-S python3 -u".into()));
        assert_eq!(words("#!/usr/bin/perl -w"), Some("/usr/bin/perl|-w".into()));
        assert_eq!(words("import os\n"), None);
        assert_eq!(words("#!\n"), None);
    }
}
