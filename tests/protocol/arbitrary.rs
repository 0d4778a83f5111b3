//! Arbitrary messages come as they were sent, and arbitrary bytes never panic.

use super::frame;
use dtask::internal::error::{Retry, TaskError};
use dtask::internal::ids::{DefId, Rank, TaskId};
use dtask::internal::protocol::*;
use proptest::collection::vec;
use proptest::prelude::*;
use smallvec::SmallVec;

fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..20).prop_map(String::from_iter)
}

fn blob() -> impl Strategy<Value = Blob> {
    vec(any::<u8>(), 0..40).prop_map(|bytes| Blob::new(&bytes))
}

fn task() -> impl Strategy<Value = TaskId> {
    prop_oneof![0..300u64, any::<u64>()].prop_map(TaskId)
}

fn rank() -> impl Strategy<Value = Rank> {
    any::<u32>().prop_map(Rank)
}

fn registry_request() -> impl Strategy<Value = RegistryRequest> {
    prop_oneof![
        (text(), task()).prop_map(|(name, of)| RegistryRequest::Publish { name: name.into(), of }),
        text().prop_map(|name| RegistryRequest::Unpublish { name: name.into() }),
        text().prop_map(|name| RegistryRequest::Find { name: name.into() }),
        Just(RegistryRequest::Rebalance),
    ]
}

fn layout() -> impl Strategy<Value = BulkLayout> {
    let bulk = (any::<u8>(), any::<u8>(), vec(any::<u64>(), 0..5));
    let bulk = bulk.prop_map(|(container, element, shape)| BulkLayout::Bulk {
        container,
        element,
        shape: shape.into(),
    });
    prop_oneof![
        Just(BulkLayout::Encoded),
        bulk,
        any::<u64>().prop_map(|same_files| BulkLayout::Pack { same_files })
    ]
}

fn input() -> impl Strategy<Value = TaskInput> {
    let at = (rank(), any::<u64>(), layout());
    let source = prop_oneof![
        blob().prop_map(InputSource::Inline),
        Just(InputSource::Here),
        Just(InputSource::Upcoming),
        at.prop_map(|(holder, nbytes, layout)| InputSource::At { holder, nbytes, layout }),
    ];
    (task(), source).prop_map(|(task, source)| TaskInput { task, source })
}

fn any_order() -> impl Strategy<Value = RankOrder> {
    let define = (any::<u32>(), any::<u64>(), text(), blob(), any::<(u32, u64)>());
    let define = define.prop_map(|(def, function, name, shared, (slots, memory))| {
        RankOrder::Define(Definition {
            def: DefId(def),
            function,
            name,
            shared,
            slots,
            memory,
            gpus: slots,
            timeout: slots,
        })
    });
    let run = (task(), any::<u16>(), any::<u32>(), blob(), vec(input(), 0..5), any::<u32>(), any::<u32>());
    let run = run.prop_map(|(task, attempt, def, args, inputs, more, depth)| {
        RankOrder::Run(RunTask {
            task,
            attempt,
            def: DefId(def),
            key: u64::from(def),
            args,
            inputs,
            more,
            depth,
        })
    });
    let answer = prop_oneof![
        Just(NestedAnswer::Done),
        blob().prop_map(NestedAnswer::Inline),
        Just(NestedAnswer::Here),
        task_error().prop_map(NestedAnswer::Failed),
    ];
    let status = prop_oneof![
        Just(Status::Pending),
        Just(Status::Assigned),
        Just(Status::Finished),
        Just(Status::Failed),
        Just(Status::Cancelled),
        Just(Status::Released),
    ];
    let more = (task(), vec(input(), 0..5), any::<u32>());
    let range = (any::<u32>(), task(), any::<u64>(), any::<u32>());
    let bring = (task(), rank(), any::<u64>(), layout());
    prop_oneof![
        define,
        run,
        more.prop_map(|(task, inputs, more)| RankOrder::MoreInputs { task, inputs, more }),
        range.prop_map(|(def, first, index, count)| RankOrder::RunRange {
            def: DefId(def),
            first,
            index,
            count
        }),
        bring.prop_map(|(task, holder, nbytes, layout)| RankOrder::Bring { task, holder, nbytes, layout }),
        any::<u32>().prop_map(|count| RankOrder::Retract { count }),
        task().prop_map(|task| RankOrder::Release { task }),
        rank().prop_map(|rank| RankOrder::Lost { rank }),
        any::<u32>().prop_map(|slots| RankOrder::Lend { slots }),
        (task(), vec((rank(), any::<u32>()), 0..5))
            .prop_map(|(task, members)| RankOrder::Team { task, members }),
        any::<u32>().prop_map(|count| RankOrder::Seen { count }),
        Just(RankOrder::Shutdown),
        Just(RankOrder::Leave),
        any::<u32>().prop_map(|def| RankOrder::Nests { def: DefId(def) }),
        (task(), answer).prop_map(|(task, answer)| RankOrder::Answer { task, answer }),
        (task(), status).prop_map(|(task, status)| RankOrder::Status { task, status }),
        Just(RankOrder::Alive),
    ]
}

