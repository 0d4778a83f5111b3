//! All commands that this process runs, so that they can be ended with it.

use super::group::{Group, Killer};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

struct Registry {
    ending: bool,
    groups: Vec<Weak<Group>>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { ending: false, groups: Vec::new() });

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes a command that has started; ends it at once if all are being ended.
pub(super) fn register(group: &Arc<Group>) {
    let mut registry = registry();
    registry.groups.retain(|other| other.strong_count() > 0);
    registry.groups.push(Arc::downgrade(group));
    if registry.ending {
        Killer::new(group).kill();
    }
}

/// Ends all commands: SIGTERM to their groups, after `grace` SIGKILL. Those that start later are killed at once.
pub fn end_all(grace: Duration) {
    let groups = {
        let mut registry = registry();
        registry.ending = true;
        std::mem::take(&mut registry.groups)
    };
    let groups: Vec<Arc<Group>> = groups.iter().filter_map(Weak::upgrade).collect();
    groups.iter().for_each(|group| Killer::new(group).terminate());
    let until = Instant::now() + grace;
    while Instant::now() < until && groups.iter().any(|group| !group.is_reaped()) {
        std::thread::sleep(Duration::from_millis(5));
    }
    groups.iter().for_each(|group| Killer::new(group).kill());
}
