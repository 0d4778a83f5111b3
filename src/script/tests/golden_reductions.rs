//! What is printed for errors of reductions by commands, word for word.

use super::golden;

#[test]
fn e63_a_command_that_does_not_merge() {
    golden(
        r#"dtask = 1
[task.part]
for = { i = "0..4" }
shell = "echo {i} > {out}"
out = "part.txt"
[task.t1]
reduce = { of = "part", run = "sort {a}" }
save = "t1"
[task.t2]
reduce = { of = "part", shell = "cat {a} {b}" }
save = "t2"
[task.t3]
reduce = { of = "part", run = ["sort", "-m", "-o", "{out}"] }
stdin = "{a}"
save = "t3"
"#,
        r#"error[E63]: the command of a reduction without `{b}` and `{out}`
 --> flow.toml:7:31
  |
7 | reduce = { of = "part", run = "sort {a}" }
  |                               ^^^^^^^^^^ merges two files into one
  = help: write for example `run = "./merge {a} {b} -o {out}"`

error[E63]: the command of a reduction without `{out}`
  --> flow.toml:10:33
   |
10 | reduce = { of = "part", shell = "cat {a} {b}" }
   |                                 ^^^^^^^^^^^^^ merges two files into one
   = help: write for example `run = "./merge {a} {b} -o {out}"`

error[E63]: the command of a reduction without `{b}`
  --> flow.toml:13:31
   |
13 | reduce = { of = "part", run = ["sort", "-m", "-o", "{out}"] }
   |                               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ merges two files into one
   = help: write for example `run = "./merge {a} {b} -o {out}"`"#,
    );
}

#[test]
fn options_of_a_reduction_by_a_command() {
    golden(
        r#"dtask = 1
[task.part]
for = { i = "0..4" }
shell = "echo {i} > {out}"
out = "part.txt"
[task.t1]
reduce = { of = "part", with = "add", run = "cp {a} {b} {out}", arity = 3, axis = 0 }
save = "t1"
[task.t2]
reduce = { of = "part", run = "sort {a} {b} {out}", shell = "cat" }
save = "t2"
[task.t3]
reduce = { of = "part", run = "sort {a} {b} > {out}", interpreter = ["sh", "-c"] }
save = "t3"
target = "x"
[task.t4]
reduce = { run = "sort '{a} {b} {out}" }
save = "t4"
[task.t5]
reduce = { of = "t1", shell = "cat {a} {b} > {out}", order = "fixd" }
save = "t5"
"#,
        r#"error[E32]: `reduce` has two operations, `with` and a command
 --> flow.toml:7:32
  |
7 | reduce = { of = "part", with = "add", run = "cp {a} {b} {out}", arity = 3, axis = 0 }
  |                                ^^^^^ one of them
  = help: `with` is for arrays, a command is for files: remove one

error[E32]: a command merges two files, `{a}` and `{b}`, not 3
 --> flow.toml:7:73
  |
7 | reduce = { of = "part", with = "add", run = "cp {a} {b} {out}", arity = 3, axis = 0 }
  |                                                                         ^ for arrays
  = help: remove `arity`

error[E32]: `axis` means nothing beside a command
 --> flow.toml:7:83
  |
7 | reduce = { of = "part", with = "add", run = "cp {a} {b} {out}", arity = 3, axis = 0 }
  |                                                                                   ^ for arrays
  = help: remove `axis`

error[E10]: `reduce` has two commands, `run` and `shell`
  --> flow.toml:10:53
   |
10 | reduce = { of = "part", run = "sort {a} {b} {out}", shell = "cat" }
   |                         --- the first one           ^^^^^ the second one
   = help: remove one

error[E14]: `run` starts no shell, and only a shell understands `>`
  --> flow.toml:13:45
   |
13 | reduce = { of = "part", run = "sort {a} {b} > {out}", interpreter = ["sh", "-c"] }
   |                                             ^ for a shell
   = help: use `shell` instead of `run`, or put the character between single quotes

error[E19]: `interpreter` means nothing beside `run`
  --> flow.toml:13:55
   |
13 | reduce = { of = "part", run = "sort {a} {b} > {out}", interpreter = ["sh", "-c"] }
   |                         --- this starts no shell      ^^^^^^^^^^^ remove this
   = help: it belongs to `shell`

error[E19]: `target` means nothing beside `reduce`
  --> flow.toml:15:1
   |
15 | target = "x"
   | ^^^^^^ remove this
   = help: `save` says where the result ends up

error[E32]: `reduce` of what?
  --> flow.toml:17:10
   |
17 | reduce = { run = "sort '{a} {b} {out}" }
   |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `of` is missing
   = help: write `reduce = { of = "part", run = "./merge {a} {b} -o {out}" }`

error[E15]: a ' that is never closed
  --> flow.toml:17:24
   |
17 | reduce = { run = "sort '{a} {b} {out}" }
   |                        ^ opened here

error[E30]: `t1` is one task, and there is nothing to reduce
  --> flow.toml:20:17
   |
20 | reduce = { of = "t1", shell = "cat {a} {b} > {out}", order = "fixd" }
   |                 ^^^^ no family
   = help: give `t1` parameters with `for`, or reduce one array with `sum`, `max` and the like

error[E32]: `order` is "fixed" or "any", not "fixd"
  --> flow.toml:20:62
   |
20 | reduce = { of = "t1", shell = "cat {a} {b} > {out}", order = "fixd" }
   |                                                              ^^^^^^ no such order
   = help: did you mean `fixed`?"#,
    );
}

