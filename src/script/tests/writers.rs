//! Two writers of one path, whichever they are.

use super::*;
use std::path::Path;

/// A task that writes `path` in one way.
fn task(name: &str, kind: &str, path: &str) -> String {
    let keys = match kind {
        "target" => format!("run = 'touch x'\ntarget = '{path}'"),
        "dataset" => format!("array = '1'\nsave = '{path}:/{name}'"),
        key => format!("run = 'echo 1'\n{key} = '{path}'"),
    };
    format!("[task.{name}]\n{keys}\n")
}

fn codes(script: &str, dir: &Path) -> Vec<Code> {
    let source = ScriptSource::new("flow.toml", dir, format!("dtask = 1\n{script}"));
    let (Ok(Plan { warnings: found, .. }) | Err(found)) = parse(source, &[], LoadOptions::default());
    found.list.iter().map(|diagnostic| diagnostic.code).filter(|code| *code != Code::UnusedResult).collect()
}

const KINDS: [&str; 5] = ["save", "target", "stdout", "stderr", "dataset"];

#[test]
fn any_pair_of_writers_of_one_path_is_told() {
    let is_stream = |kind: &str| kind.starts_with("std");
    for one in KINDS {
        for other in KINDS {
            let together = (is_stream(one) && is_stream(other)) || [one, other] == ["dataset"; 2];
            let expected: &[Code] = if together { &[] } else { &[Code::SamePath] };
            for path in ["r.h5", "./r.h5", "x/../r.h5", "{v}.h5"] {
                let script = format!("[vars]\nv = 'r'\n{}{}", task("a", one, "r.h5"), task("b", other, path));
                assert_eq!(codes(&script, &folder()), expected, "{script}");
            }
            // one instance of a family
            let family = task("b", other, "{i}.h5").replace("[task.b]", "[task.b]\nfor = { i = '0..4' }");
            for script in [task("a", one, "2.h5") + &family, family.clone() + &task("a", one, "2.h5")] {
                assert_eq!(codes(&script, &folder()), expected, "{script}");
            }
            let apart = format!("{}{}", task("a", one, "r.h5"), task("b", other, "s.h5"));
            assert_eq!(codes(&apart, &folder()), [], "{apart}");
        }
    }
}

#[test]
fn nothing_writes_the_script_its_inputs_or_its_run_folder() {
    for kind in KINDS {
        for path in ["flow.toml", "x/../flow.toml", "flow.dtask", "flow.dtask/x/y"] {
            assert_eq!(codes(&task("a", kind, path), &folder()), [Code::SamePath], "{kind} {path}");
        }
        for (values, path) in [("csv = 'cases.csv'", "cases.csv"), ("glob = 'corpus/*.txt'", "corpus/a.txt")]
        {
            let reader = format!("[task.r]\nfor = {{ c = {{ {values} }} }}\nrun = 'echo {{c}}'\n");
            let script = format!("{reader}{}", task("a", kind, path));
            let expected: &[Code] = if kind == "dataset" { &[] } else { &[Code::SamePath] };
            assert_eq!(codes(&script, &folder()), expected, "{script}");
        }
        assert_eq!(codes(&task("a", kind, "flow.dtasks"), &folder()), []);
    }
}

#[test]
fn a_link_and_what_it_leads_to_are_one_path() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("logs/1.txt", dir.path().join("latest.txt")).unwrap();
    let script = task("a", "stdout", "latest.txt") + &task("b", "save", "logs/1.txt");
    assert_eq!(codes(&script, dir.path()), [Code::SamePath]);
}

#[test]
fn the_null_device_is_null() {
    let script = "dtask = 1\n[task.a]\nrun = 'echo'\nstdout = '/dev/null'\nstderr = '/dev/null'\n";
    let plan = parse(ScriptSource::new("flow.toml", folder(), script), &[], LoadOptions::default()).unwrap();
    assert_eq!((&plan.tasks[0].stdout, &plan.tasks[0].stderr), (&StreamTarget::Null, &StreamTarget::Null));
}

#[test]
fn a_value_may_not_lead_a_file_out_of_its_folder() {
    for key in ["save", "target", "stdout", "stderr", "out", "dir"] {
        for (value, is_wrong) in
            [("../escaped", true), ("a/../b", false), ("a/../../b", true), ("/abs", true), ("a..b", false)]
        {
            let script =
                format!("[task.a]\nfor = {{ v = ['{value}'] }}\nrun = 'touch x'\n{key} = '{{v}}.txt'\n");
            let expected: &[Code] = if is_wrong { &[Code::OutsideTree] } else { &[] };
            let found: Vec<Code> = codes(&script, &folder());
            assert_eq!(found, expected, "{script}");
        }
    }
    // a path that is fixed in the script, not made of values, may lie outside of the folder
    assert_eq!(codes(&task("a", "stdout", "../x.txt"), &folder()), []);
}

#[test]
fn a_shell_s_names_of_folders_are_told_in_paths() {
    for key in ["save", "target", "stdout", "stderr", "dir"] {
        for path in ["~/a.txt", "$SCRATCH/c", "x/$USER"] {
            let script = format!("[task.a]\nrun = 'touch x'\n{key} = '{path}'\n");
            assert_eq!(codes(&script, &folder()), [Code::BadValue], "{script}");
        }
        assert_eq!(codes(&format!("[task.a]\nrun = 'touch x'\n{key} = 'a~b$1'\n"), &folder()), []);
    }
}
