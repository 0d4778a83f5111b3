//! What is printed for errors of reductions, arrays and values, word for word.

use super::{golden, golden_with};
use crate::script::options::LoadOptions;

#[test]
fn e30_not_family() {
    golden(
        r#"dtask = 1
[task.x]
array = "1"
[task.a]
reduce = { of = "x", with = "add" }
stdout = "a"
"#,
        r#"error[E30]: `x` is one task, and there is nothing to reduce
 --> flow.toml:5:17
  |
5 | reduce = { of = "x", with = "add" }
  |                 ^^^ no family
  = help: give `x` parameters with `for`, or reduce one array with `sum`, `max` and the like"#,
    );
}

#[test]
fn e31_unknown_reduction() {
    golden(
        r#"dtask = 1
[task.x]
for = { i = "0..4" }
array = "i"
[task.a]
reduce = { of = "x", with = "ad" }
stdout = "a"
[task.b]
reduce = { of = "x", with = "frob" }
stdout = "b"
"#,
        r#"error[E31]: unknown reduction `ad`
 --> flow.toml:6:29
  |
6 | reduce = { of = "x", with = "ad" }
  |                             ^^^^ no such reduction
  = help: did you mean `add`?

error[E31]: unknown reduction `frob`
 --> flow.toml:9:29
  |
9 | reduce = { of = "x", with = "frob" }
  |                             ^^^^^^ no such reduction
  = help: reductions are: add, mul, min, max, concat, mean, moments"#,
    );
}

#[test]
fn e32_bad_reduction() {
    golden(
        r#"dtask = 1
[task.x]
for = { i = "0..4", k = [1, 2] }
array = "i + k"
[task.c]
for = { i = "0..4" }
run = "true"
[task.a1]
reduce = { of = "c", with = "add", arity = 1, order = "fixd" }
stdout = "a1"
[task.a2]
reduce = { of = "x", with = "add", over = ["i"] }
stdout = "a2"
[task.a3]
for = { k = [1, 2] }
reduce = { of = "x", with = "add", over = ["k", "ii"] }
stdout = "a3"
[task.a4]
each = "x"
reduce = { of = "x", with = "add" }
stdout = "a4"
[task.a5]
reduce = { with = "add" }
stdout = "a5"
[task.a6]
reduce = { of = "x" }
stdout = "a6"
"#,
        r#"error[E32]: `c` makes no array that could be reduced
 --> flow.toml:9:17
  |
9 | reduce = { of = "c", with = "add", arity = 1, order = "fixd" }
  |                 ^^^ a command
  = help: merge its files by a command, `run = "./merge {a} {b} -o {out}"` in `with`'s place; or read them with an `array` task in between: `each` of it, `array = "from_csv(..)"`

error[E32]: `arity` is how many are merged at a time: 2 to 1024
 --> flow.toml:9:44
  |
9 | reduce = { of = "c", with = "add", arity = 1, order = "fixd" }
  |                                            ^ out of range

error[E32]: `order` is "fixed" or "any", not "fixd"
 --> flow.toml:9:55
  |
9 | reduce = { of = "c", with = "add", arity = 1, order = "fixd" }
  |                                                       ^^^^^^ no such order
  = help: did you mean `fixed`?

error[E32]: `k` is neither reduced over nor a parameter of `a2`
  --> flow.toml:12:43
   |
12 | reduce = { of = "x", with = "add", over = ["i"] }
   |                                           ^^^^^ `k` is missing
   = help: add it to `over`, or write `for = { k = .. }`

error[E32]: `k` is a parameter of `a3` as well, so it is not reduced over
  --> flow.toml:16:44
   |
16 | reduce = { of = "x", with = "add", over = ["k", "ii"] }
   |                                            ^^^ a parameter of both

error[E32]: `x` has no parameter `ii` to reduce over
  --> flow.toml:16:49
   |
16 | reduce = { of = "x", with = "add", over = ["k", "ii"] }
   |                                                 ^^^^ no such parameter

error[E32]: `a4` has every parameter of `x`, and there is nothing left to reduce over
  --> flow.toml:20:17
   |
20 | reduce = { of = "x", with = "add" }
   |                 ^^^ one instance for each instance
   = help: leave one of them out: i, k

error[E32]: `reduce` of what?
  --> flow.toml:23:10
   |
23 | reduce = { with = "add" }
   |          ^^^^^^^^^^^^^^^^ `of` is missing
   = help: write `reduce = { of = "x", with = "add" }`

error[E32]: `reduce` with which operation?
  --> flow.toml:26:10
   |
26 | reduce = { of = "x" }
   |          ^^^^^^^^^^^^ `with` is missing
   = help: write `with = "add"`, or for files a command: `run = "./merge {a} {b} -o {out}"`"#,
    );
}

