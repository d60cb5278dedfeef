//! Bytes to values and back, of Dovecot's authentication protocol: the client
//! half (login processes, Postfix, Exim) and the master half (mail processes,
//! LMTP, `doveadm`); and of Postfix's look-ups, which are a protocol of their own
//! ([`socketmap`]).
//!
//! Nothing here knows the order in which lines may come: that is `session`.
//! What a line means when it cannot be read is said by [`Error`].
//!
//! ```text
//! line  = field *(TAB field) [CR] LF
//! field = *(any byte but TAB, CR, LF)      ; tab-escaped, split before unescaping
//! ```

pub mod base64;
pub mod client;
pub mod codec;
pub mod cookie;
pub mod escape;
mod field;
pub mod line;
pub mod master;
pub mod reply;
pub mod request;
pub mod socketmap;

pub use self::{base64::Base64, cookie::Cookie, request::AuthRequest, request::Secured};

/// The one major version there is.
pub const MAJOR: u32 = 1;

/// `VERSION <major> <minor>`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Version {
    /// Another major than [`MAJOR`] cannot be talked to.
    pub major: u32,
    /// Gates features.
    pub minor: u32,
}

/// A line that cannot be read, and what is to be done about it. The texts hold
/// nothing of the line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// It belongs to no request: only the end of the connection answers it.
    #[error("{0}")]
    Line(&'static str),
    /// It belongs to this request: that one fails, the connection lives.
    #[error("request {id}: {why}")]
    Request {
        /// The request.
        id: u32,
        /// What is wrong.
        why: &'static str,
    },
    /// More bytes without a line end than the socket takes.
    #[error("line longer than {max} bytes")]
    TooLong {
        /// The limit, with the line end.
        max: usize,
    },
}