fn task_error() -> impl Strategy<Value = TaskError> {
    let retry =
        prop_oneof![Just(Retry::Allowed), Just(Retry::Never), any::<u64>().prop_map(Retry::WithMemory)];
    let error = (text(), text(), rank(), text(), any::<u16>(), retry);
    error.prop_map(|(message, task, rank, host, attempt, retry)| {
        TaskError::of_attempt(message, task, rank, host, attempt).with_retry(retry)
    })
}

fn output() -> impl Strategy<Value = ReportedResult> {
    let stored =
        (any::<u64>(), layout()).prop_map(|(nbytes, layout)| ReportedResult::Stored { nbytes, layout });
    prop_oneof![blob().prop_map(ReportedResult::Inline), stored]
}

/// What tasks submit.
fn any_nested() -> impl Strategy<Value = RankReport> {
    let options = any::<(i32, (u16, u32), Option<u32>, u32, u64)>();
    let define = (any::<u32>(), any::<u64>(), text(), blob(), options);
    let define = define.prop_map(
        |(def, function, name, shared, (priority, (retries, retry_delay), on, slots, memory))| {
            let definition = Definition {
                def: DefId(def),
                function,
                name,
                shared,
                slots: 1,
                memory: 0,
                gpus: 0,
                timeout: 0,
            };
            let needs =
                ResourceRequest { slots, gpus: 2, memory, counters: [slots; COUNTERS_MAX], processes: slots };
            RankReport::Define(Box::new(NestedDefinition {
                definition,
                priority,
                retries,
                retry_delay,
                on: on.map(Rank),
                among: on.map(|rank| RankList::new([Rank(rank), Rank(retries.into())])),
                prefer: on.map(Rank),
                needs,
            }))
        },
    );
    let numbers = any::<(u32, u64, u32)>();
    let submit = (task(), task(), numbers, blob(), vec(task(), 0..5));
    let submit = submit.prop_map(|(task, parent, (def, key, more), args, inputs)| {
        RankReport::Submit(Box::new(NestedTask { task, parent, def: DefId(def), key, args, inputs, more }))
    });
    let more = (task(), vec(task(), 0..5), any::<u32>());
    prop_oneof![
        define,
        submit,
        more.prop_map(|(task, inputs, more)| RankReport::MoreInputs { task, inputs, more }),
        (task(), any::<u64>(), output()).prop_map(|(task, key, output)| RankReport::Scatter {
            task,
            key,
            output
        }),
        task().prop_map(|task| RankReport::Drop { task }),
        (task(), any::<bool>()).prop_map(|(task, value)| RankReport::Want { task, value }),
        task().prop_map(|task| RankReport::Ask { task }),
        task().prop_map(|task| RankReport::Detach { task }),
        task().prop_map(|task| RankReport::Cancel { task }),
        task().prop_map(|task| RankReport::Retry { task }),
        (task(), text()).prop_map(|(task, name)| RankReport::Name { task, name: name.into() }),
        any::<u32>().prop_map(|threads| RankReport::Waits { slots: threads }),
        any::<(u64, u64)>().prop_map(|(bytes, moved)| RankReport::OnDisk { bytes, moved }),
    ]
}

fn any_bye() -> impl Strategy<Value = RankReport> {
    let spent = any::<([u64; 8], [u64; 3])>().prop_map(|(reactor, slots)| Box::new(Spent { reactor, slots }));
    proptest::option::of(spent).prop_map(|spent| RankReport::Bye { spent })
}

