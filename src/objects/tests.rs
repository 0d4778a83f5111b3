//! Tests of the state machines of objects: each call gives the expected replies and actions.

use super::*;
use crate::protocol::HandleSide;

struct Home {
    objects: Objects,
    out: ObjectActions,
}

fn object(kind: ObjectKind) -> ObjectId {
    ObjectId { home: Rank(1), kind, number: TaskId::first_of(Rank(0)).0 }
}

impl Home {
    fn new() -> Self {
        Home { objects: Objects::default(), out: Vec::new() }
    }

    /// Handles a call, and returns the replies as texts `RANK:CALL KIND PAYLOAD`.
    fn call(&mut self, kind: ObjectKind, rank: u32, call: u64, op: ObjectOp, payload: &[u8]) -> Vec<String> {
        let call = ObjectCall { object: object(kind), call, op };
        self.objects
            .handle(Rank(rank), call, Blob::new(payload), &mut self.out)
            .expect("a fitting operation");
        self.told()
    }

    fn told(&mut self) -> Vec<String> {
        self.objects.check().expect("the invariants");
        let tell = |action| match action {
            ObjectAction::Reply(to, kind, payload) => {
                let payload = String::from_utf8_lossy(&payload).into_owned();
                format!("{}:{} {kind:?} {payload}", to.rank, to.call).trim_end().to_owned()
            }
            ObjectAction::Compute { to, makes, .. } => format!("{}:{} computes {makes}", to.rank, to.call),
            ObjectAction::Discard(_) => "discard".to_owned(),
            ObjectAction::Ended(to, _, total, lost) => format!("{to} ended {total} {lost:?}"),
            ObjectAction::Broken(to, _, lost) => format!("{to} broken {lost:?}"),
            ObjectAction::Unsent(to, _, total) => format!("{to} unsent {total}"),
            ObjectAction::Recall(to, _, count) => format!("{to} recall {count}"),
            ObjectAction::Fence(number) => format!("fence {number}"),
        };
        self.out.drain(..).map(tell).collect()
    }

    fn lost(&mut self, rank: u32) -> Vec<String> {
        self.objects.lost(Rank(rank), &mut self.out);
        self.told()
    }
}

#[test]
fn an_event_lets_all_go_on_and_forgets_the_dead_and_those_who_gave_up() {
    let mut home = Home::new();
    let mut event = |rank, call, op| home.call(ObjectKind::Event, rank, call, op, b"");
    assert!(event(1, 1, ObjectOp::Wait).is_empty());
    assert!(event(2, 1, ObjectOp::Wait).is_empty());
    assert!(event(2, 2, ObjectOp::Wait).is_empty());
    assert_eq!(event(2, 0, ObjectOp::Cancel { call: 2 }), ["2:2 Cancelled"]);
    assert_eq!(event(3, 1, ObjectOp::IsSet), ["3:1 Nothing"]);
    assert!(event(3, 2, ObjectOp::Wait).is_empty());
    assert!(home.lost(2).is_empty());
    let mut event = |rank, call, op| home.call(ObjectKind::Event, rank, call, op, b"");
    assert_eq!(event(0, 9, ObjectOp::Set), ["0:9 Done", "1:1 Done", "3:2 Done"]);
    assert_eq!(event(3, 3, ObjectOp::Wait), ["3:3 Done"]);
    assert!(event(2, 0, ObjectOp::Cancel { call: 1 }).is_empty());
}

