//! Commands, and what they hand to each other.

use super::Folder;
use std::fs;

#[test]
fn a_sweep_gathers_by_the_join_rule_and_saves() {
    let folder = Folder::script(
        r#"
[task.train]
for  = { lr = [0.1, 0.01], seed = "0..3" }
run  = ["sh", "-c", "echo $1 $2 > $3", "train", "{lr}", "{seed}", "{out}"]
out  = "model.txt"
save = "models/lr{lr}_s{seed}.txt"
[task.score]
for   = { lr = [0.1, 0.01] }
shell = "cat {train} | tr '\n' ';'"
[task.post]
each  = "train"
shell = "sed s/^/post:/ {train} > {out}"
out   = "post.txt"
[task.best]
shell  = "echo {score.stdout} > {dtask.scratch}/n; cat {score.stdout} {post} > {out}"
out    = "best.txt"
save   = "best.txt"
"#,
    );
    for ranks in [1, 3] {
        let run = folder.run(ranks, &["s.toml"]);
        run.assert_success().assert_stdout_has("15 tasks done").assert_stdout_has("train       6 done");
        run.assert_stdout_has("result  best.txt").assert_stdout_has("(6 files)");
        assert_eq!(folder.read("models/lr0.01_s2.txt"), "0.01 2\n");
        assert_eq!(fs::read_dir(folder.path("models")).expect("a folder").count(), 6);
        let post: String =
            ["0.1", "0.01"].map(|lr| (0..3).map(|s| format!("post:{lr} {s}\n")).collect::<String>()).concat();
        let scores = "0.1 0;0.1 1;0.1 2;0.01 0;0.01 1;0.01 2;";
        assert_eq!(folder.read("best.txt"), format!("{scores}{post}"));
    }
}

#[test]
fn standard_input_comes_from_other_ranks_byte_by_byte() {
    let folder = Folder::script(
        r#"
[task.bytes]
for   = { i = "0..4" }
shell = '''i={i}; while [ $i -lt 260 ]; do printf "\\$(printf %03o $((i % 256)))"; i=$((i + 1)); done > {out}'''
out   = "b.bin"
[task.all]
stdin = "begin{bytes}end"
run   = "cat"
stdout = "all.bin"
[task.files]
run   = ["cat", "{bytes}"]
stdout = "files.bin"
"#,
    );
    folder.run(3, &["s.toml"]).assert_success();
    let bytes: Vec<u8> = (0..4u16).flat_map(|i| (i..260).map(|byte| (byte % 256) as u8)).collect();
    assert_eq!(fs::read(folder.path("files.bin")).expect("written"), bytes);
    let all = [b"begin".as_slice(), &bytes, b"end"].concat();
    assert_eq!(fs::read(folder.path("all.bin")).expect("written"), all);
}

/// Shell words that wait until all of `count` instances have begun: with one slot each, on as many ranks.
fn all_begun(count: usize, name: &str) -> String {
    format!(
        "touch {{dtask.here}}/{name}.$$; while [ $(ls {{dtask.here}} | grep -c '^{name}\\.') -lt {count} ]; do sleep 0.02; done"
    )
}

#[test]
fn large_outputs_cross_ranks() {
    let folder = Folder::script(&format!(
        r#"
[task.big]
for   = {{ c = ["a", "b", "d"] }}
shell = """{}; head -c 50000000 /dev/zero | tr '\\0' {{c}} > {{out}}"""
out   = "big.bin"
[task.sum]
shell  = "cat {{big}} | tr -s abd; cat {{big}} | wc -c"
stdout = "sum.txt"
"#,
        all_begun(3, "big").replace('\\', "\\\\"),
    ));
    let run = folder.run(4, &["s.toml", "--slots", "1"]);
    run.assert_success();
    assert_eq!(folder.read("sum.txt"), "abd150000000\n");
    run.assert(run.stdout.contains(", 100.0 MB moved"), "two of three outputs moved");
}

#[test]
fn files_are_collected_as_they_come() {
    let folder = Folder::script(
        r#"
[task.first]
shell  = "n=0; while [ ! -e {dtask.here}/second.txt ]; do n=$((n + 1)); [ $n -lt 1000 ]; sleep 0.02; done; echo 1"
stdout = "first.txt"
[task.second]
run    = "echo 2"
stdout = "second.txt"
[task.same]
for    = { i = "0..3" }
run    = "echo same {i}"
stdout = "same.txt"
[task.other]
for    = { i = "0..3" }
run    = "echo other {i}"
stdout = "same.txt"
"#,
    );
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!((folder.read("first.txt"), folder.read("second.txt")), ("1\n".into(), "2\n".into()));
    assert_eq!(folder.read("same.txt"), "same 0\nsame 1\nsame 2\nother 0\nother 1\nother 2\n");
}

