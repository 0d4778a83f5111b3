//! The bytes on the wire: what each message looks like, how messages share frames, and that damage is an error.

mod arbitrary;
mod damage;
mod frames;

use dtask::internal::error::{MESSAGE_MAX, bounded};
use dtask::internal::error::{Retry, TaskError};
use dtask::internal::ids::{DefId, Rank, TaskId};
use dtask::internal::protocol::*;
use smallvec::SmallVec;
use std::fmt::Debug;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// One message in a frame of its own.
fn frame<M: Message>(message: &M) -> Vec<u8> {
    let mut frame = Vec::new();
    assert_eq!(append(&mut frame, message).unwrap(), None);
    frame
}

/// `message` is these bytes, and they are `message`.
#[track_caller]
fn golden<M: Message + Debug>(message: M, bytes: &str, decoded: impl FnOnce(M) -> Frame) {
    let frame = frame(&message);
    assert_eq!(hex(&frame), bytes, "{message:?}");
    assert_eq!(decode(&frame).unwrap(), decoded(message));
}

#[track_caller]
fn order(order: RankOrder, bytes: &str) {
    golden(order, &format!("03 {bytes}"), |order| Frame::Orders(vec![order]));
}

#[track_caller]
fn report(report: RankReport, bytes: &str) {
    golden(report, &format!("04 {bytes}"), |report| Frame::Reports(vec![report]));
}

fn encoded() -> BulkLayout {
    BulkLayout::Encoded
}

fn bulk() -> BulkLayout {
    BulkLayout::Bulk { container: 2, element: 9, shape: SmallVec::from_slice(&[1000, 3]) }
}

fn run() -> RunTask {
    RunTask {
        task: TaskId(7),
        attempt: 1,
        def: DefId(2),
        key: 250,
        args: Blob::new(&[0xAA]),
        inputs: vec![],
        more: 0,
        depth: 0,
    }
}

// A change here is a change of the protocol: raise `VERSION`.
// Numbers below 251 are one byte; 251, 252 and 253 say that 2, 4 and 8 bytes follow, the lowest first.
mod bytes {
    use super::*;

    #[test]
    fn version() {
        assert_eq!(VERSION, 14);
    }

    #[test]
    fn hello() {
        let hello = Hello {
            version: 1,
            code_hash: 0x0102_0304_0506_0708,
            host: "n1".into(),
            cores: vec![0, 300],
            granted: 2,
            memory: 1 << 36,
            gpus: vec!["0".into()],
            files: 9,
            program: "/bin/p".into(),
        };
        let bytes = "01 01 fd 08 07 06 05 04 03 02 01 02 6e 31 02 00 fb 2c 01 02 \
                     fd 00 00 00 00 10 00 00 00 01 01 30 09 06 2f 62 69 6e 2f 70";
        golden(hello, bytes, Frame::Hello);
    }

    #[test]
    fn welcome() {
        let start = |profile, cores, gpus, same_files| Welcome::Start {
            slots: 64,
            profile,
            cores,
            gpus,
            same_files,
            silence: 60_000,
            memory_limit: 1 << 30,
            awaits: true,
            checksums: true,
        };
        let same_files = vec![Rank(2)];
        golden(
            start(false, vec![3, 4], vec!["7".into()], same_files),
            "02 00 40 00 02 03 04 01 01 37 01 02 fb 60 ea fc 00 00 00 40 01 01",
            Frame::Welcome,
        );
        golden(
            start(true, vec![], vec![], vec![]),
            "02 00 40 01 00 00 00 fb 60 ea fc 00 00 00 40 01 01",
            Frame::Welcome,
        );
        golden(Welcome::Refused, "02 01", Frame::Welcome);
    }

    #[test]
    fn define() {
        let (name, shared) = ("add".into(), Blob::new(&[1, 2]));
        let definition = Definition {
            def: DefId(1),
            function: 4096,
            name,
            shared,
            slots: 4,
            memory: 9,
            gpus: 2,
            timeout: 300,
        };
        order(RankOrder::Define(definition), "00 01 fb 00 10 03 61 64 64 02 01 02 04 09 02 fb 2c 01");
    }

    #[test]
    fn run_without_inputs() {
        order(RankOrder::Run(run()), "01 07 01 02 fa 01 aa 00 00 00");
    }

