//! What runs again when something has changed since the last run: the script, a file, a table, what was saved.

use super::Folder;
use super::resume::counts;

/// Rewrites the script of the folder.
fn rewrite(folder: &Folder, from: &str, to: &str) {
    let text = folder.read("s.toml");
    assert!(text.contains(from), "{from}");
    std::fs::write(folder.path("s.toml"), text.replace(from, to)).expect("written");
}

/// Runs the script, on ranks in turn, and gives the names of what has run, sorted.
#[track_caller]
fn ran(folder: &Folder, ranks: usize, args: &[&str]) -> Vec<String> {
    let _ = std::fs::remove_file(folder.path("ran"));
    folder.run(ranks, &[&["s.toml"], args].concat()).assert_success();
    counts(folder, "ran").into_iter().flat_map(|(name, count)| vec![name; count as usize]).collect()
}

fn why(folder: &Folder, args: &[&str]) -> String {
    let run = folder.run(0, &[&["plan", "--why", "s.toml"], args].concat());
    run.assert_success();
    run.stdout.clone()
}

#[test]
fn a_script_that_has_changed_runs_what_the_change_is_about() {
    let folder = Folder::script(
        "[vars]\nn = 1\n[task.a]\nfor = { i = '0..3' }\nshell = 'echo a{i} >> ran; echo {i} {n}'\nsave = 'a{i}.txt'\n\
         [task.b]\neach = 'a'\nshell = 'echo b{i} >> ran; cat {a.stdout}'\nsave = 'b{i}.txt'\n\
         [task.c]\nshell = 'echo c >> ran'\nenv = { X = '1' }\n",
    );
    assert_eq!(ran(&folder, 3, &[]).len(), 7);
    for ranks in [0, 3] {
        assert!(ran(&folder, ranks, &[]).is_empty());
    }
    // what changes no result
    rewrite(&folder, "[task.a]", "# a comment\n[task.a]\npriority = 3\nretries = 2\ntime = '1 min'");
    assert!(ran(&folder, 0, &[]).is_empty());
    // a variable; and back again, which the journal still knows, but not the files
    assert_eq!(ran(&folder, 0, &["--set", "n=2"]), ["a0", "a1", "a2", "b0", "b1", "b2"]);
    assert_eq!(folder.read("b2.txt"), "2 2\n");
    assert_eq!(ran(&folder, 2, &[]), ["a0", "a1", "a2", "b0", "b1", "b2"]);
    assert_eq!(folder.read("b2.txt"), "2 1\n");
    // the text of a task, and what reads it
    rewrite(&folder, "echo {i} {n}", "echo {i} {n} new");
    let told = why(&folder, &[]);
    assert!(told.contains("a[i=0] and 2 more: script changed: `shell`"), "{told}");
    assert!(told.contains("b[i=0] and 2 more: reads a[i=0], which runs"), "{told}");
    assert_eq!(ran(&folder, 3, &[]), ["a0", "a1", "a2", "b0", "b1", "b2"]);
    assert_eq!(folder.read("b1.txt"), "1 1 new\n");
    // the environment
    rewrite(&folder, "X = '1'", "X = '2'");
    assert!(why(&folder, &[]).contains("c: script changed: `env`"));
    assert_eq!(ran(&folder, 0, &[]), ["c"]);
    // more values, fewer, in another order
    rewrite(&folder, "'0..3'", "[4, 2, 1]");
    assert!(why(&folder, &[]).contains("a[i=4]: never run"), "{}", why(&folder, &[]));
    assert_eq!(ran(&folder, 0, &[]), ["a4", "b4"]);
    // a new task, which reads what is not there any more
    let more = "[task.d]\nshell = 'echo d >> ran; cat {c.stdout} {a.stdout}'\nsave = 'd.txt'\n";
    let text = folder.read("s.toml");
    std::fs::write(folder.path("s.toml"), text + more).expect("written");
    // `c` is not saved; `a` has its output in a file
    assert_eq!(ran(&folder, 2, &[]), ["c", "d"]);
    assert_eq!(folder.read("d.txt"), "4 1 new\n2 1 new\n1 1 new\n");
}

#[test]
fn rows_of_a_table_are_known_by_their_values() {
    for ranks in [0, 3] {
        let folder = Folder::script(
            "[task.a]\nfor = { case = { csv = 'cases.csv' } }\nshell = 'echo {case.id} >> ran; echo {case.T}'\nsave = '{case.id}.txt'\n",
        );
        let table =
            |rows: &str| std::fs::write(folder.path("cases.csv"), format!("id,T\n{rows}")).expect("written");
        table("x,1\ny,2\nz,3\n");
        assert_eq!(ran(&folder, ranks, &[]), ["x", "y", "z"]);
        table("w,0\nz,3\nx,1\ny,2\n");
        assert_eq!(ran(&folder, ranks, &[]), ["w"]);
        table("w,0\nz,4\nx,1\n");
        assert_eq!(ran(&folder, ranks, &[]), ["z"]);
        assert_eq!(folder.read("z.txt"), "4\n");
    }
}

