//! Ranks that die in a run that outlives them: Open MPI 5 with `--with-ft ulfm`. With another MPI these tests do
//! nothing; `.ci/mpis.sh` runs them with the right one.

use super::Folder;
use crate::common::mpirun::{Mpirun, Outcome};
use std::process::Command;
use std::time::Duration;

/// Whether the launcher is one whose jobs can outlive a rank.
fn survives() -> bool {
    let launcher = std::env::var_os("MPIRUN").unwrap_or_else(|| "mpirun".into());
    let version = Command::new(launcher).arg("--version").output();
    let text = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let major = text.split("(Open MPI) ").nth(1).and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    let is_able = major >= Some(5);
    if !is_able {
        println!("skipped: this MPI ends a job that has lost a rank");
    }
    is_able
}

fn dtask(folder: &Folder, ranks: usize, args: &[&str]) -> Mpirun {
    let limit = Duration::from_secs(90);
    folder.dtask(ranks).launcher_args(["--with-ft", "ulfm"]).args(["s.toml"]).args(args).limit(limit)
}

/// Shell code of a command that kills its rank, `$rank`, or the rank with the number in `$number`.
const KILLS: &str = r#"
rank=0 above=$$
until [ "$(cat /proc/$rank/comm 2>/dev/null)" = dtask ]; do
    rank=$above
    above=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$rank/status)
done
for other in $(ls /proc | grep '^[0-9]*$'); do
    [ "$(sed -n 's/^PPid:[^0-9]*//p' /proc/$other/status 2>/dev/null)" = "$above" ] || continue
    tr '\\0' '\\n' < /proc/$other/environ | grep -qx OMPI_COMM_WORLD_RANK=$number && rank=$other
done
"#;

/// A sweep over arrays that lie on the ranks; a command in its middle kills, once, what `number` says.
fn sweep(number: &str, kills: bool) -> String {
    let kill = if kills { "kill -9 $rank; sleep 100" } else { ":" };
    format!(
        r#"
[task.x]
for   = {{ i = "0..12" }}
array = "random(200000, seed = i)"
save  = "x{{i}}.npy"
[task.kill]
after  = ["x"]
stdout = "kill.txt"
shell  = """
number={number}
{KILLS}
[ -e killed ] || {{ : > killed; {kill}; }}
echo survived"""
[task.w]
after  = ["x"]
for    = {{ k = "0..8" }}
shell  = "while [ ! -e killed ]; do sleep 0.02; done; echo {{k}}"
stdout = "w.txt"
[task.y]
each  = "x"
after = ["w"]
array = "x * 2 + sum(x)"
save  = "y{{i}}.npy"
[task.total]
reduce = {{ of = "y", with = "add" }}
save   = "total.npy"
"#
    )
}

/// Everything that a run has saved, in the order of names.
fn saved(folder: &Folder) -> Vec<(String, Vec<u8>)> {
    let mut names = folder.names();
    names.retain(|name| name.ends_with(".npy") || name.ends_with(".txt"));
    names.sort_unstable();
    names.into_iter().map(|name| (name.clone(), std::fs::read(folder.path(&name)).expect("a file"))).collect()
}

/// What the sweep saves where nothing is killed.
fn expected() -> Vec<(String, Vec<u8>)> {
    let folder = Folder::script(&sweep("none", false));
    folder.run(0, &["s.toml"]).assert_success();
    let expected = saved(&folder);
    assert_eq!(expected.len(), 27);
    expected
}

fn lost(run: &Outcome) -> usize {
    run.stderr.lines().filter(|line| line.contains("is lost: its process or its host has died")).count()
}

#[test]
fn a_run_goes_on_without_a_rank_and_saves_the_same() {
    if !survives() {
        return;
    }
    let folder = Folder::script(&sweep("none", true));
    let run = dtask(&folder, 3, &[]).run();
    run.assert_success();
    run.assert(lost(&run) == 1, "one line says which rank is lost");
    assert!(saved(&folder) == expected(), "other results than without a loss");
}

#[test]
fn without_rank_0_a_run_ends_with_75_and_the_next_one_goes_on() {
    if !survives() {
        return;
    }
    let folder = Folder::script(&sweep("0", true));
    let run = dtask(&folder, 3, &[]).run();
    run.assert_code(75).assert_stderr_has("rank 0 has died, and with it the run");
    run.assert(run.elapsed < Duration::from_secs(60), "the end comes soon");
    folder.run(0, &["journal", "s.toml", "--check"]).assert_success();
    dtask(&folder, 2, &[]).run().assert_success();
    assert!(saved(&folder) == expected(), "other results than without a loss");
}

#[test]
fn a_task_that_kills_ranks_is_quarantined_and_others_go_on() {
    if !survives() {
        return;
    }
    let script = format!(
        r#"
[task.poison]
for   = {{ i = "0..2" }}
shell = """
number=none
{KILLS}
echo {{i}} >> started
[ {{i}} = 0 ] || [ -e mended ] || {{ kill -9 $rank; sleep 100; }}
echo {{i}}"""
save  = {{ stdout = "poison{{i}}.txt" }}
[task.after]
each   = "poison"
run    = "echo {{poison.stdout}}"
[task.other]
for    = {{ k = "0..20" }}
run    = "echo {{k}}"
stdout = "other.txt"
"#
    );
    let folder = Folder::script(&script);
    let run = dtask(&folder, 5, &["--slots", "1"]).run();
    run.assert_code(1).assert_stderr_has("error: poison[i=1] is quarantined (s.toml:");
    run.assert_stderr_has("have died with it, one after the other");
    run.assert_stderr_has("run it once more as it is with `--force poison`");
    run.assert(lost(&run) == 3, "three ranks are lost");
    let others: String = (0..20).map(|k| format!("{k}\n")).collect();
    assert_eq!((folder.read("other.txt"), folder.read("poison0.txt")), (others, "0\n".to_owned()));
    let started = || folder.read("started").lines().filter(|line| *line == "1").count();
    assert_eq!(started(), 3);

    let again = dtask(&folder, 2, &[]).run();
    again.assert_code(1).assert_stderr_has("error: poison[i=1] is quarantined");
    again.assert(lost(&again) == 0 && started() == 3, "it is not started");
    folder.run(0, &["plan", "s.toml", "--why"]).assert_stdout_has("quarantined, so that it fails");
    std::fs::write(folder.path("mended"), "").expect("written");
    dtask(&folder, 2, &["--force", "poison"]).run().assert_success();
    assert_eq!(folder.read("poison1.txt"), "1\n");
}