    #[test]
    fn run_with_each_kind_of_input() {
        let input = |task, source| TaskInput { task: TaskId(task), source };
        let inputs = vec![
            input(1, InputSource::Inline(Blob::new(b"v"))),
            input(2, InputSource::Here),
            input(5, InputSource::Upcoming),
            input(3, InputSource::At { holder: Rank(4), nbytes: 65536, layout: encoded() }),
            input(300, InputSource::At { holder: Rank(5), nbytes: 24000, layout: bulk() }),
        ];
        let bytes = "01 07 01 02 fa 01 aa 05 \
                     01 00 01 76 \
                     02 01 \
                     05 02 \
                     03 03 04 fc 00 00 01 00 00 \
                     fb 2c 01 03 05 fb c0 5d 01 02 09 02 fb e8 03 03 \
                     09 fb 2c 01";
        order(RankOrder::Run(RunTask { inputs, more: 9, depth: 300, ..run() }), bytes);
    }

    #[test]
    fn more_inputs() {
        let inputs = vec![TaskInput { task: TaskId(2), source: InputSource::Here }];
        order(RankOrder::MoreInputs { task: TaskId(7), inputs, more: 0 }, "02 07 01 02 01 00");
    }

    #[test]
    fn run_range() {
        let range = RankOrder::RunRange { def: DefId(1), first: TaskId(100), index: 1 << 32, count: 1024 };
        order(range, "03 01 64 fd 00 00 00 00 01 00 00 00 fb 00 04");
    }

    #[test]
    fn bring() {
        let bring = |layout| RankOrder::Bring { task: TaskId(7), holder: Rank(2), nbytes: 250, layout };
        order(bring(encoded()), "04 07 02 fa 00");
        order(bring(bulk()), "04 07 02 fa 01 02 09 02 fb e8 03 03");
    }

    #[test]
    fn the_other_orders() {
        order(RankOrder::Retract { count: 251 }, "05 fb fb 00");
        order(RankOrder::Release { task: TaskId(7) }, "06 07");
        order(RankOrder::Lost { rank: Rank(3) }, "07 03");
        order(RankOrder::Seen { count: 1024 }, "08 fb 00 04");
        order(RankOrder::Shutdown, "09");
        order(RankOrder::Leave, "0a");
    }

    #[test]
    fn finished() {
        let finished = |output| RankReport::Finished { task: TaskId(7), attempt: 2, nanos: u32::MAX, output };
        report(finished(ReportedResult::Inline(Blob::new(b"val"))), "00 07 02 fc ff ff ff ff 00 03 76 61 6c");
        report(
            finished(ReportedResult::Stored { nbytes: 5, layout: encoded() }),
            "00 07 02 fc ff ff ff ff 01 05 00",
        );
        let bytes = "00 07 02 fc ff ff ff ff 01 fb c0 5d 01 02 09 02 fb e8 03 03";
        report(finished(ReportedResult::Stored { nbytes: 24000, layout: bulk() }), bytes);
    }

    #[test]
    fn failed() {
        report(RankReport::OnDisk { bytes: 5, moved: 300 }, "13 05 fb 2c 01");
        let (message, task, host) = ("no".into(), "f-1".into(), "h".into());
        let error = TaskError::of_attempt(message, task, Rank(3), host, 1);
        let error = error.with_retry(Retry::WithMemory(250));
        report(
            RankReport::Failed { task: TaskId(7), attempt: 1, error: Box::new(error) },
            "01 07 01 02 6e 6f 00 03 66 2d 31 03 01 68 01 00 02 fa 00",
        );
    }

    #[test]
    fn the_other_reports() {
        report(RankReport::Fetched { task: TaskId(7) }, "02 07");
        report(RankReport::Retracted { task: TaskId(7), attempt: 1 }, "03 07 01");
        report(RankReport::RetractDone, "04");
        report(RankReport::NotBrought { task: TaskId(7) }, "05 07");
        report(RankReport::Bye { spent: None }, "06 00");
        let spent = Spent { reactor: [1, 2, 3, 4, 5, 6, 7, 251], slots: [8, 9, 10] };
        report(
            RankReport::Bye { spent: Some(Box::new(spent)) },
            "06 01 01 02 03 04 05 06 07 fb fb 00 08 09 0a",
        );
    }

