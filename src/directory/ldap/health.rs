//! How the servers of a directory do: said once when that changes, and to whoever
//! asks.

use std::sync::Mutex;

use super::super::{Failure, Outage, OutageCause, Status};
use crate::{clock::Timestamp, mailbox::ProviderName};

/// What is known of it.
pub(super) struct Health {
    directory: ProviderName,
    status: Mutex<Status>,
}

impl Health {
    pub(super) fn of(directory: &ProviderName) -> Self {
        Self { directory: directory.clone(), status: Mutex::default() }
    }

    pub(super) fn status(&self) -> Status {
        self.status.lock().expect("no holder panics").clone()
    }

    /// Takes in what a question came to, and hands it on.
    pub(super) fn noted<T>(&self, asked: Result<T, Outage>) -> Result<T, Outage> {
        let now = Timestamp::now();
        let mut status = self.status.lock().expect("no holder panics");
        let directory = self.directory.as_str();
        match &asked {
            Ok(_) => {
                status.read = Some(now);
                if status.failure.take().is_some() {
                    tracing::info!(directory, "the directory answers again");
                }
            }
            // That says nothing of the servers, or nothing new.
            Err(outage) if matches!(outage.cause, OutageCause::Busy | OutageCause::Down) => {}
            Err(outage) => {
                let since = status.failure.as_ref().map(|failure| failure.since);
                if since.is_none() {
                    tracing::warn!(directory, "the directory cannot be asked: {outage}");
                }
                let problems = vec![outage.to_string()];
                status.failure = Some(Failure { since: since.unwrap_or(now), problems, more: 0 });
            }
        }
        asked
    }
}
