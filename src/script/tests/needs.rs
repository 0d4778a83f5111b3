//! Tests of placement and expected duration: what the plan and the keys of instances contain of them.

use super::*;
use crate::script::plan::fingerprint::Fingerprints;
use crate::script::plan::fingerprint::key_plan::KeyPlan;
use crate::script::plan::task::Select;

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
    assert!(task("a").needs.is_host_group && !task("b").needs.is_host_group);
    assert_eq!(task("b").needs.same_host_as.as_deref(), Some("a"));
}

#[test]
fn keys_do_not_depend_on_time() {
    let of = |more: &str| {
        let plan = plan(&format!("[task.a]\nfor = {{ i = '0..3' }}\nrun = 'echo {{i}}'\n{more}"));
        Fingerprints::new(&KeyPlan::of(&plan)).of(0).collect::<Vec<_>>()
    };
    assert_eq!(of(""), of("time = '40 min'\n"));
    assert_ne!(of(""), of("env = { A = '1' }\n"));
}
