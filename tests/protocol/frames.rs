//! Frames: which messages share one, and how long it gets.

use super::*;

fn with_args(length: usize) -> RankOrder {
    RankOrder::Run(RunTask { args: Blob::new(&vec![1; length]), ..run() })
}

#[test]
fn messages_of_a_kind_share_a_frame() {
    let mut open = Vec::new();
    for task in 1..=3 {
        assert_eq!(append(&mut open, &RankOrder::Release { task: TaskId(task) }).unwrap(), None);
    }
    assert_eq!(hex(&open), "03 06 01 06 02 06 03");
    let orders = [1, 2, 3].map(|task| RankOrder::Release { task: TaskId(task) });
    assert_eq!(decode(&open).unwrap(), Frame::Orders(orders.to_vec()));
}

#[test]
fn another_kind_closes_the_frame() {
    let mut open = frame(&RankOrder::Shutdown);
    let closed = append(&mut open, &Peer::Fetch { task: TaskId(1), tag: 2, same_files: false }).unwrap();
    assert_eq!(closed.map(|frame| hex(&frame)), Some("03 09".into()));
    assert_eq!(hex(&open), "05 00 01 02 00");
    let closed = append(&mut open, &RankReport::Bye { spent: None }).unwrap();
    assert_eq!(
        (closed.map(|frame| hex(&frame)), hex(&open)),
        (Some("05 00 01 02 00".into()), "04 06 00".into())
    );
}

#[test]
fn a_full_frame_is_closed_and_the_message_opens_the_next() {
    let overhead = frame(&with_args(60_000)).len() - 60_000;
    // what is left takes a `Shutdown` of one byte exactly
    let mut open = frame(&with_args(FRAME_MAX - 1 - overhead));
    assert_eq!(open.len(), FRAME_MAX - 1);
    assert_eq!(append(&mut open, &RankOrder::Shutdown).unwrap(), None);
    assert_eq!(open.len(), FRAME_MAX);
    let closed = append(&mut open, &RankOrder::Shutdown).unwrap().expect("it is full");
    assert_eq!((closed.len(), hex(&open)), (FRAME_MAX, "03 09".into()));
    assert!(matches!(decode(&closed).unwrap(), Frame::Orders(orders) if orders.len() == 2));
}

#[test]
fn the_longest_message_fills_a_frame_and_a_longer_one_is_refused() {
    let overhead = frame(&with_args(60_000)).len() - 60_000;
    assert_eq!(frame(&with_args(FRAME_MAX - overhead)).len(), FRAME_MAX);
    for mut open in [Vec::new(), frame(&RankOrder::Shutdown), frame(&RankReport::Bye { spent: None })] {
        let before = open.clone();
        let error = append(&mut open, &with_args(FRAME_MAX - overhead + 1)).unwrap_err();
        assert!(error.to_string().contains("65536 bytes"), "{error}");
        assert_eq!(open, before, "the open frame is as it was");
    }
}

/// The promise behind `INPUTS_MAX`, `ARGS_MAX` and `INLINE_MAX`: the scheduler never makes a message too long.
#[test]
fn the_largest_messages_fit() {
    let input = |source| TaskInput { task: TaskId(u64::MAX), source };
    let inline = InputSource::Inline(Blob::new(&[1; INLINE_MAX]));
    let layout = BulkLayout::Bulk { container: 1, element: 1, shape: SmallVec::from_elem(u64::MAX, 6) };
    let at = InputSource::At { holder: Rank(u32::MAX), nbytes: u64::MAX, layout };
    for source in [inline, at] {
        let inputs = vec![input(source); INPUTS_MAX];
        let largest = RunTask {
            task: TaskId(u64::MAX),
            attempt: u16::MAX,
            def: DefId(u32::MAX),
            key: u64::MAX,
            args: Blob::new(&vec![1; ARGS_MAX]),
            inputs,
            more: u32::MAX,
            depth: u32::MAX,
        };
        frame(&RankOrder::Run(largest));
    }
    let largest = NestedTask {
        task: TaskId(u64::MAX),
        parent: TaskId(u64::MAX),
        def: DefId(u32::MAX),
        key: u64::MAX,
        args: Blob::new(&vec![1; ARGS_MAX]),
        inputs: vec![TaskId(u64::MAX); INPUTS_MAX],
        more: u32::MAX,
    };
    frame(&RankReport::Submit(Box::new(largest)));
    let text = "x".repeat(MESSAGE_MAX);
    let (message, task, host) = (text.clone(), text.clone(), text);
    let error = TaskError::of_attempt(message, task, Rank(u32::MAX), host, u16::MAX);
    frame(&RankReport::Failed { task: TaskId(u64::MAX), attempt: u16::MAX, error: Box::new(error.clone()) });
    frame(&RankOrder::Answer { task: TaskId(u64::MAX), answer: NestedAnswer::Failed(error) });
}