#[test]
fn e33_env_name() {
    golden(
        r#"dtask = 1
[task.a]
run = "echo {env:A-B}"
env = { "1X" = 1, OK = "{dtask.rank}" }
"#,
        r#"error[E33]: an environment variable cannot be named `A-B`
 --> flow.toml:3:13
  |
3 | run = "echo {env:A-B}"
  |             ^^^^^^^^^ letters, digits and `_`, and no digit first

error[E33]: an environment variable cannot be named `1X`
 --> flow.toml:4:9
  |
4 | env = { "1X" = 1, OK = "{dtask.rank}" }
  |         ^^^^ letters, digits and `_`, and no digit first"#,
    );
}

#[test]
fn e34_array_expression() {
    golden(
        r#"dtask = 1
[task.a]
array = """
1 +
  2 ? 3"""
stdout = "a"
[task.b]
array = "x + 1"
stdout = "b"
"#,
        r#"error[E34]: unexpected `?`
 --> flow.toml:5:5
  |
5 |   2 ? 3"""
  |     ^ in this array expression
  = help: write an operator

error[E21]: unknown name `x` in an array expression
 --> flow.toml:8:10
  |
8 | array = "x + 1"
  |          ^ no variable and no task has this name"#,
    );
}

#[test]
fn e35_unknown_variable() {
    golden_with(
        r#"dtask = 1
[vars]
steps = 3
[task.a]
run = "true"
"#,
        r#"error[E35]: unknown variable `stpes` in `--set stpes=4`
 = help: did you mean `steps`?

error[E35]: unknown variable `x` in `--set x=1`
 = help: the variables are: steps"#,
        &[("stpes", "4"), ("x", "1")],
        LoadOptions::default(),
    );
}

#[test]
fn e36_bad_set() {
    golden_with(
        r#"dtask = 1
[vars]
steps = 3
fast = true
[task.a]
run = "true"
"#,
        r#"error[E36]: `--set steps=4.5` is not an integer
 --> flow.toml:3:9
  |
3 | steps = 3
  |         ^ the variable is an integer

error[E36]: `--set fast=no` is not a boolean
 --> flow.toml:4:8
  |
4 | fast = true
  |        ^^^^ the variable is a boolean"#,
        &[("steps", "4.5"), ("fast", "no")],
        LoadOptions::default(),
    );
}

#[test]
fn e38_bad_value() {
    golden(
        r#"dtask = 1
[task.a]
run = "true"
ok-exit = [0, 256]
out = "/tmp/x"
save = "models/"
stdout = ""
[task.b]
for = { f = { glob = "data/***" } }
run = "true"
"#,
        r#"error[E38]: an exit code is a number from 0 to 255
 --> flow.toml:4:15
  |
4 | ok-exit = [0, 256]
  |               ^^^ no exit code

error[E38]: `out` is the name of a file in the task's private folder
 --> flow.toml:5:7
  |
5 | out = "/tmp/x"
  |       ^^^^^^^^ leads out of it
  = help: `out = "result.bin"`; `save` says where it ends up

error[E38]: `models/` is no path of a file
 --> flow.toml:6:8
  |
6 | save = "models/"
  |        ^^^^^^^^^ names no file
  = help: save below the script's folder; a link in it may lead elsewhere

error[E38]: this names no file
 --> flow.toml:7:10
  |
7 | stdout = ""
  |          ^^ expected a file
  = help: write "log", "null" or a path

error[E38]: `data/***` is no pattern: wildcards are either regular `*` or recursive `**`
 --> flow.toml:9:22
  |
9 | for = { f = { glob = "data/***" } }
  |                      ^^^^^^^^^^ see here"#,
    );
}

#[test]
fn e39_too_large() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = "0..9_000_000_000", j = "0..9_000_000_000" }
run = "true"
"#,
        r#"error[E39]: `a` has more instances than can be counted
 --> flow.toml:2:7
  |
2 | [task.a]
  |       ^ too many
  = help: make its ranges shorter"#,
    );
}