#[test]
fn permits_go_to_those_who_wait_in_their_order_and_come_back_from_the_dead() {
    let mut home = Home::new();
    let take = ObjectOp::Acquire { permits: 2 };
    let mut db = |rank, call, op| home.call(ObjectKind::Semaphore, rank, call, op, b"");
    assert_eq!(db(1, 1, take), ["1:1 Done"]);
    assert_eq!(db(2, 1, take), ["2:1 Done"]);
    assert_eq!(db(3, 1, ObjectOp::TryAcquire { permits: 9 }), ["3:1 Nothing"]);
    assert!(db(3, 2, take).is_empty());
    assert!(db(1, 2, take).is_empty());
    assert!(db(0, 1, take).is_empty());
    assert_eq!(db(1, 0, ObjectOp::Release), ["3:2 Done"]);
    // a rank that holds no permit releases one: nothing happens
    assert!(db(1, 0, ObjectOp::Release).is_empty());
    assert!(home.lost(1).is_empty());
    assert_eq!(home.lost(2), ["0:1 Done"]);
}

#[test]
fn a_queue_keeps_its_order_and_its_limit() {
    let mut home = Home::new();
    let put = ObjectOp::Put { limit: 2 };
    let mut queue =
        |rank, call, op, payload: &str| home.call(ObjectKind::Queue, rank, call, op, payload.as_bytes());
    assert_eq!(queue(1, 1, put, "a"), ["1:1 Done"]);
    assert_eq!(queue(1, 2, put, "b"), ["1:2 Done"]);
    assert!(queue(1, 3, put, "c").is_empty());
    assert!(queue(2, 1, put, "d").is_empty());
    assert_eq!(queue(3, 1, ObjectOp::Get, ""), ["3:1 Done a", "1:3 Done"]);
    assert_eq!(queue(1, 0, ObjectOp::Cancel { call: 3 }, ""), [""; 0]);
    assert_eq!(queue(3, 2, ObjectOp::TryGet, ""), ["3:2 Done b", "2:1 Done"]);
    assert_eq!(queue(3, 3, ObjectOp::Get, ""), ["3:3 Done c"]);
    assert_eq!(queue(3, 4, ObjectOp::Get, ""), ["3:4 Done d"]);
    assert!(queue(3, 5, ObjectOp::Get, "").is_empty());
    assert!(queue(2, 2, ObjectOp::Get, "").is_empty());
    assert!(home.lost(3).is_empty());
    let mut queue =
        |rank, call, op, payload: &str| home.call(ObjectKind::Queue, rank, call, op, payload.as_bytes());
    let mut told = queue(1, 4, put, "e");
    told.sort();
    assert_eq!(told, ["1:4 Done", "2:2 Done e"]);
    assert_eq!(queue(1, 5, put, "f"), ["1:5 Done"]);
    assert_eq!(queue(0, 1, ObjectOp::Close, ""), ["0:1 Done"]);
    assert_eq!(queue(1, 6, put, "g"), ["1:6 Closed"]);
    assert_eq!(queue(2, 3, ObjectOp::Get, ""), ["2:3 Done f"]);
    assert_eq!(queue(2, 4, ObjectOp::Get, ""), ["2:4 Closed"]);
}

#[test]
fn an_actor_is_called_before_its_maker_is_heard_and_goes_with_its_last_handle() {
    let mut home = Home::new();
    let mut actor = |rank, call, op| home.call(ObjectKind::Actor, rank, call, op, b"");
    let side = HandleSide::Front;
    // rank 2 has read a copy, whose note and whose maker's note come later
    assert!(actor(2, 0, ObjectOp::Redeem { side, ticket: 7 }).is_empty());
    assert!(actor(2, 1, ObjectOp::Invoke).is_empty());
    assert!(actor(2, 0, ObjectOp::Drop { side, sent: 0 }).is_empty());
    assert_eq!(actor(0, 0, ObjectOp::Make), ["0:0 computes true"]);
    assert!(actor(0, 0, ObjectOp::Ticket { side, ticket: 7 }).is_empty());
    assert!(actor(0, 0, ObjectOp::Drop { side, sent: 0 }).is_empty());
    home.objects.computed(object(ObjectKind::Actor), None, &mut home.out);
    assert_eq!(home.told(), ["2:1 computes false"]);
    home.objects.computed(object(ObjectKind::Actor), None, &mut home.out);
    assert_eq!(home.told(), ["discard"]);
    assert_eq!(home.objects.held(), 0);
    let mut actor = |rank, call, op| home.call(ObjectKind::Actor, rank, call, op, b"");
    assert_eq!(actor(2, 2, ObjectOp::Invoke), ["2:2 Closed"]);
}

