//! The suite notices faults: through a proxy that spoils replies each fault
//! makes the check fail that is there for it, and through one that spoils
//! nothing all of them pass.
//!
//! `DOVEGATE_CONFORMANCE_FAULT=answers_twice cargo test --test it c_` runs all
//! tests through one fault.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    thread,
    time::Duration,
};

use super::{
    cancelling as c, framing as f, handshake as h, looking_up as l, master as m, requests as r,
    tokens as t, verdicts as v,
};
use crate::support::{client::Target, proxy::FAULTS, world::World};

/// One check, the faults that it must notice, and the settings it needs.
#[derive(Clone, Copy)]
struct Case {
    check: fn(&Target),
    faults: &'static [&'static str],
    settings: &'static [&'static str],
    /// Whether its world has providers.
    asks_providers: bool,
}

const fn case(check: fn(&Target), faults: &'static [&'static str]) -> Case {
    Case { check, faults, settings: &[], asks_providers: false }
}

const fn asking(case: Case) -> Case {
    Case { asks_providers: true, ..case }
}

const fn set(settings: &'static [&'static str], case: Case) -> Case {
    Case { settings, ..case }
}

const CASES: &[Case] = &[
    case(f::empty_line_closes, &["never_closes"]),
    case(f::cr_before_lf_is_stripped, &["drops_requests_with_cr"]),
    case(f::escaped_tab_makes_no_field, &["unescapes_before_splitting"]),
    case(f::escapes_round_trip, &["escapes_twice"]),
    case(f::empty_fields_are_ignored, &["minds_empty_fields"]),
    case(f::endless_line_closes_that_connection_only, &["closes_everything_on_a_long_line"]),
    case(f::master_replies_stay_below_8192, &["pads_master_replies"]),
    case(f::minor_0_needs_no_unescaping, &["hides_user_behind_many_fields"]),
    case(h::version_comes_first, &["spid_before_version"]),
    case(h::greeting_has_its_order, &["merges_lines", "mechanism_after_spid"]),
    case(h::silent_client_gets_the_whole_greeting, &["waits_for_the_client_to_speak"]),
    case(h::minor_2_sees_no_channel_binding, &["offers_channel_binding_to_all"]),
    case(h::bad_handshake_closes, &["never_closes"]),
    case(h::live_cpid_is_refused, &["never_closes"]),
    case(h::cookie_and_cuid_are_per_connection, &["one_cookie_for_all"]),
    case(|target| drop(h::spid_is_one(target)), &["other_spid_for_masters"]),
    case(r::id_in_use_closes_that_connection_only, &["never_closes"]),
    case(r::field_after_resp_voids_the_command, &["ignores_what_follows_resp"]),
    case(r::protocol_or_service_is_required, &["needs_no_protocol"]),
    case(r::mechanism_name_ignores_case, &["minds_the_case_of_mechanisms"]),
    case(r::empty_initial_response, &["takes_empty_resp_for_none", "empty_challenge_without_tab"]),
    case(r::bad_base64_fails_one_request, &["closes_on_bad_base64", "drops_codes"]),
    set(
        &["login.failure_delay = \"1500ms\""],
        case(r::stray_continuation_fails, &["drops_reasons", "silent_about_unknown_ids"]),
    ),
    case(r::unused_parameters_change_nothing, &["obeys_nologin"]),
    case(
        r::thousand_interleaved_requests,
        &["forgets_a_final_reply", "answers_twice", "swaps_ids"],
    ),
    set(
        &["login.failure_delay = \"1s\""],
        case(
            c::cancel_by_minor,
            &["cancelled_to_old_minors", "never_says_cancelled", "verdict_after_cancel"],
        ),
    ),
    set(
        &["login.request_timeout = \"1s\""],
        case(c::idle_request_vanishes, &["tells_of_timeouts"]),
    ),
    case(c::id_after_ok, &["frees_ids_at_once"]),
    case(v::ok_names_the_user_first, &["names_another_user", "keeps_the_name_as_it_came"]),
    case(v::failures_look_the_same, &["tells_unknown_users_apart", "fails_with_proxy_fields"]),
    set(&["login.failure_delay = \"2s\""], case(v::failure_delay, &["fails_at_once"])),
    set(
        &["login.failure_delay = \"4s\""],
        case(v::highest_penalty_stays_below_ten_seconds, &["late_as_can_be"]),
    ),
    case(v::surplus_fields_in_cont, &["overlooks_surplus_fields"]),
    case(v::plain_grammar_and_authzid, &["names_another_user"]),
    set(
        &["names.default_domain = \"example.org\""],
        case(v::names, &["keeps_the_name_as_it_came"]),
    ),
    asking(case(
        t::bad_token_is_told_as_json,
        &["keeps_the_last_message_back", "fails_before_the_challenge"],
    )),
    asking(case(
        t::outage_of_the_provider_is_temporary,
        &["blames_the_token_for_an_outage", "drops_codes"],
    )),
    asking(case(
        t::token_and_name_are_one_persons,
        &["believes_any_token", "keeps_the_name_as_it_came"],
    )),
    case(m::master_greeting, &["cuid_for_masters"]),
    case(m::request_must_fit, &["believes_any_request"]),
    case(m::request_works_once, &["believes_any_request"]),
    case(m::session_pid_is_the_peer, &["believes_any_request"]),
    case(m::auth_token, &["always_gives_a_token"]),
    case(m::commands_out_of_place, &["never_closes"]),
    case(l::unknown_user_is_notfound, &["unknown_user_is_a_fault"]),
    case(l::name_in_user_and_pass, &["user_as_parameter"]),
    set(&["userdb.uid = 4711", "userdb.gid = 4712"], case(l::uid_and_gid, &["root_for_everybody"])),
    case(l::list, &["lists_without_end", "lists_everybody"]),
    case(l::cache_flush_counts, &["counts_nothing"]),
    set(
        &["userdb.fields.favourite = \"tea\""],
        case(l::userdb_fields_stay_out_of_ok, &["userdb_fields_in_ok"]),
    ),
];

/// How many cases run at a time; they mostly wait.
const WORKERS: usize = 6;

#[test]
fn every_fault_is_noticed() {
    let todo = Mutex::new(CASES.iter());
    let unnoticed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let next = todo.lock().expect("no holder panics").next();
                    let Some(case) = next else { return };
                    let missed = run(case);
                    unnoticed.lock().expect("no holder panics").extend(missed);
                }
            });
        }
    });
    let unnoticed = unnoticed.into_inner().expect("no holder panics");
    assert!(unnoticed.is_empty(), "faults that nobody noticed: {unnoticed:?}");
}

/// The faults of this case that its check let pass.
fn run(case: &Case) -> Vec<&'static str> {
    let make = if case.asks_providers { World::with_providers } else { World::with };
    let world = make(case.settings);
    let (_proxy, target) = world.spoilt("none", Duration::from_secs(60));
    (case.check)(&target);
    let passes = |fault: &&&str| {
        // `late_as_can_be` is late, not silent.
        let patience = if **fault == "late_as_can_be" { 20 } else { 5 };
        let (_proxy, target) = world.spoilt(fault, Duration::from_secs(patience));
        catch_unwind(AssertUnwindSafe(|| (case.check)(&target))).is_ok()
    };
    case.faults.iter().filter(passes).copied().collect()
}

#[test]
fn every_fault_has_a_check() {
    for fault in FAULTS.iter().filter(|fault| fault.name != "none") {
        let noticed = CASES.iter().any(|case| case.faults.contains(&fault.name));
        assert!(noticed, "no check is there for {}", fault.name);
    }
}
