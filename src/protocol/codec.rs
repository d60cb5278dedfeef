//! The adapter to tokio-util; the only file here that names it.

use bytes::BytesMut;
use tokio_util::codec::Decoder;

use super::{
    line::{Framer, Line},
    socketmap,
};

/// Why no further line comes.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The peer broke the framing.
    #[error(transparent)]
    Protocol(#[from] super::Error),
    /// The socket failed.
    #[error("cannot read from the socket")]
    Io(#[from] std::io::Error),
}

/// Cuts what arrives into lines. Bytes behind the last LF at the connection's
/// end are no line and are dropped: half a command must never take effect.
#[derive(Debug)]
pub struct LineDecoder(Framer);

impl LineDecoder {
    /// For lines of at most `max` bytes, their end included.
    pub fn new(max: usize) -> Self {
        Self(Framer::new(max))
    }
}

impl Decoder for LineDecoder {
    type Item = Line;
    type Error = CodecError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Line>, CodecError> {
        Ok(self.0.next(buffer)?)
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Line>, CodecError> {
        let line = self.decode(buffer)?;
        if line.is_none() {
            buffer.clear();
        }
        Ok(line)
    }
}

/// Cuts what arrives into the contents of netstrings.
#[derive(Debug)]
pub struct NetstringDecoder;

impl Decoder for NetstringDecoder {
    type Item = BytesMut;
    type Error = CodecError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<BytesMut>, CodecError> {
        Ok(socketmap::next(buffer)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_at_the_end_is_dropped() {
        let mut decoder = LineDecoder::new(1024);
        let mut buffer = BytesMut::from(&b"CANCEL\t1\nCANCEL\t"[..]);
        assert_eq!(&*decoder.decode_eof(&mut buffer).unwrap().unwrap(), b"CANCEL\t1");
        assert!(decoder.decode_eof(&mut buffer).unwrap().is_none());
        assert!(buffer.is_empty());
    }
}
