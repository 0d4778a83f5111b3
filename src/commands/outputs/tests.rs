//! Tests of outputs that travel from rank to rank.

use super::stream::IncomingOutputs;
use super::*;
use crate::commands::ScratchRoot;
use crate::transport::stream::hand_over;
use std::path::Path;

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

fn memory<'a>(which: u32, name: &'a str, bytes: &'a [u8]) -> OutputRef<'a> {
    OutputRef { which, name, content: Content::Memory(bytes) }
}

/// Makes outputs of a command, one of which is a file, and returns also the path of the file.
fn with_file(
    bytes: &[u8],
) -> std::result::Result<(CommandOutputs, std::path::PathBuf), Box<dyn std::error::Error>> {
    let file = Arc::new(ScratchRoot::current()?.keep_bytes(bytes)?);
    let path = file.path().to_owned();
    let outputs = [
        memory(0, "stdout", b"text\n"),
        OutputRef { which: 3, name: "m.bin", content: Content::File(&file) },
        memory(2, "", b""),
    ];
    Ok((CommandOutputs::new(&outputs), path))
}

/// Sends outputs, and returns the outputs that the receiving rank would get.
fn sent(pack: &CommandOutputs, same_files: bool) -> CommandOutputs {
    let (whole, layout) = pack.announced().expect("it has files");
    let short = if let BulkLayout::Pack { same_files } = layout { same_files } else { 0 };
    let message = pack.message(same_files);
    if same_files {
        assert_eq!(message.bytes().len() as u64, short);
        return CommandOutputs::arrived(message.bytes().to_vec(), whole);
    }
    let source = message.stream().expect("it has files");
    assert_eq!(source.length(), whole);
    let incoming = IncomingOutputs::new(whole, short);
    hand_over(&*source, &incoming);
    incoming.take()
}

/// The number, the name and the bytes of each output of a command.
type Listed = Vec<(u32, String, Vec<u8>)>;

/// Lists all outputs, and the path of the stored file if there is one among them.
fn content(pack: &CommandOutputs) -> (Listed, Option<std::path::PathBuf>) {
    let all = pack.all().expect("it is whole");
    let path = all.iter().find_map(|output| match output.content {
        Content::File(file) => Some(file.path().to_owned()),
        Content::Memory(_) => None,
    });
    let bytes = |output: &OutputRef<'_>| output.bytes().expect("it can be read").into_owned();
    (all.iter().map(|output| (output.which, output.name.to_owned(), bytes(output))).collect(), path)
}

fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).expect("it is there"))
}

#[test]
fn lengths_of_files_that_nothing_can_have_are_damage() {
    let entry = |length: u64| {
        let head = [&0_u32.to_le_bytes()[..], &(1_u32 << 31).to_le_bytes(), &length.to_le_bytes()].concat();
        assert_eq!(head.len(), 16);
        head
    };
    let message = |lengths: [u64; 2]| {
        let path =
            [&u32::MAX.to_le_bytes()[..], &0_u32.to_le_bytes(), &[0; libc::PATH_MAX as usize]].concat();
        let entries = lengths.map(entry).concat();
        [&path[..], &2_u32.to_le_bytes(), &entries, &[255; 16]].concat()
    };
    assert!(wire::read(&message([3, 4])).is_some());
    for lengths in [[u64::MAX, u64::MAX], [u64::MAX, 0], [1 << 63, 1 << 63]] {
        assert!(wire::read(&message(lengths)).is_none(), "{lengths:?}");
        let came = CommandOutputs::arrived(message(lengths), 7);
        assert!(came.all().is_err_and(|failure| failure.message().contains("damaged")), "{lengths:?}");
    }
}

#[test]
fn a_missing_file_of_the_same_host_makes_a_rank_allocate_no_more_than_was_announced() -> Outcome {
    let (pack, _) = with_file(&[7; 100])?;
    let (whole, _) = pack.announced().expect("it has a file");
    let mut message = pack.message(true).bytes().to_vec();
    drop(pack); // and with it the file
    let honest = CommandOutputs::arrived(message.clone(), whole);
    assert!(honest.all().is_err_and(|failure| failure.message().contains("cannot be read")));
    assert_eq!(honest.announced().map(|announced| announced.0), Some(whole));
    assert!(sent(&honest, false).all().is_err_and(|failure| failure.message().contains("cannot be read")));
    let at = message.windows(8).rposition(|bytes| bytes == 100u64.to_le_bytes()).expect("the file's length");
    message[at..at + 8].copy_from_slice(&(1u64 << 55).to_le_bytes());
    let damaged = CommandOutputs::arrived(message, whole);
    assert!(damaged.all().is_err_and(|failure| failure.message().contains("damaged")));
    assert_eq!(damaged.announced().map(|announced| announced.0), Some(whole), "as rank 0 has announced it");
    Ok(())
}

