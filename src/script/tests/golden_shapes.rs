//! What is told of shapes before the run, word for word, with the real array language.

use super::folder;
use super::*;
use crate::batch::language::Expressions;

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

#[test]
fn e48_no_dataset() {
    let script = r#"dtask = 1
[task.x]
for = { b = { blocks = "no.h5:/t", size = [365] } }
array = "load(b)"
save = "a.h5:/a"
[task.y]
for = { b = { blocks = "no.h5", size = [365] } }
array = "load(b)"
save = "x.h5"
[task.z]
for = { b = { blocks = "no.h5:/t" } }
run = "echo {b}"
save = "c.h5:/c"
"#;
    let expected = r#"error[E48]: there is no file `DIR/no.h5`
 --> flow.toml:3:24
  |
3 | for = { b = { blocks = "no.h5:/t", size = [365] } }
  |                        ^^^^^^^^^^ cannot be read

error[E38]: `no.h5` names no dataset
 --> flow.toml:7:24
  |
7 | for = { b = { blocks = "no.h5", size = [365] } }
  |                        ^^^^^^^ expected a file and a dataset
  = help: write `"in.h5:/dataset"`

error[E38]: an HDF5 file holds datasets, and this does not say which
 --> flow.toml:9:8
  |
9 | save = "x.h5"
  |        ^^^^^^ cannot be saved so
  = help: write `x.h5:/name`

error[E38]: blocks of which size?
  --> flow.toml:11:13
   |
11 | for = { b = { blocks = "no.h5:/t" } }
   |             ^^^^^^^^^^^^^^^^^^^^^^^ `size` is missing
   = help: write `size = [365]`: the length along each axis; axes left out are not cut

error[E38]: a command's file cannot become a dataset
  --> flow.toml:13:8
   |
13 | save = "c.h5:/c"
   |        ^^^^^^^^^ cannot be saved so
   = help: read it with an `array` task, `load(x, "/name")` or `from_csv(x)`, and save that"#;
    let found = told(script).replace(&folder().display().to_string(), "DIR");
    assert_eq!(found, expected, "{found}");
}
