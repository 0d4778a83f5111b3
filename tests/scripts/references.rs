//! References of every form, from the script to what a command gets.

use super::Folder;

#[test]
fn instances_are_chosen_and_lists_are_files() {
    let folder = Folder::script(
        r#"
[task.x]
for = { i = "0..8" }
shell = "echo {i} | tee {out}"
out = "x.txt"
[task.pair]
for = { k = "0..4" }
shell = "cat {x[2*k]} {x[i = 2*k + 1]} | paste -s -d ' '"
stdout = "pairs.txt"
[task.sim]
for = { T = [250, 300], m = ["small", "large"] }
run = "echo {T} {m}"
[task.one]
run = "cat {sim.stdout[T = 300, m = 'large']} {sim.stdout[m = 'small']}"
stdout = "one.txt"
[task.list]
shell = "wc -l < {x.list}; xargs cat < {x.list} | paste -s -d +"
stdout = "list.txt"
[task.stdin]
stdin = "{x.stdout.list}"
run = "xargs cat"
stdout = "stdin.txt"
[task.v]
for = { i = "0..3" }
array = "full((2,), i)"
[task.w]
for = { j = "1..=2" }
shell = "cat {v[2 - j]}; wc -l < {v.list}"
stdout = "w.txt"
"#,
    );
    for ranks in [0, 3] {
        folder.run(ranks, &["s.toml"]).assert_success();
        assert_eq!(folder.read("pairs.txt"), "0 1\n2 3\n4 5\n6 7\n");
        assert_eq!(folder.read("one.txt"), "300 large\n250 small\n300 small\n");
        assert_eq!(folder.read("list.txt"), "8\n0+1+2+3+4+5+6+7\n");
        assert_eq!(folder.read("stdin.txt"), "0\n1\n2\n3\n4\n5\n6\n7\n");
        assert_eq!(folder.read("w.txt"), "1.0\n1.0\n3\n0.0\n0.0\n3\n");
    }
}

#[test]
fn facts_are_those_of_the_instance() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = '0..6' }\nrun = ['echo', '{dtask.index}', '{dtask.seed}', '{dtask.threads}', '{dtask.attempt}', '{dtask.ranks}', '{dtask.here}', '{env:FLAVOUR}']\nstdout = 'a.txt'\n",
    );
    let seeds = [1, 3].map(|ranks| {
        let run = folder.dtask(ranks).env("FLAVOUR", "sweet").args(["s.toml", "--fresh"]).run();
        run.assert_success();
        let text = folder.read("a.txt");
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
        let here = std::fs::canonicalize(folder.path(".")).expect("a folder").display().to_string();
        for (at, row) in rows.iter().enumerate() {
            assert_eq!(
                [row[0], row[2], row[3], row[4], row[6]],
                [&at.to_string(), "1", "1", &ranks.to_string(), "sweet"]
            );
            assert_eq!(std::fs::canonicalize(row[5]).expect("a folder").display().to_string(), here);
        }
        let mut seeds: Vec<u64> = rows.iter().map(|row| row[1].parse().expect("a seed")).collect();
        let all = seeds.clone();
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 6);
        all
    });
    assert_eq!(seeds[0], seeds[1]);
}

#[test]
fn a_value_is_data_in_whatever_a_script_of_a_shell_has() {
    let folder = Folder::script(
        r#"
[vars]
v = "x; touch pwned; echo '\"$(touch pwned)`touch pwned`"
[task.t]
shell = '''
cat > deck <<E
title = Schrodinger's cat {v}
E
echo {v}
echo `echo "{v}"` # it's {v}
'''
stdout = "sh.txt"
[task.bash]
interpreter = ["bash", "-euc"]
shell = "echo $'it\\'s' {v}; cat <<< '{v}'"
stdout = "bash.txt"
[task.python]
interpreter = ["python3", "-c"]
env = { V = "{v}" }
shell = "import os; print(os.environ['V'])"
stdout = "python.txt"
"#,
    );
    let v = "x; touch pwned; echo '\"$(touch pwned)`touch pwned`";
    folder.run(0, &["s.toml"]).assert_success();
    assert_eq!(folder.read("deck"), format!("title = Schrodinger's cat {v}\n"));
    assert_eq!(folder.read("sh.txt"), format!("{v}\n{v}\n"));
    assert_eq!(folder.read("bash.txt"), format!("it's {v}\n{v}\n"));
    assert_eq!(folder.read("python.txt"), format!("{v}\n"));
    assert!(!folder.path("pwned").exists());
}

#[test]
fn values_of_the_rank_are_looked_at_before_a_shell_reads_them_once_more() {
    let folder = Folder::script("[task.t]\nshell = 'sh -c \"echo {env:V}\"'\nstdout = 't.txt'\n");
    folder.dtask(0).args(["s.toml"]).env("V", "a-b").run().assert_success();
    assert_eq!(folder.read("t.txt"), "a-b\n");
    let outcome = folder.dtask(0).args(["s.toml"]).env("V", "; touch pwned").run();
    outcome.assert_code(1).assert_stderr_has("`; touch pwned` stands where a shell reads it once more");
    assert!(!folder.path("pwned").exists());
}

#[test]
fn files_are_written_below_a_folder_of_the_environment() {
    for ranks in [0, 3] {
        let elsewhere = tempfile::tempdir().unwrap();
        let folder = Folder::script(
            r#"
[task.a]
for    = { i = "0..3" }
shell  = "pwd >&2; echo {i} > {out}; echo out {i}; : > {env:FAR}/t{i}"
out    = "{env:NAME}.txt"
save   = "{env:FAR}/saved/{i}.txt"
target = "{env:FAR}/t{i}"
stdout = "{env:FAR}/out.txt"
stderr = "{env:FAR}/err.txt"
dir    = "{env:FAR}/w{i}"
[task.b]
run = "cat {a}"
stdout = "b.txt"
"#,
        );
        let far = elsewhere.path().to_str().unwrap();
        let run = folder.dtask(ranks).args(["s.toml"]).env("FAR", far).env("NAME", "n").run();
        run.assert_success();
        let read = |name: &str| std::fs::read_to_string(elsewhere.path().join(name)).unwrap();
        assert_eq!(read("saved/2.txt"), "2\n");
        assert_eq!(read("out.txt"), "out 0\nout 1\nout 2\n");
        assert_eq!(read("err.txt"), format!("{far}/w0\n{far}/w1\n{far}/w2\n"));
        assert_eq!(folder.read("b.txt"), "0\n1\n2\n");
        assert!(elsewhere.path().join("t1").exists());
    }
}

#[test]
fn an_environment_variable_that_is_not_set_is_told_before_anything_runs() {
    let folder = Folder::script(
        "[task.a]\nrun = 'touch ran'\n[task.b]\nafter = ['a']\nrun = 'echo {env:DTASK_NOT_SET}'\n",
    );
    for ranks in [0, 3] {
        let outcome = folder.run(ranks, &["s.toml"]);
        outcome
            .assert_code(2)
            .assert_stderr_has("error[E82]: the environment variable `DTASK_NOT_SET` is not set");
        outcome.assert_stderr_has("s.toml:6:13");
        assert!(!folder.path("ran").exists());
    }
    let check = folder.run(0, &["check", "s.toml"]);
    check.assert_success().assert_stderr_has("warning[W10]");
    // a task that is left out needs none
    folder.run(0, &["s.toml", "--only", "a"]).assert_success();
    assert!(folder.path("ran").exists());
}