#[test]
fn names_in_a_reduction_by_a_command() {
    golden(
        r#"dtask = 1
[task.part]
for = { i = "0..4" }
shell = "echo {i} > {out}"
out = "part.txt"
[task.t1]
for = { a = [1, 2] }
reduce = { of = "part", shell = "cat {a} {b} {part} > {out.x}" }
out = { x = "x", y = "y" }
save = { x = "x{a}", y = "y{a}" }
[task.t2]
reduce = { of = "part.x", shell = "cat {a.x} {b:03} {c} > {out}" }
save = "t2-{b}"
"#,
        r#"error[E08]: `{a}` is a file that the command merges, and a parameter
 --> flow.toml:7:9
  |
7 | for = { a = [1, 2] }
  |         ^ a parameter
  = help: give the parameter another name

error[E25]: a step merges two files at a time, not all of `part`
 --> flow.toml:8:46
  |
8 | reduce = { of = "part", shell = "cat {a} {b} {part} > {out.x}" }
  |                                              ^^^^^^ all of them?
  = help: write `{a}` and `{b}`

error[E32]: a reduction makes one file, and this task has several outputs
 --> flow.toml:9:22
  |
9 | out = { x = "x", y = "y" }
  |                      ^^^ the second one
  = help: what is merged is what the next step reads: put all into one file, or reduce each in a task of its own

error[E22]: `part` has no output `x`
  --> flow.toml:12:17
   |
12 | reduce = { of = "part.x", shell = "cat {a.x} {b:03} {c} > {out}" }
   |                 ^^^^^^^^ outputs of `part`: stdout

error[E22]: `a` has no `x`
  --> flow.toml:12:40
   |
12 | reduce = { of = "part.x", shell = "cat {a.x} {b:03} {c} > {out}" }
   |                                        ^^^^^ no such part

error[E24]: the format `03` does not fit: formats are for parameters and variables, and this is a file
  --> flow.toml:12:46
   |
12 | reduce = { of = "part.x", shell = "cat {a.x} {b:03} {c} > {out}" }
   |                                              ^^^^^^ does not fit

error[E21]: unknown name `c` in a reference
  --> flow.toml:12:53
   |
12 | reduce = { of = "part.x", shell = "cat {a.x} {b:03} {c} > {out}" }
   |                                                     ^^^ no variable and no task has this name
   = help: write `{{c}}` for literal braces

error[E21]: unknown name `b` in a reference
  --> flow.toml:13:12
   |
13 | save = "t2-{b}"
   |            ^^^ no variable and no task has this name
   = help: write `{{b}}` for literal braces"#,
    );
}
