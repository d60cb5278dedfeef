//! SASL: one dialogue between a mail client and us, without any I/O.
//!
//! A mechanism takes the client's messages and ends with [`Credentials`]:
//! something that can be checked. It never checks anything itself.

pub mod bearer;
pub mod dovecot_token;
pub mod external;
pub mod login;
pub mod mechanism;
pub mod name;
pub mod oauthbearer;
pub mod plain;
pub mod xoauth2;

pub use self::{
    bearer::{TokenError, TokenRefusal},
    mechanism::{Credentials, Mechanism, Step},
    name::MechanismName,
};
