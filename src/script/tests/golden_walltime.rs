//! What is printed of tasks that do not fit into the job, word for word; and that `time` changes no key.

use super::{golden, golden_with, plan};
use crate::script::options::LoadOptions;
use crate::script::plan::fingerprint::Keys;
use std::time::Duration;

const SCRIPT: &str = r##"dtask = 1
[default]
time = "3 h"
[task.long]
run = "true"
[task.short]
array = "1"
stdout = "s.txt"
time = "1 h 59 min 30 s"
"##;

fn in_a_job_of(seconds: u64) -> LoadOptions {
    LoadOptions { time_limit: Some(Duration::from_secs(seconds)), ..LoadOptions::default() }
}

#[test]
fn a_task_that_is_longer_than_the_job() {
    golden_with(
        SCRIPT,
        r##"error[E72]: the `time` of `long` is longer than the job
 --> flow.toml:3:8
  |
3 | time = "3 h"
  |        ^^^^^ the job has 2 h, less 30 s for its end
  = help: ask for a longer job, or make the task shorter: none of its instances would ever be started"##,
        &[],
        in_a_job_of(7200),
    );
    golden_with(SCRIPT, "", &[], in_a_job_of(4 * 3600));
    golden_with(SCRIPT, "", &[], LoadOptions::default());
}

#[test]
fn a_time_that_is_none() {
    golden(
        "dtask = 1\n[task.a]\nrun = 'true'\ntime = 40\n[task.b]\nrun = 'true'\ntime = '40 mins'\n",
        r##"error[E06]: `time` must be a string with a unit, not an integer
 --> flow.toml:4:8
  |
4 | time = 40
  |        ^^ expected a string with a unit
  = help: write for example "30 s", "5 min", "1 h 30 min" or "2 d"

error[E46]: `time` is no duration: "40 mins"
 --> flow.toml:7:8
  |
7 | time = '40 mins'
  |        ^^^^^^^^^ a number and a unit
  = help: write for example "30 s", "5 min", "1 h 30 min" or "2 d""##,
    );
}

#[test]
fn keys_do_not_depend_on_time() {
    let of = |more: &str| {
        let plan = plan(&format!("[task.a]\nfor = {{ i = '0..3' }}\nrun = 'echo {{i}}'\n{more}"));
        Keys::new(&plan).of(0).to_vec()
    };
    assert_eq!(of(""), of("time = '40 min'\n"));
    assert_ne!(of(""), of("env = { A = '1' }\n"));
}
