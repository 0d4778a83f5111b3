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
