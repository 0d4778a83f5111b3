//! What is printed for errors of references and what they stand for, word for word.

use super::golden;

#[test]
fn e21_unknown_name() {
    golden(
        r#"dtask = 1
[task.mesh]
run = "true"
[task.a]
for = { res = [1], re = [2], rep = [3] }
run = ["./solver", "--p", "{pressure}"]
[task.b]
shell = """
echo {reps} \
  {dtask.rnk} {env}
"""
[task.c]
run = "echo {rep}"
"#,
        r#"error[E21]: unknown name `pressure` in a reference
 --> flow.toml:6:28
  |
6 | run = ["./solver", "--p", "{pressure}"]
  |                            ^^^^^^^^^^ parameters here: res, re, rep
  = help: did you mean `re`? write `{{pressure}}` for literal braces

error[E21]: unknown name `reps` in a reference
 --> flow.toml:9:6
  |
9 | echo {reps} \
  |      ^^^^^^ no variable and no task has this name
  = help: write `{{reps}}` for literal braces

error[E21]: dtask knows no `rnk`
  --> flow.toml:10:3
   |
10 |   {dtask.rnk} {env}
   |   ^^^^^^^^^^^ there are: rank, ranks, host, scratch, attempt, index, threads, seed, here
   = help: did you mean `rank`?

error[E21]: `{env}` of which variable?
  --> flow.toml:10:15
   |
10 |   {dtask.rnk} {env}
   |               ^^^^^ no name
   = help: write `{env:HOME}`

error[E21]: unknown name `rep` in a reference
  --> flow.toml:13:13
   |
13 | run = "echo {rep}"
   |             ^^^^^ no variable and no task has this name
   = help: `rep` is a parameter of `a`: with `each = "a"` this task has it as well"#,
    );
}

#[test]
fn e22_unknown_output() {
    golden(
        r#"dtask = 1
[vars]
v = 1
[task.mesh]
run = "true"
out = { log = "l", mesh = "m" }
save = { mesh = "m", log = "l", lgo = "x" }
[task.x]
array = "1"
[task.a]
for = { f = { glob = "data/*" }, i = [1] }
run = "cat {mesh.lag} {mesh.stderr} {x.stdout} {x} {v.x} {i.stem} {f.stm} {out.q} {f.stem}"
"#,
        r#"error[E22]: `mesh` has no output `lgo` to save
 --> flow.toml:7:33
  |
7 | save = { mesh = "m", log = "l", lgo = "x" }
  |                                 ^^^ outputs: log, mesh, stdout
  = help: did you mean `log`?

error[E22]: `mesh` has no output `lag`
  --> flow.toml:12:12
   |
12 | run = "cat {mesh.lag} {mesh.stderr} {x.stdout} {x} {v.x} {i.stem} {f.stm} {out.q} {f.stem}"
   |            ^^^^^^^^^^ outputs of `mesh`: log, mesh, stdout
   = help: did you mean `log`?

error[E22]: `mesh` has no output `stderr`
  --> flow.toml:12:23
   |
12 | run = "cat {mesh.lag} {mesh.stderr} {x.stdout} {x} {v.x} {i.stem} {f.stm} {out.q} {f.stem}"
   |                       ^^^^^^^^^^^^^ outputs of `mesh`: log, mesh, stdout

error[E22]: `x` has no output `stdout`
  --> flow.toml:12:37
   |
12 | run = "cat {mesh.lag} {mesh.stderr} {x.stdout} {x} {v.x} {i.stem} {f.stm} {out.q} {f.stem}"
   |                                     ^^^^^^^^^^ it makes one array

error[E22]: the variable `v` has no `x`
  --> flow.toml:12:52
   |
12 | run = "cat {mesh.lag} {mesh.stderr} {x.stdout} {x} {v.x} {i.stem} {f.stm} {out.q} {f.stem}"
   |                                                    ^^^^^ no such part

error[E22]: the parameter `i` has no `stem`
  --> flow.toml:12:58
   |
12 | run = "cat {mesh.lag} {mesh.stderr} {x.stdout} {x} {v.x} {i.stem} {f.stm} {out.q} {f.stem}"
   |                                                          ^^^^^^^^ no such part
   = help: parameters of `{ glob = .. }` have parts

error[E22]: the parameter `f` has no `stm`
  --> flow.toml:12:67
   |
12 | run = "cat {mesh.lag} {mesh.stderr} {x.stdout} {x} {v.x} {i.stem} {f.stm} {out.q} {f.stem}"
   |                                                                   ^^^^^^^ no such part
   = help: did you mean `stem`?

error[E22]: this task has no output `q`
  --> flow.toml:12:75
   |
12 | run = "cat {mesh.lag} {mesh.stderr} {x.stdout} {x} {v.x} {i.stem} {f.stm} {out.q} {f.stem}"
   |                                                                           ^^^^^^^ no such output"#,
    );
}

