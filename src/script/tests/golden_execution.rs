//! What is printed for errors of the keys that say how a command is run, word for word.

use super::golden;

#[test]
fn keys_of_execution() {
    golden(
        r##"dtask = 1
[task.a]
run = "true"
timeout = "3 hrs"
memory = 2
memory-step = 0.5
retry-on = ["crush", "exit 300"]
retries = -1
mpi = "keep"
dir = ""
clean-env = 1
backoff = "soon"
[task.b]
array = "1"
stdout = "b"
retries = 2
[task.c]
run = "true"
memory-step = 2
"##,
        r##"error[E46]: `timeout` is no duration: "3 hrs"
 --> flow.toml:4:11
  |
4 | timeout = "3 hrs"
  |           ^^^^^^^ a number and a unit
  = help: write for example "30 s", "5 min", "1 h 30 min" or "2 d"

error[E06]: `memory` must be a string with a unit, not an integer
 --> flow.toml:5:10
  |
5 | memory = 2
  |          ^ expected a string with a unit
  = help: write for example "500 MB" or "2 GiB"

error[E38]: `memory-step` is a number from 1 to 100
 --> flow.toml:6:15
  |
6 | memory-step = 0.5
  |               ^^^ out of range
  = help: with 1.5 each attempt may have half as much memory again

error[E47]: `retry-on` knows no failure "crush"
 --> flow.toml:7:13
  |
7 | retry-on = ["crush", "exit 300"]
  |             ^^^^^^^ "crash", "timeout", "oom" or "exit 75"
  = help: did you mean `crash`?

error[E47]: `retry-on` knows no failure "exit 300"
 --> flow.toml:7:22
  |
7 | retry-on = ["crush", "exit 300"]
  |                      ^^^^^^^^^^ "crash", "timeout", "oom" or "exit 75"

error[E38]: `retries` is a number from 0 to 1000
 --> flow.toml:8:11
  |
8 | retries = -1
  |           ^^ out of range

error[E38]: `mpi` cannot be "keep"
 --> flow.toml:9:7
  |
9 | mpi = "keep"
  |       ^^^^^^ "scrub" or "inherit"

error[E38]: this names no folder
  --> flow.toml:10:7
   |
10 | dir = ""
   |       ^^ expected a folder
   = help: write "here", "scratch" or a path

error[E06]: `clean-env` must be true or false, not an integer
  --> flow.toml:11:13
   |
11 | clean-env = 1
   |             ^ expected true or false

error[E46]: `backoff` is no duration: "soon"
  --> flow.toml:12:11
   |
12 | backoff = "soon"
   |           ^^^^^^ a number and a unit
   = help: write for example "30 s", "5 min", "1 h 30 min" or "2 d"

error[E19]: `retries` means nothing beside `array`
  --> flow.toml:16:1
   |
16 | retries = 2
   | ^^^^^^^ remove this
   = help: it belongs to `run` and `shell`

error[E19]: `memory-step` means nothing without `memory`
  --> flow.toml:19:15
   |
19 | memory-step = 2
   |               ^ remove this
   = help: or add `memory = "2 GiB"`"##,
    );
}