#[test]
fn an_actor_whose_maker_has_died_or_whose_constructor_has_failed_answers() {
    let mut home = Home::new();
    assert!(home.call(ObjectKind::Actor, 2, 1, ObjectOp::Invoke, b"").is_empty());
    assert_eq!(home.lost(0), ["2:1 Lost rank 0, which was to make it, has died"]);
    assert_eq!(home.objects.held(), 0);
    let mut home = Home::new();
    assert_eq!(home.call(ObjectKind::Actor, 0, 0, ObjectOp::Make, b"").len(), 1);
    assert!(home.call(ObjectKind::Actor, 2, 1, ObjectOp::Invoke, b"").is_empty());
    home.objects.computed(object(ObjectKind::Actor), Some(Blob::new(b"no")), &mut home.out);
    assert_eq!(home.told(), ["2:1 Failed no"]);
    assert_eq!(home.call(ObjectKind::Actor, 2, 2, ObjectOp::Invoke, b""), ["2:2 Failed no"]);
}

#[test]
fn a_channel_tells_each_end_that_the_other_has_gone() {
    let mut home = Home::new();
    let mut channel = |rank, call, op| home.call(ObjectKind::Channel, rank, call, op, b"");
    let (front, back) = (HandleSide::Front, HandleSide::Back);
    assert!(channel(0, 0, ObjectOp::Open).is_empty());
    for (side, ticket) in [(front, 1), (back, 2), (front, 3)] {
        assert!(channel(0, 0, ObjectOp::Ticket { side, ticket }).is_empty());
    }
    for side in [front, back] {
        assert!(channel(0, 0, ObjectOp::Drop { side, sent: 0 }).is_empty());
    }
    assert!(channel(2, 0, ObjectOp::Redeem { side: front, ticket: 1 }).is_empty());
    assert!(channel(2, 1, ObjectOp::Locate).is_empty());
    assert!(channel(3, 0, ObjectOp::Redeem { side: back, ticket: 2 }).is_empty());
    assert_eq!(channel(3, 1, ObjectOp::Bind), ["3:1 Done", "2:1 Done \u{3}\0\0\0"]);
    assert!(channel(2, 2, ObjectOp::Bind)[0].starts_with("2:2 Lost rank 3 receives"));
    assert!(channel(2, 0, ObjectOp::Drop { side: front, sent: 5 }).is_empty());
    assert!(channel(1, 0, ObjectOp::Redeem { side: front, ticket: 3 }).is_empty());
    assert_eq!(channel(1, 1, ObjectOp::Locate), ["1:1 Done \u{3}\0\0\0"]);
    assert_eq!(channel(1, 0, ObjectOp::Drop { side: front, sent: 2 }), ["3 ended 7 None"]);
    assert!(channel(3, 0, ObjectOp::Drop { side: back, sent: 0 }).len() == 2);
    assert_eq!(home.objects.held(), 0);
}

