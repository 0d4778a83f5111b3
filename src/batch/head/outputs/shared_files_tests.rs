//! Shared files without a run: instances end in any order.

use super::*;
use crate::batch::artifact::OutputBytes;
use crate::batch::outputs::STDERR;
use crate::script::diagnostics::source::ScriptSource;
use crate::script::load::parse;
use crate::script::options::LoadOptions;
use std::fs;
use tempfile::TempDir;

struct Run {
    dir: TempDir,
    plan: Plan,
    sinks: Sinks,
}

impl Run {
    fn new(script: &str) -> Run {
        let dir = tempfile::tempdir().unwrap();
        let source = ScriptSource::new("flow.toml", dir.path(), format!("dtask = 1\n{script}"));
        let plan = parse(source, &[], LoadOptions::default()).expect("a script");
        let sinks = Sinks::new(&plan, &Todo::all(&plan), &dir.path().join("flow.dtask"));
        Run { dir, plan, sinks }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| error.to_string())
    }

    fn done(&mut self, task: usize, index: u64, stdout: &str) {
        let part = |which, bytes| OutputBytes { which, name: "", bytes };
        let err = format!("e{index}\n");
        let artifact = Artifact::of(&[part(STDOUT, stdout.as_bytes()), part(STDERR, err.as_bytes())]);
        self.sinks.end(&self.plan, task, index, &OutputEnd::Done(&artifact));
    }

    fn lost(&mut self, task: usize, index: u64, left: bool) {
        self.sinks.end(&self.plan, task, index, &OutputEnd::Lost { left });
    }

    /// The number of files in the spool.
    fn waiting_files(&self) -> usize {
        fs::read_dir(self.path("flow.dtask")).map_or(0, Iterator::count)
    }

    /// Makes turns, as a run does in a loop, until `holds` returns true.
    fn eventually(&mut self, holds: impl Fn(&Run) -> bool) {
        let until = Instant::now() + Duration::from_secs(30);
        while !holds(self) {
            assert!(Instant::now() < until, "in vain");
            self.sinks.turn(&self.plan);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

const SIX: &str = "[task.t]\nfor = { i = '0..6' }\nrun = 'echo'\nstdout = 'o.txt'\n";

#[test]
fn a_file_grows_in_the_order_of_the_indices_whatever_ends_first() {
    for order in [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]] {
        let mut run = Run::new(SIX);
        fs::write(run.path("o.txt"), "old").unwrap();
        for (count, index) in (1..).zip(order) {
            run.done(0, index, &format!("{index}\n"));
            let there: Vec<u64> = (0..6).take_while(|index| order[..count].contains(index)).collect();
            let grown: String = there.iter().map(|index| format!("{index}\n")).collect();
            let grown = if there.is_empty() { "old".to_owned() } else { grown };
            run.sinks.flush(&run.plan);
            assert_eq!(run.read("o.txt"), grown, "{order:?}");
        }
        run.sinks.close(&run.plan, false);
        assert_eq!((run.sinks.written.len(), run.waiting_files()), (1, 0));
        assert!(run.sinks.failed.is_empty() && run.sinks.partial.is_empty());
        let names = fs::read_dir(run.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(
            names.into_iter().all(|name| name == "o.txt" || name == "flow.dtask"),
            "nothing is left beside it"
        );
    }
}

#[test]
fn what_is_missing_is_passed_over_and_named() {
    let mut run = Run::new(SIX);
    for index in [5, 4, 0] {
        run.done(0, index, &format!("{index}\n"));
    }
    run.lost(0, 3, false);
    run.lost(0, 1, false);
    run.done(0, 2, "2\n");
    run.sinks.flush(&run.plan);
    assert_eq!(run.read("o.txt"), "0\n2\n4\n5\n");
    run.sinks.close(&run.plan, false);
    assert_eq!(
        run.sinks.failed,
        ["o.txt lacks 2 of 6 outputs: t[i=1], t[i=3]"]
            .map(|text| { format!("{}{text}", run.path("").display()) })
    );
    assert_eq!(run.sinks.partial, [(run.path("o.txt"), 4, 6)]);
}

#[test]
fn what_has_not_come_at_the_end_is_left_and_what_waits_is_written() {
    let mut run = Run::new(SIX);
    fs::write(run.path("o.txt"), "old").unwrap();
    run.done(0, 4, "4\n");
    run.done(0, 2, "2\n");
    run.sinks.flush(&run.plan);
    assert_eq!((run.read("o.txt"), run.waiting_files()), ("old".to_owned(), 2));
    run.sinks.close(&run.plan, true);
    assert_eq!((run.read("o.txt"), run.waiting_files()), ("2\n4\n".to_owned(), 0));
    let lacks = " lacks 4 of 6 outputs: t[i=0], t[i=1], t[i=3], …";
    assert_eq!(run.sinks.left, [LeftFile { name: shown(&run.path("o.txt")), lacks: lacks.to_owned() }]);
    assert!(run.sinks.failed.is_empty());
}

#[test]
fn what_was_there_stays_where_there_is_nothing_to_put_in_its_place() {
    for (outputs, text) in [
        (&[][..], "lacks 6 of 6 outputs: t[i=0], t[i=1], t[i=2], …"),
        (&[1, 2, 3, 4, 5][..], "lacks 1 of 6 outputs: t[i=0]; the others are empty"),
    ] {
        let mut run = Run::new(SIX);
        fs::write(run.path("o.txt"), "old").unwrap();
        for index in 0..6 {
            if outputs.contains(&index) { run.done(0, index, "") } else { run.lost(0, index, false) }
        }
        run.sinks.close(&run.plan, false);
        assert_eq!(run.read("o.txt"), "old");
        assert!(
            run.sinks.failed[0].ends_with(&format!("o.txt was not written: it {text}")),
            "{:?}",
            run.sinks.failed
        );
    }
    // outputs that are all empty make an empty file
    let mut run = Run::new(SIX);
    (0..6).for_each(|index| run.done(0, index, ""));
    assert_eq!(run.read("o.txt"), "");
}

#[test]
fn tasks_and_streams_that_share_a_file_follow_one_another() {
    let mut run = Run::new(
        "[task.a]\nfor = { i = '0..2' }\nrun = 'echo'\nstdout = 'o.txt'\nstderr = './o.txt'\n\
         [task.b]\nfor = { k = '0..2', i = '0..2' }\nrun = 'echo'\nstdout = '{i}.txt'\nstderr = 'o.txt'\n",
    );
    for index in [3, 0, 2, 1] {
        run.done(1, index, &format!("b{index}\n"));
    }
    run.sinks.flush(&run.plan);
    // a file that has all its outputs does not wait for other files
    assert_eq!((run.read("0.txt"), run.read("1.txt")), ("b0\nb2\n".into(), "b1\nb3\n".into()));
    run.done(0, 1, "a1\n");
    assert!(!run.path("o.txt").exists());
    run.done(0, 0, "a0\n");
    assert_eq!(run.read("o.txt"), "a0\ne0\na1\ne1\ne0\ne1\ne2\ne3\n");
}

#[test]
fn outputs_in_reverse_order_take_little_memory_however_many_they_are() {
    const COUNT: u64 = 20_000;
    let mut run = Run::new(&SIX.replace("0..6", &format!("0..{COUNT}")));
    let (text, mut most) = ("x".repeat(1023) + "\n", 0);
    for index in (0..COUNT).rev() {
        run.done(0, index, &text);
        most = most.max(run.sinks.held);
    }
    assert!(most <= 2 * BATCH, "{most} bytes");
    run.eventually(|run| !run.sinks.is_behind());
    run.sinks.close(&run.plan, false);
    assert_eq!(fs::metadata(run.path("o.txt")).unwrap().len(), COUNT * 1024);
    assert_eq!((run.waiting_files(), run.sinks.held), (0, 0));
}

#[test]
fn a_file_that_cannot_be_written_is_tried_again_and_its_outputs_wait() {
    let mut run = Run::new(SIX);
    fs::create_dir(run.path("o.txt")).unwrap();
    (0..4).for_each(|index| run.done(0, index, &format!("{index}\n")));
    run.sinks.flush(&run.plan);
    (4..6).for_each(|index| run.done(0, index, &format!("{index}\n")));
    run.sinks.flush(&run.plan);
    fs::remove_dir(run.path("o.txt")).unwrap();
    run.eventually(|run| run.read("o.txt") == "0\n1\n2\n3\n4\n5\n");
    run.sinks.close(&run.plan, false);
    assert!(run.sinks.failed.is_empty() && run.sinks.written.len() == 1);
    // a folder at the path of the file, so that it can never be written
    let mut run = Run::new(SIX);
    fs::create_dir(run.path("o.txt")).unwrap();
    run.done(0, 0, "0\n");
    run.sinks.flush(&run.plan);
    (1..6).for_each(|index| run.done(0, index, &format!("{index}\n")));
    run.sinks.flush(&run.plan);
    run.sinks.close(&run.plan, false);
    let text = &run.sinks.failed[0];
    assert!(
        text.contains("o.txt could not be written: ") && text.contains("; its outputs are in "),
        "{text}"
    );
    assert_eq!(run.read("flow.dtask/rank-0000-unwritten-0.log"), "0\n1\n2\n3\n4\n5\n");
    assert_eq!(run.waiting_files(), 1);
}
