//! What is printed for errors of commands, parameters and references to tasks, word for word.

use super::{golden, golden_with};
use crate::script::options::LoadOptions;

#[test]
fn e12_empty_command() {
    golden(
        r#"dtask = 1
[task.a]
run = "  "
[task.b]
run = []
[task.c]
shell = ""
[task.d]
array = ""
stdout = "d"
[task.e]
run = [""]
[task.f]
shell = "true"
interpreter = []
"#,
        r#"error[E12]: `run` is empty
 --> flow.toml:3:7
  |
3 | run = "  "
  |       ^^^^ nothing to do

error[E12]: `run` is empty
 --> flow.toml:5:7
  |
5 | run = []
  |       ^^ nothing to do

error[E12]: `shell` is empty
 --> flow.toml:7:9
  |
7 | shell = ""
  |         ^^ nothing to do

error[E12]: `array` is empty
 --> flow.toml:9:9
  |
9 | array = ""
  |         ^^ nothing to do

error[E12]: `run` is empty
  --> flow.toml:12:8
   |
12 | run = [""]
   |        ^^ nothing to do

error[E12]: `interpreter` is empty
  --> flow.toml:15:15
   |
15 | interpreter = []
   |               ^^ nothing to do"#,
    );
}

#[test]
fn e13_program_not_found() {
    golden_with(
        r#"dtask = 1
[task.a]
run = "no-such-program-here"
[task.b]
run = ["./plain"]
[task.c]
run = "data/none x"
[task.d]
run = "solver"
[task.e]
run = "./solver {env:HOME}"
"#,
        r#"error[E13]: the program `no-such-program-here` is not on PATH
 --> flow.toml:3:7
  |
3 | run = "no-such-program-here"
  |       ^^^^^^^^^^^^^^^^^^^^^^ not found

error[E13]: the program `./plain` cannot be started
 --> flow.toml:5:8
  |
5 | run = ["./plain"]
  |        ^^^^^^^^^ not executable
  = help: chmod +x ./plain

error[E13]: the program `data/none` cannot be started
 --> flow.toml:7:7
  |
7 | run = "data/none x"
  |       ^^^^^^^^^^^^^ no such file
  = help: paths start from the script's folder

error[E13]: the program `solver` is not on PATH
 --> flow.toml:9:7
  |
9 | run = "solver"
  |       ^^^^^^^^ not found
  = help: it is in the script's folder: write `./solver`"#,
        &[],
        LoadOptions { check_programs: true, ..LoadOptions::default() },
    );
}

