//! Tests of the front end as a whole: scripts in, plans or printed errors out.

pub(crate) mod adversary;
pub(crate) mod chains;
pub(crate) mod explanations;
pub(crate) mod foreign_keys;
pub(crate) mod golden;
pub(crate) mod hostile;
pub(crate) mod keys;
pub(crate) mod mangled;
pub(crate) mod needs;
pub(crate) mod plans;
pub(crate) mod running;
pub(crate) mod shapes;
mod shell_texts;
pub(crate) mod specification;
pub(crate) mod sweeps;
pub(crate) mod writers;

use std::path::PathBuf;

#[allow(unused_imports)]
pub(crate) use crate::script::diagnostics::codes::Code;
#[allow(unused_imports)]
pub(crate) use crate::script::diagnostics::diagnostic::{
    Diagnostic, DiagnosticCollector, Diagnostics, MAX_SHOWN,
};
#[allow(unused_imports)]
pub(crate) use crate::script::diagnostics::source::{At, ScriptSource, Span, Text};
#[allow(unused_imports)]
pub(crate) use crate::script::diagnostics::suggest::{did_you_mean, suggest};
#[allow(unused_imports)]
pub(crate) use crate::script::draw::graph::{dot, svg};
#[allow(unused_imports)]
pub(crate) use crate::script::load::{load, parse};
#[allow(unused_imports)]
pub(crate) use crate::script::options::LoadOptions;
#[allow(unused_imports)]
pub(crate) use crate::script::plan::Plan;
#[allow(unused_imports)]
pub(crate) use crate::script::plan::execution::{Dir, Execution};
#[allow(unused_imports)]
pub(crate) use crate::script::plan::fingerprint::Fingerprints;
pub(crate) use crate::script::plan::fingerprint::key_plan::KeyPlan;
#[allow(unused_imports)]
pub(crate) use crate::script::plan::runtime_vars::{RuntimeVar, RuntimeVars};
#[allow(unused_imports)]
pub(crate) use crate::script::plan::shell_quote::Quote;
#[allow(unused_imports)]
pub(crate) use crate::script::plan::task::CallArg;
#[allow(unused_imports)]
pub(crate) use crate::script::plan::task::{
    ArrayName, MapReduce, MapReduceInput, MapStage, NameSource, OutputFile, PlanTask, ReduceOrder,
    ReduceStage, Reference, Save, Select, StreamTarget, TaskAction,
};
#[allow(unused_imports)]
pub(crate) use crate::script::plan::template::{
    Fill, RenderError, RenderScope, StdinPiece, Template, TemplatePart,
};
#[allow(unused_imports)]
pub(crate) use crate::script::sweep::expression::Formula;
#[allow(unused_imports)]
pub(crate) use crate::script::sweep::family::{Axis, Bindings, Derived, Param, Sweep};
#[allow(unused_imports)]
pub(crate) use crate::script::sweep::join::{Gather, Join, Unmatched};
#[allow(unused_imports)]
pub(crate) use crate::script::sweep::param_values::{ParamValues, Spaced};
#[allow(unused_imports)]
pub(crate) use crate::script::sweep::range::NumRange;
#[allow(unused_imports)]
pub(crate) use crate::script::values::format::FormatSpec;
#[allow(unused_imports)]
pub(crate) use crate::script::values::resources::{InstanceResources, JobCounter};
#[allow(unused_imports)]
pub(crate) use crate::script::values::units::{duration, words};
#[allow(unused_imports)]
pub(crate) use crate::script::values::value::{PathPart, ScriptValue};
/// Creates a folder inside the one that the tests were built in, so that `cargo clean` removes it.
pub(crate) fn beside_the_tests(name: &str) -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().join(name)
}

/// The root of the repository, from which `cargo test` runs.
pub(crate) fn repository() -> PathBuf {
    std::path::Path::new(file!()).ancestors().nth(4).unwrap().to_path_buf()
}

/// The path of an example script.
pub(crate) fn example(name: &str) -> PathBuf {
    repository().join("examples/scripts").join(name)
}