#[test]
fn after_means_later_without_data() {
    let folder = Folder::script(
        r#"
[task.setup]
for   = { i = "0..3" }
shell = "sleep 0.3; echo {i} >> {dtask.here}/order; head -c 3000000 /dev/zero > {out}"
out   = "large"
[task.use]
run   = ["wc", "-c", "{setup}"]
stdout = "use.txt"
[task.count]
shell = "wc -l < {dtask.here}/order"
after = ["setup"]
stdout = "count.txt"
"#,
    );
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!(folder.read("count.txt").trim(), "3");
    assert!(folder.read("use.txt").contains("9000000 total"));
}

#[test]
fn streams_go_where_the_script_says() {
    let folder = Folder::script(
        r#"
[task.a]
for    = { i = "0..100" }
shell  = "echo out {i}; echo err {i} >&2"
stdout = "sub/out{i}.txt"
stderr = "err.txt"
[task.b]
for    = { j = "0..3" }
shell  = "echo log {j}; echo quiet >&2"
stderr = "null"
[task.c]
run    = "true"
"#,
    );
    folder.run(3, &["s.toml"]).assert_success().assert_stdout_has("log     s.dtask/rank-*.log");
    assert_eq!(folder.read("sub/out77.txt"), "out 77\n");
    assert_eq!(folder.read("err.txt"), (0..100).map(|i| format!("err {i}\n")).collect::<String>());
    let logs = fs::read_dir(folder.path("s.dtask")).expect("the run folder");
    let mut blocks = 0;
    for log in logs {
        let path = log.expect("a log").path();
        if !path.to_string_lossy().contains("rank-") {
            continue; // the journal
        }
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).expect("a file").permissions());
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(&path).expect("a text");
        assert!(!text.contains("quiet") && !text.contains("err"), "{text}");
        for block in text.split("=== ").skip(1) {
            let (head, body) = block.split_once('\n').expect("a header line");
            let j = body.trim().strip_prefix("log ").expect("its output");
            assert_eq!(head, format!("b[j={j}] attempt 1 stdout 6 bytes"));
            blocks += 1;
        }
    }
    assert_eq!(blocks, 3);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(folder.path("s.dtask")).expect("a folder").permissions(),
    );
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn only_what_is_read_travels() {
    let folder = Folder::script(&format!(
        r#"
[task.sim]
shell = "head -c 20000000 /dev/zero > {{out.field}}; echo 7 > {{out.probe}}; echo printed"
out   = {{ field = "f.bin", probe = "p.txt" }}
[task.near]
for   = {{ i = "0..3" }}
shell = """{}; cat {{sim.probe}} {{sim.stdout}}"""
stdout = "near.txt"
[task.size]
shell = "wc -c < {{sim.field}}"
after = ["near"]
stdout = "size.txt"
"#,
        all_begun(3, "near").replace('\\', "\\\\"),
    ));
    let run = folder.run(4, &["s.toml", "--slots", "1"]);
    run.assert_success();
    assert_eq!(folder.read("near.txt"), "7\nprinted\n".repeat(3));
    assert_eq!(folder.read("size.txt").trim(), "20000000");
    // `near` ran on all three ranks: had the field gone with it, 40 MB had moved. For `size` it may move, once
    let moved =
        run.stdout.split(", ").find_map(|part| part.strip_suffix(" moved rank to rank")).expect("told");
    run.assert(!moved.contains('B') || moved.ends_with("kB") || moved == "20.0 MB", "the field travelled");
}

#[test]
fn nothing_is_left_in_scratch() {
    let folder = Folder::script(
        r#"
[task.a]
for   = { i = "0..20" }
shell = "echo {i} > {out}; touch {dtask.scratch}/more; [ {i} -ne 13 ]"
out   = "o"
[task.b]
each  = "a"
run   = "cat {a}"
"#,
    );
    let scratch = tempfile::tempdir().expect("a folder");
    for ranks in [0, 3] {
        let run = folder
            .dtask(ranks)
            .args(["s.toml"])
            .env("TMPDIR", scratch.path())
            .env_remove("SLURM_TMPDIR")
            .run();
        run.assert_code(1);
        let left: Vec<_> = fs::read_dir(scratch.path())
            .expect("still there")
            .map(|entry| entry.expect("an entry").file_name())
            .filter(|name| name.to_string_lossy().starts_with("dtask-"))
            .collect();
        run.assert(left.is_empty(), &format!("left behind: {left:?}"));
    }
}

#[test]
fn commands_do_not_see_the_launcher() {
    let folder = Folder::script(
        "[task.show]\nshell = 'env | grep -cE \"^(OMPI|PMIX|PMI)_\" || true; echo {env:MARK} $ADDED'\n\
         env = { ADDED = 'a {dtask.index} b' }\nstdout = 'env.txt'\n",
    );
    folder.dtask(2).args(["s.toml"]).env("MARK", "x y").run().assert_success();
    // what the user has set before the launcher stays
    let is_theirs = |name: &str| ["OMPI_", "PMIX_", "PMI_"].iter().any(|prefix| name.starts_with(prefix));
    let own = std::env::vars_os().filter(|(name, _)| is_theirs(&name.to_string_lossy())).count();
    assert_eq!(folder.read("env.txt"), format!("{own}\nx y a 0 b\n"));
}