#[test]
fn a_channel_survives_neither_end() {
    let (front, back) = (HandleSide::Front, HandleSide::Back);
    let begin = || {
        let mut home = Home::new();
        for (rank, call, op) in [
            (0, 0, ObjectOp::Open),
            (0, 0, ObjectOp::Ticket { side: front, ticket: 1 }),
            (0, 0, ObjectOp::Ticket { side: back, ticket: 2 }),
            (2, 0, ObjectOp::Redeem { side: front, ticket: 1 }),
            (3, 0, ObjectOp::Redeem { side: back, ticket: 2 }),
            (0, 0, ObjectOp::Drop { side: front, sent: 0 }),
            (0, 0, ObjectOp::Drop { side: back, sent: 0 }),
            (3, 1, ObjectOp::Bind),
            (2, 1, ObjectOp::Locate),
        ] {
            home.call(ObjectKind::Channel, rank, call, op, b"");
        }
        home
    };
    assert_eq!(begin().lost(2), ["3 ended 0 Some(r2)"]);
    let mut home = begin();
    assert_eq!(home.lost(3), ["2 broken Some(r3)"]);
    let refused = home.call(ObjectKind::Channel, 2, 2, ObjectOp::Locate, b"");
    assert_eq!(refused, ["2:2 Lost its receiver was on rank 3, which has died"]);
}

fn back(home: &mut Home, rank: u32, number: u64) -> Vec<String> {
    home.objects.fence_back(Rank(rank), number, &mut home.out);
    home.told()
}

#[test]
fn a_copy_that_nobody_will_read_counts_until_all_ranks_have_given_a_sign() {
    let (front, back_side) = (HandleSide::Front, HandleSide::Back);
    let mut home = Home::new();
    let mut channel = |rank, call, op| home.call(ObjectKind::Channel, rank, call, op, b"");
    for (side, ticket) in [(front, 1), (front, 2), (front, 3), (back_side, 4)] {
        channel(0, 0, ObjectOp::Ticket { side, ticket });
    }
    channel(0, 0, ObjectOp::Open);
    for side in [front, back_side] {
        channel(0, 0, ObjectOp::Drop { side, sent: 0 });
    }
    channel(3, 0, ObjectOp::Redeem { side: back_side, ticket: 4 });
    assert_eq!(channel(3, 1, ObjectOp::Bind), ["3:1 Done"]);
    let void = |ticket, failed| ObjectOp::Void { side: front, ticket, failed };
    // the first begins a fence, the others wait for the next one
    assert_eq!(channel(0, 0, void(1, true)), ["fence 1"]);
    assert_eq!(channel(0, 0, void(2, true)), [""; 0]);
    home.objects.fence_asked([0, 1, 2, 3].map(Rank).into());
    assert_eq!(back(&mut home, 0, 1), [""; 0]);
    // rank 2 has read the second copy before it gives its sign
    home.call(ObjectKind::Channel, 2, 0, ObjectOp::Redeem { side: front, ticket: 2 }, b"");
    assert_eq!((back(&mut home, 2, 1), back(&mut home, 1, 1)), (vec![], vec![]));
    assert_eq!(back(&mut home, 3, 1), ["fence 2"]);
    home.objects.fence_asked([0, 1, 2, 3].map(Rank).into());
    assert_eq!(home.call(ObjectKind::Channel, 2, 0, ObjectOp::Drop { side: front, sent: 5 }, b""), [""; 0]);
    assert_eq!(home.lost(1), [""; 0]);
    for rank in [0, 2] {
        assert_eq!(back(&mut home, rank, 2), [""; 0]);
    }
    assert_eq!(back(&mut home, 3, 2), [""; 0], "the second copy was read");
    assert_eq!(home.call(ObjectKind::Channel, 0, 0, void(3, false), b""), ["fence 3"]);
    home.objects.fence_asked([0].map(Rank).into());
    assert_eq!(
        back(&mut home, 0, 3),
        ["3 unsent 5"],
        "the first copy was to be read by a task that never began"
    );
}

