//! One method of one path: who answers it, whom, and what is said of it.

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::Method,
    middleware,
    routing::{MethodFilter, MethodRouter, on},
};

use super::{
    Scope, State,
    openapi::{Described, Operation, Schemas},
    rights::{Needs, Over, admit},
    version::{Shown, Volatile, guard, mark},
};

/// One method of one path.
pub(super) struct Route {
    method: Method,
    path: &'static str,
    needs: Needs,
    summary: &'static str,
    describe: fn(&str, &mut Schemas) -> Operation,
    answers: MethodRouter<State>,
    /// Of what has an `ETag`: what of it changes by itself.
    volatile: Option<Volatile>,
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

    /// What it shows has an `ETag`, and is changed with `If-Match` at the same path; these
    /// keys of it change by themselves.
    pub(super) fn versioned(self, volatile: Volatile) -> Self {
        Self { volatile: Some(volatile), ..self }
    }

    /// How the thing is shown that its path names, if it has an `ETag`.
    pub(super) fn shown(&self, state: &State) -> Option<(&'static str, Shown)> {
        let volatile = self.volatile?;
        let show = Router::new().fallback_service(self.answers.clone().with_state(state.clone()));
        Some((self.path, Shown { show, volatile }))
    }

    /// Whether an answer has an `ETag`.
    pub(super) fn has_etag(&self) -> bool {
        self.volatile.is_some()
    }

    /// Where it is, and what it needs.
    pub(super) fn declared(&self) -> (Method, &'static str, Needs) {
        (self.method.clone(), self.path, self.needs)
    }

    pub(super) fn summary(&self) -> &'static str {
        self.summary
    }

    /// What its handler takes and answers.
    pub(super) fn describe(&self, schemas: &mut Schemas) -> Operation {
        (self.describe)(self.path, schemas)
    }

    /// There is no other way into a router, so no handler is asked by somebody without
    /// what its line says.
    pub(super) fn add_to(
        self,
        router: Router<State>,
        state: &State,
        versioned: &BTreeMap<&str, Shown>,
    ) -> Router<State> {
        let admission = middleware::from_fn_with_state((state.clone(), self.needs), admit);
        let answers = match (self.volatile, &self.method) {
            (Some(volatile), _) => {
                self.answers.route_layer(middleware::from_fn_with_state(volatile, mark))
            }
            (None, &Method::GET) => self.answers,
            (None, _) => {
                let shown = versioned.get(self.path).cloned();
                self.answers.route_layer(middleware::from_fn_with_state(shown, guard))
            }
        };
        router.route(self.path, answers.route_layer(admission))
    }
}

/// `GET` of this path, which needs this.
pub(super) fn get<H: Described<A>, A: 'static>(
    path: &'static str,
    needs: (Scope, Over),
    handler: H,
) -> Route {
    route(Method::GET, path, needs, handler)
}

/// `POST` of this path, which needs this.
pub(super) fn post<H: Described<A>, A: 'static>(
    path: &'static str,
    needs: (Scope, Over),
    handler: H,
) -> Route {
    route(Method::POST, path, needs, handler)
}

/// `PUT` of this path, which needs this.
pub(super) fn put<H: Described<A>, A: 'static>(
    path: &'static str,
    needs: (Scope, Over),
    handler: H,
) -> Route {
    route(Method::PUT, path, needs, handler)
}

/// `PATCH` of this path, which needs this.
pub(super) fn patch<H: Described<A>, A: 'static>(
    path: &'static str,
    needs: (Scope, Over),
    handler: H,
) -> Route {
    route(Method::PATCH, path, needs, handler)
}

/// `DELETE` of this path, which needs this.
pub(super) fn delete<H: Described<A>, A: 'static>(
    path: &'static str,
    needs: (Scope, Over),
    handler: H,
) -> Route {
    route(Method::DELETE, path, needs, handler)
}

fn route<H: Described<A>, A: 'static>(
    method: Method,
    path: &'static str,
    (scope, over): (Scope, Over),
    handler: H,
) -> Route {
    let filter = MethodFilter::try_from(method.clone()).expect("the methods above are known");
    let needs = Needs::new(scope, over);
    Route {
        method,
        path,
        needs,
        summary: "",
        describe: H::describe,
        answers: on(filter, handler),
        volatile: None,
    }
}