fn any_report() -> impl Strategy<Value = RankReport> {
    let finished = (task(), any::<u16>(), any::<u32>(), output());
    let failed = (task(), any::<u16>(), task_error());
    prop_oneof![
        any_nested(),
        finished.prop_map(|(task, attempt, nanos, output)| RankReport::Finished {
            task,
            attempt,
            nanos,
            output
        }),
        failed.prop_map(|(task, attempt, error)| RankReport::Failed {
            task,
            attempt,
            error: Box::new(error)
        }),
        task().prop_map(|task| RankReport::Fetched { task }),
        (task(), any::<u16>()).prop_map(|(task, attempt)| RankReport::Retracted { task, attempt }),
        Just(RankReport::RetractDone),
        task().prop_map(|task| RankReport::NotBrought { task }),
        (task(), registry_request()).prop_map(|(task, request)| RankReport::Registry { task, request }),
        (task(), task_error()).prop_map(|(task, error)| RankReport::Refused { task, error: Box::new(error) }),
        Just(RankReport::Alive),
        (rank(), any::<(u32, bool)>()).prop_map(|(rank, (seconds, is_back))| RankReport::Silent {
            rank,
            seconds,
            is_back
        }),
        any_bye(),
        (task(), any::<u64>()).prop_map(|(task, key)| RankReport::Promise { task, key }),
        (task(), output()).prop_map(|(task, output)| RankReport::Keep { task, output }),
    ]
}

fn object() -> impl Strategy<Value = ObjectId> {
    use ObjectKind::{Actor, Channel, Event, Function, Lock, Queue, Semaphore, Variable};
    let kind =
        proptest::sample::select(vec![Event, Semaphore, Lock, Variable, Queue, Actor, Channel, Function]);
    (rank(), kind, any::<u64>()).prop_map(|(home, kind, number)| ObjectId { home, kind, number })
}

fn object_op() -> impl Strategy<Value = ObjectOp> {
    let side = || prop_oneof![Just(HandleSide::Front), Just(HandleSide::Back)];
    prop_oneof![
        any::<u64>().prop_map(|call| ObjectOp::Cancel { call }),
        any::<u32>().prop_map(|permits| ObjectOp::Acquire { permits }),
        any::<u64>().prop_map(|limit| ObjectOp::Put { limit }),
        Just(ObjectOp::Get),
        Just(ObjectOp::Invoke),
        (side(), any::<u64>()).prop_map(|(side, ticket)| ObjectOp::Ticket { side, ticket }),
        (side(), any::<u64>()).prop_map(|(side, ticket)| ObjectOp::Redeem { side, ticket }),
        (side(), any::<u64>()).prop_map(|(side, sent)| ObjectOp::Drop { side, sent }),
        (side(), any::<(u64, bool)>()).prop_map(|(side, (ticket, failed))| ObjectOp::Void {
            side,
            ticket,
            failed
        }),
        any::<u32>().prop_map(|capacity| ObjectOp::Lease { capacity }),
        any::<u32>().prop_map(|count| ObjectOp::Return { count }),
    ]
}

fn object_peer() -> impl Strategy<Value = Peer> {
    let reply =
        any::<(u64, u8)>().prop_map(|(call, kind)| (call, ReplyKind::from_byte(kind % 6).expect("a kind")));
    prop_oneof![
        blob().prop_map(|bytes| Peer::Part { bytes }),
        (object(), any::<u64>(), object_op(), blob()).prop_map(|(object, call, op, payload)| Peer::Call {
            call: ObjectCall { object, call, op },
            payload
        }),
        (reply, blob()).prop_map(|((call, kind), payload)| Peer::Reply { call, kind, payload }),
        (object(), blob()).prop_map(|(channel, payload)| Peer::Item { channel, payload }),
        (object(), any::<u32>()).prop_map(|(channel, count)| Peer::Credit { channel, count }),
        (object(), any::<u64>(), proptest::option::of(rank()))
            .prop_map(|(channel, total, lost)| Peer::Ended { channel, total, lost }),
        (object(), proptest::option::of(rank())).prop_map(|(channel, lost)| Peer::Broken { channel, lost }),
        any::<u64>().prop_map(|number| Peer::Fence { number }),
        any::<u64>().prop_map(|number| Peer::FenceBack { number }),
        (object(), any::<u32>()).prop_map(|(channel, count)| Peer::Recall { channel, count }),
        (object(), any::<u32>()).prop_map(|(channel, share)| Peer::Share { channel, share }),
        (object(), any::<u64>()).prop_map(|(channel, total)| Peer::Unsent { channel, total }),
    ]
}

