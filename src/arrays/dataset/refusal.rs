//! Why a file cannot be opened as an HDF5 file, in words: each cause has a remedy of its own.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bytes with which HDF5 data begin: at the start of the file, or behind a user block.
const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// Why the HDF5 library has not opened a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such file.
    Missing,
    /// Another program has a lock on the file; the text says which, as far as this host knows.
    Locked(String),
    /// The file is no HDF5 file; the text says what it looks like.
    Foreign(String),
    /// The file cannot be opened for another reason, which the text gives: no permission, a folder, a file that was
    /// cut off, a file system without locks.
    Other(String),
}

impl Refusal {
    /// Finds out why the file at `path` could not be opened, from the file itself and the library's error `told`.
    pub(super) fn of(path: &Path, told: &str) -> Refusal {
        match look(path, told) {
            Ok(refusal) => refusal,
            Err(error) if error.kind() == ErrorKind::NotFound => Refusal::Missing,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Refusal::Other(format!("no permission ({error}): its owner is user {}", owner(path)))
            }
            Err(error) => Refusal::Other(error.to_string()),
        }
    }

    /// The sentence about the file at `path`, for a message.
    pub(super) fn sentence(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            Refusal::Missing => format!("there is no file `{path}`"),
            Refusal::Locked(who) => format!("`{path}` is locked: {who}"),
            Refusal::Foreign(what) => format!("`{path}` is no HDF5 file: {what}"),
            Refusal::Other(why) => format!("`{path}` cannot be opened: {why}"),
        }
    }
}

fn owner(path: &Path) -> String {
    fs::metadata(path).map_or_else(|_| "unknown".to_owned(), |found| found.uid().to_string())
}

fn look(path: &Path, told: &str) -> io::Result<Refusal> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        let what = if found.is_dir() { "a folder" } else { "a pipe or device" };
        return Ok(Refusal::Foreign(format!("it is {what}")));
    }
    let mut file = File::open(path)?;
    if found.len() == 0 {
        return Ok(Refusal::Foreign("it is empty (0 bytes)".to_owned()));
    }
    let Some(()) = signature(&mut file, found.len())? else {
        return Ok(Refusal::Foreign(looks_like(&mut file)?));
    };
    let lower = told.to_lowercase();
    // the words "sblock" and "superblock" of other messages contain "lock" too
    if lower.contains("to lock") {
        return Ok(locked(path, &lower));
    }
    if lower.contains("truncated file") {
        let length = found.len();
        return Ok(Refusal::Other(format!(
            "its end is missing ({told}; the file has {length} bytes): it was copied in part, or its writer was killed"
        )));
    }
    if lower.contains("already open") || lower.contains("consistency flag") || lower.contains("h5clear") {
        return Ok(Refusal::Other(format!(
            "it is marked as open for writing ({told}): a program writes it now, or was killed while it did; in that case \
             `h5clear -s {}` removes the mark",
            path.display()
        )));
    }
    if lower.contains("permission denied") {
        return Ok(Refusal::Other(format!("no permission to write it: its owner is user {}", owner(path))));
    }
    Ok(Refusal::Other(format!("{told}; it begins like an HDF5 file, and is damaged or of a newer version")))
}

/// Looks for the signature of HDF5 where the format allows it: at the beginning, or behind a user block of 512 bytes
/// or a power of two times that. `None` if it is not there.
fn signature(file: &mut File, length: u64) -> io::Result<Option<()>> {
    let mut at = 0;
    while at + SIGNATURE.len() as u64 <= length {
        let mut bytes = [0; SIGNATURE.len()];
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut bytes)?;
        if bytes == SIGNATURE {
            return Ok(Some(()));
        }
        at = if at == 0 { 512 } else { at * 2 };
    }
    Ok(None)
}