#[test]
fn an_actor_goes_with_a_copy_that_nobody_will_read() {
    let side = HandleSide::Front;
    let mut home = Home::new();
    let mut actor = |rank, op| home.call(ObjectKind::Actor, rank, 0, op, b"");
    actor(0, ObjectOp::Make);
    // the note that the copy is void overtakes the note of its making
    assert_eq!(actor(1, ObjectOp::Void { side, ticket: 7, failed: false }), ["fence 1"]);
    home.objects.fence_asked([0, 1].map(Rank).into());
    let mut actor = |rank, op| home.call(ObjectKind::Actor, rank, 0, op, b"");
    actor(0, ObjectOp::Ticket { side, ticket: 7 });
    actor(0, ObjectOp::Drop { side, sent: 0 });
    home.objects.computed(object(ObjectKind::Actor), None, &mut home.out);
    assert_eq!(home.told(), [""; 0]);
    assert_eq!((back(&mut home, 1, 1), back(&mut home, 0, 1)), (vec![], vec!["discard".to_owned()]));
    assert_eq!(home.objects.held(), 0);
}

#[test]
fn a_capacity_is_shared_by_all_ranks_that_send() {
    let mut home = Home::new();
    let lease = ObjectOp::Lease { capacity: 8 };
    let credits = |count: u8| format!("Done {}\0\0\0", char::from(count));
    let mut channel = |rank, call, op| home.call(ObjectKind::Channel, rank, call, op, b"");
    channel(0, 0, ObjectOp::Open);
    assert_eq!(channel(1, 1, lease), [format!("1:1 {}", credits(8))]);
    assert_eq!(channel(2, 1, lease), ["1 recall 4"]);
    assert_eq!(channel(1, 0, ObjectOp::Return { count: 1 }), [format!("2:1 {}", credits(1))]);
    assert_eq!(channel(1, 0, ObjectOp::Return { count: 3 }), [""; 0]);
    assert_eq!(channel(2, 2, lease), [format!("2:2 {}", credits(3))]);
    // with its fair share nobody is asked for more
    assert_eq!(channel(2, 3, lease), [""; 0]);
    assert_eq!(channel(3, 1, lease), ["1 recall 2", "2 recall 2"]);
    assert_eq!(
        channel(2, 0, ObjectOp::Return { count: 2 }),
        [format!("3:1 {}", credits(1)), format!("2:3 {}", credits(1))]
    );
    assert_eq!(home.lost(1), [""; 0]);
    assert_eq!(home.call(ObjectKind::Channel, 3, 2, lease, b""), [format!("3:2 {}", credits(4))]);
}

#[test]
fn more_ranks_than_credits_take_turns() {
    let mut home = Home::new();
    let lease = ObjectOp::Lease { capacity: 1 };
    let mut channel = |rank, call, op| home.call(ObjectKind::Channel, rank, call, op, b"");
    channel(0, 0, ObjectOp::Open);
    assert_eq!(channel(1, 1, lease).len(), 1);
    assert_eq!(channel(2, 1, lease), ["1 recall 1"]);
    assert_eq!(channel(3, 1, lease), [""; 0]);
    assert_eq!(channel(1, 0, ObjectOp::Return { count: 1 }), ["2:1 Done \u{1}\0\0\0", "2 recall 1"]);
    assert_eq!(channel(1, 2, lease), [""; 0]);
    assert_eq!(channel(2, 0, ObjectOp::Return { count: 1 })[0], "3:1 Done \u{1}\0\0\0");
    channel(0, 0, ObjectOp::Drop { side: HandleSide::Back, sent: 0 });
    assert_eq!(channel(2, 4, lease), ["2:4 Closed"]);
}

#[test]
fn credits_that_are_wanted_back_before_they_come_go_back_at_once() {
    let mut outlet = stream::Outlet::new(4);
    assert!(outlet.wants_credits() && !outlet.wants_credits());
    assert_eq!((outlet.recall(1), outlet.granted(1), outlet.reserve()), (0, 1, Ok(false)));
    assert!(outlet.wants_credits());
    assert_eq!((outlet.granted(3), outlet.reserve(), outlet.share()), (0, Ok(true), 3));
    // one is in use: two go back now, the third when its item was taken
    assert_eq!((outlet.recall(3), outlet.share(), outlet.taken(1), outlet.share()), (2, 1, 1, 0));
}
