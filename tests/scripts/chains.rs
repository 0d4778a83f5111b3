//! Tasks whose instances read others of the same task: time loops, wavefronts, circles of families.

use super::Folder;

#[test]
fn a_time_loop_runs_step_by_step() {
    let folder = Folder::script(
        r#"
[task.mesh]
shell = "echo start > {out}"
out = "mesh.txt"
[task.step]
for = { run = ["a", "b"], i = "0..20" }
shell = "cat {step[run = run, i = i-1] else mesh} > {out}; echo {run}{i} >> {out}"
out = "state.txt"
[task.last]
for = { run = ["a", "b"] }
run = "tail -n 3 {step[i = 19]}"
stdout = "last.txt"
[task.count]
for = { run = ["a", "b"] }
shell = "wc -l < {step[i = 19]}"
stdout = "count.txt"
[task.first]
for = { i = "0..3" }
run = "echo {i} {first.stdout[i = i-1]?} end"
[task.lines]
run = "cat {first.stdout}"
stdout = "first.txt"
[task.piped]
for = { i = "0..3" }
stdin = "{piped.stdout[i = i-1] else mesh}{i}\n"
run = "cat"
[task.whole]
run = "cat {piped.stdout[i = 2]}"
stdout = "in.txt"
"#,
    );
    for ranks in [0, 1, 3] {
        folder.run(ranks, &["--fresh", "s.toml"]).assert_success();
        assert_eq!(folder.read("last.txt"), "a17\na18\na19\nb17\nb18\nb19\n");
        assert_eq!(folder.read("count.txt"), "21\n21\n");
        let first = folder.read("first.txt");
        assert!(
            first.starts_with("0 end\n1 /") && first.lines().all(|line| line.ends_with(" end")),
            "{first}"
        );
        assert_eq!(folder.read("in.txt"), "start\n0\n1\n2\n");
    }
}

