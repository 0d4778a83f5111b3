//! What tasks need of ranks and of the job: threads, devices, memory, counters.

use super::Folder;

/// Shell words that fail if they run twice at a time.
const ALONE: &str = "mkdir {dtask.here}/busy; sleep 0.05; rmdir {dtask.here}/busy";

#[test]
fn tasks_with_many_threads_have_their_slots_for_themselves() {
    let folder = Folder::script(&format!(
        r#"
[task.wide]
for     = {{ i = "0..3" }}
threads = 2
shell   = "{ALONE}; echo $DTASK_THREADS {{dtask.threads}} $OMP_NUM_THREADS"
stdout  = "wide.txt"
[task.narrow]
for     = {{ i = "0..20" }}
run     = "sleep 0.01"
[task.own]
threads = 1
env     = {{ OMP_NUM_THREADS = "7" }}
shell   = "echo $OMP_NUM_THREADS; grep Cpus_allowed_list /proc/self/status | cut -f 2"
stdout  = "own.txt"
[task.array]
threads = 2
array   = "sum(ones(1000))"
stdout  = "array.txt"
"#
    ));
    folder.run(2, &["s.toml", "--slots", "2"]).assert_success().assert_stdout_has("25 tasks done");
    assert_eq!(folder.read("wide.txt"), "2 2 2\n".repeat(3));
    assert_eq!(folder.read("array.txt").trim(), "1000.0");
    let own = folder.read("own.txt");
    let (threads, cores) = own.trim().split_once('\n').expect("two lines");
    assert_eq!(threads, "7");
    let cores_of_host = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(cores_of_host < 2 || cores.parse::<u32>().is_ok(), "bound to one core: {cores}");
}

#[test]
fn counters_are_for_all_ranks_together() {
    let folder = Folder::script(&format!(
        r#"
[resources]
licence = 1
seat    = 2
[task.licensed]
for   = {{ i = "0..6" }}
needs = {{ licence = 1, seat = 2 }}
shell = "{ALONE}"
[task.seated]
for   = {{ i = "0..4" }}
needs = {{ seat = 2 }}
shell = "{ALONE}"
"#
    ));
    for ranks in [1, 4] {
        folder.run(ranks, &["s.toml"]).assert_success().assert_stdout_has("10 tasks done");
    }
}

#[test]
fn devices_are_handed_out_to_one_command_at_a_time() {
    let folder = Folder::script(
        r#"
[task.one]
for    = { i = "0..6" }
gpus   = 1
shell  = "mkdir {dtask.here}/gpu$CUDA_VISIBLE_DEVICES; sleep 0.03; rmdir {dtask.here}/gpu$CUDA_VISIBLE_DEVICES; echo $CUDA_VISIBLE_DEVICES $ROCR_VISIBLE_DEVICES"
stdout = "one.txt"
[task.two]
gpus   = 2
shell  = "echo $CUDA_VISIBLE_DEVICES"
stdout = "two.txt"
"#,
    );
    let run = folder.dtask(2).env("DTASK_GPUS", "3,GPU-77").args(["s.toml", "--slots", "2"]).run();
    run.assert_success();
    let one = folder.read("one.txt");
    assert!(one.lines().all(|line| ["3 3", "GPU-77 GPU-77"].contains(&line)), "{one}");
    let mut two: Vec<String> = folder.read("two.txt").trim().split(',').map(str::to_owned).collect();
    two.sort_unstable();
    assert_eq!(two, ["3", "GPU-77"]);
}

#[test]
fn memory_is_counted_for_each_host() {
    let memory = std::fs::read_to_string("/proc/meminfo").expect("Linux tells");
    let total = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let most = total.expect("in kB") / 1024;
    let folder = Folder::script(&format!(
        r#"
[task.large]
for    = {{ i = "0..4" }}
memory = "{} MiB"
shell  = "{ALONE}"
"#,
        most * 6 / 10
    ));
    folder.run(4, &["s.toml"]).assert_success();
    let folder = Folder::script(&format!("[task.large]\nmemory = \"{} MiB\"\nrun = \"true\"\n", most * 2));
    folder.run(2, &["s.toml"]).assert_code(2).assert_stderr_has("no host has so much");
}

