//! The example workflows, against plain computations.

use super::Folder;
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

#[test]
fn a_relaxation_is_what_a_loop_of_the_shell_gives() {
    let script = r#"
printf '1 0 0 0 0 0 0 0 0 2\n' > s
for n in $(seq 0 39); do
  awk '{ for (i = 1; i <= NF; i++) printf "%.6f ", (i == 1 || i == NF) ? $i : ($(i-1) + $(i+1)) / 2; print "" }' s > t
  mv t s
  [ $((n % 10)) != 9 ] || echo step $n: $(cat s)
done
"#;
    let plain = tempfile::tempdir().expect("a folder");
    let shell = std::process::Command::new("sh").args(["-c", script]).current_dir(plain.path()).output();
    let expected = String::from_utf8(shell.expect("a shell").stdout).expect("text");
    for ranks in [1, 2, 4] {
        assert_eq!(run("jacobi.toml", ranks).read("states.txt"), expected);
    }
}

#[test]
fn samples_of_poor_quality_are_left_out() {
    for ranks in [1, 2, 4] {
        assert_eq!(run("quality.toml", ranks).read("report.txt"), "s1 9\ns3 7\n");
    }
}
