//! Tests of shape inference with the real array language.

use super::*;

fn told(script: &str) -> String {
    let source = ScriptSource::new("flow.toml", folder(), script);
    match parse(source, &[], LoadOptions::default()) {
        Ok(plan) => plan.warnings.to_string(),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn shapes_of_reductions() {
    let script = r#"dtask = 1
[task.x]
for = { i = "1..4" }
array = "zeros(i, 5)"
[task.a]
reduce = { of = "x", with = "add" }
stdout = "a"
[task.b]
reduce = { of = "x", with = "mean", axis = 2 }
stdout = "b"
[task.c]
reduce = { of = "x", with = "concat" }
[task.d]
reduce = { of = "x", with = "moments", axis = 0 }
[task.e]
array = "c[6] + d"
stdout = "e"
[task.f]
array = "c[5] + d + 0 * d[2, 5]"
stdout = "f"
"#;
    let found = told(script);
    let messages: Vec<&str> = found.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!(
        messages,
        [
            "error[E32]: `add` cannot reduce arrays of shapes (1, 5) and (2, 5)",
            "error[E32]: axis 2 is out of range for an array of 2 axes",
            "error[E34]: index 6 is out of range for axis 0 of length 6",
            "error[E34]: index 5 is out of range for axis 1 of length 5",
        ],
        "{found}"
    );
}