#[test]
fn what_is_in_memory_travels_as_it_is() {
    let pack = CommandOutputs::new(&[
        memory(0, "stdout", b"text\n"),
        memory(3, "m.bin", &[0, 255]),
        memory(2, "", b""),
    ]);
    assert!(pack.announced().is_none());
    let (layout, bytes) = pack.view().expect("no files");
    let came = CommandOutputs::arrived(bytes.to_vec(), bytes.len() as u64);
    assert_eq!(content(&came), content(&pack));
    assert_eq!(came.view().expect("no files"), (layout, bytes));
    assert_eq!(came.output(3).expect("it is there").name, "m.bin");
    assert_eq!(came.slice(0).expect("it is there").as_ref(), b"text\n");
    assert!(came.output(1).is_err());
    let encoded = crate::codec::encode(&pack).expect("bytes");
    assert_eq!(content(&crate::codec::decode::<CommandOutputs>(&encoded).expect("a pack")), content(&pack));
}

#[test]
fn files_travel_piece_by_piece_and_are_files_again() -> Outcome {
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let (pack, path) = with_file(&bytes)?;
    assert!(pack.view().is_none() && pack.memory() < 1000);
    let came = sent(&pack, false);
    assert!(came.memory() < 1000);
    let (outputs, other) = content(&came);
    assert_eq!(outputs, content(&pack).0);
    let other = other.expect("a file");
    assert_ne!(inode(&path), inode(&other));
    assert_eq!(content(&sent(&came, false)).0, content(&pack).0);
    let encoded = crate::codec::encode(&pack)?;
    assert_eq!(content(&crate::codec::decode::<CommandOutputs>(&encoded)?).0, content(&pack).0);
    drop((pack, came));
    assert!(!path.exists() && !other.exists());
    Ok(())
}

#[test]
fn a_rank_of_the_same_host_links_at_once() -> Outcome {
    let (pack, path) = with_file(&[7; 100_000])?;
    let (expected, number) = (content(&pack).0, inode(&path));
    let came = sent(&pack, true);
    assert!(came.memory() < 6000);
    drop(pack); // its maker may release it now
    assert!(!path.exists());
    let (outputs, linked) = content(&came);
    assert_eq!((outputs, linked.as_deref().map(inode)), (expected.clone(), Some(number)));
    for same_files in [false, true] {
        assert_eq!(content(&sent(&came, same_files)).0, expected);
    }
    Ok(())
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_an_error_and_leaves_nothing() -> Outcome {
    for (length, word) in [(2_000_000, "shorter"), (0, "shorter")] {
        let (pack, path) = with_file(&vec![1; 3_000_000])?;
        std::fs::OpenOptions::new().write(true).open(&path)?.set_len(length)?;
        // other tests keep files there too, none of about this length
        let is_rest = |other: &std::path::PathBuf| {
            *other != path && other.metadata().is_ok_and(|file| (1_900_000..3_000_000).contains(&file.len()))
        };
        let folder = path.parent().ok_or("a path")?;
        let error = sent(&pack, false).all().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(word) && error.contains("an output kept in"), "{error}");
        let mut rest = std::fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path());
        assert_eq!(rest.find(is_rest), None);
    }
    Ok(())
}

#[test]
fn what_cannot_be_sent_or_read_is_an_error_of_who_takes_it() -> Outcome {
    for same_files in [false, true] {
        let (pack, path) = with_file(&[1; 70_000])?;
        std::fs::remove_file(&path)?;
        let error = sent(&pack, same_files).all().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("cannot be read: No such file"), "{error}");
    }
    let (pack, _) = with_file(&[1; 70_000])?;
    let (whole, _) = pack.announced().expect("it has a file");
    for same_files in [false, true] {
        let mut message = pack.message(true).bytes().to_vec();
        if !same_files {
            message.clear();
            stream::write(&pack, &mut message)?;
        }
        let arrive = |bytes: &[u8]| match same_files {
            true => CommandOutputs::arrived(bytes.to_vec(), whole).all().is_err(),
            false => stream::read(&mut &bytes[..], stream::lengths(&pack)).is_err(),
        };
        for length in (0..200).chain(message.len() - 200..message.len()) {
            assert!(arrive(&message[..length]), "{length}");
        }
        let mut long = message.clone();
        long.push(0);
        assert!(!same_files || arrive(&long));
    }
    assert!(CommandOutputs::arrived(vec![200; 40], 40).all().is_err());
    Ok(())
}
