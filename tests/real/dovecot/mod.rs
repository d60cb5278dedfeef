//! What both Dovecots must show, in every way of standing in for their auth
//! process. `dovecot23` and `dovecot24` say which of it runs where.

pub mod crowd;
pub mod logins;
pub mod lookups;
pub mod recordings;
pub mod survival;
