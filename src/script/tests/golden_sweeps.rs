//! What is printed for errors of families: conditions, rows, `zip` and `each`, word for word.

use super::golden;

#[test]
fn e40_bad_expression() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = "0..4", m = ["x", "y"] }
let = { j = "2 *", k = "m + 1", l = "zeros(3)" }
where = "i < 2 &"
run = "echo {i}"
[task.b]
for = { i = [1, "a"] }
where = "i > 1"
run = "echo {i}"
"#,
        r#"error[E40]: expected a value, the expression ends
 --> flow.toml:4:17
  |
4 | let = { j = "2 *", k = "m + 1", l = "zeros(3)" }
  |                 ^ in this expression

error[E40]: the text `x` is no number
 --> flow.toml:4:25
  |
4 | let = { j = "2 *", k = "m + 1", l = "zeros(3)" }
  |                         ^ in this expression

error[E40]: `zeros` is for arrays, and this is about single values
 --> flow.toml:4:38
  |
4 | let = { j = "2 *", k = "m + 1", l = "zeros(3)" }
  |                                      ^^^^^^^^ in this expression
  = help: there are numbers, names, operators, `sqrt exp log sin cos tan abs floor clip where`

error[E40]: unknown operator `&`
 --> flow.toml:5:16
  |
5 | where = "i < 2 &"
  |                ^ in this expression
  = help: write `&&`: it works element by element

error[E40]: `i` is a number and a string by turns
 --> flow.toml:9:10
  |
9 | where = "i > 1"
  |          ^ in this expression
  = help: give it values of one type"#,
    );
}

#[test]
fn e21_unknown_name_in_a_condition() {
    golden(
        r#"dtask = 1
[vars]
limit = 3
[task.a]
for = { temp = "0..4" }
where = "tmp < limit && b > 2"
run = "echo {temp}"
[task.b]
for = { T = "0..4" }
where = "a < 3"
run = "echo {T}"
"#,
        r#"error[E21]: unknown name `tmp` in an expression
 --> flow.toml:6:10
  |
6 | where = "tmp < limit && b > 2"
  |          ^^^ parameters here: temp
  = help: did you mean `temp`?

error[E21]: unknown name `a` in an expression
  --> flow.toml:10:10
   |
10 | where = "a < 3"
   |          ^ parameters here: T
   = help: `a` is a task, and this is needed before any task runs"#,
    );
}

#[test]
fn e41_zip_lengths() {
    golden(
        r#"dtask = 1
[task.a]
zip = { data = ["a.h5", "b.h5"], model = "0..3" }
run = "echo {data} {model}"
"#,
        r#"error[E41]: `zip` goes through its parameters in step, and `data` has 2 values where `model` has 3
 --> flow.toml:3:34
  |
3 | zip = { data = ["a.h5", "b.h5"], model = "0..3" }
  |         ---- 2 values            ^^^^^ 3 values
  = help: `for` makes every combination"#,
    );
}

#[test]
fn e42_unknown_parameter() {
    golden(
        r#"dtask = 1
[task.a]
for = { T = [250, 300], p = [1, 2] }
let = { q = "p + 1" }
exclude = [ { t = 250 }, { q = 2 } ]
include = [ { T = 400, press = 1 }, { T = 400 } ]
run = "echo {T} {p} {q}"
[task.b]
exclude = [ { T = 1 } ]
run = "true"
"#,
        r#"error[E42]: `exclude` of an unknown parameter `t`
 --> flow.toml:5:15
  |
5 | exclude = [ { t = 250 }, { q = 2 } ]
  |               ^ no such parameter
  = help: did you mean `T`?

error[E42]: `exclude` of an unknown parameter `q`
 --> flow.toml:5:28
  |
5 | exclude = [ { t = 250 }, { q = 2 } ]
  |                            ^ no such parameter
  = help: derived parameters follow from others: use `where`

error[E42]: `include` of an unknown parameter `press`
 --> flow.toml:6:24
  |
6 | include = [ { T = 400, press = 1 }, { T = 400 } ]
  |                        ^^^^^ no such parameter
  = help: the parameters are: T, p

error[E38]: a row of `include` has a value for every parameter, and `p` is missing
 --> flow.toml:6:37
  |
6 | include = [ { T = 400, press = 1 }, { T = 400 } ]
  |                                     ^^^^^^^^^^^ incomplete
  = help: add `p = ..`

error[E42]: `exclude` of an unknown parameter `T`
 --> flow.toml:9:15
  |
9 | exclude = [ { T = 1 } ]
  |               ^ no such parameter
  = help: the task has no parameters"#,
    );
}

#[test]
fn e17_everything_left_out() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = "0..4" }
where = "i > 10"
run = "echo {i}"
[task.b]
for = { i = "0..2" }
exclude = [ { i = 0 }, { i = 1 } ]
run = "echo {i}"
[task.c]
for = { l = { lines = "empty.txt" } }
run = "echo {l}"
"#,
        r#"error[E17]: `a` has no instances: every combination is left out
 --> flow.toml:4:9
  |
4 | where = "i > 10"
  |         ^^^^^^^^ leaves nothing
  = help: `where` says which combinations stay

error[E17]: `b` has no instances: every combination is left out
 --> flow.toml:8:13
  |
8 | exclude = [ { i = 0 }, { i = 1 } ]
  |             ^^^^^^^^^ leaves nothing
  = help: `where` says which combinations stay

