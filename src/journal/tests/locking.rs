//! Tests of the lock: who holds it, and when that is stale.

use super::super::lock::{LockError, LockHolder, LockTimes, RunLock};
use std::fs;
use std::path::Path;
use std::time::Duration;

const SHORT: LockTimes = LockTimes { beat: Duration::from_millis(20), dead: Duration::from_millis(400) };
const LONG: LockTimes = LockTimes { beat: Duration::from_secs(600), dead: Duration::from_secs(6000) };

fn take(here: &LockHolder, dir: &Path, times: LockTimes) -> Result<RunLock, LockError> {
    RunLock::take_as(here, dir, times, |_| {})
}

/// Leaves the lock file that `holder` would leave if it was killed, without its `flock`.
fn left_by(holder: &LockHolder, dir: &Path) {
    let lock = take(holder, dir, LONG).expect("it is free");
    let text = fs::read_to_string(dir.join("lock")).expect("a lock");
    drop(lock);
    fs::write(dir.join("lock"), text).expect("written");
}

fn other_host() -> LockHolder {
    LockHolder { host: "elsewhere".into(), pid: 1, ..LockHolder::here() }
}

#[test]
fn one_at_a_time_and_the_next_one_afterwards() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = LockHolder::here();
    let first = take(&here, dir.path(), LONG).expect("it is free");
    let held = take(&here, dir.path(), LONG).expect_err("it is held").to_string();
    assert!(held.contains(&format!("process {} on {}", here.pid, here.host)), "{held}");
    assert!(!first.is_lost());
    drop(first);
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0);
    drop(take(&here, dir.path(), LONG).expect("it is free again"));
}

#[test]
fn what_a_dead_process_of_this_host_has_left_is_taken_over_at_once() {
    let here = LockHolder::here();
    let gone = [
        LockHolder { start: here.start + 1, ..here.clone() }, // another process had this number
        LockHolder { pid: u32::MAX, ..here.clone() },
        LockHolder { boot: "before".into(), ..here.clone() },
    ];
    for holder in gone {
        let dir = tempfile::tempdir().expect("a folder");
        left_by(&holder, dir.path());
        let lock = take(&here, dir.path(), LONG).unwrap_or_else(|error| panic!("{holder:?}: {error}"));
        assert!(
            fs::read_to_string(dir.path().join("lock"))
                .expect("a lock")
                .contains(&format!("pid {}\n", here.pid))
        );
        drop(lock);
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0);
    }
    // a holder that is alive, on a file system without `flock`
    let dir = tempfile::tempdir().expect("a folder");
    left_by(&here, dir.path());
    assert!(matches!(take(&here, dir.path(), LONG), Err(LockError::Held(_))));
}

#[test]
fn a_job_that_is_started_again_takes_over_its_own_lock_on_any_host() {
    let dir = tempfile::tempdir().expect("a folder");
    let job = |restarts| LockHolder { job: Some("slurm 7".into()), restarts, ..other_host() };
    left_by(&job(0), dir.path());
    let again = LockHolder { host: "a third".into(), ..job(1) };
    assert!(take(&again, dir.path(), LONG).is_ok());
}

#[test]
fn of_another_host_only_time_tells() {
    // nobody touches the file: it is taken over once it is old enough, and the user is told
    let dir = tempfile::tempdir().expect("a folder");
    left_by(&other_host(), dir.path());
    let mut said = Vec::new();
    let taken = RunLock::take_as(&LockHolder::here(), dir.path(), SHORT, |text| said.push(text));
    assert!(taken.is_ok(), "{taken:?}");
    assert!(said[0].contains("process 1 on elsewhere") && said[0].contains("waiting"), "{said:?}");
    drop(taken);

    // the file is touched: its holder counts as alive, even without `flock`
    left_by(&other_host(), dir.path());
    let path = dir.path().join("lock");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let touched = std::thread::spawn(move || {
        while stopped
            .recv_timeout(Duration::from_millis(5))
            .is_err_and(|e| e == std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            let text = fs::read(&path).expect("a lock");
            fs::write(&path, text).expect("written");
        }
    });
    let long = LockTimes { dead: Duration::from_secs(60), ..SHORT };
    assert!(matches!(take(&LockHolder::here(), dir.path(), long), Err(LockError::Held(_))));
    drop(stop);
    touched.join().expect("it ends");
}

#[test]
fn a_lock_that_was_taken_over_is_noticed_and_not_removed() {
    let dir = tempfile::tempdir().expect("a folder");
    let lock = take(&LockHolder::here(), dir.path(), SHORT).expect("it is free");
    fs::remove_file(dir.path().join("lock")).expect("removed");
    fs::write(dir.path().join("lock"), "host other\npid 1\n").expect("written");
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while !lock.is_lost() {
        assert!(std::time::Instant::now() < until, "in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
    drop(lock);
    assert!(dir.path().join("lock").exists());
}
