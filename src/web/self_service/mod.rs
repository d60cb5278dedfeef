//! `/`: one's own mailbox.
//!
//! ```text
//! home.rs             what there is, and what happened
//! app_passwords.rs    made, looked at, revoked
//! made.rs             one that was just made, for the only time
//! profile.rs          the same for an iPhone, iPad or Mac
//! logins.rs           one's own logins
//! servers.rs          the servers that mail programs are told
//! password.rs         one's own local password
//! ```

mod app_passwords;
mod home;
mod logins;
mod made;
mod password;
mod profile;
mod servers;

use axum::{
    Router,
    routing::{get, post},
};

use super::State;

/// The pages for everybody who has a mailbox.
pub(super) fn router() -> Router<State> {
    Router::new()
        .route("/", get(home::show))
        .route("/logins", get(logins::show))
        .route("/password", get(password::show).post(password::change))
        .route("/app-passwords", post(app_passwords::create))
        .route("/app-passwords/new", get(app_passwords::ask))
        .route("/app-passwords/made", get(made::show).post(made::forget))
        .route("/app-passwords/made/{file}", get(made::profile))
        .route("/app-passwords/all", get(app_passwords::ask_all))
        .route("/app-passwords/all/revoke", post(app_passwords::revoke_all))
        .route("/app-passwords/one/{id}", get(app_passwords::show))
        .route("/app-passwords/one/{id}/revoke", post(app_passwords::revoke))
}
