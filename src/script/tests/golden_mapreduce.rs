//! What is printed for errors and warnings of `mapreduce`, word for word.

use super::golden;

#[test]
fn e60_incomplete_mapreduce() {
    golden(
        r#"dtask = 1
[task.a.mapreduce]
input = { split = "1 MiB" }
map = {}
[task.b]
mapreduce = { combine = "sum" }
"#,
        r#"error[E60]: `mapreduce` without `reduce`
 --> flow.toml:2:1
  |
2 | [task.a.mapreduce]
  | ^^^^^^^^^^^^^^^^^^ incomplete
  = help: write `reduce = "sum"`

error[E60]: the input of a `mapreduce` has no source
 --> flow.toml:3:9
  |
3 | input = { split = "1 MiB" }
  |         ^^^^^^^^^^^^^^^^^^^ of which files?
  = help: write `glob = "corpus/*.txt"`, `files = ["a.txt", "b.txt"]`, or `of = "task"` for what a task has written

error[E60]: `map` does nothing
 --> flow.toml:4:7
  |
4 | map = {}
  |       ^^ no command
  = help: write `{ run = ".." }` or `{ shell = ".." }`

error[E60]: `mapreduce` without `input`
 --> flow.toml:6:13
  |
6 | mapreduce = { combine = "sum" }
  |             ^^^^^^^^^^^^^^^^^^^ incomplete
  = help: write `input = { glob = "corpus/*.txt" }`

error[E60]: `mapreduce` without `map`
 --> flow.toml:6:13
  |
6 | mapreduce = { combine = "sum" }
  |             ^^^^^^^^^^^^^^^^^^^ incomplete
  = help: write `map = "words"`

error[E60]: `mapreduce` without `reduce`
 --> flow.toml:6:13
  |
6 | mapreduce = { combine = "sum" }
  |             ^^^^^^^^^^^^^^^^^^^ incomplete
  = help: write `reduce = "sum"`"#,
    );
}

#[test]
fn e61_unknown_stage() {
    golden(
        r#"dtask = 1
[task.a.mapreduce]
input = { glob = "data/*" }
map = "word"
combine = "total"
reduce = "summ"
"#,
        r#"error[E61]: `word` is no built-in `map`
 --> flow.toml:4:7
  |
4 | map = "word"
  |       ^^^^^^ not known
  = help: did you mean `words`?

error[E61]: `total` is no built-in `combine`
 --> flow.toml:5:11
  |
5 | combine = "total"
  |           ^^^^^^^ not known
  = help: there are: sum, count, min, max, first, concat; a command is written `{ run = ".." }` or `{ shell = ".." }`

error[E61]: `summ` is no built-in `reduce`
 --> flow.toml:6:10
  |
6 | reduce = "summ"
  |          ^^^^^^ not known
  = help: did you mean `sum`?"#,
    );
}

#[test]
fn e62_no_input() {
    golden(
        r#"dtask = 1
[vars]
from = "nowhere"
[task.a.mapreduce]
input = { glob = "{from}/*.txt" }
map = "words"
reduce = "sum"
[task.b.mapreduce]
input = { glob = "dat*" }
map = "words"
reduce = "sum"
[task.c.mapreduce]
input = { files = ["data/a.h5", "data", "data/none"] }
map = "words"
reduce = "sum"
"#,
        r#"error[E62]: no file matches `nowhere/*.txt`
 --> flow.toml:5:18
  |
5 | input = { glob = "{from}/*.txt" }
  |                  ^^^^^^^^^^^^^^ no match
  = help: patterns start from the script's folder, DIR

error[E62]: `dat*` matches folders only
 --> flow.toml:9:18
  |
9 | input = { glob = "dat*" }
  |                  ^^^^^^ no file
  = help: write `dat*/*` for the files in them

error[E62]: the input `data` cannot be read: it is a folder
  --> flow.toml:13:33
   |
13 | input = { files = ["data/a.h5", "data", "data/none"] }
   |                                 ^^^^^^ this file
   = help: paths start from the script's folder

error[E62]: the input `data/none` cannot be read: No such file or directory (os error 2)
  --> flow.toml:13:41
   |
13 | input = { files = ["data/a.h5", "data", "data/none"] }
   |                                         ^^^^^^^^^^^ this file
   = help: paths start from the script's folder"#,
    );
}

