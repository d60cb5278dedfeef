//! One method of one path: who answers it, and what is said of it.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler,
    http::Method,
    middleware,
    routing::{MethodFilter, MethodRouter, on},
};

use super::{
    Scope, State,
    rights::{Needs, Over, admit},
};

/// One method of one path.
pub(super) struct Route {
    method: Method,
    path: &'static str,
    needs: Needs,
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

    /// The owner of a mailbox may do it, too, with his own.
    pub(super) fn or_owner(self) -> Self {
        Self { needs: self.needs.or_owner(), ..self }
    }

    /// Where it is, and what it needs.
    pub(super) fn declared(&self) -> (Method, &'static str, Needs) {
        (self.method.clone(), self.path, self.needs)
    }

    /// There is no other way into a router, so no handler is asked by somebody without
    /// what its line says.
    pub(super) fn add_to(self, router: Router<State>, state: &State) -> Router<State> {
        let admission = middleware::from_fn_with_state((state.clone(), self.needs), admit);
        router.route(self.path, self.answers.route_layer(admission))
    }
}

/// `GET` of this path, which needs this.
pub(super) fn get<H: Handler<A, State>, A: 'static>(
    path: &'static str,
    needs: (Scope, Over),
    handler: H,
) -> Route {
    route(Method::GET, path, needs, on(MethodFilter::GET, handler))
}

/// `POST` of this path, which needs this.
pub(super) fn post<H: Handler<A, State>, A: 'static>(
    path: &'static str,
    needs: (Scope, Over),
    handler: H,
) -> Route {
    route(Method::POST, path, needs, on(MethodFilter::POST, handler))
}

/// `PUT` of this path, which needs this.
pub(super) fn put<H: Handler<A, State>, A: 'static>(
    path: &'static str,
    needs: (Scope, Over),
    handler: H,
) -> Route {
    route(Method::PUT, path, needs, on(MethodFilter::PUT, handler))
}

/// `PATCH` of this path, which needs this.
pub(super) fn patch<H: Handler<A, State>, A: 'static>(
    path: &'static str,
    needs: (Scope, Over),
    handler: H,
) -> Route {
    route(Method::PATCH, path, needs, on(MethodFilter::PATCH, handler))
}

/// `DELETE` of this path, which needs this.
pub(super) fn delete<H: Handler<A, State>, A: 'static>(
    path: &'static str,
    needs: (Scope, Over),
    handler: H,
) -> Route {
    route(Method::DELETE, path, needs, on(MethodFilter::DELETE, handler))
}

fn route(
    method: Method,
    path: &'static str,
    (scope, over): (Scope, Over),
    answers: MethodRouter<State>,
) -> Route {
    Route { method, path, needs: Needs::new(scope, over), summary: "", answers }
}