#[test]
fn an_input_that_has_changed_and_a_result_that_is_lost_are_named() {
    let folder = Folder::script(
        "[task.a]\nfor = { f = { glob = 'data/*.txt' } }\nshell = 'echo {f.stem} >> ran; cat {f}'\nsave = 'out/{f.stem}'\n\
         [task.t]\nshell = 'echo t >> ran; echo t > t.txt'\ntarget = 't.txt'\nafter = ['a']\n",
    );
    std::fs::create_dir(folder.path("data")).expect("a folder");
    for name in ["one", "two", "six"] {
        std::fs::write(folder.path(&format!("data/{name}.txt")), name).expect("written");
    }
    assert_eq!(ran(&folder, 3, &[]), ["one", "six", "t", "two"]);
    std::fs::write(folder.path("data/two.txt"), "two again").expect("written");
    let told = why(&folder, &[]);
    assert!(told.contains("a[f=data/two.txt]: input changed: `data/two.txt`"), "{told}");
    // `t` comes after `a`, and says so
    assert_eq!(ran(&folder, 0, &[]), ["t", "two"]);
    assert_eq!(folder.read("out/two"), "two again");
    std::fs::remove_file(folder.path("out/one")).expect("removed");
    std::fs::write(folder.path("out/six"), "by hand").expect("written");
    std::fs::remove_file(folder.path("t.txt")).expect("removed");
    let told = why(&folder, &[]);
    assert!(
        told.contains("a[f=data/one.txt] and 1 more: result lost: `out/one` is not as it was saved"),
        "{told}"
    );
    assert!(told.contains("t: result lost: `t.txt` is not as it was saved"), "{told}");
    assert_eq!(ran(&folder, 2, &[]), ["one", "six", "t"]);
    assert_eq!(folder.read("out/six"), "six");
}

#[test]
fn a_file_that_instances_share_is_whole_or_written_anew() {
    for ranks in [0, 3] {
        let folder = Folder::script(
            "[task.a]\nfor = { i = '0..4' }\nshell = 'echo a{i} >> ran; test {i} -lt 3 || test -e go; echo {i}'\nstdout = 'all.txt'\n\
             [task.b]\nfor = { i = '0..3' }\nshell = 'echo b{i} >> ran; echo {i}'\nstdout = 'b{i}.txt'\n",
        );
        folder.run(ranks, &["s.toml"]).assert_code(1);
        std::fs::write(folder.path("go"), "").expect("written");
        assert!(why(&folder, &[]).contains("`all.txt` is not complete"), "{}", why(&folder, &[]));
        assert_eq!(ran(&folder, ranks, &[]), ["a0", "a1", "a2", "a3"]);
        assert_eq!(folder.read("all.txt"), "0\n1\n2\n3\n");
        assert!(ran(&folder, 0, &[]).is_empty());
        std::fs::remove_file(folder.path("b1.txt")).expect("removed");
        assert_eq!(ran(&folder, ranks, &[]), ["b1"]);
        rewrite(&folder, "'0..4'", "'0..5'");
        assert_eq!(ran(&folder, ranks, &[]).len(), 5);
        assert_eq!(folder.read("all.txt"), "0\n1\n2\n3\n4\n");
    }
}

#[test]
fn what_is_asked_for_runs_again() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = '0..2' }\nshell = 'echo a{i} >> ran; echo {i}'\nsave = 'a{i}.txt'\n\
         [task.b]\nshell = 'echo b >> ran; cat {a.stdout}'\nsave = 'b.txt'\n[task.c]\nshell = 'echo c >> ran'\n",
    );
    assert_eq!(ran(&folder, 0, &[]), ["a0", "a1", "b", "c"]);
    assert_eq!(ran(&folder, 2, &["--force", "c"]), ["c"]);
    assert_eq!(ran(&folder, 0, &["--force", "a"]), ["a0", "a1", "b"]);
    assert_eq!(ran(&folder, 2, &["--fresh"]), ["a0", "a1", "b", "c"]);
    folder.run(0, &["s.toml", "--force", "d"]).assert_code(2).assert_stderr_has("--force d");
}