#[test]
fn e23_no_file() {
    golden(
        r#"dtask = 1
[task.a]
run = "true"
[task.b]
run = "true"
out = { x = "x", y = "y" }
save = "b"
[task.c]
run = "cat {a} {b} {b.x} {b.y} {out}"
[task.d]
run = "cat {out}"
out = { p = "p", q = "q" }
save = { p = "p", q = "q" }
stdin = "{a}"
"#,
        r#"error[E23]: `b` has several outputs, and `save` does not say which to save
 --> flow.toml:7:8
  |
7 | save = "b"
  |        ^^^ which one?
  = help: write `save = { x = "path" }`

error[E23]: `a` has no output file
 --> flow.toml:9:12
  |
9 | run = "cat {a} {b} {b.x} {b.y} {out}"
  |            ^^^ a path is wanted here
  = help: write `{a.stdout}` for what it prints, or give it `out = "file"`

error[E23]: `b` has several output files
 --> flow.toml:9:16
  |
9 | run = "cat {a} {b} {b.x} {b.y} {out}"
  |                ^^^ which one?
  = help: write `{b.x}` or `{b.y}`

error[E23]: this task has no output file
 --> flow.toml:9:32
  |
9 | run = "cat {a} {b} {b.x} {b.y} {out}"
  |                                ^^^^^ no `out`
  = help: add `out = "file"`

error[E23]: this task has several output files
  --> flow.toml:11:12
   |
11 | run = "cat {out}"
   |            ^^^^^ which one?
   = help: write `{out.p}` or `{out.q}`"#,
    );
}

#[test]
fn e24_bad_format() {
    golden(
        r#"dtask = 1
[vars]
s = "x"
[task.a]
for = { i = [1, 2.5], n = "0..3" }
run = "echo {i:03d} {s:.2e} {n:q} {n:.1} {b.stdout:03} {dtask.host:03} {dtask.rank:03}"
[task.b]
run = "true"
"#,
        r#"error[E24]: the format `03d` does not fit: `d` is for integers, and this is a float
 --> flow.toml:6:13
  |
6 | run = "echo {i:03d} {s:.2e} {n:q} {n:.1} {b.stdout:03} {dtask.host:03} {dtask.rank:03}"
  |             ^^^^^^^ does not fit

error[E24]: the format `.2e` does not fit: `e` is for numbers, and this is a string
 --> flow.toml:6:21
  |
6 | run = "echo {i:03d} {s:.2e} {n:q} {n:.1} {b.stdout:03} {dtask.host:03} {dtask.rank:03}"
  |                     ^^^^^^^ does not fit

error[E24]: `q` is no format
 --> flow.toml:6:29
  |
6 | run = "echo {i:03d} {s:.2e} {n:q} {n:.1} {b.stdout:03} {dtask.host:03} {dtask.rank:03}"
  |                             ^^^^^ not understood
  = help: formats are like `{i:03}`, `{x:.2}`, `{x:.2e}`, `{name:>10}`

error[E24]: the format `03` does not fit: formats are for parameters and variables, and this is a task
 --> flow.toml:6:42
  |
6 | run = "echo {i:03d} {s:.2e} {n:q} {n:.1} {b.stdout:03} {dtask.host:03} {dtask.rank:03}"
  |                                          ^^^^^^^^^^^^^ does not fit

error[E24]: the format `03` does not fit: signs and zeros are for numbers, and this is a string
 --> flow.toml:6:56
  |
6 | run = "echo {i:03d} {s:.2e} {n:q} {n:.1} {b.stdout:03} {dtask.host:03} {dtask.rank:03}"
  |                                                        ^^^^^^^^^^^^^^^ does not fit"#,
    );
}