#[test]
fn e14_shell_character() {
    golden(
        r#"dtask = 1
[task.a]
run = 'echo "ä" > {dtask.host}'
[task.b]
run = """
cat 'a|b' \
  *.txt"""
[task.c]
run = "echo \"${HOME}\""
"#,
        r#"error[E14]: `run` starts no shell, and only a shell understands `>`
 --> flow.toml:3:17
  |
3 | run = 'echo "ä" > {dtask.host}'
  |                 ^ for a shell
  = help: use `shell` instead of `run`, or put the character between single quotes

error[E14]: `run` starts no shell, and only a shell understands `*`
 --> flow.toml:7:3
  |
7 |   *.txt"""
  |   ^ for a shell
  = help: use `shell` instead of `run`, or put the character between single quotes

error[E14]: `run` starts no shell, and only a shell understands `$`
 --> flow.toml:9:15
  |
9 | run = "echo \"${HOME}\""
  |               ^ for a shell
  = help: use `shell` instead of `run`, or put the character between single quotes"#,
    );
}

#[test]
fn e15_quotes() {
    golden(
        r#"dtask = 1
[task.a]
run = "echo 'x"
"#,
        r#"error[E15]: a ' that is never closed
 --> flow.toml:3:13
  |
3 | run = "echo 'x"
  |             ^ opened here"#,
    );
}

#[test]
fn e16_bad_range() {
    golden(
        r#"dtask = 1
[task.a]
for = { a1 = "abc", b1 = "0..", c1 = "0..10 by 0", d1 = "0..x" }
run = "true"
"#,
        r#"error[E16]: `abc` is no range
 --> flow.toml:3:14
  |
3 | for = { a1 = "abc", b1 = "0..", c1 = "0..10 by 0", d1 = "0..x" }
  |              ^^^^^ expected `a..b`
  = help: write `["abc"]` for a list of one string

error[E16]: `0..` is no range: the end is missing
 --> flow.toml:3:26
  |
3 | for = { a1 = "abc", b1 = "0..", c1 = "0..10 by 0", d1 = "0..x" }
  |                          ^^^^^ expected `a..b`, `a..=b`, either with `by s`
  = help: ranges are `"0..10"` (without 10), `"1..=10"`, `"0..1 by 0.1"`

error[E16]: `0..10 by 0` is no range: the step is zero
 --> flow.toml:3:38
  |
3 | for = { a1 = "abc", b1 = "0..", c1 = "0..10 by 0", d1 = "0..x" }
  |                                      ^^^^^^^^^^^^ expected `a..b`, `a..=b`, either with `by s`
  = help: ranges are `"0..10"` (without 10), `"1..=10"`, `"0..1 by 0.1"`

error[E16]: `0..x` is no range: `x` is no number
 --> flow.toml:3:57
  |
3 | for = { a1 = "abc", b1 = "0..", c1 = "0..10 by 0", d1 = "0..x" }
  |                                                         ^^^^^^ expected `a..b`, `a..=b`, either with `by s`
  = help: ranges are `"0..10"` (without 10), `"1..=10"`, `"0..1 by 0.1"`"#,
    );
}

#[test]
fn e17_empty_sweep() {
    golden(
        r#"dtask = 1
[task.a]
for = { a1 = [], b1 = "5..0", c1 = { glob = "data/*.csv" }, d1 = {}, e1 = "3..3" }
run = "true"
"#,
        r#"error[E17]: the parameter `a1` has no values
 --> flow.toml:3:14
  |
3 | for = { a1 = [], b1 = "5..0", c1 = { glob = "data/*.csv" }, d1 = {}, e1 = "3..3" }
  |              ^^ empty
  = help: the task would have no instances; remove it, or give it a value

error[E17]: the range `5..0` is empty
 --> flow.toml:3:23
  |
3 | for = { a1 = [], b1 = "5..0", c1 = { glob = "data/*.csv" }, d1 = {}, e1 = "3..3" }
  |                       ^^^^^^ no values
  = help: to count down, write `by -1`

error[E17]: no file matches `data/*.csv`
 --> flow.toml:3:45
  |
3 | for = { a1 = [], b1 = "5..0", c1 = { glob = "data/*.csv" }, d1 = {}, e1 = "3..3" }
  |                                             ^^^^^^^^^^^^ no match
  = help: patterns start from the script's folder, DIR

error[E17]: the parameter `d1` has no values
 --> flow.toml:3:66
  |
3 | for = { a1 = [], b1 = "5..0", c1 = { glob = "data/*.csv" }, d1 = {}, e1 = "3..3" }
  |                                                                  ^^ empty
  = help: write `{ glob = "data/*" }`

error[E17]: the range `3..3` is empty
 --> flow.toml:3:75
  |
3 | for = { a1 = [], b1 = "5..0", c1 = { glob = "data/*.csv" }, d1 = {}, e1 = "3..3" }
  |                                                                           ^^^^^^ no values
  = help: `a..b` goes without b; `a..=b` goes with it"#,
    );
}

#[test]
fn e18_repeated_value() {
    golden(
        r#"dtask = 1
[task.a]
for = { T = [300, 250, 300.0] }
run = "true"
"#,
        r#"error[E18]: the parameter `T` has the value 300.0 twice
 --> flow.toml:3:24
  |
3 | for = { T = [300, 250, 300.0] }
  |              ---       ^^^^^ again
  |              |
  |              first here"#,
    );
}

#[test]
fn e19_misplaced_key() {
    golden(
        r#"dtask = 1
[task.a]
array = "1"
stdin = "x"
stdout = "a"
[task.b]
run = "true"
interpreter = ["bash"]
"#,
        r#"error[E19]: `stdin` means nothing beside `array`
 --> flow.toml:4:1
  |
4 | stdin = "x"
  | ^^^^^ remove this
  = help: it belongs to `run` and `shell`

error[E19]: `interpreter` means nothing beside `run`
 --> flow.toml:8:1
  |
8 | interpreter = ["bash"]
  | ^^^^^^^^^^^ remove this
  = help: it belongs to `shell`"#,
    );
}

#[test]
fn e20_unknown_task() {
    golden(
        r#"dtask = 1
[task.sim]
for = { i = [1, 2] }
array = "i"
[task.a]
each = "smi"
run = "true"
after = ["setup"]
[task.b]
reduce = { of = "sin", with = "add" }
stdout = "b"
[task.c]
run = "cat {sim}"
"#,
        r#"error[E20]: `each` of an unknown task `smi`
 --> flow.toml:6:8
  |
6 | each = "smi"
  |        ^^^^^ no such task
  = help: did you mean `sim`?

error[E20]: `after` of an unknown task `setup`
 --> flow.toml:8:10
  |
8 | after = ["setup"]
  |          ^^^^^^^ no such task
  = help: the tasks are: a, b, c, sim

error[E20]: `of` of an unknown task `sin`
  --> flow.toml:10:17
   |
10 | reduce = { of = "sin", with = "add" }
   |                 ^^^^^ no such task
   = help: did you mean `sim`?"#,
    );
}
