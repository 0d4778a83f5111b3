//! The bodies of `tests/bodies/objects.rs` on real ranks: in the closure, then inside a task.

#[path = "../bodies/objects.rs"]
mod objects;

use std::sync::atomic::{AtomicU32, Ordering};

static STARTED: AtomicU32 = AtomicU32::new(0);

fn main() -> dtask::Result<()> {
    let name = std::env::args().nth(1).expect("the name of a body");
    let config = dtask::Config::default().on_start(|| {
        STARTED.fetch_add(1, Ordering::SeqCst);
    });
    dtask::run_with(&config, |client| {
        let started = client.run_on_all(|| STARTED.load(Ordering::SeqCst), ())?;
        assert_eq!(started, vec![1; client.ranks()], "the initialiser runs first, once on each rank");
        let body = objects::BODIES.iter().find(|body| body.0 == name).expect("a body of this name").1;
        if std::env::args().nth(2).is_none() {
            body(client).map_err(|error| dtask::Error::Other(error.to_string()))?;
        } else {
            assert!(client.submit(objects::root, (name.as_str(),)).result()?);
        }
        println!("ok {name}");
        Ok(())
    })
}
