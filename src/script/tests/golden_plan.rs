//! What is printed for errors of the script as a whole, word for word.

use super::golden;

#[test]
fn e26_cycle() {
    golden(
        r#"dtask = 1
[task.a]
run = "cat {c.stdout}"
[task.b]
run = "cat {a.stdout}"
[task.c]
stdin = "{b.stdout}"
run = "cat"
[task.d]
run = "cat"
after = ["d"]
[task.e]
run = "cat {a.stdout}"
"#,
        r#"error[E26]: tasks that wait for each other: a -> c -> b -> a
 --> flow.toml:3:12
  |
3 | run = "cat {c.stdout}"
  |            ^^^^^^^^^^ `a` needs `c`
4 | [task.b]
5 | run = "cat {a.stdout}"
  |            ---------- `b` needs `a`
6 | [task.c]
7 | stdin = "{b.stdout}"
  |          ---------- `c` needs `b`

error[E26]: `d` waits for itself
  --> flow.toml:11:10
   |
11 | after = ["d"]
   |          ^^^ `d` needs `d`"#,
    );
}

#[test]
fn e26_each_in_a_circle() {
    golden(
        r#"dtask = 1
[task.a]
each = "b"
run = "true"
[task.b]
each = "a"
run = "true"
"#,
        r#"error[E26]: `each` goes in a circle: a -> b -> a
 --> flow.toml:3:8
  |
3 | each = "b"
  |        ^^^ the parameters are nowhere"#,
    );
}

#[test]
fn e27_empty_join() {
    golden(
        r#"dtask = 1
[task.sim]
for = { T = [250, 300], p = "0..3" }
run = "true"
[task.a]
for = { T = [250, 300, 350] }
run = "cat {sim.stdout}"
[task.b]
for = { p = "0..=3" }
run = "true"
after = ["sim"]
"#,
        r#"error[E27]: a join that matches nothing: no instance of `sim` has T = 350
 --> flow.toml:7:12
  |
7 | run = "cat {sim.stdout}"
  |            ^^^^^^^^^^^^ nothing for T = 350
  = help: `a` and `sim` share the parameter `T`: give both the same values, or rename it in one

error[E27]: a join that matches nothing: no instance of `sim` has p = 3
  --> flow.toml:11:10
   |
11 | after = ["sim"]
   |          ^^^^^ nothing for p = 3
   = help: `b` and `sim` share the parameter `p`: give both the same values, or rename it in one"#,
    );
}

#[test]
fn e28_same_path() {
    golden(
        r#"dtask = 1
[task.a]
for = { T = [250, 300], rep = "0..3" }
run = "true"
save = "r/T{T}.txt"
[task.b]
for = { x = [1.01, 1.02] }
run = "true"
save = "x{x:.1}.txt"
[task.c]
run = "true"
save = "./c/../c.txt"
[task.d]
run = "true"
save = "c.txt"
[task.e]
for = { i = "0..1_000_000", s = [0.12, 0.13] }
run = "true"
save = "{i}/{s:.1}"
"#,
        r#"error[E28]: `a[T=250, rep=0]` and `a[T=250, rep=1]` both save to `r/T250.txt`
 --> flow.toml:5:8
  |
5 | save = "r/T{T}.txt"
  |        ^^^^^^^^^^^^ `rep` is not in it
  = help: add `{rep}` to the path

error[E28]: `b[x=1.01]` and `b[x=1.02]` both save to `x1.0.txt`
 --> flow.toml:9:8
  |
9 | save = "x{x:.1}.txt"
  |        ^^^^^^^^^^^^^ not told apart by this path

error[E28]: `c` and `d` both save to `c.txt`
  --> flow.toml:15:8
   |
12 | save = "./c/../c.txt"
   |        -------------- the other one
...
15 | save = "c.txt"
   |        ^^^^^^^ not told apart by this path

error[E28]: two instances of `e` save to the same path: several values of `s` are written `0.1`
  --> flow.toml:19:8
   |
19 | save = "{i}/{s:.1}"
   |        ^^^^^^^^^^^^ more digits for `s`?"#,
    );
}

#[test]
fn e29_outside_tree() {
    golden(
        r#"dtask = 1
[vars]
root = "/scratch"
[task.a]
run = "true"
save = "../a.txt"
[task.b]
run = "true"
save = "{root}/b.txt"
[task.c]
for = { d = ["x", ".."] }
run = "true"
save = "{d}/../c.txt"
"#,
        r#"error[E29]: `../a.txt` is outside of the script's folder
 --> flow.toml:6:8
  |
6 | save = "../a.txt"
  |        ^^^^^^^^^^ leads out of the folder
  = help: save below the script's folder; a link in it may lead elsewhere

error[E29]: `/scratch/b.txt` is outside of the script's folder
 --> flow.toml:9:8
  |
9 | save = "{root}/b.txt"
  |        ^^^^^^^^^^^^^^ leads out of the folder
  = help: save below the script's folder; a link in it may lead elsewhere

error[E29]: `../../c.txt` is outside of the script's folder
  --> flow.toml:13:8
   |
13 | save = "{d}/../c.txt"
   |        ^^^^^^^^^^^^^^ leads out of the folder
   = help: save below the script's folder; a link in it may lead elsewhere"#,
    );
}

#[test]
fn w01_unused_result() {
    golden(
        r#"dtask = 1
[task.x]
array = "1"
[task.b]
run = "true"
out = { p = "p", q = "q" }
save = { p = "p.txt" }
"#,
        r#"warning[W01]: the result `x` is neither used nor saved
 --> flow.toml:2:7
  |
2 | [task.x]
  |       ^ made for nothing
  = help: `save = "file.npy"` keeps it

warning[W01]: the result `b.q` is neither used nor saved
 --> flow.toml:6:22
  |
6 | out = { p = "p", q = "q" }
  |                      ^^^ made for nothing
  = help: `save = "path"` keeps it"#,
    );
}