    #[test]
    fn what_tasks_submit() {
        let (name, shared) = ("add".into(), Blob::new(&[1, 2]));
        let definition = Definition {
            def: DefId(1),
            function: 4096,
            name,
            shared,
            slots: 2,
            memory: 0,
            gpus: 0,
            timeout: 0,
        };
        let needs = ResourceRequest {
            slots: 2,
            gpus: 3,
            memory: 4,
            counters: [0, 5, 0, 0, 0, 0, 0, 6],
            processes: 7,
        };
        let nested = NestedDefinition {
            definition,
            priority: -1,
            retries: 2,
            retry_delay: 250,
            on: Some(Rank(3)),
            among: Some(RankList::new([Rank(4), Rank(2)])),
            prefer: None,
            needs,
        };
        let bytes = "08 01 fb 00 10 03 61 64 64 02 01 02 02 00 00 00 01 02 fa 01 03 01 02 02 04 00 02 03 04 00 05 00 00 00 00 00 06 07";
        report(RankReport::Define(Box::new(nested)), bytes);
        let nested = NestedTask {
            task: TaskId(5 << 40 | 7),
            parent: TaskId(9),
            def: DefId(1),
            key: 250,
            args: Blob::new(&[0xAA]),
            inputs: vec![TaskId(1), TaskId(2)],
            more: 3,
        };
        let bytes = "09 fd 07 00 00 00 00 05 00 00 09 01 fa 01 aa 02 01 02 03";
        report(RankReport::Submit(Box::new(nested)), bytes);
        let inputs = vec![TaskId(3)];
        report(RankReport::MoreInputs { task: TaskId(7), inputs, more: 2 }, "0a 07 01 03 02");
        let output = ReportedResult::Stored { nbytes: 5, layout: encoded() };
        report(RankReport::Scatter { task: TaskId(7), key: 8, output }, "0b 07 08 01 05 00");
        report(RankReport::Drop { task: TaskId(7) }, "0c 07");
        report(RankReport::Want { task: TaskId(7), value: true }, "0d 07 01");
        report(RankReport::Ask { task: TaskId(7) }, "0e 07");
        report(RankReport::Detach { task: TaskId(7) }, "0f 07");
        report(RankReport::Cancel { task: TaskId(7) }, "17 07");
        report(RankReport::Retry { task: TaskId(7) }, "18 07");
        report(RankReport::Name { task: TaskId(7), name: "n".into() }, "19 07 01 6e");
        let error = Box::new(TaskError::of_attempt("no".into(), "f-1".into(), Rank(3), "h".into(), 1));
        let bytes = "1a 07 01 02 6e 6f 00 03 66 2d 31 03 01 68 01 00 00 00";
        report(RankReport::TimedOut { task: TaskId(7), attempt: 1, error }, bytes);
        let registry = |request| RankReport::Registry { task: TaskId(7), request };
        report(registry(RegistryRequest::Publish { name: "m".into(), of: TaskId(5) }), "1b 07 00 01 6d 05");
        report(registry(RegistryRequest::Unpublish { name: "m".into() }), "1b 07 01 01 6d");
        report(registry(RegistryRequest::Find { name: "m".into() }), "1b 07 02 01 6d");
        report(registry(RegistryRequest::Rebalance), "1b 07 03");
        report(RankReport::Waits { slots: 251 }, "07 fb fb 00");
    }

    #[test]
    fn what_their_rank_is_told() {
        order(RankOrder::Nests { def: DefId(7) }, "0b 07");
        order(RankOrder::Cancel { task: TaskId(7) }, "0f 07");
        order(RankOrder::Counter { counter: 1, name: "n".into() }, "10 01 01 6e");
        order(RankOrder::Lend { slots: 3 }, "11 03");
        let members = vec![(Rank(2), 1), (Rank(4), 300)];
        order(RankOrder::Team { task: TaskId(7), members }, "12 07 02 02 01 04 fb 2c 01");
        let answer = |answer| RankOrder::Answer { task: TaskId(7), answer };
        order(answer(NestedAnswer::Done), "0c 07 00");
        order(answer(NestedAnswer::Inline(Blob::new(b"v"))), "0c 07 01 01 76");
        order(answer(NestedAnswer::Here), "0c 07 02");
        let (message, task, host) = ("no".into(), "f-1".into(), "h".into());
        let error = TaskError::of_attempt(message, task, Rank(3), host, 1);
        order(answer(NestedAnswer::Failed(error)), "0c 07 03 02 6e 6f 00 03 66 2d 31 03 01 68 01 00 00 00");
        for (number, status) in [
            Status::Pending,
            Status::Assigned,
            Status::Finished,
            Status::Failed,
            Status::Cancelled,
            Status::Released,
        ]
        .into_iter()
        .enumerate()
        {
            order(RankOrder::Status { task: TaskId(7), status }, &format!("0d 07 {number:02x}"));
        }
    }

    #[test]
    fn peer() {
        golden(
            Peer::Fetch { task: TaskId(7), tag: 1000, same_files: true },
            "05 00 07 fb e8 03 01",
            |peer| Frame::Peers(vec![peer]),
        );
        let bytes = Blob::new(b"v");
        golden(Peer::Value { task: TaskId(7), bytes }, "05 01 07 01 76", |peer| Frame::Peers(vec![peer]));
    }