error[E17]: `empty.txt` has no lines
  --> flow.toml:11:23
   |
11 | for = { l = { lines = "empty.txt" } }
   |                       ^^^^^^^^^^^ no values
   = help: empty lines do not count"#,
    );
}

#[test]
fn e18_rows_twice() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = "0..4", k = [1, 2] }
include = [ { i = 9, k = 1 }, { i = 2, k = 2 } ]
run = "echo {i}{k}"
[task.b]
zip = { n = [1, 2, 1], m = ["x", "y", "x"] }
run = "echo {n}{m}"
[task.c]
for = { l = { lines = "twice.txt" } }
run = "echo {l}"
"#,
        r#"error[E18]: the row [i=2, k=2] of `include` is there already
 --> flow.toml:4:31
  |
4 | include = [ { i = 9, k = 1 }, { i = 2, k = 2 } ]
  |                               ^^^^^^^^^^^^^^^^ added twice
  = help: instances are told apart by their values

error[E18]: numbers 0 and 2 of `zip` are the same: n=1, m=x
 --> flow.toml:7:9
  |
7 | zip = { n = [1, 2, 1], m = ["x", "y", "x"] }
  |         ^ in these lists
  = help: instances are told apart by their values

error[E18]: lines 1 and 3 of `twice.txt` are the same
  --> flow.toml:10:23
   |
10 | for = { l = { lines = "twice.txt" } }
   |                       ^^^^^^^^^^^ read from here
   = help: instances are told apart by their values"#,
    );
}

#[test]
fn e08_parameters_twice() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = "0..4" }
zip = { i = [1] }
let = { i = "3" }
run = "echo {i}"
[task.b]
each = "a"
for = { i = [3] }
run = "echo {i}"
[task.c]
each = "d"
for = { i = [3] }
run = "echo {i}"
[task.d]
for = { i = [1] }
run = "echo {i}"
"#,
        r#"error[E08]: the parameter `i` is given twice
 --> flow.toml:4:9
  |
3 | for = { i = "0..4" }
  |         - first here
4 | zip = { i = [1] }
  |         ^ again
  = help: rename one

error[E08]: the parameter `i` is given twice
 --> flow.toml:5:9
  |
3 | for = { i = "0..4" }
  |         - first here
4 | zip = { i = [1] }
5 | let = { i = "3" }
  |         ^ again
  = help: rename one

error[E08]: `i` is a parameter of `a` already, and `each` takes it over
 --> flow.toml:9:9
  |
9 | for = { i = [3] }
  |         ^ a second one
  = help: rename one

error[E08]: `i` is a parameter of `d` already, and `each` takes it over
  --> flow.toml:13:9
   |
13 | for = { i = [3] }
   |         ^ a second one
   = help: rename one"#,
    );
}

#[test]
fn e39_too_many_to_look_at() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = "0..100_000", j = "0..100_000" }
where = "i < j"
run = "echo {i} {j}"
"#,
        r#"error[E39]: a condition about 10000000000 combinations, and at most 134217728 are looked at
 --> flow.toml:4:9
  |
4 | where = "i < j"
  |         ^^^^^^^ too many
  = help: write the parameters that the condition is about side by side in `for`: those before and after do not count"#,
    );
}

#[test]
fn e06_rows_that_are_none() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = [1, 2] }
exclude = { i = 1 }
include = [ {}, 3, { i = [1] } ]
let = { j = true }
where = 3
run = "echo {i}"
"#,
        r#"error[E06]: `exclude` must be an array of tables, not a table
 --> flow.toml:4:11
  |
4 | exclude = { i = 1 }
  |           ^^^^^^^^^ expected an array of tables

error[E38]: a row of `include` without values
 --> flow.toml:5:13
  |
5 | include = [ {}, 3, { i = [1] } ]
  |             ^^ empty
  = help: write `include = [{ T = 250, p = 1 }]`

error[E06]: a row of `include` must be a table, not an integer
 --> flow.toml:5:17
  |
5 | include = [ {}, 3, { i = [1] } ]
  |                 ^ expected a table

error[E06]: `i` must be a number, string or boolean, not an array
 --> flow.toml:5:26
  |
5 | include = [ {}, 3, { i = [1] } ]
  |                          ^^^ expected a number, string or boolean

error[E06]: the derived parameter `j` must be an expression in a string, not a boolean
 --> flow.toml:6:13
  |
6 | let = { j = true }
  |             ^^^^ expected an expression in a string
  = help: write `let = { j = "2*i + 1" }`

error[E06]: `where` must be a string, not an integer
 --> flow.toml:7:9
  |
7 | where = 3
  |         ^ expected a string"#,
    );
}

#[test]
fn e27_nothing_fits_an_instance() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = "0..4", k = [1, 2] }
where = "i != 2 || k == 1"
run = "echo {i}{k}"
[task.b]
for = { i = "0..4", k = [1, 2] }
run = "cat {a.stdout}"
"#,
        r#"error[E27]: a join that matches nothing: no instance of `a` fits b[i=2, k=2]
 --> flow.toml:8:12
  |
8 | run = "cat {a.stdout}"
  |            ^^^^^^^^^^ nothing for b[i=2, k=2]
  = help: instances meet where the parameters that both have are equal; look at `where`, `exclude` and `let` of both"#,
    );
}