#[test]
fn reductions_map_reduces_and_arrays_are_resumed_too() {
    for ranks in [0, 3] {
        let folder = Folder::script(
            "[task.x]\nfor = { i = '0..8' }\narray = 'random(10) + i'\n[task.sum]\nreduce = { of = 'x', with = 'add' }\nsave = 'sum.npy'\n\
             [task.any]\nreduce = { of = 'x', with = 'max', order = 'any' }\nsave = 'max.npy'\n\
             [task.lines]\nfor = { i = '0..3' }\nrun = 'echo b a {i}'\n[task.words]\n[task.words.mapreduce]\ninput = { of = 'lines' }\n\
             map = 'words'\nreduce = 'sum'\npartitions = 2\n[task.top]\nshell = 'sort {words} > {out}'\nout = 't'\nsave = 'top.txt'\n",
        );
        folder.run(ranks, &["s.toml"]).assert_success();
        let all = |folder: &Folder| {
            ["sum.npy", "max.npy", "top.txt"].map(|name| std::fs::read(folder.path(name)).expect("bytes"))
        };
        let first = all(&folder);
        folder.run(2, &["s.toml"]).assert_success().assert_stdout_has("16 tasks done (16 by earlier runs)");
        for name in ["sum.npy", "max.npy", "top.txt"] {
            std::fs::remove_file(folder.path(name)).expect("removed");
            folder.run(ranks, &["s.toml"]).assert_success();
        }
        assert_eq!(all(&folder), first);
    }
}

#[test]
fn a_journal_is_told_checked_compacted_and_survives_damage() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = '0..3' }\nshell = 'echo a{i} >> ran'\n[task.b]\nshell = 'echo b >> ran; exit 1'\n",
    );
    folder.run(0, &["journal", "s.toml"]).assert_code(3).assert_stderr_has("once the script has run");
    folder.run(0, &["s.toml"]).assert_code(1);
    let told = folder.run(0, &["journal", "s.toml"]);
    told.assert_success().assert_stdout_has(", no damage").assert_stdout_has("task    a: 3 of 3 done\n");
    told.assert_stdout_has("task    b: 0 of 1 done, 1 failed\n")
        .assert_stdout_has("end     3 done, 1 left\n");
    let json = folder.run(0, &["journal", "s.toml", "--json"]);
    json.assert_success()
        .assert_stdout_has(r#"{"record":"failed","#)
        .assert_stdout_has(r#"{"record":"done","#)
        .assert_stdout_has(r#""done":3,"left":1}"#);
    folder.run(0, &["s.toml", "--set", "x=1"]).assert_code(2);
    (0..3).for_each(|_| _ = folder.run(0, &["s.toml"]));
    let path = folder.path("s.dtask/journal");
    let before = std::fs::metadata(&path).expect("a journal").len();
    let plan = folder.run(0, &["plan", "--why", "s.toml"]).stdout.clone();
    folder.run(0, &["journal", "s.toml", "--compact"]).assert_success();
    assert!(std::fs::metadata(&path).expect("a journal").len() < before);
    assert_eq!(folder.run(0, &["plan", "--why", "s.toml"]).stdout, plan);
    let mut bytes = std::fs::read(&path).expect("bytes");
    bytes[20..40].fill(0);
    std::fs::write(&path, bytes).expect("written");
    folder.run(0, &["journal", "s.toml", "--check"]).assert_code(1).assert_stdout_has("cannot be read");
    assert_eq!(folder.run(0, &["plan", "--why", "s.toml"]).stdout, plan);
    std::fs::write(&path, "dtask journal 9\n").expect("written");
    folder
        .run(0, &["s.toml"])
        .assert_code(3)
        .assert_stderr_has("a later version of dtask has written it")
        .assert_stderr_has("--fresh");
    folder.run(0, &["s.toml", "--fresh"]).assert_code(1);
}

#[test]
fn what_was_saved_is_read_from_its_file_and_not_made_again() {
    for ranks in [0, 3] {
        let folder = Folder::script(
            "[task.big]\nfor = { i = '0..3' }\nout = { large = 'l.bin', small = 's.txt' }\nsave = { large = '{i}.bin', small = '{i}.txt' }\n\
             shell = 'echo big{i} >> ran; head -c 200000 /dev/zero > {out.large}; echo {i} > {out.small}'\n\
             [task.use]\nshell = 'echo use >> ran; cat {big.small} {big.large} | wc -c'\nsave = 'n.txt'\n\
             [task.sum]\neach = 'big'\narray = 'from_csv(big.small) + 1'\nsave = 'sum{i}.txt'\n",
        );
        assert_eq!(ran(&folder, ranks, &[]).len(), 4);
        rewrite(&folder, "wc -c", "wc -c | tr -d x");
        rewrite(&folder, "+ 1", "+ 2");
        assert_eq!(ran(&folder, ranks, &[]), ["use"]);
        assert_eq!(folder.read("n.txt"), "600006\n");
        assert_eq!(folder.read("sum2.txt").trim(), "4.0");
    }
}
