//! Tests of the driver: waiting threads turn the reactor, and its own thread takes over.

use super::*;
use crate::error::ProtocolError;
use std::sync::mpsc;
use std::thread::ThreadId;

/// A test reactor that records the threads which make its turns.
#[derive(Default)]
struct Fake {
    turns: Mutex<Vec<ThreadId>>,
    over: AtomicBool,
    fails: AtomicBool,
    panics: AtomicBool,
    wants_own: AtomicBool,
}

impl Fake {
    fn turned_by(&self, thread: ThreadId) -> usize {
        self.turns.lock().iter().filter(|turn| **turn == thread).count()
    }
}

impl DrivenReactor for Arc<Fake> {
    fn turn(&mut self) -> Result<bool, ExecutorError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(ProtocolError("broken".into()).into());
        }
        assert!(!self.panics.load(Ordering::SeqCst), "on purpose");
        self.turns.lock().push(thread::current().id());
        Ok(false)
    }
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
    fn flight(&self) -> Flight {
        Flight::None
    }
    fn has_work(&self) -> bool {
        false
    }
    fn wants_own(&self) -> bool {
        self.wants_own.load(Ordering::SeqCst)
    }
}

type Ran = Result<(), String>;
/// Makes a test reactor with its driver; returns also the identity of its own thread and the outcome of its run.
type Started = (Arc<Fake>, Arc<Driver<Arc<Fake>>>, ThreadId, mpsc::Receiver<Ran>);

fn start() -> Started {
    let fake = Arc::new(Fake::default());
    let driver = Arc::new(Driver::new(fake.clone(), Waker::new(), false, || ()));
    let (tell, told) = mpsc::channel();
    let own = {
        let driver = driver.clone();
        thread::spawn(move || tell.send(driver.run().1.map_err(|error| error.to_string())))
    };
    let own = own.thread().id();
    (fake, driver, own, told)
}

fn end(fake: &Fake, told: &mpsc::Receiver<Ran>) {
    fake.over.store(true, Ordering::SeqCst);
    assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(Ok(())));
}

#[test]
fn whoever_waits_turns_and_the_own_thread_takes_over_afterwards() {
    let (fake, driver, own, told) = start();
    let me = thread::current().id();
    driver.drive(&|| fake.turned_by(me) >= 100, None, None);
    assert!(fake.turned_by(me) >= 100);
    let before = fake.turned_by(own);
    while fake.turned_by(own) < before + 10 {
        thread::yield_now();
    }
    end(&fake, &told);
    assert_eq!(driver.turn(), DriveOutcome::Not);
}

#[test]
fn an_own_thread_that_rests_for_long_is_told_when_nobody_steers_any_more() {
    let (fake, driver, own, told) = start();
    driver.drive(&|| driver.rests_long.load(Ordering::SeqCst), None, None);
    let before = fake.turned_by(own);
    while fake.turned_by(own) == before {
        thread::yield_now();
    }
    end(&fake, &told);
}

#[test]
fn who_looks_in_vain_goes_off_after_so_many_turns() {
    let (fake, driver, _, told) = start();
    let me = thread::current().id();
    driver.drive(&|| false, None, Some(50));
    assert_eq!(fake.turned_by(me), 51);
    driver.drive(&|| false, Some(Instant::now()), None);
    assert_eq!(fake.turned_by(me), 51);
    end(&fake, &told);
}

#[test]
fn one_drives_at_a_time() {
    let (fake, driver, _, told) = start();
    let returned = AtomicBool::new(false);
    driver.drive(
        &|| {
            driver.drive(&|| false, None, None); // would never return
            returned.swap(true, Ordering::SeqCst)
        },
        None,
        None,
    );
    assert!(returned.load(Ordering::SeqCst));
    end(&fake, &told);
}

#[test]
fn what_is_for_the_own_thread_is_left_to_it_at_once() {
    let (fake, driver, own, told) = start();
    driver.drive(&|| driver.rests_long.load(Ordering::SeqCst), None, None);
    fake.wants_own.store(true, Ordering::SeqCst);
    driver.drive(&|| false, None, None); // would go on for ever
    let before = fake.turned_by(own);
    while fake.turned_by(own) == before {
        thread::yield_now();
    }
    end(&fake, &told);
}

#[test]
fn who_waits_when_the_run_is_over_does_not_keep_it_open() {
    let (fake, driver, _, told) = start();
    driver.drive(&|| driver.rests_long.load(Ordering::SeqCst), None, None);
    fake.over.store(true, Ordering::SeqCst);
    driver.drive(&|| false, None, None);
    end(&fake, &told);
}

#[test]
fn who_waits_while_it_unwinds_is_not_taken_for_a_turn_that_panics() {
    struct Waits(Arc<Fake>, Arc<Driver<Arc<Fake>>>);
    impl Drop for Waits {
        fn drop(&mut self) {
            let me = thread::current().id();
            self.1.drive(&|| self.0.turned_by(me) > 0, None, None);
        }
    }
    static TOLD: AtomicBool = AtomicBool::new(false);
    let fake = Arc::new(Fake::default());
    let driver =
        Arc::new(Driver::new(fake.clone(), Waker::new(), false, || TOLD.store(true, Ordering::SeqCst)));
    let waits = Waits(fake, driver);
    let unwinds = move || {
        let _waits = waits;
        std::panic::resume_unwind(Box::new(()));
    };
    assert!(thread::spawn(unwinds).join().is_err());
    assert!(!TOLD.load(Ordering::SeqCst));
}

#[test]
fn nobody_else_turns_a_reactor_whose_turn_has_panicked() {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let fake = Arc::new(Fake::default());
    let driver =
        Arc::new(Driver::new(fake.clone(), Waker::new(), false, || TOLD.store(true, Ordering::SeqCst)));
    assert_eq!(driver.turn(), DriveOutcome::Idle(Flight::None));
    fake.panics.store(true, Ordering::SeqCst);
    let turned = driver.clone();
    assert!(thread::spawn(move || turned.turn()).join().is_err());
    assert!(TOLD.load(Ordering::SeqCst));
    fake.panics.store(false, Ordering::SeqCst);
    assert_eq!(driver.turn(), DriveOutcome::Not);
    driver.drive(&|| false, None, None); // would never return
}

#[test]
fn nobody_else_turns_a_reactor_whose_own_thread_has_panicked() {
    let fake = Arc::new(Fake::default());
    fake.panics.store(true, Ordering::SeqCst);
    let driver = Arc::new(Driver::new(fake.clone(), Waker::new(), false, || ()));
    let own = driver.clone();
    assert!(thread::spawn(move || own.run().1.is_ok()).join().is_err());
    fake.panics.store(false, Ordering::SeqCst);
    assert_eq!(driver.turn(), DriveOutcome::Not);
}

#[test]
fn what_fails_on_another_thread_ends_the_own_one() {
    let (fake, driver, _, told) = start();
    driver.drive(&|| driver.rests_long.load(Ordering::SeqCst), None, None);
    fake.fails.store(true, Ordering::SeqCst);
    driver.drive(&|| false, None, None);
    let outcome = told.recv_timeout(Duration::from_secs(60)).expect("it has ended");
    assert!(outcome.unwrap_err().contains("broken"));
    assert_eq!(driver.turn(), DriveOutcome::Not);
}
