//! Another auth source for many mailboxes of a domain. What it would come to can be
//! seen first.

use axum::{
    extract::{Path, State as Shared},
    http::Method,
    response::Response,
};

use super::super::{
    super::{
        State,
        inputs::{Control, Filled, Input},
        page::{Faults, Frame, Section, render, render_again},
        texts::Texts,
        trouble::Trouble,
        visit::{Administrator, Posted},
    },
    ways::{choice, line, refusal, source_words, sources, switch, way},
};
use crate::api::{
    Page,
    auth_source::{Note, Order, Outcome, Switched},
    domains::View,
};

/// Pages of mailboxes of one request; beyond, one goes on with a button.
const PAGES_AT_A_TIME: usize = 20;
/// Most mailboxes that are named.
const MOST_NAMED: usize = 100;

#[derive(askama::Template)]
#[template(path = "admin/domain_switch.html")]
struct Ask {
    frame: Frame,
    back: String,
    action: String,
    inputs: Vec<Input>,
    faults: Faults,
    result: Option<Found>,
}

/// What became of the mailboxes, or would.
#[derive(Default)]
struct Found {
    is_plan: bool,
    /// How many, in words, and what became of them.
    sums: Vec<String>,
    /// Mailboxes of which there is something to say.
    named: Vec<Named>,
    /// How many more there are.
    unnamed: usize,
    /// Where it goes on.
    next: Option<String>,
}

struct Named {
    address: String,
    way: String,
    words: String,
}

async fn page(
    state: &State,
    administrator: &Administrator,
    name: &str,
    filled: &Filled,
    faults: Faults,
    result: Option<Found>,
) -> Result<Ask, Trouble> {
    let t = Texts::english();
    let domain: View = state.desk.get(&administrator.caller, &["domains", name]).await?;
    let to = sources(state, administrator, Some(&domain)).await?;
    // Whoever spoke for it before may not any more.
    let from = sources(state, administrator, None).await?;
    let any = (String::new(), t.s("switch-from-any"));
    let from = [any].into_iter().chain(from);
    let back = way(&["admin", "domains", domain.name.as_str()]);
    Ok(Ask {
        frame: Frame::new(
            &administrator.visit,
            t.with("switch-title", "name", &domain.name),
            Section::Domains,
        ),
        action: format!("{back}/auth-source"),
        back,
        inputs: vec![
            choice("source", t.s("switch-to"), t.s("switch-to-help"), to, filled),
            choice("from", t.s("switch-from"), t.s("switch-from-help"), from, filled),
            line("mask", t.s("switch-mask"), t.s("switch-mask-help"), filled),
            switch("unbind", t.s("switch-unbind"), t.s("switch-unbind-help"), filled),
        ],
        faults,
        result,
    })
}

pub(super) async fn ask(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
) -> Result<Response, Trouble> {
    let (filled, faults) = (Filled::default(), Faults::default());
    Ok(render(&page(&state, &administrator, &name, &filled, faults, None).await?))
}

pub(super) async fn carry_out(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
    administrator: Administrator,
    Posted(filled): Posted<Filled>,
) -> Result<Response, Trouble> {
    let given = |key| Some(filled.text(key).to_owned()).filter(|text| !text.is_empty());
    let order = Order {
        source: filled.text("source").to_owned(),
        mask: given("mask"),
        from: given("from"),
        unbind: filled.is_on("unbind"),
        dry_run: !filled.text("do").starts_with("switch"),
        // Another button begins with the first mailbox again.
        after: given("after").filter(|_| filled.text("do").ends_with("-on")),
    };
    match switched(&state, &administrator, &name, order).await {
        Ok(found) => {
            let found = Some(found);
            let faults = Faults::default();
            Ok(render(&page(&state, &administrator, &name, &filled, faults, found).await?))
        }
        Err(trouble) => {
            let faults = refusal(trouble, &["source", "mask"])?;
            Ok(render_again(&page(&state, &administrator, &name, &filled, faults, None).await?))
        }
    }
}

async fn switched(
    state: &State,
    administrator: &Administrator,
    domain: &str,
    mut order: Order,
) -> Result<Found, Trouble> {
    let caller = administrator.caller.clone();
    let mut all = Vec::new();
    for _ in 0..PAGES_AT_A_TIME {
        let asked = state.desk.ask(&caller, Method::POST, &["domains", domain, "auth-source"]);
        let page: Page<Switched> = asked.call(&order).await?;
        all.extend(page.items);
        order.after = page.next;
        if order.after.is_none() {
            break;
        }
    }
    let found = summed(Texts::english(), &all, order.dry_run);
    Ok(Found { next: order.after, ..found })
}

fn summed(t: &Texts, all: &[Switched], is_plan: bool) -> Found {
    let of = |outcome| all.iter().filter(|one| one.outcome == outcome).count();
    let changed = of(Outcome::Changed);
    let changed =
        if is_plan { t.count("switch-would", changed) } else { t.count("switch-did", changed) };
    let others = [
        (of(Outcome::Unchanged), "switch-unchanged"),
        (of(Outcome::LeftOut), "switch-left-out"),
        (of(Outcome::Refused), "switch-refused"),
    ];
    let others = others.into_iter().filter(|(number, _)| *number > 0);
    let sums = [changed].into_iter().chain(others.map(|(number, key)| t.count(key, number)));
    let mut of_note = all.iter().filter_map(|one| {
        let words: Vec<_> =
            one.notes.iter().map(|note| note_words(t, *note)).chain(one.reason.clone()).collect();
        let words = words.join(" ");
        let way = way(&["admin", "mailboxes", one.address.as_str()]);
        (!words.is_empty()).then(|| Named {
            address: one.address.to_string(),
            way,
            words: t.of("switch-was", &[("was", source_words(t, &one.was)), ("words", words)]),
        })
    });
    let named = of_note.by_ref().take(MOST_NAMED).collect();
    Found { is_plan, sums: sums.collect(), named, unnamed: of_note.count(), next: None }
}

fn note_words(t: &Texts, note: Note) -> String {
    match note {
        Note::NoPassword => t.s("switch-no-password"),
        Note::Unbound => t.s("switch-unbound"),
        Note::SwitchedOff => t.s("switch-switched-off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Address;

    #[test]
    fn what_deserves_a_word_is_named() {
        let one = |number: usize, outcome, notes| Switched {
            address: Address::parse(&format!("a{number}@example.org")).unwrap(),
            outcome,
            was: "corp".to_owned(),
            notes,
            reason: None,
        };
        let mut all: Vec<_> =
            (0..120).map(|number| one(number, Outcome::Changed, vec![Note::NoPassword])).collect();
        all.push(one(120, Outcome::Unchanged, Vec::new()));
        let found = summed(Texts::english(), &all, true);
        assert_eq!((found.named.len(), found.unnamed, found.sums.len()), (100, 20, 2));
        assert!(found.sums[0].contains("120"), "{}", found.sums[0]);
    }
}
