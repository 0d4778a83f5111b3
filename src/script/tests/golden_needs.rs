//! What is printed for errors of `[resources]` and of what tasks need, word for word.

use super::{golden, plan};
use crate::script::plan::task::Select;

#[test]
fn needs() {
    golden(
        r##"dtask = 1
[resources]
licence = 4
threads = 8
seats = 0
[task.a]
run = "true"
threads = 0
gpus = "one"
needs = { licence = 5, licences = 1, memory = 1, seats = 2 }
on = "node 3"
[task.b]
run = "true"
threads = 5000
needs = 3
on = "host of aa"
[task.c]
array = "1"
stdout = "c"
gpus = 1
"##,
        r##"error[E07]: `threads` is counted for each rank, not here
 --> flow.toml:4:1
  |
4 | threads = 8
  | ^^^^^^^ built in
  = help: `[resources]` is for what the whole job has, such as licences

error[E38]: `seats` is a number from 1 to 2147483648
 --> flow.toml:5:9
  |
5 | seats = 0
  |         ^ out of range

error[E38]: `threads` is a number from 1 to 4096
 --> flow.toml:8:11
  |
8 | threads = 0
  |           ^ out of range

error[E06]: `gpus` must be an integer, not a string
 --> flow.toml:9:8
  |
9 | gpus = "one"
  |        ^^^^^ expected an integer

error[E71]: this needs 5 of `licence`, and `[resources]` has 4
  --> flow.toml:10:21
   |
 3 | licence = 4
   | ------- all there is
...
10 | needs = { licence = 5, licences = 1, memory = 1, seats = 2 }
   |                     ^ it could never run

error[E70]: there is no resource `licences`
  --> flow.toml:10:24
   |
10 | needs = { licence = 5, licences = 1, memory = 1, seats = 2 }
   |                        ^^^^^^^^ resources: licence, seats
   = help: did you mean `licence`?

error[E70]: `memory` is no counter, but a key of its own
  --> flow.toml:10:38
   |
10 | needs = { licence = 5, licences = 1, memory = 1, seats = 2 }
   |                                      ^^^^^^ not here
   = help: write `memory = "2 GiB"` beside `needs`

error[E38]: `on` names no place: "node 3"
  --> flow.toml:11:6
   |
11 | on = "node 3"
   |      ^^^^^^^^ "rank 3" or "host of NAME"
   = help: without `on`, an instance runs where what it reads is

error[E38]: `threads` is a number from 1 to 4096
  --> flow.toml:14:11
   |
14 | threads = 5000
   |           ^^^^ out of range

error[E06]: `needs` must be a table, not an integer
  --> flow.toml:15:9
   |
15 | needs = 3
   |         ^ expected a table

error[E20]: `on` of an unknown task `aa`
  --> flow.toml:16:6
   |
16 | on = "host of aa"
   |      ^^^^^^^^^^^^ no such task
   = help: the tasks are: a, b, c

error[E19]: `gpus` means nothing beside `array`
  --> flow.toml:20:1
   |
20 | gpus = 1
   | ^^^^ remove this
   = help: it belongs to `run` and `shell`"##,
    );
}

#[test]
fn needs_of_what_no_script_has() {
    golden(
        r##"dtask = 1
[task.a]
run = "true"
needs = { licence = 1 }
"##,
        r##"error[E70]: there is no resource `licence`
 --> flow.toml:4:11
  |
4 | needs = { licence = 1 }
  |           ^^^^^^^ the script has no `[resources]`
  = help: `[resources]` says how many there are in the whole job: `licence = 4`"##,
    );
}

#[test]
fn who_runs_on_the_host_of_another_waits_for_it() {
    let plan = plan(
        "[task.a]\nfor = { i = '0..3' }\nrun = 'echo'\nout = 'o'\n[task.b]\neach = 'a'\nrun = 'ls /tmp'\non = 'host of a'\n\
         [task.c]\nrun = 'cat {a}'\non = 'host of a'\n",
    );
    let task = |name: &str| &plan.tasks[plan.find(name).expect("a task")];
    let selects = |name: &str| task(name).references.iter().map(|r| r.select).collect::<Vec<_>>();
    assert_eq!(selects("b"), [Select::Order]);
    assert_eq!(selects("c"), [Select::File(0)]);
    assert!(task("a").needs.is_place && !task("b").needs.is_place);
    assert_eq!(task("b").needs.near.as_deref(), Some("a"));
}
