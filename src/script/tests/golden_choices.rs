//! What is printed for choices of instances, policies, defaults, targets and what strains a file system, word for word.

use super::golden;

#[test]
fn e45_no_such_instance() {
    golden(
        r#"dtask = 1
[task.x]
for = { i = "0..8" }
run = "echo {i}"
[task.pair]
for = { k = "0..5" }
run = "cat {x.stdout[2*k]}"
[task.one]
run = "cat {x.stdout[i = 9]}"
"#,
        r#"error[E45]: there is no such instance of `x` for pair[k=4]
 --> flow.toml:7:12
  |
7 | run = "cat {x.stdout[2*k]}"
  |            ^^^^^^^^^^^^^^^ out of range
  = help: the brackets must choose an instance that `x` has, for every instance of `pair`

error[E45]: there is no such instance of `x` for one
 --> flow.toml:9:12
  |
9 | run = "cat {x.stdout[i = 9]}"
  |            ^^^^^^^^^^^^^^^^^ out of range
  = help: the brackets must choose an instance that `x` has, for every instance of `one`"#,
    );
}

#[test]
fn e42_choices_that_are_none() {
    golden(
        r#"dtask = 1
[task.x]
for = { T = [250, 300], p = [1, 2] }
run = "echo {T} {p}"
[task.y]
run = "true"
[task.a]
run = "cat {x.stdout[300]} {x.stdout[temp = 300]} {y.stdout[1]} {x.stdout[T = 250, T = 300]} {x.stdout[T = q]} {x.stdout[T = 2 +]}"
"#,
        r#"error[E42]: `x` has several parameters, and the brackets do not say which is meant
 --> flow.toml:8:12
  |
8 | run = "cat {x.stdout[300]} {x.stdout[temp = 300]} {y.stdout[1]} {x.stdout[T = 250, T = 300]} {x.stdout[T = q]} {x.stdout[T = 2 +]}"
  |            ^^^^^^^^^^^^^^^ in these brackets
  = help: write `{x.stdout[T = 300]}`

error[E42]: `x` has no parameter `temp` to choose by
 --> flow.toml:8:28
  |
8 | run = "cat {x.stdout[300]} {x.stdout[temp = 300]} {y.stdout[1]} {x.stdout[T = 250, T = 300]} {x.stdout[T = q]} {x.stdout[T = 2 +]}"
  |                            ^^^^^^^^^^^^^^^^^^^^^^ in these brackets
  = help: its parameters are: T, p

error[E30]: `y` is one task, and there is nothing to choose
 --> flow.toml:8:51
  |
8 | run = "cat {x.stdout[300]} {x.stdout[temp = 300]} {y.stdout[1]} {x.stdout[T = 250, T = 300]} {x.stdout[T = q]} {x.stdout[T = 2 +]}"
  |                                                   ^^^^^^^^^^^^^ in these brackets
  = help: write `{y.stdout}`

error[E40]: `T` is chosen twice
 --> flow.toml:8:65
  |
8 | run = "cat {x.stdout[300]} {x.stdout[temp = 300]} {y.stdout[1]} {x.stdout[T = 250, T = 300]} {x.stdout[T = q]} {x.stdout[T = 2 +]}"
  |                                                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ in these brackets
  = help: leave one out

error[E21]: unknown name `q` in an expression
 --> flow.toml:8:94
  |
8 | run = "cat {x.stdout[300]} {x.stdout[temp = 300]} {y.stdout[1]} {x.stdout[T = 250, T = 300]} {x.stdout[T = q]} {x.stdout[T = 2 +]}"
  |                                                                                              ^^^^^^^^^^^^^^^^^ in these brackets
  = help: a string stands in single quotes: `{sim[model = 'small']}`

error[E40]: expected a value, the expression ends
 --> flow.toml:8:112
  |
8 | run = "cat {x.stdout[300]} {x.stdout[temp = 300]} {y.stdout[1]} {x.stdout[T = 250, T = 300]} {x.stdout[T = q]} {x.stdout[T = 2 +]}"
  |                                                                                                                ^^^^^^^^^^^^^^^^^^^ in these brackets"#,
    );
}

