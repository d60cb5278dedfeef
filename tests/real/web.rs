//! The pages in a real browser.
//!
//! Needs root and what `contrib/test-setup` installs: Chromium, Node with
//! playwright-core and axe-core. Screenshots lie in `target/artefacts/web`, a folder for each
//! test: each page at the width of a desktop and of a phone, in light and in dark.

mod browser;
mod sign_in;
mod site;

mod logins;
mod mailboxes;
mod providers;
mod self_service;
mod walk;
