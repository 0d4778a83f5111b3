//! Memory that is short: results go to a disk of the host and come back, and nothing stays there.

use super::Folder;

/// Sixteen arrays of 4 MB, all of which are there before the first one is read.
const PARTS: &str = r#"
[task.part]
for   = { i = "0..16" }
array = "full((500000,), i) * 1.0"
[task.made]
each  = "part"
array = "part[0]"
[task.all]
array = "sum(made)"
[task.read]
each  = "part"
array = "sum(part) + 0 * all"
[task.total]
array  = "sum(read)"
stdout = "total.txt"
"#;

const MOVED: &str = "of results were moved to the local disk";

#[test]
fn results_that_memory_is_too_short_for_go_to_disk_and_come_back() {
    for ranks in [0, 1, 3] {
        let folder = Folder::script(PARTS);
        let disk = folder.path("");
        let outcome =
            folder.run(ranks, &["s.toml", "--memory-limit", "8 MB", "--scratch", &disk.to_string_lossy()]);
        outcome.assert_success();
        assert!(outcome.stderr.contains(MOVED), "{ranks} ranks: {}", outcome.stderr);
        assert_eq!(folder.read("total.txt"), "60000000.0\n", "{ranks} ranks");
        assert_eq!(folder.names(), ["total.txt"], "{ranks} ranks");
    }
}

#[test]
fn a_result_that_is_larger_than_the_limit_is_made_and_used() {
    let folder = Folder::script(PARTS);
    let disk = folder.path("");
    let outcome = folder.run(3, &["s.toml", "--memory-limit", "1 MB", "--scratch", &disk.to_string_lossy()]);
    outcome.assert_success();
    assert!(outcome.stderr.contains(MOVED), "{}", outcome.stderr);
    assert_eq!(folder.read("total.txt"), "60000000.0\n");
}

#[test]
fn without_a_disk_results_stay_in_memory_and_that_is_said_once_a_rank() {
    let folder = Folder::script(PARTS);
    let outcome = folder.run(0, &["s.toml", "--memory-limit", "8 MB", "--scratch", "/dev/shm"]);
    outcome.assert_success();
    let said = "memory is short, and results cannot be moved to disk: /dev/shm is in memory";
    assert_eq!(outcome.stderr.matches(said).count(), 1, "{}", outcome.stderr);
    assert!(!outcome.stderr.contains(MOVED), "{}", outcome.stderr);
    assert_eq!(folder.read("total.txt"), "60000000.0\n");
}

#[test]
fn with_room_nothing_is_moved() {
    let folder = Folder::script(PARTS);
    let outcome = folder.run(3, &["s.toml"]);
    outcome.assert_success();
    assert!(!outcome.stderr.contains(MOVED), "{}", outcome.stderr);
}
