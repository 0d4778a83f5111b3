//! The six scripts of the specification run as they stand, with small programs and data, and save the same bytes on any
//! number of ranks.

use super::{Folder, Mpirun};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// Files of programs and data, and what is in them. Python is not what is tested here: `python3` runs shell scripts.
const PROGRAMS: [(&str, &str); 9] = [
    ("bin/python3", "#!/bin/sh\nexec sh \"$@\"\n"),
    (
        "train.py",
        r#"for arg; do case $arg in --out=*) out=${arg#*=} ;; *) line="$line ${arg#*=}" ;; esac; done
echo $line > "$out"
"#,
    ),
    ("score.py", r#"cat "$@" | awk '{ score += $1 * $2 * ($3 + 1) } END { print $1, $2, score }'"#),
    (
        "reducer.py",
        r#"awk -F '\t' '$1 != key && NR > 1 { print key "\t" n; n = 0 } { key = $1; n += $2 } END { if (NR) print key "\t" n }'"#,
    ),
    ("mesher", "#!/bin/sh\nseq \"$2\" > \"$4\"\n"),
    (
        "solver",
        r#"#!/bin/sh
# --mesh MESH --re RE --seed SEED --out FIELD; the probe goes to its own folder
tail -n 1 "$2" | awk -v re="$4" '{ print $1 * re }' > "$8"
awk -v re="$4" -v seed="$6" 'BEGIN { print "t,u"; for (t = 0; t < 16; t++) print t "," re * t + seed % 7 }' > probe.csv
[ "${4%.*}" -lt 9000 ] || exit 3
"#,
    ),
    ("convergence.py", r#"re=$2; shift 2; echo "$re $# $(cat "$@" | wc -w)""#),
    ("report.py", r#"for file; do case $file in --*) echo "$file" ;; *) cat "$file" ;; esac; done"#),
    ("corpus/a.txt", "The rain, the plain and THE Spain.\nRain again: rain"),
];

fn folder(script: &str) -> Folder {
    let folder = Folder::empty();
    for (name, text) in PROGRAMS {
        let path = folder.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }
    std::fs::write(folder.path("corpus/b.txt"), "plain rain\n".repeat(400)).expect("written");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts/six").join(script);
    std::fs::copy(from, folder.path(script)).expect("the script");
    folder
}

/// Every file below a folder that the programs and the data do not account for.
fn saved(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.path("")];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(folder.path("")).expect("below it").display().to_string();
            if path.is_dir() {
                left.push(path);
            } else if !name.contains(".dtask/") && name != "climate.h5" {
                found.insert(name, std::fs::read(&path).expect("read"));
            }
        }
    }
    found
}

fn run(script: &str, program: &Path, ranks: usize, make: impl Fn(&Folder)) -> Folder {
    let folder = folder(script);
    make(&folder);
    let path = format!("{}:{}", folder.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let run = Mpirun::new(ranks).program(program).dir(folder.dir.path()).env("PATH", path);
    run.limit(Duration::from_secs(90)).args([script]).run().assert_success();
    folder
}

/// What the script saves on one rank, after a look whether it is the same on two and on four.
#[track_caller]
fn same(script: &str, program: &Path, make: impl Fn(&Folder)) -> Folder {
    let one = run(script, program, 1, &make);
    for ranks in [2, 4] {
        let other = run(script, program, ranks, &make);
        let (one, other) = (saved(&one), saved(&other));
        assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{ranks} ranks");
        let differing: Vec<_> = one.iter().filter(|(name, bytes)| other[*name] != **bytes).collect();
        assert!(differing.is_empty(), "{ranks} ranks: {:?}", differing.iter().map(|(name, _)| name));
    }
    one
}

fn dtask() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_dtask"))
}

#[test]
fn hello() {
    for ranks in [1, 2, 4] {
        let text = run("hello.toml", dtask(), ranks, |_| ()).read("hello.txt");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 8);
        for (i, line) in lines.iter().enumerate() {
            assert!(line.starts_with(&format!("hello {i} from rank ")), "{line}");
            assert!(line.contains(&format!(" of {ranks} on ")), "{line}");
        }
    }
}

#[test]
fn the_tree_reduction() {
    let folder = same("tree.toml", dtask(), |_| ());
    assert_eq!(folder.read("total.txt").lines().count(), 6);
}

#[test]
fn the_sweep() {
    let folder = same("sweep.toml", dtask(), |_| ());
    assert_eq!(std::fs::read_dir(folder.path("models")).expect("models").count(), 8 * 5);
    assert_eq!(folder.read("models/lr1e-04_b16_s2.json"), "1e-04 16 2\n");
    // the least of lr * batch * (1 + 2 + 3 + 4 + 5)
    assert_eq!(folder.read("best.txt"), "1e-04 16 0.024\n");
}

#[cfg(feature = "hdf5")]
#[test]
fn the_hdf5_pipeline() {
    let temperature =
        ndarray::Array3::from_shape_fn((800, 4, 3), |(t, y, x)| f64::from((t * y + x) as u32 % 17));
    let folder = same("climate.toml", dtask(), |folder| {
        let file = hdf5::File::create(folder.path("climate.h5")).expect("a file");
        file.new_dataset_builder().with_data(&temperature).create("temperature").expect("a dataset");
        file.close().expect("written");
    });
    let file = hdf5::File::open(folder.path("anomaly.h5")).expect("saved");
    let anomaly = file.dataset("temperature").expect("there").read_dyn::<f64>().expect("numbers");
    let mean = temperature.mean_axis(ndarray::Axis(0)).expect("a mean");
    let expected = (&temperature - &mean).into_dyn();
    assert!((&anomaly - &expected).iter().all(|difference| difference.abs() < 1e-9));
}

#[test]
fn the_word_count() {
    let folder = same("count.toml", dtask(), |_| ());
    assert_eq!(folder.read("top20.tsv"), "rain\t403\nplain\t401\nthe\t3\nagain\t1\nand\t1\nspain\t1\n");
}

/// A dtask that knows the function which the campaign calls.
#[cfg(feature = "hdf5")]
#[test]
fn the_campaign() {
    let program = dtask().with_file_name("examples").join("test_spectrum");
    let folder = same("campaign.toml", &program, |_| ());
    let fields = |res: u32| std::fs::read_dir(folder.path(&format!("results/fields/res{res}")));
    let counts = [64, 128, 256].map(|res| fields(res).expect("fields").count());
    assert_eq!(counts, [7 * 4, 9 * 4, 9 * 4]);
    assert_eq!(folder.read("results/fields/res128/re1000_rep2.h5"), "128000\n");
    let file = hdf5::File::open(folder.path("results/ensemble.h5")).expect("saved");
    let mean = file.dataset("mean/res64/re100").expect("there").read_2d::<f64>().expect("numbers");
    assert_eq!(mean.dim(), (16, 2));
    // the repetitions differ by less than 7 in the second column
    assert!(mean.rows().into_iter().enumerate().all(|(t, row)| {
        let (time, u) = (row[0], row[1] - 100.0 * t as f64);
        time == t as f64 && (0.0..7.0).contains(&u)
    }));
    let report = folder.read("results/report.html");
    let lines: Vec<&str> = report.lines().collect();
    let tables = lines.iter().position(|line| *line == "--tables").expect("tables");
    assert_eq!(lines[0], "--spectra");
    assert_eq!(lines.len() - tables - 1, 9, "{report}");
    assert!(
        lines[tables + 1].starts_with("100.0 3 ") && lines[tables + 9].starts_with("10000.0 2 "),
        "{report}"
    );
}