#[test]
fn a_wavefront_of_arrays_is_a_table_of_sums() {
    let folder = Folder::script(
        r#"
[task.cell]
for = { r = "0..12", c = "0..12" }
where = "!(r == 5 && c == 7)"
array = "(cell[r = r-1, c = c] else 1) + (cell[r = r, c = c-1] else 1)"
[task.all]
array = "concat(cell)"
stdout = "all.txt"
"#,
    );
    let mut table = [[None; 12]; 12];
    for r in 0..12usize {
        for c in 0..12usize {
            let at = |r: usize, c: usize| {
                table.get(r).and_then(|row| row.get(c)).copied().flatten().unwrap_or(1.0)
            };
            let value = at(r.wrapping_sub(1), c) + at(r, c.wrapping_sub(1));
            table[r][c] = (r != 5 || c != 7).then_some(value);
        }
    }
    let expected: Vec<f64> = table.iter().flatten().filter_map(|cell| *cell).collect();
    for ranks in [0, 2, 4] {
        folder.run(ranks, &["--fresh", "s.toml"]).assert_success();
        let found: Vec<f64> =
            folder.read("all.txt").lines().map(|line| line.parse().expect("a number")).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn families_that_read_each_other_take_turns() {
    let folder = Folder::script(
        r#"
[task.forecast]
for = { day = "0..30", member = "0..3" }
array = "(analysis[day = day-1] else 1) + member"
[task.analysis]
for = { day = "0..30" }
array = "sum(concat(forecast)) / 4"
[task.report]
array = "analysis[day = 29]"
stdout = "report.txt"
"#,
    );
    let mut analysis = 1.0;
    for _ in 0..30 {
        analysis = (0..3).map(|member| analysis + f64::from(member)).sum::<f64>() / 4.0;
    }
    for ranks in [0, 3] {
        folder.run(ranks, &["--fresh", "s.toml"]).assert_success();
        assert_eq!(folder.read("report.txt").trim().parse(), Ok(analysis));
    }
}

#[test]
fn a_link_that_fails_ends_its_chain_alone() {
    let folder = Folder::script(
        r#"
[task.step]
for = { run = ["a", "b"], i = "0..9" }
shell = "test {run}{i} != a4; echo {run}{i}; cat {step.stdout[run = run, i = i-1]?} < /dev/null"
[task.last]
for = { run = ["a", "b"] }
run = "wc -l {step.stdout[i = 8]}"
stdout = "last.txt"
"#,
    );
    let run = folder.run(3, &["s.toml"]);
    run.assert_code(1);
    assert!(run.stderr.contains("step[run=a, i=4]"), "{}", run.stderr);
    assert!(folder.read("last.txt").starts_with("9 "), "{}", folder.read("last.txt"));
}

#[test]
fn a_long_chain_of_arrays_comes_to_its_end() {
    let folder = Folder::script(
        r#"
[task.step]
for = { i = "0..100_000" }
array = "(step[i = i-1] else 0) + 1"
[task.last]
array = "step[i = 99_999]"
stdout = "last.txt"
"#,
    );
    for ranks in [1, 3] {
        folder.run(ranks, &["--fresh", "s.toml"]).assert_success();
        assert_eq!(folder.read("last.txt"), "100000.0\n");
    }
}

#[test]
fn a_chain_goes_on_where_it_has_stopped() {
    let folder = Folder::script(
        r#"
[task.start]
shell = "echo start >> ran; echo 0 > {out}"
out = "x"
[task.step]
for = { i = "0..9" }
shell = "echo {i} >> ran; test {i} != 5 || test -e go; cat {step[i = i-1] else start} > {out}; echo {i} >> {out}"
out = "x.txt"
save = "s/{i}.txt"
[task.plain]
for = { i = "0..4" }
shell = "echo p{i} >> ran; cat {plain[i = i-1]?} < /dev/null > {out}; echo {i} >> {out}"
out = "x.txt"
[task.end]
shell = "cat {plain[i = 3]} > {out}"
out = "x"
save = "plain.txt"
"#,
    );
    folder.run(2, &["s.toml"]).assert_code(1);
    std::fs::write(folder.path("go"), "").expect("written");
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!(folder.read("s/8.txt"), "0\n0\n1\n2\n3\n4\n5\n6\n7\n8\n");
    let counts = super::resume::counts(&folder, "ran");
    let twice: Vec<&str> =
        counts.iter().filter(|(_, count)| **count != 1).map(|(name, _)| name.as_str()).collect();
    assert_eq!(twice, ["5"]);
    // a file that is lost is made again, of the one before it; what was not saved is made of its beginning
    std::fs::remove_file(folder.path("s/3.txt")).expect("it was there");
    std::fs::remove_file(folder.path("plain.txt")).expect("it was there");
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!(folder.read("s/3.txt"), "0\n0\n1\n2\n3\n");
    assert_eq!(folder.read("plain.txt"), "0\n1\n2\n3\n");
    let counts = super::resume::counts(&folder, "ran");
    let twice: Vec<&str> =
        counts.iter().filter(|(_, count)| **count != 1).map(|(name, _)| name.as_str()).collect();
    assert_eq!(twice, ["3", "5", "p0", "p1", "p2", "p3"]);
    // another beginning makes everything anew
    let script = folder.read("s.toml").replace("echo 0 >", "echo 7 >");
    std::fs::write(folder.path("s.toml"), script).expect("written");
    folder.run(2, &["s.toml"]).assert_success();
    assert!(folder.read("s/8.txt").starts_with("7\n0\n"));
}

/// `check` goes through the first 300,000 instances of a family whose distances are not constant, and no further.
#[test]
fn a_circle_that_is_found_too_late_ends_the_run_and_names_its_instances() {
    let folder = Folder::script(
        "[task.a]\nfor = { i = '0..300_050' }\narray = '(a[i = where(i < 300_040, 0 - 1, i + 1)] else 0) + 1'\n\
         [task.b]\narray = 'sum(a)'\nstdout = 'b.txt'\n",
    );
    let run = folder.run(0, &["s.toml"]);
    run.assert_code(1).assert_stderr_has("it waits for `a[i=300041]`, which waits for `a[i=300042]`");
    assert!(run.stdout.contains("a  300040 done, 1 failed, 9 not run"), "{}", run.stdout);
    assert!(!folder.path("b.txt").exists());
}
