//! Text files of the user: scripts, and the files that values come from.
//!
//! A path can name anything: a device that never ends, a pipe that nobody writes to, a text in another encoding. Each
//! of these is an error, and none makes dtask wait.

use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The largest script that is read, in bytes. It has room for a hundred thousand tasks, or four million short values.
pub(crate) const SCRIPT_MOST: u64 = 8 << 20;
/// The largest file of values (`lines`, `csv`) that is read, in bytes.
pub(crate) const VALUES_MOST: u64 = 128 << 20;
/// The most lines of a file of values that is read.
pub(crate) const LINES_MOST: usize = 4_000_000;

/// The reason why a file cannot be read as a text.
#[derive(Debug, thiserror::Error)]
pub enum TextFileError {
    /// The file cannot be opened or read.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The path names no file; the text says what it names.
    #[error("it is {0}, and a file is needed")]
    NotAFile(&'static str),
    /// The file has more bytes than are read.
    #[error("it has more than {} MiB, which is as much as is read before a run", .0 >> 20)]
    TooLarge(u64),
    /// The file has more lines than are read.
    #[error("it has more than {0} lines, which is as many as are read before a run")]
    TooLong(usize),
    /// The file is no UTF-8 text, for this reason.
    #[error("{0}")]
    NotText(String),
}

/// Reads a text file of at most `most` bytes. A byte order mark at its beginning is removed.
pub(crate) fn read(path: &Path, most: u64) -> Result<String, TextFileError> {
    // without this flag, opening a pipe would wait for a writer
    let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let kind = file.metadata()?.file_type();
    let other = match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some("a folder"),
        kind if kind.is_fifo() => Some("a pipe"),
        kind if kind.is_char_device() || kind.is_block_device() => Some("a device"),
        _ => Some("no regular file"),
    };
    if let Some(other) = other {
        return Err(TextFileError::NotAFile(other));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(TextFileError::TooLarge(most));
    }
    decode(bytes).map_err(TextFileError::NotText)
}

/// Converts the bytes of a file to a text, without the byte order mark. The error names the first line that is not
/// UTF-8.
pub(crate) fn decode(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("it is UTF-16 text: save it as UTF-8, or `iconv -f utf16 -t utf8 OLD > NEW`".to_owned());
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let place = place(&bytes, at);
        return Err(format!("no text: {place} is 0; a file of UTF-16 without a mark looks so, too"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let (place, byte) = (place(bytes, at), bytes.get(at).copied().unwrap_or(0));
        format!(
            "no UTF-8 text: {place} is 0x{byte:02x}; if it is Latin-1, `iconv -f latin1 -t utf8 OLD > NEW` \
             converts it"
        )
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Describes the position of the byte at the offset `at`, by its line and its number within the line, both counted
/// from 1.
fn place(bytes: &[u8], at: usize) -> String {
    let before = bytes.get(..at).unwrap_or(bytes);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    format!("byte {} of line {line}", at - begin + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_named_by_line_and_byte() {
        let told = |bytes: &[u8]| decode(bytes.to_vec()).unwrap_err();
        assert!(told(b"a = 1\r\nb = \"\xe9\"\n").starts_with("no UTF-8 text: byte 6 of line 2 is 0xe9;"));
        assert!(told(b"\xff\xfed\x00t\x00").starts_with("it is UTF-16 text"));
        assert!(told(b"\xfe\xff\x00d").starts_with("it is UTF-16 text"));
        assert!(told(b"d\x00t\x00").starts_with("no text: byte 2 of line 1 is 0"));
        assert_eq!(decode(b"\xef\xbb\xbfa\r\n".to_vec()).unwrap(), "a\r\n");
        assert_eq!(decode("ä\u{feff}".into()).unwrap(), "ä\u{feff}");
    }

    #[test]
    fn what_is_no_file_is_told_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        let told = |path: &Path, most| read(path, most).unwrap_err().to_string();
        assert_eq!(told(&fifo, 9), "it is a pipe, and a file is needed");
        assert_eq!(told(dir.path(), 9), "it is a folder, and a file is needed");
        assert_eq!(told(Path::new("/dev/zero"), 9), "it is a device, and a file is needed");
        let long = dir.path().join("long");
        std::fs::write(&long, "0123456789").unwrap();
        assert!(matches!(read(&long, 9), Err(TextFileError::TooLarge(9))));
        assert_eq!(read(&long, 10).unwrap(), "0123456789");
        assert!(matches!(read(&dir.path().join("none"), 9), Err(TextFileError::Io(_))));
    }
}