/// Creates a folder with two files, `data/a.h5` and `data/b.h5`, and two programs, of which one is not executable.
pub(crate) fn folder() -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::OnceLock;
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let dir = beside_the_tests("script-tests");
        std::fs::create_dir_all(dir.join("data")).unwrap();
        std::fs::create_dir_all(dir.join("corpus")).unwrap();
        for name in ["data/b.h5", "data/a.h5", "data/.hidden", "corpus/a.txt", "solver", "plain"] {
            std::fs::write(dir.join(name), "").unwrap();
        }
        for (name, content) in [
            ("cases.csv", "T,p,name\n250,1.5,low\n300,2.5,high\n"),
            ("steps.csv", "T,p\n250,1\n250,2\n"),
            ("bare.csv", "250,1.5\n300,2.5\n"),
            ("ragged.csv", "a,b\n1,2\n3\n"),
            ("fit.py", "print(1)\n"),
            ("lines.txt", "first\n\nsecond line\n"),
            ("empty.txt", "\n \n"),
            ("twice.txt", "a\nb\na\n"),
            ("blanks.csv", "T, p\n300, 1.5\n"),
            ("odd.csv", "Sample ID;T (K);v1.0\nA 1;250;7\nB;300;8\n"),
            ("semicolons.csv", "T;p\n300;1.5\n"),
            ("years.csv", "place,2020\nnorth,1.5\n"),
            ("wide.csv", "id,ver\n0101,1.10\n9223372036854775808,2\n"),
            ("latin1.txt", ""),
            ("utf16.csv", ""),
        ] {
            std::fs::write(dir.join(name), content).unwrap();
        }
        std::fs::write(dir.join("latin1.txt"), b"first\nsecond \xe9\n").unwrap();
        std::fs::write(dir.join("utf16.csv"), b"\xff\xfea\0\n\0").unwrap();
        std::fs::set_permissions(dir.join("solver"), std::fs::Permissions::from_mode(0o755)).unwrap();
        dir
    };
    FOLDER.get_or_init(make).clone()
}

/// Reads a script as `flow.toml`.
pub(crate) fn try_plan(
    script: &str,
    sets: &[(&str, &str)],
    options: LoadOptions,
) -> Result<Plan, Diagnostics> {
    let sets: Vec<(String, String)> = sets.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    parse(ScriptSource::new("flow.toml", folder(), script), &sets, options)
}

/// Returns the plan of a script without mistakes; the line with the version is added.
pub(crate) fn plan(script: &str) -> Plan {
    try_plan(&format!("dtask = 1\n{script}"), &[], LoadOptions::default())
        .unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn e37_unreadable() {
    let error =
        |path: &str| load(std::path::Path::new(path), &[], LoadOptions::default()).unwrap_err().to_string();
    assert_eq!(
        error("/no/such.toml"),
        "error[E37]: cannot read /no/such.toml: No such file or directory (os error 2)"
    );
    let binary = folder().join("binary");
    std::fs::write(&binary, b"dtask = 1 # \xff").unwrap();
    assert!(error(&binary.display().to_string()).contains("no UTF-8 text: byte 13 of line 1 is 0xff;"));
    for path in ["/dev/null", "/dev/zero", "/"] {
        assert!(error(path).contains(", and a file is needed"), "{}", error(path));
    }
    std::fs::write(&binary, "# a script of 9 MiB\n".repeat(1 << 19)).unwrap();
    let told = error(&binary.display().to_string());
    assert!(told.starts_with("error[E83]: cannot read ") && told.contains("more than 8 MiB"), "{told}");
    std::fs::remove_file(&binary).unwrap();
}

#[test]
fn w04_others_may_write() {
    use std::os::unix::fs::PermissionsExt;
    let path = folder().join("open.toml");
    std::fs::write(&path, "dtask = 1\n[task.a]\nrun = \"true\"\n").unwrap();
    let warnings = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let plan = load(&path, &[], LoadOptions::default()).unwrap_or_else(|e| panic!("{e}"));
        plan.warnings.to_string().replace(&folder().display().to_string(), "DIR")
    };
    assert_eq!(warnings(0o664), "");
    assert_eq!(
        warnings(0o666),
        "warning[W04]: DIR/open.toml may be written by every user, and what it says runs in your name\n = help: chmod o-w DIR/open.toml"
    );
}

#[test]
fn at_most_twenty_errors_are_printed() {
    let keys: String = (0..25).map(|i| format!("frob{i} = 1\n")).collect();
    let errors =
        try_plan(&format!("dtask = 1\n{keys}[task.a]\nrun = \"true\"\n"), &[], LoadOptions::default())
            .unwrap_err();
    assert_eq!(errors.list.len(), 25);
    assert_eq!(errors.to_string().matches("error[E04]").count(), MAX_SHOWN);
    assert!(errors.to_string().ends_with("\n\n… and 5 more"));
}

#[test]
fn colours_change_nothing_but_the_colour() {
    let errors = try_plan("dtask = 1\n[task.a]\nrun = \"{x}\"\n", &[], LoadOptions::default()).unwrap_err();
    let (coloured, plain) = (errors.render(true), errors.render(false));
    assert!(coloured.contains("\u{1b}["));
    assert_eq!(coloured.lines().count(), plain.lines().count());
}