fn any_peer() -> impl Strategy<Value = Peer> {
    let fetch = (task(), any::<u32>(), any::<bool>());
    prop_oneof![
        fetch.prop_map(|(task, tag, same_files)| Peer::Fetch { task, tag, same_files }),
        (task(), blob()).prop_map(|(task, bytes)| Peer::Value { task, bytes }),
        (any::<u32>(), any::<u64>()).prop_map(|(tag, sum)| Peer::Checksum { tag, sum }),
        object_peer(),
    ]
}

fn any_hello() -> impl Strategy<Value = Hello> {
    let parts = (
        any::<u32>(),
        any::<u64>(),
        text(),
        vec(any::<u32>(), 0..9),
        any::<u64>(),
        text(),
        vec(text(), 0..4),
        any::<u64>(),
        any::<u32>(),
    );
    parts.prop_map(|(version, code_hash, host, cores, memory, program, gpus, files, granted)| Hello {
        version,
        code_hash,
        host,
        cores,
        granted,
        memory,
        program,
        gpus,
        files,
    })
}

#[derive(Debug, Clone)]
enum Any {
    Order(RankOrder),
    Report(RankReport),
    Peer(Peer),
}

fn any_message() -> impl Strategy<Value = Any> {
    prop_oneof![
        any_order().prop_map(Any::Order),
        any_report().prop_map(Any::Report),
        any_peer().prop_map(Any::Peer),
    ]
}

proptest! {
    #[test]
    fn what_is_sent_is_what_comes(messages in vec(any_message(), 0..30)) {
        let (mut open, mut frames) = (Vec::new(), Vec::new());
        for message in &messages {
            frames.extend(match message {
                Any::Order(order) => append(&mut open, order),
                Any::Report(report) => append(&mut open, report),
                Any::Peer(peer) => append(&mut open, peer),
            }.unwrap());
        }
        frames.extend((!open.is_empty()).then_some(open));
        let mut came = Vec::new();
        for frame in frames {
            prop_assert!(frame.len() <= FRAME_MAX);
            match decode(&frame).unwrap() {
                Frame::Orders(orders) => came.extend(orders.into_iter().map(Any::Order)),
                Frame::Reports(reports) => came.extend(reports.into_iter().map(Any::Report)),
                Frame::Peers(peers) => came.extend(peers.into_iter().map(Any::Peer)),
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert_eq!(format!("{came:?}"), format!("{messages:?}"));
    }

    #[test]
    fn start_up_messages_come_as_they_were_sent(
        hello in any_hello(),
        slots: u32,
        profile: bool,
        cores in vec(any::<u32>(), 0..9),
        gpus in vec(text(), 0..4),
        same_files in vec(any::<u32>().prop_map(Rank), 0..9),
    ) {
        prop_assert_eq!(decode(&frame(&hello)).unwrap(), Frame::Hello(hello));
        let welcome = Welcome::Start { slots, profile, cores, gpus, same_files, silence: slots, memory_limit: u64::from(slots) << 9, awaits: !profile, checksums: profile };
        prop_assert_eq!(decode(&frame(&welcome)).unwrap(), Frame::Welcome(welcome));
    }

    #[test]
    fn arbitrary_bytes_are_an_error_or_a_frame(kind in 0..8u8, bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let _ = decode(&[&[kind][..], &bytes].concat());
    }

    #[test]
    fn a_damaged_frame_is_an_error_or_another_frame(
        message in any_message(), hello in any_hello(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index,
    ) {
        let message = match message {
            Any::Order(order) => frame(&order),
            Any::Report(report) => frame(&report),
            Any::Peer(peer) => frame(&peer),
        };
        for mut frame in [message, frame(&hello)] {
            let _ = decode(&frame[..cut.index(frame.len())]);
            let at = at.index(frame.len());
            frame[at] = byte;
            let _ = decode(&frame);
        }
    }

    #[test]
    fn lengths_come_as_they_were_written(length: usize, shift in 0..usize::BITS, behind in vec(any::<u8>(), 0..4)) {
        let mut args = SmallVec::new();
        push_length(&mut args, length >> shift);
        args.extend_from_slice(&behind);
        let mut rest = &args[..];
        prop_assert_eq!(take_length(&mut rest).unwrap(), length >> shift);
        prop_assert_eq!(rest, &behind[..]);
    }

    #[test]
    fn arbitrary_bytes_are_an_error_or_a_length(bytes in vec(any::<u8>(), 0..16)) {
        let mut rest = &bytes[..];
        if take_length(&mut rest).is_ok() {
            prop_assert!(rest.len() < bytes.len());
        }
    }
}
