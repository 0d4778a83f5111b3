//! Tests of folders: they come out as they went in, and nothing outside of them is touched.

use super::*;
use crate::transport::stream::{CopyError, PIECE, PieceReader, PieceWriter};
use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A folder with all that a command may leave.
fn sample(at: &Path) {
    fs::create_dir_all(at.join("sub/deep")).unwrap();
    fs::create_dir(at.join("empty")).unwrap();
    fs::write(at.join("a.txt"), "text").unwrap();
    fs::write(at.join("nothing"), "").unwrap();
    fs::write(at.join("sub/program"), "#!/bin/sh\n").unwrap();
    fs::write(at.join("sub/deep/large"), vec![7; PIECE + 10]).unwrap();
    fs::write(at.join(OsStr::from_bytes(b"\xff name\n")), "bytes").unwrap();
    symlink("sub/program", at.join("link")).unwrap();
    symlink("/nowhere", at.join("dangling")).unwrap();
    symlink(at.join("a.txt"), at.join("sub/absolute")).unwrap();
    mode(&at.join("sub/program"), 0o755);
    mode(&at.join("a.txt"), 0o640);
    mode(&at.join("sub/deep"), 0o555);
    mode(&at.join("empty"), 0o711);
}

/// All that is in a folder: path, item, mode and bytes.
fn listed(folder: &Path, mask: u32) -> Vec<(PathBuf, FolderItem, u32, Vec<u8>)> {
    let mut all = Vec::new();
    visit(folder, &mut |inner, item, found| {
        let bytes = if let FolderItem::File(_) = item { fs::read(folder.join(inner))? } else { Vec::new() };
        let mode = if let FolderItem::Link(_) = item { 0 } else { found.mode() & MODE & mask };
        all.push((inner.to_owned(), item, mode, bytes));
        Ok(())
    })
    .unwrap();
    all
}

fn bytes(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    let mut give = |piece: Vec<u8>| {
        all.extend_from_slice(&piece);
        Ok(piece)
    };
    let mut writer = PieceWriter::new(length(folder).unwrap(), PIECE, &mut give);
    write(folder, &mut writer).unwrap();
    writer.finish().unwrap();
    all
}

fn made(stream: Vec<u8>, to: &Path) -> Result<(), CopyError> {
    let mut stream = Some(stream);
    let mut next = |_| stream.take().ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
    read(&mut PieceReader::new(&mut next), to)
}

#[test]
fn a_folder_comes_out_of_a_stream_and_of_a_copy_as_it_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    sample(&at("a"));
    let before = listed(&at("a"), MODE);
    assert_eq!(before.len(), 12);
    made(bytes(&at("a")), &at("b")).unwrap();
    copy(&at("a"), &at("c")).unwrap();
    assert_eq!((listed(&at("b"), MODE), listed(&at("c"), MODE)), (before.clone(), before.clone()));
    link(&at("a"), &at("d"), true).unwrap();
    assert_eq!(listed(&at("d"), !0o700), listed(&at("a"), !0o700));
    let inode = |name: &str| fs::metadata(at(name).join("sub/deep/large")).unwrap().ino();
    assert_eq!(inode("d"), inode("a"));
    assert_eq!(listed(&at("a"), MODE), before, "it has not changed");
    let stamps = ["a", "b"].map(|name| stamp(&at(name)).unwrap());
    assert_eq!(stamps[0].0, stamps[1].0);
    assert!(copy(&at("a"), &at("b")).is_err(), "nothing is overwritten");
}

#[test]
fn an_adopted_folder_is_read_only_and_leads_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    sample(&at("a"));
    fs::write(at("own"), "mine").unwrap();
    fs::hard_link(at("own"), at("a/sub/deep/other")).unwrap_or_else(|_| {
        mode(&at("a/sub/deep"), 0o755);
        fs::hard_link(at("own"), at("a/sub/deep/other")).unwrap();
        mode(&at("a/sub/deep"), 0o555);
    });
    for (from, to, moves) in [("a", "b", false), ("a", "c", true)] {
        adopt(&at(from), &at(to), moves).unwrap();
        assert_eq!(at(from).exists(), !moves);
        let all = listed(&at(to), MODE);
        let is_file = |item: &FolderItem| matches!(item, FolderItem::File(_));
        assert!(all.iter().all(|(_, item, mode, _)| !is_file(item) || mode & 0o222 == 0), "{all:?}");
        assert_eq!(fs::read_link(at(to).join("sub/absolute")).unwrap(), Path::new("../a.txt"));
        assert_eq!(fs::read(at(to).join("sub/absolute")).unwrap(), b"text");
        assert_eq!(fs::metadata(at(to).join("sub/deep")).unwrap().mode() & MODE, 0o555);
        assert_eq!(fs::metadata(at(to).join("sub/program")).unwrap().mode() & MODE, 0o555);
        fs::write(at("own"), "changed").unwrap();
        assert_eq!(fs::read(at(to).join("sub/deep/other")).unwrap(), b"mine");
        fs::write(at("own"), "mine").unwrap();
    }
    assert!(fs::metadata(at("own")).unwrap().mode() & 0o200 != 0);
    // of a folder that is only linked to nothing changes
    fs::create_dir(at("users")).unwrap();
    fs::write(at("users/x"), "x").unwrap();
    symlink(at("users"), at("link")).unwrap();
    adopt(&at("link"), &at("d"), true).unwrap();
    assert!(fs::metadata(at("users/x")).unwrap().mode() & 0o200 != 0);
    assert_eq!(fs::read(at("d/x")).unwrap(), b"x");
}

#[test]
fn what_is_no_file_folder_or_link_is_an_error_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    assert!(length(dir.path()).unwrap_err().to_string().contains("`socket` in it is no file"));
}

#[test]
fn a_damaged_stream_writes_nothing_outside() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("a")).unwrap();
    symlink("/tmp", at("a/k")).unwrap();
    fs::write(at("a/x"), "x").unwrap();
    let good = bytes(&at("a"));
    for length in 0..good.len() {
        let to = at(&format!("t{length}"));
        assert!(matches!(made(good[..length].to_vec(), &to), Err(CopyError::Read(_))), "{length}");
    }
    let item = |kind: u8, path: &[u8], content: &[u8]| {
        let lengths =
            [&(path.len() as u32).to_le_bytes()[..], &(content.len() as u64).to_le_bytes()].concat();
        [&[kind][..], &0o755_u32.to_le_bytes(), &lengths, path, content].concat()
    };
    let root = item(2, b"", b"");
    let through = [item(3, b"k", b".."), item(1, b"k/escaped", b"no")].concat();
    for (number, bad) in [
        item(1, b"../escaped", b"no"),
        item(1, b"/tmp/dtask-escaped", b"no"),
        item(1, b"missing/x", b"no"),
        item(9, b"x", b""),
        through,
    ]
    .into_iter()
    .enumerate()
    {
        let to = at(&format!("bad{number}"));
        assert!(made([root.clone(), bad, vec![0; 17]].concat(), &to).is_err(), "{number}");
    }
    assert!(!at("escaped").exists() && !Path::new("/tmp/dtask-escaped").exists());
}
