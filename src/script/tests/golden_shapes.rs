//! What is told of shapes before the run, word for word, with the real array language.

use super::super::run::Expressions;
use super::super::*;
use super::folder;

fn told(script: &str) -> String {
    let source = Source::new("flow.toml", folder(), script);
    match parse(source, &[], &Expressions, LoadOptions::default()) {
        Ok(plan) => plan.warnings.to_string(),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn shapes_that_do_not_go_together_are_told_before_the_run() {
    let script = r#"dtask = 1
[vars]
n = 4
[task.x]
for = { i = "1..4" }
array = "zeros(n, 3) + i"
[task.y]
each = "x"
array = "x + arange(n)"
[task.z]
array = "concat(x)[0:2] - x[0][0:3]"
stdout = "z"
[task.use]
array = "sum(y[0])"
stdout = "use"
"#;
    let expected = r#"error[E34]: shapes (4, 3) and (4,) do not go together: 3 against 4
 --> flow.toml:9:10
  |
9 | array = "x + arange(n)"
  |          ^^^^^^^^^^^^^ in `y[i=1]`
  = help: lengths are matched from the last axis, and must be equal or 1; `reshape` adds axes of length 1

error[E34]: shapes (2, 3) and (3, 3) do not go together: 2 against 3
  --> flow.toml:11:10
   |
11 | array = "concat(x)[0:2] - x[0][0:3]"
   |          ^^^^^^^^^^^^^^^^^^^^^^^^^^ in this array expression
   = help: lengths are matched from the last axis, and must be equal or 1; `reshape` adds axes of length 1"#;
    assert_eq!(told(script), expected, "{}", told(script));
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

#[test]
fn nothing_is_said_of_what_only_the_run_knows() {
    let script = r#"dtask = 1
[task.c]
for = { i = "0..3" }
run = "echo {i}"
[task.x]
each = "c"
array = "c.stdout + zeros(3)"
[task.y]
array = "sum(x, axis = 0)[7] + zeros(2)"
stdout = "y"
"#;
    assert_eq!(told(script), "");
}