#[test]
fn keys_and_values_of_a_mapreduce() {
    golden(
        r#"dtask = 1
[task.a]
for = { i = "0..3" }
out = "x"
stderr = "err.txt"
mapreduce = { input = "data/*", map = 3, combine = { run = "cat", shell = "cat" }, reduce = "sum", partitions = 0 }
[task.b.mapreduce]
input = { glob = "data/*", of = "a", split = "16" }
map = { run = "cat", dir = "scratch" }
reduce = "sum"
buffers = "1 MiB"
"#,
        r#"error[E19]: `for` means nothing beside `mapreduce`
 --> flow.toml:3:1
  |
3 | for = { i = "0..3" }
  | ^^^ remove this
  = help: it has one instance for each of its `partitions`

error[E19]: `out` means nothing beside `mapreduce`
 --> flow.toml:4:1
  |
4 | out = "x"
  | ^^^ remove this
  = help: its stages read lines on standard input and write lines on standard output

error[E19]: `stderr` means nothing beside `mapreduce`
 --> flow.toml:5:1
  |
5 | stderr = "err.txt"
  | ^^^^^^ remove this
  = help: it goes to the log

error[E06]: `input` must be a table, not a string
 --> flow.toml:6:23
  |
6 | mapreduce = { input = "data/*", map = 3, combine = { run = "cat", shell = "cat" }, reduce = "sum", partitions = 0 }
  |                       ^^^^^^^^ expected a table
  = help: write `input = { glob = "corpus/*.txt", split = "16 MiB" }`

error[E06]: `map` must be a name or a table, not an integer
 --> flow.toml:6:39
  |
6 | mapreduce = { input = "data/*", map = 3, combine = { run = "cat", shell = "cat" }, reduce = "sum", partitions = 0 }
  |                                       ^ expected a name or a table

error[E10]: `combine` has two commands, `run` and `shell`
 --> flow.toml:6:75
  |
6 | mapreduce = { input = "data/*", map = 3, combine = { run = "cat", shell = "cat" }, reduce = "sum", partitions = 0 }
  |                                                                           ^^^^^ the second one

error[E38]: `partitions` is a number from 1 to 4096
 --> flow.toml:6:113
  |
6 | mapreduce = { input = "data/*", map = 3, combine = { run = "cat", shell = "cat" }, reduce = "sum", partitions = 0 }
  |                                                                                                                 ^ out of range

error[E38]: an input has one source, and this has `glob` and `of`
 --> flow.toml:8:28
  |
8 | input = { glob = "data/*", of = "a", split = "16" }
  |           ----             ^^ the second one
  |           |
  |           the first one
  = help: remove one

error[E04]: unknown key `dir` in a stage of a `mapreduce`
 --> flow.toml:9:22
  |
9 | map = { run = "cat", dir = "scratch" }
  |                      ^^^ not a key of this table
  = help: the keys in a stage of a `mapreduce` are: run, shell, interpreter

error[E04]: unknown key `buffers` in `mapreduce`
  --> flow.toml:11:1
   |
11 | buffers = "1 MiB"
   | ^^^^^^^ not a key of this table
   = help: did you mean `buffer`?"#,
    );
}

