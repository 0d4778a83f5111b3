//! What is printed for errors of the form of a script: TOML, keys, types and names, word for word.

use super::golden;

#[test]
fn e01_syntax() {
    golden(
        r#"dtask = 1
[task.a
run = "true"
x = = 1
"#,
        r#"error[E01]: unclosed table
 --> flow.toml:2:8
  |
2 | [task.a
  |        ^ expected `]`

error[E01]: extra `=`
 --> flow.toml:4:5
  |
4 | x = = 1
  |     ^

error[E01]: unexpected key or value
 --> flow.toml:4:7
  |
4 | x = = 1
  |       ^ expected newline, `#`"#,
    );
}

#[test]
fn e01_a_key_twice() {
    golden(
        r#"dtask = 1
[task.a]
run = "true"
run = "false"
"#,
        r#"error[E01]: duplicate key
 --> flow.toml:4:1
  |
4 | run = "false"
  | ^^^"#,
    );
}

#[test]
fn e01_a_large_integer() {
    golden(
        r#"dtask = 1
[vars]
n = 99999999999999999999
[task.a]
run = "true"
"#,
        r#"error[E01]: this integer does not fit into 64 bits
 --> flow.toml:3:5
  |
3 | n = 99999999999999999999
  |     ^^^^^^^^^^^^^^^^^^^^ too large"#,
    );
}

#[test]
fn e02_version_missing() {
    golden(
        r#"[task.a]
run = "true"
"#,
        r#"error[E02]: the script does not say which version of the format it has
 --> flow.toml:1:1
  |
1 | [task.a]
  | ^ no version
  = help: begin it with the line `dtask = 1`"#,
    );
}

#[test]
fn e03_version_newer() {
    golden(
        r#"dtask = 2
[task.a]
run = "true"
"#,
        r#"error[E03]: the script has format version 2, and this dtask knows version 1
 --> flow.toml:1:9
  |
1 | dtask = 2
  |         ^ newer
  = help: use a newer dtask"#,
    );
}

#[test]
fn e03_version_zero() {
    golden(
        r#"dtask = 0
[task.a]
run = "true"
"#,
        r#"error[E03]: the script has format version 0, and this dtask knows version 1
 --> flow.toml:1:9
  |
1 | dtask = 0
  |         ^ no such version
  = help: write `dtask = 1`"#,
    );
}

#[test]
fn e04_unknown_key() {
    golden(
        r#"dtask = 1
frobnicate = 1
[taks.a]
[task.a]
run = "true"
stdot = "x"
for = { x = { blob = "*" } }
"#,
        r#"error[E04]: unknown key `frobnicate` at the top of a script
 --> flow.toml:2:1
  |
2 | frobnicate = 1
  | ^^^^^^^^^^ not a key of this table
  = help: the keys at the top of a script are: dtask, name, vars, default, resources, policy, task

error[E04]: unknown key `taks` at the top of a script
 --> flow.toml:3:2
  |
3 | [taks.a]
  |  ^^^^ not a key of this table
  = help: did you mean `task`?

error[E04]: unknown key `stdot` in a task
 --> flow.toml:6:1
  |
6 | stdot = "x"
  | ^^^^^ not a key of this table
  = help: did you mean `stdout`?

error[E04]: unknown key `blob` in a parameter
 --> flow.toml:7:15
  |
7 | for = { x = { blob = "*" } }
  |               ^^^^ not a key of this table
  = help: did you mean `glob`?"#,
    );
}

#[test]
fn e06_wrong_type() {
    golden(
        r#"dtask = 1
name = 3
[vars]
v = [1]
[task.a]
run = 5
for = { i = 5, j = [[1]] }
stdout = 1979-05-27
after = "b"
[task]
b = 3
"#,
        r#"error[E06]: `name` must be a string, not an integer
 --> flow.toml:2:8
  |
2 | name = 3
  |        ^ expected a string

error[E06]: the variable `v` must be a number, string or boolean, not an array
 --> flow.toml:4:5
  |
4 | v = [1]
  |     ^^^ expected a number, string or boolean

error[E06]: `run` must be a string or an array of strings, not an integer
 --> flow.toml:6:7
  |
6 | run = 5
  |       ^ expected a string or an array of strings

error[E06]: the parameter `i` must be a list, a range or a table, not an integer
 --> flow.toml:7:13
  |
7 | for = { i = 5, j = [[1]] }
  |             ^ expected a list, a range or a table
  = help: write `[5]` for one value, or a range like `"0..10"`

error[E06]: a value of `j` must be a number, string or boolean, not an array
 --> flow.toml:7:21
  |
7 | for = { i = 5, j = [[1]] }
  |                     ^^^ expected a number, string or boolean

error[E06]: `stdout` must be a string, not a date
 --> flow.toml:8:10
  |
8 | stdout = 1979-05-27
  |          ^^^^^^^^^^ expected a string

error[E06]: `after` must be an array of strings, not a string
 --> flow.toml:9:9
  |
9 | after = "b"
  |         ^^^ expected an array of strings
  = help: write `["b"]`

error[E06]: `task.b` must be a table, not an integer
  --> flow.toml:11:5
   |
11 | b = 3
   |     ^ expected a table"#,
    );
}

#[test]
fn e07_bad_name() {
    golden(
        r#"dtask = 1
name = "a/b"
[vars]
env = 1
[task.my-task]
for = { "1st" = [1], out = [2] }
run = "true"
out = { stdout = "x" }
"#,
        r#"error[E07]: this cannot be the name of a script
 --> flow.toml:2:8
  |
2 | name = "a/b"
  |        ^^^^^ the run folder has this name: no `/`, and no `.` first

error[E07]: `env` cannot be the name of a variable
 --> flow.toml:4:1
  |
4 | env = 1
  | ^^^ `{env}` has a meaning of its own

error[E07]: `my-task` cannot be the name of a task
 --> flow.toml:5:7
  |
5 | [task.my-task]
  |       ^^^^^^^ letters, digits and `_`, and no digit first
  = help: write `my_task`

error[E07]: `1st` cannot be the name of a parameter
 --> flow.toml:6:9
  |
6 | for = { "1st" = [1], out = [2] }
  |         ^^^^^ letters, digits and `_`, and no digit first
  = help: write `_1st`

error[E07]: `out` cannot be the name of a parameter
 --> flow.toml:6:22
  |
6 | for = { "1st" = [1], out = [2] }
  |                      ^^^ `{out}` has a meaning of its own

error[E07]: `stdout` cannot be the name of an output
 --> flow.toml:8:9
  |
8 | out = { stdout = "x" }
  |         ^^^^^^ it has a meaning of its own in references"#,
    );
}

#[test]
fn e08_name_clash() {
    golden(
        r#"dtask = 1
[vars]
a = 1
T = 2
[task.a]
run = "true"
[task.b]
for = { T = [1], a = [2] }
run = "true"
"#,
        r#"error[E08]: `a` is a task and a variable
 --> flow.toml:5:7
  |
3 | a = 1
  | - the variable
4 | T = 2
5 | [task.a]
  |       ^ the task
  = help: a reference could mean either: rename one

error[E08]: `T` is a parameter and a variable
 --> flow.toml:8:9
  |
4 | T = 2
  | - the variable
...
8 | for = { T = [1], a = [2] }
  |         ^ the parameter
  = help: a reference could mean either: rename one

error[E08]: `a` is a parameter and a task
 --> flow.toml:8:18
  |
5 | [task.a]
  |       - the task
...
8 | for = { T = [1], a = [2] }
  |                  ^ the parameter
  = help: a reference could mean either: rename one"#,
    );
}

#[test]
fn e09_no_action() {
    golden(
        r#"dtask = 1
[task.a]
env = { A = 1 }
"#,
        r#"error[E09]: the task `a` does nothing
 --> flow.toml:2:7
  |
2 | [task.a]
  |       ^ no action
  = help: give it one of: run, shell, array, reduce, mapreduce, call"#,
    );
}

#[test]
fn e10_many_actions() {
    golden(
        r#"dtask = 1
[task.a]
run = "true"
shell = "false"
"#,
        r#"error[E10]: the task `a` has two actions, `run` and `shell`
 --> flow.toml:4:1
  |
3 | run = "true"
  | --- the first one
4 | shell = "false"
  | ^^^^^ the second one
  = help: make two tasks of them"#,
    );
}

#[test]
fn e11_no_tasks() {
    golden(
        r#"dtask = 1
name = "x"
"#,
        r#"error[E11]: flow.toml has no tasks
 = help: a task begins with a line `[task.NAME]`"#,
    );
}
