//! Why somebody can log in or cannot, step by step.

use axum::{
    Router,
    extract::{Query, State as Shared},
    http::Method,
    response::Response,
    routing::get,
};
use serde_json::json;

use super::{
    super::{
        State,
        inputs::{Control, Filled, Input},
        page::{Faults, Frame, Section, render, render_again},
        texts::Texts,
        trouble::Trouble,
        visit::{Administrator, Posted},
    },
    ways::{choice, line, of_kind, refusal, services},
};
use crate::api::explain::{Conclusion, StepOutcome, View};

pub(super) fn router() -> Router<State> {
    Router::new().route("/admin/explain", get(ask).post(explain))
}

#[derive(askama::Template)]
#[template(path = "admin/explain.html")]
struct Page {
    frame: Frame,
    main: Vec<Input>,
    more: Vec<Input>,
    faults: Faults,
    answer: Option<Answer>,
}

/// What a login would come to.
struct Answer {
    of: String,
    verdict: String,
    tone: &'static str,
    sentence: Vec<String>,
    steps: Vec<Step>,
}

struct Step {
    name: String,
    detail: String,
    outcome: String,
    tone: &'static str,
}

fn page(
    administrator: &Administrator,
    filled: &Filled,
    faults: Faults,
    answer: Option<Answer>,
) -> Page {
    let t = Texts::english();
    let secret = |key: &str, label, help| of_kind("password", key, label, help, filled);
    Page {
        frame: Frame::new(&administrator.visit, t.s("explain"), Section::Explain),
        main: vec![
            line("address", t.s("explain-name"), t.s("explain-name-help"), filled),
            choice("service", t.s("explain-service"), String::new(), services(t), filled),
            secret("password", t.s("explain-password"), t.s("explain-password-help")),
        ],
        more: vec![
            line("rip", t.s("explain-rip"), t.s("explain-rip-help"), filled),
            secret("token", t.s("explain-token"), t.s("explain-token-help")),
        ],
        faults,
        answer,
    }
}

async fn ask(Query(filled): Query<Filled>, administrator: Administrator) -> Response {
    render(&page(&administrator, &filled, Faults::default(), None))
}

async fn explain(
    Shared(state): Shared<State>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let t = Texts::english();
    let again = |faults| render_again(&page(&administrator, &filled, faults, None));
    if filled.text("address").is_empty() {
        return Ok(again(Faults::one("address", t.s("explain-name-missing"))));
    }
    let rip = Some(filled.text("rip")).filter(|rip| !rip.is_empty());
    if rip.is_some_and(|rip| rip.parse::<std::net::IpAddr>().is_err()) {
        return Ok(again(Faults::one("rip", t.s("explain-rip-wrong"))));
    }
    // As they were typed, spaces at the ends included.
    let secret = |key: &str| -> Option<String> {
        filled.all(key).next().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let question = json!({
        "address": filled.text("address"),
        "protocol": filled.text("service"),
        "rip": rip,
        "password": secret("password"),
        "token": secret("token"),
    });
    let asked = state.desk.ask(&administrator.caller, Method::POST, &["explain"]);
    match asked.call::<View>(&question).await {
        Ok(view) => {
            let answer = Some(Answer::new(t, view));
            Ok(render(&page(&administrator, &filled, Faults::default(), answer)))
        }
        Err(Trouble::NotFound) => Ok(again(Faults::one("address", t.s("mailbox-unknown")))),
        Err(trouble) => Ok(again(refusal(trouble, &["address", "token"])?)),
    }
}

impl Answer {
    fn new(t: &Texts, view: View) -> Self {
        let (verdict, tone) = match view.verdict {
            Conclusion::Verified => (t.s("explain-verified"), "good"),
            Conclusion::Rejected => (t.s("explain-rejected"), "bad"),
            Conclusion::Unavailable => (t.s("explain-unavailable"), "warn"),
            Conclusion::Undecided => (t.s("explain-undecided"), "warn"),
        };
        let values = [("address", view.address), ("service", view.protocol)];
        let step = |step: crate::api::explain::Step| {
            let (outcome, tone) = match step.outcome {
                StepOutcome::Ok => (t.s("explain-step-ok"), "good"),
                StepOutcome::Refused => (t.s("explain-step-refused"), "bad"),
                StepOutcome::NotApplicable => (t.s("explain-step-skipped"), "soft"),
            };
            Step { name: step.name, detail: step.detail, outcome, tone }
        };
        Self {
            of: t.of("explain-of", &values),
            verdict,
            tone,
            sentence: view.sentence.lines().map(str::to_owned).collect(),
            steps: view.steps.into_iter().map(step).collect(),
        }
    }
}
