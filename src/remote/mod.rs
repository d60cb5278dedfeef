//! Servers that are asked: how they are reached, whether they are believed, when
//! they are left alone, and what of their words bears a log line. Providers and
//! directories are; what is asked of them is those rooms' matter.

pub mod breaker;
pub mod connect;
mod outage;
pub mod settings;
pub mod tls;
pub mod words;

pub use self::{
    outage::{Outage, OutageCause},
    tls::Tls,
};
