//! Programs that must not compile, and what the compiler has to say.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The newest library of dtask beside this test.
fn library() -> PathBuf {
    let deps = std::env::current_exe().expect("the test's own path");
    let deps = deps.parent().expect("a folder");
    let entries = std::fs::read_dir(deps).expect("the folder of libraries").flatten();
    let libraries = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("libdtask-") && name.ends_with(".rlib")
    });
    let newest = libraries.max_by_key(|entry| entry.metadata().and_then(|data| data.modified()).ok());
    newest.expect("cargo has built the library").path()
}

fn compile(name: &str) -> (bool, String) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail").join(name);
    let library = library();
    let out = tempfile::tempdir().expect("a temporary folder");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        // object code, since some errors come only when functions are instantiated; no linking
        .args(["--edition", "2024", "--emit", "obj", "--crate-type", "bin"])
        .arg("--extern")
        .arg(format!("dtask={}", library.display()))
        .arg("-L")
        .arg(format!("dependency={}", library.parent().expect("a folder").display()))
        .arg("-o")
        .arg(out.path().join("program.o"))
        .arg(source)
        // from where the paths of dtask's own sources are found, as cargo's users have them
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("rustc can be started");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_closure_that_captures_is_told_what_to_do() {
    let (compiles, text) = compile("capturing.rs");
    assert!(!compiles, "it compiles");
    assert!(text.contains("this closure captures variables"), "{text}");
    assert!(text.contains("Pass them as arguments"), "{text}");
}

#[test]
fn a_function_pointer_is_told_what_to_do() {
    let (compiles, text) = compile("pointer.rs");
    assert!(!compiles, "it compiles");
    assert!(text.contains("If it is a function pointer"), "{text}");
    assert!(text.contains("submit the function itself by its name"), "{text}");
}

#[test]
fn parameters_that_can_be_read_in_two_ways_are_told_what_to_write() {
    for name in ["text_parameter.rs", "text_parameter_result.rs"] {
        let (compiles, text) = compile(name);
        assert!(!compiles, "{name} compiles");
        let told = "`&str`, `&[u8]`, `&Path`: write `&String`, `&Vec<u8>`, `&PathBuf`";
        let told_of_result =
            "in place of `&str` write `&String`, for `&[u8]` `&Vec<u8>`, for `&Path` `&PathBuf`";
        assert!(text.contains(told) || text.contains(told_of_result), "{name}: {text}");
    }
}

#[test]
fn a_result_with_an_error_that_is_data_is_told_what_to_write() {
    let (compiles, text) = compile("text_error.rs");
    assert!(!compiles, "it compiles");
    assert!(text.contains("WriteFailureAsTheErrorType"), "{text}");
}

#[test]
fn a_parameter_that_holds_a_reference_is_told_what_to_write() {
    let (compiles, text) = compile("held_references.rs");
    assert!(!compiles, "it compiles");
    assert!(text.contains("take `Option<T>`, `Vec<String>`, `T`"), "{text}");
}

#[test]
fn a_future_that_is_dropped_at_once_is_a_warning_that_says_what_to_do() {
    let (compiles, text) = compile("dropped.rs");
    assert!(!compiles, "it compiles without a warning");
    assert!(text.contains("keep the future, or give it to `client.fire_and_forget(..)`"), "{text}");
    assert!(text.contains("keep the futures"), "those of `map` too: {text}");
}

#[test]
fn a_value_of_a_rank_depends_on_nothing_that_its_closure_captures() {
    let (compiles, text) = compile("capturing_local.rs");
    assert!(!compiles, "it compiles");
    assert!(text.contains("the first call's would count for all tasks of the rank"), "{text}");
}

#[test]
fn arguments_that_do_not_fit_are_told_so() {
    let (compiles, text) = compile("wrong_arguments.rs");
    assert!(!compiles, "it compiles");
    assert!(text.contains("expected a tuple with 2 elements, found one with 1 element"), "{text}");
    assert!(text.contains("`&str` cannot stand for a parameter of type `i64`"), "{text}");
}

#[test]
fn what_should_compile_does() {
    // else those above would pass for a wrong reason
    let (compiles, text) = compile("fine.rs");
    assert!(compiles, "{text}");
}
