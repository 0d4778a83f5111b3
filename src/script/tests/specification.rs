//! The six scripts of the specification, as they stand there.

use super::super::*;
use super::try_plan;

/// Name and text.
pub(super) const SIX: [(&str, &str); 6] = [
    (
        "hello",
        r##"dtask = 1
[task.hello]
for = { i = "0..8" }
run = "echo hello {i} from rank {dtask.rank} of {dtask.ranks} on {dtask.host}"
stdout = "hello.txt"
"##,
    ),
    (
        "the tree reduction of sixteen random arrays",
        r##"dtask = 1
name  = "tree"
[vars]
n = 1_000_000
[task.x]                         # executor.map(np.random.random, [1000000] * 16)
for   = { i = "0..16" }
array = "random(n, seed = i)"
[task.total]                     # while len(xs) > 1: xs = [submit(add, xs[i], xs[i+1]) ...]
reduce = { of = "x", with = "add" }
[task.show]                      # xs[0].result()
array = "total[0:6]"
stdout = "total.txt"
"##,
    ),
    (
        "sweep",
        r##"dtask = 1
[default]
retries  = 2
retry-on = ["crash", "oom", "exit 75"]
[task.train]
for     = { lr = [1e-4, 1e-3, 1e-2], batch = [16, 32, 64], seed = "0..5" }
exclude = [ { lr = 1e-2, batch = 16 } ]
run     = ["python3", "train.py", "--lr={lr:.0e}", "--batch={batch}", "--seed={seed}", "--out={out}"]
out     = "model.json"
save    = "models/lr{lr:.0e}_b{batch}_s{seed}.json"
timeout = "30 min"
[task.score]                     # per (lr, batch): all seeds, by the join rule
for   = { lr = [1e-4, 1e-3, 1e-2], batch = [16, 32, 64] }
exclude = [ { lr = 1e-2, batch = 16 } ]
run   = ["python3", "score.py", "{train}"]
[task.best]
shell = "sort -k3,3n {score.stdout} | head -n 1 | tee {out}"
out   = "best.txt"
save  = "best.txt"
"##,
    ),
    (
        "HDF5 pipeline",
        r##"dtask = 1
name  = "climate"
[vars]
src = "climate.h5"
[task.block]
for    = { b = { blocks = "{src}:/temperature", size = [365] } }
array  = "load(b)"
[task.clim]
reduce = { of = "block", with = "mean", axis = 0 }
[task.anomaly]
each  = "block"
array = "block - clim"
save  = "anomaly.h5:/temperature"    # each instance writes its own hyperslab; one rank owns the file
[task.spread]
each  = "block"
array = "std(anomaly, axis = 0)"
[task.worst]
reduce = { of = "spread", with = "max" }
save   = "stats.h5:/worst_spread"
"##,
    ),
    (
        "word count",
        r##"dtask = 1
[task.count.mapreduce]
input      = { glob = "corpus/*.txt", split = "16 MiB" }
map        = { shell = "tr -cs '[:alpha:]' '\\n' | tr '[:upper:]' '[:lower:]' | awk 'NF {print $1 \"\\t1\"}'" }
combine    = "sum"
reduce     = { run = ["python3", "reducer.py"] }
partitions = 8
[task.top]
shell = "sort -t '\t' -k2,2nr {count} | head -n 20"
save  = "top20.tsv"
"##,
    ),
    (
        "a simulation campaign",
        r##"dtask = 1
name  = "flow-campaign"
[vars]
root  = "results"
steps = 50_000
[default]
retries  = 2
retry-on = ["crash", "oom", "timeout"]
[policy]
max-failures = 20
[resources]
licence = 8
[task.mesh]
for     = { res = [64, 128, 256] }
run     = "./mesher --res {res} -o {out}"
out     = "mesh.bin"
keep    = "checkpoint"
[task.sim]
for      = { res = [64, 128, 256], re = { logspace = [2, 4, 9] }, rep = "0..4" }
where    = "res >= 128 || re < 5000"
run      = ["{dtask.here}/solver", "--mesh", "{mesh}", "--re", "{re:.1}", "--seed", "{dtask.seed}", "--out", "{out.field}"]
out      = { field = "field.h5", probe = "probe.csv" }
dir      = "scratch"
save     = { field = "{root}/fields/res{res}/re{re:.0}_rep{rep}.h5" }
memory   = "12 GiB"
memory-step = 1.5
needs    = { licence = 1 }
time     = "40 min"
timeout  = "2 h"
ok-exit  = [0, 3]
[task.probe]
each  = "sim"
array = "from_csv(sim.probe)"
optional = true
[task.mean]
for    = { res = [64, 128, 256], re = { logspace = [2, 4, 9] } }
where  = "res >= 128 || re < 5000"
reduce = { of = "probe", with = "mean", over = ["rep"] }
save   = "{root}/ensemble.h5:/mean/res{res}/re{re:.0}"
[task.spectrum]
each    = "mean"
call    = "power_spectrum"
args    = { signal = "{mean}", window = "hann" }
[task.convergence]
for = { re = { logspace = [2, 4, 9] } }
run = ["python3", "convergence.py", "--re", "{re:.1}", "{mean}"]
[task.report]
shell = "python3 report.py --spectra {spectrum} --tables {convergence.stdout} > {out}"
out   = "report.html"
save  = "{root}/report.html"
"##,
    ),
];

#[test]
fn nothing_is_wrong_with_the_six_scripts() {
    for (name, script) in SIX {
        if let Err(errors) = try_plan(script, &[], LoadOptions::default()) {
            // The campaign's function and the pipeline's data are the user's; nothing else may be missing.
            let own = [Code::NotYet, Code::UnknownFunction, Code::NoDataset];
            let wrong: Vec<&Diagnostic> =
                errors.list.iter().filter(|error| !own.contains(&error.code)).collect();
            assert!(wrong.is_empty(), "{name}: {wrong:#?}");
        }
    }
}