#[test]
fn e38_policies_and_priorities() {
    golden(
        r#"dtask = 1
[policy]
on-failure = "go on"
max-failures = 0
retry = 1
[task.a]
run = "true"
priority = 99999999999
target = 3
[task.b]
array = "1"
target = "x"
stdout = "b.txt"
"#,
        r#"error[E38]: `on-failure` is "continue" or "stop", not "go on"
 --> flow.toml:3:14
  |
3 | on-failure = "go on"
  |              ^^^^^^^ no such policy
  = help: `continue` skips only what depends on a failed task

error[E38]: `max-failures` is the number of failures that stop the run, and at least 1
 --> flow.toml:4:16
  |
4 | max-failures = 0
  |                ^ too small
  = help: `on-failure = "stop"` stops at the first one

error[E04]: unknown key `retry` in `policy`
 --> flow.toml:5:1
  |
5 | retry = 1
  | ^^^^^ not a key of this table
  = help: the keys in `policy` are: on-failure, max-failures

error[E38]: a priority is a number from -2147483648 to 2147483647
 --> flow.toml:8:12
  |
8 | priority = 99999999999
  |            ^^^^^^^^^^^ too far
  = help: larger ones go first

error[E06]: `target` must be a path or an array of paths, not an integer
 --> flow.toml:9:10
  |
9 | target = 3
  |          ^ expected a path or an array of paths

error[E19]: `target` means nothing beside `array`
  --> flow.toml:12:1
   |
12 | target = "x"
   | ^^^^^^ remove this
   = help: it belongs to `run` and `shell`"#,
    );
}

#[test]
fn e04_defaults() {
    golden(
        r#"dtask = 1
[default]
retires = 2
stdout = 3
[task.a]
run = "true"
[task.b]
run = "true"
"#,
        r#"error[E04]: unknown key `retires` in a task
 --> flow.toml:3:1
  |
3 | retires = 2
  | ^^^^^^^ not a key of this table
  = help: did you mean `retries`?

error[E06]: `stdout` must be a string, not an integer
 --> flow.toml:4:10
  |
4 | stdout = 3
  |          ^ expected a string"#,
    );
}

#[test]
fn e28_targets() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = [1, 2] }
run = "touch x"
target = "x"
[task.b]
run = "touch y"
target = ["../y"]
"#,
        r#"error[E28]: `a[i=1]` and `a[i=2]` both save to `x`
 --> flow.toml:5:10
  |
5 | target = "x"
  |          ^^^ `i` is not in it
  = help: add `{i}` to the path

error[E29]: `../y` is outside of the script's folder
 --> flow.toml:8:11
  |
8 | target = ["../y"]
  |           ^^^^^^ leads out of the folder
  = help: save below the script's folder; a link in it may lead elsewhere"#,
    );
}

#[test]
fn e25_lists_in_arrays() {
    golden(
        r#"dtask = 1
[task.x]
for = { i = [1, 2] }
array = "i"
[task.y]
array = "x.list"
"#,
        r#"error[E25]: a file of paths is for commands, and this is an array expression
 --> flow.toml:6:10
  |
6 | array = "x.list"
  |          ^^^^^^ not here
  = help: a gather is a list of arrays here"#,
    );
}

#[test]
fn w02_many_files() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = "0..20_000" }
run = "echo {i}"
stdout = "out/{i}.txt"
save = { stdout = "save/{i}.txt" }
[task.b]
for = { i = "0..20_000" }
run = "echo {i}"
stdout = "all.txt"
"#,
        r#"warning[W02]: `stdout` of `a` makes 20000 files
 --> flow.toml:5:10
  |
5 | stdout = "out/{i}.txt"
  |          ^^^^^^^^^^^^^ a file for each instance
  = help: a path without parameters collects all outputs in one file, in index order

warning[W02]: `save` of `a` makes 20000 files
 --> flow.toml:6:19
  |
6 | save = { stdout = "save/{i}.txt" }
  |                   ^^^^^^^^^^^^^^ a file for each instance
  = help: gather them in a task that saves one file, or save arrays into one HDF5 file"#,
    );
}

#[test]
fn w03_wide_fan_in() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = "0..2000" }
run = "echo {i}"
[task.b]
run = "cat {a.stdout}"
[task.c]
shell = "xargs cat < {a.stdout.list}"
[task.d]
stdin = "{a.stdout}"
run = "cat"
"#,
        r#"warning[W03]: `b` gets 2000 paths of `a` in one command
 --> flow.toml:6:12
  |
6 | run = "cat {a.stdout}"
  |            ^^^^^^^^^^ an argument for each
  = help: `{a.stdout.list}` is a file with the paths in it"#,
    );
}