#[test]
fn e25_not_here() {
    golden(
        r#"dtask = 1
[vars]
n = 3
[task.a]
for = { i = "0..{m}" }
run = "true {n[2]}"
[task.b]
for = { i = "0..{n}" }
run = "true"
stdout = "{dtask.rank}/{a.stdout}/{env:HOME}/{dtask.index}"
[task.c]
run = "cat --in={b.stdout}{x}"
[task.x]
for = { j = [1, 2] }
array = "out.x + j"
"#,
        r#"error[E25]: `{m}` cannot stand in the values of a parameter
 --> flow.toml:5:17
  |
5 | for = { i = "0..{m}" }
  |                 ^^^ only variables are known here
  = help: write `{{m}}` for literal braces

error[E25]: a variable has no instances
 --> flow.toml:6:13
  |
6 | run = "true {n[2]}"
  |             ^^^^^^ brackets choose one instance of a task

error[E25]: `dtask.rank` cannot stand here: a file's name must not depend on where the task runs
  --> flow.toml:10:11
   |
10 | stdout = "{dtask.rank}/{a.stdout}/{env:HOME}/{dtask.index}"
   |           ^^^^^^^^^^^^ not here
   = help: parameters, variables and `{dtask.index}` can

error[E25]: `a.stdout` cannot stand here: the result of a task cannot be part of a file's name
  --> flow.toml:10:24
   |
10 | stdout = "{dtask.rank}/{a.stdout}/{env:HOME}/{dtask.index}"
   |                        ^^^^^^^^^^ not here
   = help: parameters, variables and `{dtask.index}` can

error[E25]: `env` cannot stand here: a file's name must not depend on where the task runs
  --> flow.toml:10:35
   |
10 | stdout = "{dtask.rank}/{a.stdout}/{env:HOME}/{dtask.index}"
   |                                   ^^^^^^^^^^ not here
   = help: parameters, variables and `{dtask.index}` can

error[E25]: two references to several instances in one argument
  --> flow.toml:12:7
   |
12 | run = "cat --in={b.stdout}{x}"
   |       ^^^^^^^^^^^^^^^^^^^^^^^^ one argument for each pair?
   = help: give each an argument of its own

error[E25]: `out.x` cannot stand here: an array task has no output files
  --> flow.toml:15:10
   |
15 | array = "out.x + j"
   |          ^^^^^ not here
   = help: parameters, variables and `{dtask.index}` can"#,
    );
}

#[test]
fn e21_names_in_arrays() {
    golden(
        r#"dtask = 1
[task.x]
for = { i = [1, 2] }
array = "i * x2"
[task.a]
array = "y + i + out"
stdout = "a"
"#,
        r#"error[E21]: unknown name `x2` in an array expression
 --> flow.toml:4:14
  |
4 | array = "i * x2"
  |              ^^ parameters here: i

error[E21]: unknown name `y` in an array expression
 --> flow.toml:6:10
  |
6 | array = "y + i + out"
  |          ^ no variable and no task has this name

error[E21]: unknown name `i` in an array expression
 --> flow.toml:6:14
  |
6 | array = "y + i + out"
  |              ^ no variable and no task has this name
  = help: `i` is a parameter of `x`: with `each = "x"` this task has it as well

error[E25]: `out` cannot stand here: an array task has no output files
 --> flow.toml:6:18
  |
6 | array = "y + i + out"
  |                  ^^^ not here
  = help: parameters, variables and `{dtask.index}` can"#,
    );
}
