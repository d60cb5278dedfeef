//! One method of one path: who answers it, and what is said of it.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    routing::{self, MethodRouter},
};

use super::State;

/// One method of one path.
pub(super) struct Route {
    path: &'static str,
    #[expect(dead_code, reason = "for the description of the API")]
    summary: &'static str,
    answers: MethodRouter<State>,
}

impl Route {
    /// What it does, in a line.
    pub(super) fn says(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// Takes a larger body than the others.
    pub(super) fn up_to(self, bytes: usize) -> Self {
        Self { answers: self.answers.layer(DefaultBodyLimit::max(bytes)), ..self }
    }

    pub(super) fn add_to(self, router: Router<State>) -> Router<State> {
        router.route(self.path, self.answers)
    }
}

fn route(path: &'static str, answers: MethodRouter<State>) -> Route {
    Route { path, summary: "", answers }
}

pub(super) fn get<H: Handler<A, State>, A: 'static>(path: &'static str, handler: H) -> Route {
    route(path, routing::get(handler))
}

pub(super) fn post<H: Handler<A, State>, A: 'static>(path: &'static str, handler: H) -> Route {
    route(path, routing::post(handler))
}

pub(super) fn put<H: Handler<A, State>, A: 'static>(path: &'static str, handler: H) -> Route {
    route(path, routing::put(handler))
}

pub(super) fn patch<H: Handler<A, State>, A: 'static>(path: &'static str, handler: H) -> Route {
    route(path, routing::patch(handler))
}

pub(super) fn delete<H: Handler<A, State>, A: 'static>(path: &'static str, handler: H) -> Route {
    route(path, routing::delete(handler))
}
