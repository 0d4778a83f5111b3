//! Arrays, reductions, and their way to commands and back.

use super::Folder;

#[test]
fn arrays_become_files_and_numbers_become_arrays() {
    let folder = Folder::script(
        r#"
[vars]
n = 3
[task.x]
for   = { i = "1..5" }
array = "full((n,), i) * 2"
[task.columns]
shell  = "paste -d ' ' {x} | head -n 2"
stdout = "columns.txt"
[task.in]
stdin  = "{x}"
run    = "sort -n"
stdout = "sorted.txt"
[task.back]
array  = "sum(columns.stdout, axis = 0)"
stdout = "back.txt"
[task.first]
array  = "x[0] + x[-1]"
stdout = "first.txt"
[task.each]
each   = "x"
array  = "x[0] + i"
stdout = "each.txt"
"#,
    );
    folder.run(3, &["s.toml", "--set", "n=4"]).assert_success();
    assert_eq!(folder.read("columns.txt"), "2.0 4.0 6.0 8.0\n2.0 4.0 6.0 8.0\n");
    assert_eq!(
        folder.read("sorted.txt"),
        "2.0\n2.0\n2.0\n2.0\n4.0\n4.0\n4.0\n4.0\n6.0\n6.0\n6.0\n6.0\n8.0\n8.0\n8.0\n8.0\n"
    );
    assert_eq!(folder.read("back.txt"), "4.0\n8.0\n12.0\n16.0\n");
    assert_eq!(folder.read("first.txt"), "10.0\n".repeat(4));
    assert_eq!(folder.read("each.txt"), "3.0\n6.0\n9.0\n12.0\n");
}

#[test]
fn reductions_have_the_same_bits_on_any_number_of_ranks() {
    let text = r#"
[task.x]
for   = { k = ["a", "b"], i = "0..7" }
array = "random(1000) * 10 ** (i - 3)"
[task.sum]
for    = { k = ["a", "b"] }
reduce = { of = "x", with = "add", arity = 3 }
[task.mean]
reduce = { of = "x", with = "mean" }
stdout = "mean.txt"
[task.low]
reduce = { of = "x", with = "min" }
[task.high]
reduce = { of = "x", with = "max" }
stdout = "high.txt"
[task.show]
for    = { k = ["a", "b"] }
array  = "sum[0:3] - low[0:3]"
stdout = "show.txt"
"#;
    let runs = [1, 2, 4].map(|ranks| {
        let folder = Folder::script(text);
        folder.run(ranks, &["s.toml"]).assert_success();
        ["mean.txt", "high.txt", "show.txt"].map(|name| folder.read(name))
    });
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[0], runs[2]);
    assert_eq!([runs[0][0].lines().count(), runs[0][2].lines().count()], [1000, 6]);
}

#[test]
fn means_and_single_leaves() {
    let folder = Folder::script(
        "[task.x]\nfor = { i = '0..5' }\narray = 'i + zeros(2)'\n\
         [task.m]\nreduce = { of = 'x', with = 'mean' }\nstdout = 'm.txt'\n\
         [task.y]\nfor = { i = [7] }\narray = 'i'\n[task.one]\nreduce = { of = 'y', with = 'mean' }\nstdout = 'one.txt'\n",
    );
    folder.run(2, &["s.toml"]).assert_success();
    assert_eq!((folder.read("m.txt"), folder.read("one.txt")), ("2.0\n2.0\n".into(), "7.0\n".into()));
}

#[test]
fn many_small_tasks_stay_in_order() {
    let folder = Folder::script("[task.n]\nfor = { i = '0..2000' }\narray = 'i * i'\nstdout = 'n.txt'\n");
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!(folder.read("n.txt"), (0..2000u64).map(|i| format!("{}.0\n", i * i)).collect::<String>());
}

#[test]
fn a_wide_gather_has_more_inputs_than_one_message_holds() {
    let folder = Folder::script(
        "[task.n]\nfor = { i = '0..700' }\narray = 'i'\n[task.all]\narray = 'sum(n)'\nstdout = 'all.txt'\n",
    );
    folder.run(3, &["s.toml"]).assert_success();
    assert_eq!(folder.read("all.txt"), "244650.0\n");
}
