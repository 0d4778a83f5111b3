//! Large values that are made and taken in piece by piece, so that no rank holds them in memory: a pipeline of the
//! thread that makes pieces, the transport, and the thread that takes them.
//!
//! A transport cuts a stream into pieces of one size, and hands each over when it has come. Both ends know how many
//! bytes the whole has. A source that fails says why in place of the bytes that are left.

use std::io::{self, Read, Write};

/// Length in bytes of the pieces of a stream.
pub const PIECE: usize = 512 << 10;
/// The number of pieces of a stream that a rank holds at a time.
pub const PIECES_HELD: usize = 8;
/// The number of streams that a rank sends, and that it receives, at a time. With [`PIECE`] and [`PIECES_HELD`] it
/// bounds the memory for all of them: 16 MiB for each direction.
pub const STREAMS_MAX: usize = 4;

/// A value that is sent piece by piece.
pub trait StreamSource: Send + Sync {
    /// The length of the whole in bytes.
    fn length(&self) -> u64;

    /// Writes all bytes. Called once, on a thread of its own.
    ///
    /// # Errors
    /// When something cannot be read. The text reaches the receiver.
    fn write_to(&self, into: &mut PieceWriter<'_>) -> io::Result<()>;
}

/// A value that is received piece by piece.
pub trait StreamSink: Send + Sync {
    /// The length of the whole in bytes.
    fn length(&self) -> u64;

    /// Reads all bytes, and keeps what has come of them, or the reason why nothing has. Called once, on a thread of its
    /// own.
    fn read_from(&self, from: &mut PieceReader<'_>);
}

/// Takes a full piece, and returns an empty buffer for the next one.
type GivePiece<'a> = dyn FnMut(Vec<u8>) -> io::Result<Vec<u8>> + 'a;

/// Cuts what is written into pieces.
pub struct PieceWriter<'a> {
    give: &'a mut GivePiece<'a>,
    piece: Vec<u8>,
    piece_max: usize,
    left: u64,
}

impl<'a> PieceWriter<'a> {
    /// Makes a writer of `length` bytes, which calls `give` with each piece of `piece_max` bytes. `give` returns a buffer
    /// for the next piece.
    pub fn new(length: u64, piece_max: usize, give: &'a mut GivePiece<'a>) -> PieceWriter<'a> {
        PieceWriter {
            give,
            piece: Vec::with_capacity(piece_max + 1),
            piece_max: piece_max.max(1),
            left: length,
        }
    }

    /// Writes the next `length` bytes of `from`.
    ///
    /// # Errors
    /// When there are fewer, or they cannot be read.
    pub fn copy_from(&mut self, from: &mut impl Read, length: u64) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let room = (self.piece_max - self.piece.len()) as u64;
            let want = left.min(room);
            let got = from.by_ref().take(want).read_to_end(&mut self.piece)? as u64;
            self.count(got)?;
            if got < want {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has become shorter"));
            }
            left -= got;
        }
        Ok(())
    }

    /// Counts bytes that were appended to the piece, and gives it away if it is full or the last.
    fn count(&mut self, bytes: u64) -> io::Result<()> {
        let longer = || io::Error::other("it has become longer than was announced");
        self.left = self.left.checked_sub(bytes).ok_or_else(longer)?;
        if self.piece.len() == self.piece_max || (self.left == 0 && !self.piece.is_empty()) {
            self.piece = (self.give)(std::mem::take(&mut self.piece))?;
            self.piece.clear();
        }
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// When fewer bytes were written than announced.
    pub fn finish(self) -> io::Result<()> {
        if self.left == 0 {
            Ok(())
        } else {
            Err(io::Error::other("it has become shorter than was announced"))
        }
    }
}

impl Write for PieceWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.piece_max - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        self.count(taken as u64)?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the buffer of a piece that was read, and returns the next piece.
type NextPiece<'a> = dyn FnMut(Vec<u8>) -> io::Result<Vec<u8>> + 'a;

/// Reads a stream from its pieces.
pub struct PieceReader<'a> {
    next: &'a mut NextPiece<'a>,
    piece: Vec<u8>,
    at: usize,
}

/// The error of copying bytes of a stream: at which end.
#[derive(Debug)]
pub enum CopyError {
    /// The bytes have not come; the error of the sender, or of the connection.
    Read(io::Error),
    /// The bytes could not be written here.
    Write(io::Error),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> CopyError {
        CopyError::Write(error)
    }
}