#[test]
fn what_no_rank_can_give_is_told_before_anything_runs() {
    let folder = Folder::script(
        r#"
[task.first]
run     = "touch ran"
[task.wide]
threads = 3
run     = "true"
[task.gpu]
gpus    = 2
run     = "true"
"#,
    );
    let run = folder.dtask(3).env("DTASK_GPUS", "0,1").args(["s.toml", "--slots", "2"]).run();
    run.assert_code(2).assert_stderr_has("error[E71]: task `wide` could never run: `threads = 3`");
    run.assert_stderr_has("at most 2").assert_stderr_has(" --> s.toml:5");
    run.assert_stderr_has("task `gpu` could never run: `gpus = 2`, and no rank has so many: at most 1");
    assert!(!folder.path("ran").exists());
}

#[test]
fn a_place_to_run_is_a_hint() {
    let folder = Folder::script(
        r#"
[task.there]
for    = { i = "0..4" }
on     = "rank 2"
run    = "echo {dtask.rank}"
stdout = "there.txt"
[task.nowhere]
on     = "rank 77"
run    = "true"
"#,
    );
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!(folder.read("there.txt"), "2\n".repeat(4));
}

#[test]
fn commands_of_a_mapreduce_take_what_the_task_needs() {
    let folder = Folder::script(
        r#"
[resources]
licence = 1
[task.text]
for = { i = "0..6" }
run = "echo key{i} {i}"
[task.count.mapreduce]
input      = { of = "text" }
map        = { shell = "mkdir {dtask.here}/busy; cat; sleep 0.02; rmdir {dtask.here}/busy" }
combine    = "first"
reduce     = { shell = "mkdir {dtask.here}/busy; cat > /dev/null; sleep 0.02; echo $OMP_NUM_THREADS {dtask.threads}; rmdir {dtask.here}/busy" }
partitions = 4
[task.count]
threads = 2
memory  = "64 MiB"
needs   = { licence = 1 }
stdout  = "count.txt"
"#,
    );
    folder.run(3, &["s.toml", "--slots", "2"]).assert_success();
    assert_eq!(folder.read("count.txt"), "2 2\n".repeat(4));
    // a rank that cannot meet the needs reduces nothing
    folder.run(3, &["s.toml", "--head-slots", "2", "--slots", "1"]).assert_success();
    assert_eq!(folder.read("count.txt"), "2 2\n".repeat(4));
    let outcome = folder.run(3, &["s.toml", "--slots", "1"]);
    outcome.assert_code(2).assert_stderr_has("error[E71]: task `count` could never run");
}

/// Here all ranks are on one host; which one is chosen of several is tested at the scheduler.
#[test]
fn instances_run_on_the_host_of_others() {
    let folder = Folder::script(
        r#"
[task.stage]
for   = { i = "0..4" }
shell = "echo {i} > {out.a}; echo b > {out.b}; echo {dtask.host}"
out   = { a = "a", b = "b" }
[task.use]
each   = "stage"
shell  = "echo {i} $(cat {stage.a}) on {dtask.host}"
on     = "host of stage"
stdout = "use.txt"
[task.wide]
each    = "stage"
run     = "echo {i} on {dtask.host}"
threads = 1
on      = "host of stage"
stdout  = "wide.txt"
[task.all]
run    = "cat {stage.b} {stage.stdout}"
stdout = "all.txt"
[task.array]
array = "ones(2)"
[task.beside]
run    = "echo {dtask.host}"
on     = "host of array"
stdout = "beside.txt"
"#,
    );
    for ranks in [0, 3] {
        folder.run(ranks, &["s.toml"]).assert_success();
        let host = folder.read("beside.txt");
        let lines = |line: &dyn Fn(u32) -> String| (0..4).map(line).collect::<String>();
        assert_eq!(folder.read("use.txt"), lines(&|i| format!("{i} {i} on {host}")));
        assert_eq!(folder.read("wide.txt"), lines(&|i| format!("{i} on {host}")));
        assert_eq!(folder.read("all.txt"), "b\n".repeat(4) + &host.repeat(4));
    }
}