    #[test]
    fn objects() {
        let peer =
            |peer: Peer, bytes: &str| golden(peer, &format!("05 {bytes}"), |peer| Frame::Peers(vec![peer]));
        let object = |kind| ObjectId { home: Rank(3), kind, number: 5 };
        let bytes = || Blob::new(b"v");
        peer(Peer::Part { bytes: bytes() }, "02 01 76");
        let call = |kind, op| ObjectCall { object: object(kind), call: 9, op };
        let queue = call(ObjectKind::Queue, ObjectOp::Put { limit: 7 });
        peer(Peer::Call { call: queue, payload: bytes() }, "03 03 04 05 09 0b 07 01 76");
        let event = call(ObjectKind::Event, ObjectOp::Wait);
        peer(Peer::Call { call: event, payload: Blob::default() }, "03 03 00 05 09 01 00");
        let ticket = ObjectOp::Ticket { side: HandleSide::Back, ticket: 4 };
        peer(
            Peer::Call { call: call(ObjectKind::Channel, ticket), payload: bytes() },
            "03 03 06 05 09 16 01 04 01 76",
        );
        peer(Peer::Reply { call: 9, kind: ReplyKind::Closed, payload: bytes() }, "04 09 03 01 76");
        let channel = object(ObjectKind::Channel);
        peer(Peer::Item { channel, payload: bytes() }, "05 03 06 05 01 76");
        peer(Peer::Credit { channel, count: 4 }, "06 03 06 05 04");
        peer(Peer::Ended { channel, total: 8, lost: Some(Rank(2)) }, "07 03 06 05 08 01 02");
        peer(Peer::Broken { channel, lost: None }, "08 03 06 05 00");
        peer(Peer::Checksum { tag: 7, sum: 9 }, "09 07 09");
        peer(Peer::Fence { number: 4 }, "0a 04");
        peer(Peer::FenceBack { number: 4 }, "0b 04");
        peer(Peer::Recall { channel, count: 4 }, "0c 03 06 05 04");
        peer(Peer::Share { channel, share: 4 }, "0d 03 06 05 04");
        peer(Peer::Unsent { channel, total: 4 }, "0e 03 06 05 04");
        let own = |op| Peer::Call { call: call(ObjectKind::Channel, op), payload: Blob::default() };
        let void = ObjectOp::Void { side: HandleSide::Back, ticket: 4, failed: true };
        peer(own(void), "03 03 06 05 09 19 01 04 01 00");
        peer(own(ObjectOp::Lease { capacity: 4 }), "03 03 06 05 09 1a 04 00");
        peer(own(ObjectOp::Return { count: 4 }), "03 03 06 05 09 1b 04 00");
        report(RankReport::Promise { task: TaskId(7), key: 8 }, "14 07 08");
        let output = ReportedResult::Inline(bytes());
        report(RankReport::Keep { task: TaskId(7), output }, "15 07 00 01 76");
        for number in 0..6 {
            assert_eq!(ReplyKind::from_byte(number).map(|kind| kind as u8), Some(number));
        }
        assert_eq!(ReplyKind::from_byte(6), None);
    }

    #[test]
    fn signs_of_life_and_refusals() {
        order(RankOrder::Alive, "0e");
        report(RankReport::Alive, "11");
        report(RankReport::Silent { rank: Rank(3), seconds: 60, is_back: true }, "12 03 3c 01");
        let (message, task, host) = ("no".into(), "f-1".into(), "h".into());
        let error = Box::new(TaskError::of_attempt(message, task, Rank(3), host, 1));
        let bytes = "10 07 02 6e 6f 00 03 66 2d 31 03 01 68 01 00 00 00";
        report(RankReport::Refused { task: TaskId(7), error }, bytes);
    }

    #[test]
    fn arguments() {
        assert_eq!(hex(&index_argument(5)), "00 01 05");
        assert_eq!(hex(&index_argument(1 << 40)), "00 09 fd 00 00 00 00 00 01 00 00");
        let mut args = SmallVec::new();
        push_argument(&mut args, &[7; 200]);
        assert_eq!(hex(&args[..4]), "00 c8 01 07");
        assert_eq!([ARGUMENT_INLINE, ARGUMENT_INPUT, ARGUMENT_INPUTS, ARGUMENT_REFUSED], [0, 1, 2, 3]);
        let object = ObjectId { home: Rank(3), kind: ObjectKind::Channel, number: 5 };
        let ticket = HandleTicket { object, side: HandleSide::Back, ticket: 4 };
        let mut args = SmallVec::from_slice(&[1]);
        push_tickets(&mut args, &[ticket]);
        assert_eq!(hex(&args), "06 06 01 03 06 05 01 04 01");
        assert_eq!((tickets_in(&args), behind_tickets(&args)), (vec![ticket], &[1][..]));
        assert_eq!((tickets_in(&[6, 9]), behind_tickets(&[6, 9])), (vec![], &[6, 9][..]));
    }
}
