//! The example workflows, against plain computations.

use super::Folder;
use super::resume::interrupted;
use super::signals::eventually;
use rustix::process::Signal;
use std::path::Path;

fn run(name: &str, ranks: usize) -> Folder {
    let folder = Folder::empty();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/workflows").join(name);
    std::fs::copy(from, folder.path(name)).expect("the example is there");
    folder.run(ranks, &["check", name]).assert_success();
    folder.run(ranks, &[name]).assert_success();
    folder
}

#[test]
fn an_alignment_is_the_edit_distance() {
    let (left, right) = ("kitten".as_bytes(), "sitting".as_bytes());
    let mut table = vec![vec![0usize; right.len() + 1]; left.len() + 1];
    for r in 0..=left.len() {
        for c in 0..=right.len() {
            table[r][c] = match (r, c) {
                (r, 0) => r,
                (0, c) => c,
                (r, c) => {
                    let same = table[r - 1][c - 1] + usize::from(left[r - 1] != right[c - 1]);
                    same.min(table[r - 1][c] + 1).min(table[r][c - 1] + 1)
                }
            };
        }
    }
    for ranks in [1, 2, 4] {
        let found: f64 = run("alignment.toml", ranks).read("distance.txt").trim().parse().expect("a number");
        assert_eq!(found, table[left.len()][right.len()] as f64);
    }
}

#[test]
fn a_weather_cycle_goes_from_day_to_day() {
    let mut expected = String::new();
    let mut analysis = 10.0f64;
    for _ in 0..20 {
        let sum: f64 = (0..5)
            .map(|member| {
                let forecast = analysis * 0.9 + f64::from(member);
                format!("{forecast:.6}").parse::<f64>().expect("a number")
            })
            .sum();
        analysis = sum / 5.0;
        expected += &format!("{analysis:.3}\n");
    }
    for ranks in [1, 2, 4] {
        let found = run("weather.toml", ranks).read("curve.txt");
        // awk prints six digits
        let rounded: String =
            found.lines().map(|line| format!("{:.3}\n", line.parse::<f64>().expect("a number"))).collect();
        let near = rounded.lines().zip(expected.lines()).all(|(a, b)| {
            (a.parse::<f64>().expect("a number") - b.parse::<f64>().expect("a number")).abs() < 0.01
        });
        assert!(near && rounded.lines().count() == 20, "{found}\n{expected}");
    }
}

/// Runs a shell script in a folder of its own, and returns what it prints.
fn plain(script: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let shell = std::process::Command::new("sh").args(["-euc", script]).current_dir(folder.path()).output();
    String::from_utf8(shell.expect("a shell").stdout).expect("text")
}

/// A relaxation in the shell, which prints the number of steps and the last state.
const RELAXATION: &str = r#"
printf '1 0 0 0 0 0 0 0 0 2\n' > s
n=0
while :; do
  awk '{ for (i = 1; i <= NF; i++) printf "%.6f ", (i == 1 || i == NF) ? $i : ($(i-1) + $(i+1)) / 2; print "" }' s > t
  n=$((n + 1))
  change=$(paste -d ' ' s t | awk '{ for (i = 1; i <= 10; i++) { d = $(i+10) - $i; if (d < 0) d = -d; if (d > m) m = d }
    print (m < 1e-4) }')
  mv t s
  [ $change = 0 ] || break
done
echo $n
cat s
"#;

#[test]
fn a_relaxation_converges_as_in_a_loop_of_the_shell() {
    let expected = plain(RELAXATION);
    for ranks in [1, 2, 4] {
        let folder = run("jacobi.toml", ranks);
        assert_eq!(folder.read("steps.txt") + &folder.read("state.txt"), expected);
    }
}

#[test]
fn a_relaxation_that_was_killed_goes_on_from_its_last_state() {
    let name = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/workflows/jacobi.toml");
    let script = std::fs::read_to_string(name).expect("the example is there");
    // the twentieth step waits, the first time
    let script =
        script.replace("awk -v norm", "echo >> ran; [ {n} != 20 ] || [ -e go ] || sleep 60\nawk -v norm");
    let folder = Folder::empty();
    std::fs::write(folder.path("s.toml"), script).expect("written");
    let folder = interrupted(folder, 2, Signal::KILL, true, |folder| {
        eventually("twenty steps are in the journal", || {
            super::resume::recorded(folder, "step").contains(": 20 of 1000 done")
        });
    });
    std::fs::remove_file(folder.path("ran")).expect("removed");
    folder.run(4, &["s.toml"]).assert_success();
    let expected = plain(RELAXATION);
    assert_eq!(folder.read("steps.txt") + &folder.read("state.txt"), expected);
    let steps: usize = folder.read("steps.txt").trim().parse().expect("a number");
    assert_eq!(folder.read("ran").lines().count(), steps - 20);
}