/// Names the kind of a file that lacks the signature of HDF5, by its first bytes.
fn looks_like(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(64).read_to_end(&mut bytes)?;
    let kinds: [(&[u8], &str); 7] = [
        (b"CDF", "it is a netCDF-3 file, which is no HDF5; `nccopy -k nc4 old.nc new.nc` converts it"),
        (b"\x93NUMPY", "it is a `.npy` file of numpy"),
        (b"PK\x03\x04", "it is a zip archive, such as `.npz`"),
        (b"\x1f\x8b", "it is compressed (gzip); `gunzip` it first"),
        (b"\x0e\x03\x13\x01", "it is an HDF4 file; `h4toh5` converts it"),
        (b"SIMPLE  =", "it is a FITS file"),
        (b"version https://git-lfs", "it is a pointer of Git LFS; `git lfs pull` brings the file"),
    ];
    if let Some((_, what)) = kinds.iter().find(|(begin, _)| bytes.starts_with(begin)) {
        return Ok((*what).to_owned());
    }
    let is_text = std::str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0'));
    Ok(if is_text { "it is a text" } else { "it does not begin like one" }.to_owned())
}

fn locked(path: &Path, told: &str) -> Refusal {
    // errno 11 is EAGAIN: somebody has the lock. Anything else is a file system that has no locks.
    if !told.contains("errno = 11") && !told.contains("temporarily unavailable") {
        return Refusal::Other(format!(
            "its file system has no locks ({told}); HDF5_USE_FILE_LOCKING=FALSE in the environment does without, if nothing \
             else writes the file"
        ));
    }
    let who = holders(path);
    let who = match &who[..] {
        [] => "another program, maybe on another host, has it open".to_owned(),
        all => format!("{} on this host has it open", all.join(" and ")),
    };
    Refusal::Locked(format!(
        "{who}, for writing or while this is to be written; wait for its end, or, if you know that nothing writes it, set \
         HDF5_USE_FILE_LOCKING=FALSE"
    ))
}

/// The processes of this host that have a lock on the file, with their names.
fn holders(path: &Path) -> Vec<String> {
    let Ok(found) = fs::metadata(path) else { return Vec::new() };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let (major, minor) = (libc::major(found.dev()), libc::minor(found.dev()));
    let file = format!("{major:02x}:{minor:02x}:{}", found.ino());
    let of_file = locks.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "->").collect();
        let (pid, place) = (words.get(4)?, words.get(5)?);
        (*place == file && *pid != "0").then(|| (*pid).to_owned())
    });
    let mut pids: Vec<String> = of_file.collect();
    pids.sort();
    pids.dedup();
    let named = |pid: String| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        format!("process {pid} ({})", name.trim())
    };
    pids.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_words_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let of = |name: &str, bytes: &[u8], told: &str| {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            Refusal::of(&path, told).sentence(&path)
        };
        let hdf5 = [&SIGNATURE[..], &[0; 100]].concat();
        let userblock = [&[b' '; 512][..], &SIGNATURE, &[0; 100]].concat();
        for (bytes, told, says) in [
            (&b""[..], "", "is no HDF5 file: it is empty (0 bytes)"),
            (b"T,p\n250,1\n", "", "is no HDF5 file: it is a text"),
            (b"CDF\x01\0\0", "", "is no HDF5 file: it is a netCDF-3 file"),
            (b"\0\0\xff", "", "is no HDF5 file: it does not begin like one"),
            (&hdf5, "truncated file: eof = 108, stored_eof = 2144", "its end is missing"),
            (&userblock, "truncated file: eof = 620, stored_eof = 2144", "its end is missing"),
            (&hdf5, "unable to lock file, errno = 11, error message = ''", "is locked: another program"),
            (&hdf5, "unable to lock file, errno = 38", "file system has no locks"),
            (&hdf5, "file is already open for write", "`h5clear -s "),
            (&hdf5, "bad superblock version number", "damaged or of a newer version"),
        ] {
            let sentence = of("x.h5", bytes, told);
            assert!(sentence.contains(says), "{sentence}");
        }
        assert_eq!(Refusal::of(&dir.path().join("none"), ""), Refusal::Missing);
        assert_eq!(Refusal::of(dir.path(), ""), Refusal::Foreign("it is a folder".to_owned()));
    }
}