impl<'a> PieceReader<'a> {
    /// Makes a reader of the pieces that `next` returns. `next` is given the buffer of the piece before, to be used
    /// again, and fails at the end of the stream.
    pub fn new(next: &'a mut NextPiece<'a>) -> PieceReader<'a> {
        PieceReader { next, piece: Vec::new(), at: 0 }
    }

    /// The bytes of the present piece that are not read yet; at least one.
    fn rest(&mut self) -> io::Result<&[u8]> {
        while self.at == self.piece.len() {
            self.piece = (self.next)(std::mem::take(&mut self.piece))?;
            self.at = 0;
        }
        Ok(&self.piece[self.at..])
    }

    /// Copies the next `length` bytes into `into`, without another copy of them in memory.
    ///
    /// # Errors
    /// When they do not come, or cannot be written.
    pub fn copy_to(&mut self, into: &mut impl Write, length: u64) -> Result<(), CopyError> {
        let mut left = length;
        while left > 0 {
            let rest = self.rest().map_err(CopyError::Read)?;
            let taken = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            into.write_all(&rest[..taken]).map_err(CopyError::Write)?;
            self.at += taken;
            left -= taken as u64;
        }
        Ok(())
    }
}

impl Read for PieceReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        let rest = self.rest()?;
        let taken = rest.len().min(into.len());
        into[..taken].copy_from_slice(&rest[..taken]);
        self.at += taken;
        Ok(taken)
    }
}

/// Hands a stream from its source to its sink, on the calling thread and with all pieces in memory: for transports
/// within a process. A failure of the source reaches the sink.
pub fn hand_over(source: &dyn StreamSource, sink: &dyn StreamSink) {
    let mut pieces = std::collections::VecDeque::new();
    let mut give = |piece: Vec<u8>| {
        pieces.push_back(piece);
        Ok(Vec::new())
    };
    let mut writer = PieceWriter::new(source.length(), PIECE, &mut give);
    let outcome = source.write_to(&mut writer).and_then(|()| writer.finish());
    let mut failure = outcome.err();
    let mut next = |_| match pieces.pop_front() {
        Some(piece) => Ok(piece),
        None => Err(failure.take().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into())),
    };
    sink.read_from(&mut PieceReader::new(&mut next));
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    struct Numbers(u64, u64);

    impl StreamSource for Numbers {
        fn length(&self) -> u64 {
            self.0
        }
        fn write_to(&self, into: &mut PieceWriter<'_>) -> io::Result<()> {
            let bytes: Vec<u8> = (0..self.1).map(|n| (n % 251) as u8).collect();
            let (head, rest) = bytes.split_at(bytes.len() / 3);
            into.write_all(head)?;
            into.copy_from(&mut &rest[..], rest.len() as u64)
        }
    }

    struct Kept(u64, Mutex<Result<Vec<u8>, String>>);

    impl StreamSink for Kept {
        fn length(&self) -> u64 {
            self.0
        }
        fn read_from(&self, from: &mut PieceReader<'_>) {
            let mut bytes = vec![0; 3.min(self.0 as usize)];
            let copied = match from.read_exact(&mut bytes) {
                Ok(()) => from.copy_to(&mut bytes, self.0.saturating_sub(3)),
                Err(error) => Err(CopyError::Read(error)),
            };
            *self.1.lock() = match copied {
                Ok(()) => Ok(bytes),
                Err(CopyError::Read(error) | CopyError::Write(error)) => Err(error.to_string()),
            };
        }
    }

    #[test]
    fn a_stream_comes_out_as_it_went_in() {
        for length in [0, 1, 5, PIECE as u64 - 1, PIECE as u64, PIECE as u64 + 1, 3 * PIECE as u64 + 7] {
            let sink = Kept(length, Mutex::new(Ok(Vec::new())));
            hand_over(&Numbers(length, length), &sink);
            let expected: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            assert!(sink.1.into_inner().is_ok_and(|bytes| bytes == expected), "{length}");
        }
    }

    #[test]
    fn a_source_that_has_changed_is_an_error_at_the_sink() {
        for (announced, written, word) in [(100, 99, "shorter"), (100, 101, "longer"), (9, 0, "shorter")] {
            let sink = Kept(announced, Mutex::new(Ok(Vec::new())));
            hand_over(&Numbers(announced, written), &sink);
            let told = sink.1.into_inner().err().unwrap_or_default();
            assert!(told.contains(word), "{announced} {written}: {told}");
        }
    }
}
