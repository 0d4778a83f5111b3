//! What is printed for errors of the values of parameters: lists, files, tables and spaces, word for word.

use super::golden;

#[test]
fn e43_csv_without_header() {
    golden(
        r#"dtask = 1
[task.a]
for = { c = { csv = "bare.csv" } }
run = "echo {c.x}"
"#,
        r#"error[E43]: `bare.csv` has no header: `250` is no name of a column
 --> flow.toml:3:21
  |
3 | for = { c = { csv = "bare.csv" } }
  |                     ^^^^^^^^^^ this table
  = help: the first line names the columns: letters, digits and `_`, and no digit first"#,
    );
}

#[test]
fn e44_ragged_row() {
    golden(
        r#"dtask = 1
[task.a]
for = { c = { csv = "ragged.csv" } }
run = "echo {c.a}"
"#,
        r#"error[E44]: line 3 of `ragged.csv` has 1 values, and the header has 2
 --> flow.toml:3:21
  |
3 | for = { c = { csv = "ragged.csv" } }
  |                     ^^^^^^^^^^^^ this table
  = help: every row has a value for each column; values with commas stand in double quotes"#,
    );
}

#[test]
fn e22_unknown_column() {
    golden(
        r#"dtask = 1
[task.a]
for = { case = { csv = "cases.csv" } }
run = "echo {case.pres} {case.T}"
"#,
        r#"error[E22]: the table `case` has no column `pres`
 --> flow.toml:4:13
  |
4 | run = "echo {case.pres} {case.T}"
  |             ^^^^^^^^^^^ columns: T, p, name"#,
    );
}

#[test]
fn e37_files_of_values() {
    golden(
        r#"dtask = 1
[task.a]
for = { c = { csv = "none.csv" }, l = { lines = "none.txt" } }
run = "echo {c} {l}"
"#,
        r#"error[E37]: cannot read `none.csv`: No such file or directory (os error 2)
 --> flow.toml:3:21
  |
3 | for = { c = { csv = "none.csv" }, l = { lines = "none.txt" } }
  |                     ^^^^^^^^^^ this file
  = help: paths start from the script's folder

error[E37]: cannot read `none.txt`: No such file or directory (os error 2)
 --> flow.toml:3:49
  |
3 | for = { c = { csv = "none.csv" }, l = { lines = "none.txt" } }
  |                                                 ^^^^^^^^^^ this file
  = help: paths start from the script's folder"#,
    );
}

#[test]
fn e45_row_that_is_not_there() {
    golden(
        r#"dtask = 1
[task.a]
for = { case = { csv = "cases.csv" }, n = [1, 2] }
include = [ { case = 7, n = 3 } ]
run = "echo {case.T} {n}"
"#,
        r#"error[E45]: `case` is the number of a row, and there are 2
 --> flow.toml:4:22
  |
4 | include = [ { case = 7, n = 3 } ]
  |                      ^ no such row"#,
    );
}

#[test]
fn e16_bad_spaces() {
    golden(
        r#"dtask = 1
[task.a]
for = { x = { linspace = [0, 1] }, y = { logspace = [0, "a", 3] }, z = { linspace = [1, 1, 3] }, u = { linspace = [0.0, 1.0, 0] }, v = { logspace = [1, 999, 3] } }
run = "echo {x} {y} {z} {u} {v}"
"#,
        r#"error[E16]: `linspace` is an array of first, last and how many
 --> flow.toml:3:26
  |
3 | for = { x = { linspace = [0, 1] }, y = { logspace = [0, "a", 3] }, z = { linspace = [1, 1, 3] }, u = { linspace = [0.0, 1.0, 0] }, v ...
  |                          ^^^^^^ expected three numbers
  = help: `{ linspace = [0.0, 1.0, 11] }` are eleven values from 0 to 1, both included

error[E16]: `logspace` is made of numbers, and this is a string
 --> flow.toml:3:57
  |
3 | for = { x = { linspace = [0, 1] }, y = { logspace = [0, "a", 3] }, z = { linspace = [1, 1, 3] }, u = { linspace = [0.0, 1.0, 0] }, v ...
  |                                                         ^^^ no number
  = help: `{ logspace = [2, 4, 9] }` are nine values from 10**2 to 10**4

error[E16]: `linspace` makes no sense: its values are all the same
 --> flow.toml:3:85
  |
3 | for = { x = { linspace = [0, 1] }, y = { logspace = [0, "a", 3] }, z = { linspace = [1, 1, 3] }, u = { linspace = [0.0, 1.0, 0] }, v ...
  |                                                                                     ^^^^^^^^^ see here
  = help: `{ linspace = [0.0, 1.0, 11] }` are eleven values from 0 to 1, both included

error[E16]: `linspace` of how many values?
 --> flow.toml:3:126
  |
3 | ...space = [1, 1, 3] }, u = { linspace = [0.0, 1.0, 0] }, v = { logspace = [1, 999, 3] } }
  |                                                     ^ expected an integer above zero
  = help: `{ linspace = [0.0, 1.0, 11] }` are eleven values from 0 to 1, both included

error[E16]: `logspace` makes no sense: its values are too large
 --> flow.toml:3:149
  |
3 | ... }, u = { linspace = [0.0, 1.0, 0] }, v = { logspace = [1, 999, 3] } }
  |                                                           ^^^^^^^^^^^ see here
  = help: `{ logspace = [2, 4, 9] }` are nine values from 10**2 to 10**4"#,
    );
}

#[test]
fn e38_two_sources_of_values() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = { lines = "a.txt", csv = "b.csv" } }
run = "echo {i}"
"#,
        r#"error[E38]: the parameter `i` has two sources, `lines` and `csv`
 --> flow.toml:3:32
  |
3 | for = { i = { lines = "a.txt", csv = "b.csv" } }
  |               -----            ^^^ the second one
  |               |
  |               the first one
  = help: make two parameters of them"#,
    );
}

#[test]
fn e25_only_variables() {
    golden(
        r#"dtask = 1
[vars]
a = "{b}/x"
b = "{c}"
d = "{dtask.rank}"
e = "{f}"
f = "{e}"
[task.t]
for = { x = ["{y}", "{{y}}"] }
run = "echo {x} {a}"
"#,
        r#"error[E25]: `{c}` cannot stand in a variable
 --> flow.toml:4:6
  |
4 | b = "{c}"
  |      ^^^ only variables are known here
  = help: write `{{c}}` for literal braces

error[E25]: `{dtask.rank}` cannot stand in a variable
 --> flow.toml:5:6
  |
5 | d = "{dtask.rank}"
  |      ^^^^^^^^^^^^ only variables are known here
  = help: write `{{dtask.rank}}` for literal braces

error[E26]: variables that refer to each other: e -> f -> e
 --> flow.toml:6:5
  |
6 | e = "{f}"
  |     ^^^^^ has no value

error[E25]: `{y}` cannot stand in the values of a parameter
 --> flow.toml:9:15
  |
9 | for = { x = ["{y}", "{{y}}"] }
  |               ^^^ only variables are known here
  = help: write `{{y}}` for literal braces"#,
    );
}