#[test]
fn models_are_judged_by_what_they_have_not_seen() {
    let (mut scores, mut sum) = (String::new(), 0.0);
    let data: Vec<(f64, f64)> =
        (0..100i32).map(|i| (f64::from(i), f64::from(3 * i + 7 + i * 37 % 11 - 5))).collect();
    for fold in 0..5 {
        // the lines of awk are counted from 1
        let (own, rest): (Vec<_>, Vec<_>) = data.iter().enumerate().partition(|(at, _)| (at + 1) % 5 == fold);
        let (mut n, mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (_, (a, b)) in &rest {
            (n, x, y, xx, xy) = (n + 1.0, x + a, y + b, xx + a * a, xy + a * b);
        }
        let slope = (n * xy - x * y) / (n * xx - x * x);
        let start = (y - slope * x) / n;
        let score =
            own.iter().map(|(_, (a, b))| (b - start - slope * a).powi(2)).sum::<f64>() / own.len() as f64;
        scores += &format!("{score:.3}\n");
        sum += score;
    }
    // awk prints six digits of a model
    let rounded = |text: &str| {
        let all = text.lines().map(|line| format!("{:.1}\n", line.parse::<f64>().expect("a number")));
        all.collect::<String>()
    };
    for ranks in [1, 2, 4] {
        let folder = run("crossval.toml", ranks);
        assert_eq!(rounded(&folder.read("scores.txt")), rounded(&scores));
        assert_eq!(rounded(&folder.read("mean.txt")), rounded(&format!("{}\n", sum / 5.0)));
    }
}

#[test]
fn samples_of_poor_quality_are_left_out() {
    for ranks in [1, 2, 4] {
        assert_eq!(run("quality.toml", ranks).read("report.txt"), "s1 9\ns3 7\n");
    }
}

/// The same workflow as a plain shell script.
const VARIANTS: &str = r#"
awk 'BEGIN { for (i = 0; i < 60; i++) print substr("ACGT", (i * i + i / 3) % 4 + 1, 1) }' > reference.txt
seed=0
for s in A B C; do
  awk -v seed=$seed '{ b = $1; if (NR % (7 + seed) == 0) b = (b == "A") ? "T" : "A"; print (NR * 37) % 61, NR, b }' \
    reference.txt > reads
  awk '{ print $2, $3 }' reads | sort -n > $s.bam
  paste -d ' ' $s.bam reference.txt | awk -v s=$s '$2 != $3 { print s, $1, $3, $2 }' > $s.vcf
  seed=$((seed + 1))
done
cat A.vcf B.vcf C.vcf | sort -k2,2n -k1,1
"#;

#[test]
fn variants_are_those_of_a_plain_script_also_after_a_kill() {
    let plain = tempfile::tempdir().expect("a folder");
    let shell = std::process::Command::new("sh").args(["-c", VARIANTS]).current_dir(plain.path()).output();
    let expected = String::from_utf8(shell.expect("a shell").stdout).expect("text");
    assert!(expected.lines().count() > 10, "{expected}");
    let check = |folder: &Folder| {
        assert_eq!(folder.read("variants.tsv"), expected);
        let bam = std::fs::read_to_string(plain.path().join("B.bam")).expect("the plain one");
        assert_eq!(folder.read("aligned/B.bam"), bam);
        assert_eq!(folder.read("aligned/B.bam.bai"), "60\n");
    };
    for ranks in [1, 2, 4] {
        check(&run("variants.toml", ranks));
    }
    // killed in the middle: a sample's call kills rank 0 and all with it, once
    let folder = Folder::empty();
    let text = include_str!("../../examples/workflows/variants.toml");
    let killer = "if test {sample} = B -a ! -e {dtask.here}/killed; then touch {dtask.here}/killed; kill -9 \
                  $(cat {dtask.here}/head); sleep 60; fi\ntest \"$(cat {sort.bai})\" = 60";
    let text = text.replace("test \"$(cat {sort.bai})\" = 60", killer);
    std::fs::write(folder.path("v.toml"), text).expect("written");
    let program = env!("CARGO_BIN_EXE_dtask");
    let line = format!("echo $$ > head; exec {program} v.toml");
    let killed = std::process::Command::new("sh").args(["-c", &line]).current_dir(folder.dir.path()).output();
    assert!(!killed.expect("a shell").status.success() && folder.path("killed").exists());
    assert!(!folder.path("variants.tsv").exists());
    folder.run(2, &["v.toml"]).assert_success();
    check(&folder);
}

#[test]
fn an_ensemble_of_mpi_programs_has_the_mean_of_its_members() {
    for ranks in [1, 2, 4] {
        let folder = Folder::empty();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/workflows/ensemble.toml");
        std::fs::copy(from, folder.path("e.toml")).expect("the example is there");
        // on one rank all slots are its cores
        let slots = if ranks == 1 { ["--head-slots", "2"] } else { ["--slots", "2"] };
        folder.run(ranks, &["e.toml", slots[0], slots[1]]).assert_success();
        assert_eq!(folder.read("members.txt"), "0 100\n1 102\n2 108\n3 118\n", "{ranks} ranks");
        assert_eq!(folder.read("mean.txt"), "107.00\n");
    }
}