#[test]
fn references_of_a_mapreduce() {
    golden(
        r#"dtask = 1
[task.x]
array = "zeros(3)"
[task.two]
shell = "true"
out = { m = "m.txt", n = "n.txt" }
[task.a.mapreduce]
input = { of = "two" }
map = { shell = "cat - {two.m} > p{partition}" }
reduce = { run = "cat {x} | sort" }
[task.b.mapreduce]
input = { of = "x" }
map = "words"
reduce = { run = ["cat", "{partition}", "{out}"] }
[task.c.mapreduce]
input = { of = "y" }
map = "words"
reduce = "sum"
"#,
        r#"error[E23]: `two` has several output files
 --> flow.toml:8:16
  |
8 | input = { of = "two" }
  |                ^^^^^ which one?
  = help: write `{two.m}` or `{two.n}`

error[E25]: `{partition}` cannot stand in `map`, whose lines go to all partitions
 --> flow.toml:9:17
  |
9 | map = { shell = "cat - {two.m} > p{partition}" }
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ in this command

error[E25]: the stages of a `mapreduce` read lines, and no other task
 --> flow.toml:9:24
  |
9 | map = { shell = "cat - {two.m} > p{partition}" }
  |                        ^^^^^^^ another task's result
  = help: `save` it there, name the file here, and wait for that task with `after`

error[E14]: `run` starts no shell, and only a shell understands `|`
  --> flow.toml:10:27
   |
10 | reduce = { run = "cat {x} | sort" }
   |                           ^ for a shell
   = help: use `shell` instead of `run`, or put the character between single quotes

error[E62]: `x` makes an array, and a `mapreduce` reads lines
  --> flow.toml:12:16
   |
12 | input = { of = "x" }
   |                ^^^ an array
   = help: read what a `run` or `shell` task has written

error[E23]: this task has no output file
  --> flow.toml:14:42
   |
14 | reduce = { run = ["cat", "{partition}", "{out}"] }
   |                                          ^^^^^ no `out`
   = help: add `out = "file"`

error[E20]: `of` of an unknown task `y`
  --> flow.toml:16:16
   |
16 | input = { of = "y" }
   |                ^^^ no such task
   = help: the tasks are: a, b, c, two, x"#,
    );
}

#[test]
fn w01_and_saves_of_a_mapreduce() {
    golden(
        r#"dtask = 1
[task.a.mapreduce]
input = { glob = "data/*" }
map = "words"
reduce = "sum"
[task.b]
save = "b.tsv"
stdout = "also.tsv"
[task.b.mapreduce]
input = { glob = "data/*" }
map = "words"
reduce = "sum"
"#,
        r#"error[E19]: `save` and `stdout` both write all partitions into one file
 --> flow.toml:7:8
  |
7 | save = "b.tsv"
  |        ^^^^^^^ one of two files
8 | stdout = "also.tsv"
  |          ---------- the other
  = help: remove one, or save `{partition}` by itself"#,
    );
    golden(
        r#"dtask = 1
[task.a.mapreduce]
input = { glob = "data/*" }
map = "words"
reduce = "sum"
"#,
        r#"warning[W01]: the result `a` is neither used nor saved
 --> flow.toml:2:7
  |
2 | [task.a.mapreduce]
  |       ^ made for nothing
  = help: `save = "counts.tsv"` keeps it: all partitions, one after the other"#,
    );
}

#[test]
fn what_commands_need_beside_a_mapreduce_without_any() {
    golden(
        r#"dtask = 1
[task.m.mapreduce]
input = { glob = "corpus/*.txt" }
map = "words"
reduce = "sum"
[task.m]
threads = 2
save = "m"
on = "rank 1"
[task.n.mapreduce]
input = { glob = "corpus/*.txt" }
map = { run = "cat" }
reduce = "sum"
[task.n]
threads = 2
gpus = 1
save = "n"
"#,
        r#"error[E19]: `threads` means nothing beside `mapreduce`
 --> flow.toml:7:1
  |
7 | threads = 2
  | ^^^^^^^ remove this
  = help: it is for commands, and what is built in takes a slot wherever one is free

error[E19]: `on` means nothing beside `mapreduce`
 --> flow.toml:9:1
  |
9 | on = "rank 1"
  | ^^ remove this
  = help: its stages run wherever a slot is free"#,
    );
}
