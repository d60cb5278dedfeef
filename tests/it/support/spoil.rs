//! The faults that [`Proxy`](super::proxy::Proxy) knows, each a few lines.

use std::time::Duration;

use super::proxy::{
    Act::{self, Close, Pass, Tell, Wait},
    Passage, Way,
};

/// One way to be wrong.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// Whether a close by the server is kept from the client.
    pub(crate) holds_open: bool,
    /// What becomes of a line; `None` lets it pass. The text is without its
    /// end, the bytes are as they came.
    pub(crate) spoil: Spoil,
}

type Spoil = fn(&mut Passage, Way, &str, &[u8]) -> Option<Vec<Act>>;

/// A fault in what the server says.
const fn told(name: &'static str, spoil: Spoil) -> Fault {
    Fault { name, holds_open: false, spoil }
}

/// All of them.
pub(crate) const FAULTS: &[Fault] = &[
    told("none", |_, _, _, _| None),
    Fault { name: "never_closes", holds_open: true, spoil: |_, _, _, _| None },
    told("drops_requests_with_cr", |_, way, _, raw| {
        (way == Way::ToServer && raw.ends_with(b"\r\n")).then(Vec::new)
    }),
    told("unescapes_before_splitting", |_, way, text, _| {
        let escaped = way == Way::ToServer && text.contains("\u{1}t");
        escaped.then(|| line(&text.replace("\u{1}t", "\t")))
    }),
    told("escapes_twice", |_, way, text, _| {
        let escaped = way == Way::ToClient && text.contains('\u{1}');
        escaped.then(|| line(&text.replace('\u{1}', "\u{1}1")))
    }),
    told("minds_empty_fields", |_, way, text, _| {
        (way == Way::ToServer && text.contains("\t\t")).then(Vec::new)
    }),
    told("closes_everything_on_a_long_line", |_, way, _, raw| {
        (way == Way::ToServer && raw.len() > 8192).then(|| vec![Close])
    }),
    told("pads_master_replies", |passage, way, text, _| {
        let reply = way == Way::ToClient && is_master(passage) && passage.told >= 2;
        reply.then(|| line(&format!("{text}\tpadding={}", "x".repeat(8192))))
    }),
    told("hides_user_behind_many_fields", |_, way, text, _| {
        let fields = text.strip_prefix("OK\t").filter(|_| way == Way::ToClient)?;
        let (id, user) = fields.split_once('\t')?;
        Some(line(&format!("OK\t{id}{}\t{user}", "\tx=y".repeat(16))))
    }),
    told("spid_before_version", |passage, way, _, raw| {
        (way == Way::ToClient && passage.told == 0)
            .then(|| vec![Tell("SPID\t1".into()), Pass(raw.into())])
    }),
    told("merges_lines", |_, way, text, _| {
        (way == Way::ToClient && text.starts_with("MECH\t")).then(|| vec![Pass(text.into())])
    }),
    told("mechanism_after_spid", |passage, way, text, raw| {
        if way == Way::ToServer {
            None
        } else if text.starts_with("MECH\tPLAIN") {
            passage.kept = Some(raw.to_owned());
            Some(Vec::new())
        } else if text.starts_with("SPID\t") {
            passage.kept.take().map(|kept| vec![Pass(raw.to_owned()), Pass(kept)])
        } else {
            None
        }
    }),
    told("waits_for_the_client_to_speak", |passage, way, _, raw| {
        if way == Way::ToServer {
            let kept = passage
                .kept
                .take()
                .map(|kept| Tell(String::from_utf8_lossy(&kept).trim_end().into()));
            return kept.map(|kept| vec![kept, Pass(raw.into())]);
        }
        let early = passage.told > 0 && (passage.told < 4 || passage.kept.is_some());
        early.then(|| {
            let mut kept = passage.kept.take().unwrap_or_default();
            kept.extend_from_slice(raw);
            passage.kept = Some(kept);
            Vec::new()
        })
    }),
    told("offers_channel_binding_to_all", |_, way, text, raw| {
        let last = way == Way::ToClient && text.starts_with("SPID\t");
        last.then(|| {
            vec![Tell("MECH\tSCRAM-SHA-256-PLUS\tchannel-binding".into()), Pass(raw.into())]
        })
    }),
    told("one_cookie_for_all", |_, way, text, _| {
        let cookie = way == Way::ToClient && text.starts_with("COOKIE\t");
        cookie.then(|| line(&format!("COOKIE\t{}", "0123456789abcdef".repeat(2))))
    }),
    told("other_spid_for_masters", |passage, way, text, _| {
        let spid = way == Way::ToClient && is_master(passage) && text.starts_with("SPID\t");
        spid.then(|| line("SPID\t1"))
    }),
    told("forgets_a_final_reply", |passage, way, text, _| {
        let forget = way == Way::ToClient && is_final(text) && passage.told % 10 == 9;
        forget.then(Vec::new)
    }),
    told("answers_twice", |passage, way, text, raw| {
        let twice = way == Way::ToClient && is_final(text) && passage.told % 10 == 9;
        twice.then(|| vec![Pass(raw.to_owned()), Pass(raw.to_owned())])
    }),
    told("swaps_ids", |passage, way, text, raw| {
        if way == Way::ToServer || !text.starts_with("OK\t") {
            return None;
        }
        let Some(kept) = passage.kept.take() else {
            passage.kept = Some(raw.to_owned());
            return Some(Vec::new());
        };
        let kept = String::from_utf8(kept).ok()?;
        let (first, second) = (id_and_rest(kept.trim_end())?, id_and_rest(text)?);
        let swapped = format!("OK\t{}\t{}\nOK\t{}\t{}", first.0, second.1, second.0, first.1);
        Some(line(&swapped))
    }),
    told("names_another_user", |_, way, text, _| {
        let ok = way == Way::ToClient && text.starts_with("OK\t") && text.contains("user=ann@");
        ok.then(|| line(&text.replace("user=ann@", "user=bob@")))
    }),
    told("keeps_the_name_as_it_came", |_, way, text, _| {
        let (head, original) = text.split_once("\toriginal_user=")?;
        let id = head.strip_prefix("OK\t")?.split('\t').next()?;
        (way == Way::ToClient).then(|| line(&format!("OK\t{id}\tuser={original}")))
    }),
    told("ignores_what_follows_resp", |_, way, text, _| {
        let at = text.find("\tresp=").filter(|_| way == Way::ToServer)?;
        let end = text[at + 1..].find('\t')?;
        Some(line(&text[..=at + end]))
    }),
    told("needs_no_protocol", |_, way, text, _| {
        let bare = way == Way::ToServer
            && text.starts_with("AUTH\t")
            && !text.contains("service=")
            && !text.contains("protocol=");
        bare.then(|| line(&text.replacen("\tresp=", "\tservice=imap\tresp=", 1)))
    }),
    told("minds_the_case_of_mechanisms", |_, way, text, _| {
        let id =
            text.strip_prefix("AUTH\t").filter(|_| way == Way::ToServer)?.split('\t').next()?;
        let lower = text.split('\t').nth(2)?.bytes().any(|byte| byte.is_ascii_lowercase());
        lower.then(|| vec![Tell(format!("FAIL\t{id}\treason=Unsupported mechanism"))])
    }),
    told("takes_empty_resp_for_none", |_, way, text, _| {
        let empty =
            way == Way::ToServer && (text.ends_with("\tresp=") || text.ends_with("\tresp=="));
        empty.then(|| line(text.trim_end_matches('=').trim_end_matches("\tresp")))
    }),
    told("empty_challenge_without_tab", |_, way, text, _| {
        let empty = way == Way::ToClient && text.starts_with("CONT\t") && text.ends_with('\t');
        empty.then(|| line(text.trim_end()))
    }),
    told("closes_on_bad_base64", |_, way, text, _| {
        (way == Way::ToClient && text.contains("code=invalid_base64")).then(|| vec![Close])
    }),
    told("drops_codes", |_, way, text, _| {
        let coded = way == Way::ToClient && text.contains("\tcode=");
        coded.then(|| line(&without(text, "code=")))
    }),
    told("drops_reasons", |_, way, text, _| {
        let coded = way == Way::ToClient && text.contains("\treason=");
        coded.then(|| line(&without(text, "reason=")))
    }),
    told("silent_about_unknown_ids", |_, way, text, _| {
        let unknown = way == Way::ToServer && text.starts_with("CONT\t4711");
        unknown.then(Vec::new)
    }),
    told("obeys_nologin", |_, way, text, _| {
        let id =
            text.strip_prefix("AUTH\t").filter(|_| way == Way::ToServer)?.split('\t').next()?;
        text.contains("\tnologin\t").then(|| vec![Tell(format!("FAIL\t{id}\treason=No login"))])
    }),
    told("cancelled_to_old_minors", |passage, way, text, raw| {
        let id =
            text.strip_prefix("CANCEL\t").filter(|_| way == Way::ToServer && passage.minor < 4)?;
        Some(vec![Pass(raw.into()), Tell(format!("CANCELLED\t{id}"))])
    }),
    told("never_says_cancelled", |_, way, text, _| {
        (way == Way::ToClient && text.starts_with("CANCELLED\t")).then(Vec::new)
    }),
    told("verdict_after_cancel", |_, way, text, raw| {
        let id = text.strip_prefix("CANCEL\t").filter(|_| way == Way::ToServer)?;
        Some(vec![Pass(raw.into()), Tell(format!("FAIL\t{id}"))])
    }),
    told("tells_of_timeouts", |_, way, text, raw| {
        let id =
            text.strip_prefix("CONT\t").filter(|_| way == Way::ToClient)?.split('\t').next()?;
        let late = Tell(format!("FAIL\t{id}\treason=Timeout"));
        Some(vec![Pass(raw.into()), Wait(Duration::from_millis(1200)), late])
    }),
    told("frees_ids_at_once", |passage, way, text, raw| {
        let reused =
            way == Way::ToServer && passage.socket == "login" && text.starts_with("AUTH\t");
        let id = text.split('\t').nth(1).filter(|_| reused)?;
        Some(vec![Pass(format!("CANCEL\t{id}\n").into_bytes()), Pass(raw.into())])
    }),
    told("tells_unknown_users_apart", |_, way, text, _| {
        let unknown =
            way == Way::ToClient && text.starts_with("FAIL\t") && text.contains("user=nobody@");
        unknown.then(|| line(&format!("{text}\treason=Unknown user")))
    }),
    told("fails_with_proxy_fields", |_, way, text, _| {
        let fail = way == Way::ToClient && text.starts_with("FAIL\t");
        fail.then(|| line(&format!("{text}\tproxy\thost=192.0.2.1")))
    }),
    told("fails_at_once", |_, way, text, _| {
        let id =
            text.strip_prefix("AUTH\t").filter(|_| way == Way::ToServer)?.split('\t').next()?;
        // base64 of "\0ann@example.org\0wrong"
        let wrong = text.ends_with("\tresp=AGFubkBleGFtcGxlLm9yZwB3cm9uZw==");
        wrong.then(|| vec![Tell(format!("FAIL\t{id}\tuser=ann@example.org"))])
    }),
    // The first verdict of a connection only: one after the other would add up.
    told("late_as_can_be", |passage, way, text, raw| {
        let fail = way == Way::ToClient && text.starts_with("FAIL	") && passage.kept.is_none();
        fail.then(|| {
            passage.kept = Some(Vec::new());
            vec![Wait(Duration::from_secs(11)), Pass(raw.into())]
        })
    }),
    told("overlooks_surplus_fields", |_, way, text, _| {
        let mut fields = text.split('\t');
        let surplus =
            way == Way::ToServer && fields.next() == Some("CONT") && fields.clone().count() > 2;
        surplus.then(|| line(&format!("CONT\t{}", fields.take(2).collect::<Vec<_>>().join("\t"))))
    }),
    told("keeps_the_last_message_back", |_, way, text, _| {
        let refusal = way == Way::ToClient && text.starts_with("FAIL\t");
        (refusal && text.contains("\tresp=")).then(|| line(&without(text, "resp=")))
    }),
    told("fails_before_the_challenge", |_, way, text, _| {
        let (id, challenge) = text.strip_prefix("CONT\t")?.split_once('\t')?;
        let told = way == Way::ToClient && !challenge.is_empty();
        told.then(|| line(&format!("FAIL\t{id}\tuser=ann@example.org")))
    }),
    told("blames_the_token_for_an_outage", |_, way, text, _| {
        let outage = way == Way::ToClient && text.contains("\tcode=temp_fail");
        // base64 of an object without members
        outage.then(|| line(&text.replace("code=temp_fail", "resp=e30=")))
    }),
    told("believes_any_token", |_, way, text, _| {
        let (head, _) = text.split_once("\tresp=").filter(|_| way == Way::ToClient)?;
        Some(line(&head.replace("FAIL\t", "OK\t")))
    }),
    told("cuid_for_masters", |passage, way, _, raw| {
        let second = way == Way::ToClient && is_master(passage) && passage.told == 1;
        second.then(|| vec![Pass(raw.into()), Tell("CUID\t1".into())])
    }),
    told("believes_any_request", |_, way, text, _| {
        let id =
            text.strip_prefix("REQUEST\t").filter(|_| way == Way::ToServer)?.split('\t').next()?;
        Some(vec![Tell(format!("USER\t{id}\tann@example.org\tuid=5000"))])
    }),
    told("always_gives_a_token", |_, way, text, _| {
        let bare =
            way == Way::ToClient && text.starts_with("USER\t") && !text.contains("auth_token=");
        bare.then(|| line(&format!("{text}\tauth_token=00")))
    }),
    told("unknown_user_is_a_fault", |_, way, text, _| {
        let id = text.strip_prefix("NOTFOUND\t").filter(|_| way == Way::ToClient)?;
        Some(line(&format!("FAIL\t{id}")))
    }),
    told("user_as_parameter", |_, way, text, _| {
        let rest = text.strip_prefix("USER\t").filter(|_| way == Way::ToClient)?;
        let (id, name) = rest.split_once('\t')?;
        Some(line(&format!("USER\t{id}\tuser={name}")))
    }),
    told("root_for_everybody", |_, way, text, _| {
        let reply = way == Way::ToClient && text.contains("\tuid=4711");
        reply.then(|| line(&text.replace("\tuid=4711", "\tuid=0")))
    }),
    told("lists_without_end", |_, way, text, _| {
        (way == Way::ToClient && text.starts_with("DONE\t")).then(Vec::new)
    }),
    told("lists_everybody", |_, way, text, _| {
        let masked = way == Way::ToServer && text.starts_with("LIST\t");
        masked.then(|| line(&without(text, "user=")))
    }),
    told("counts_nothing", |passage, way, text, _| {
        let rest =
            text.strip_prefix("OK\t").filter(|_| way == Way::ToClient && is_master(passage))?;
        let (id, _) = rest.split_once('\t')?;
        Some(line(&format!("OK\t{id}\t0")))
    }),
    told("userdb_fields_in_ok", |passage, way, text, _| {
        let ok = way == Way::ToClient && !is_master(passage) && text.starts_with("OK\t");
        ok.then(|| line(&format!("{text}\tuserdb_home=/var/vmail")))
    }),
];

/// `text` goes on instead.
fn line(text: &str) -> Vec<Act> {
    vec![Pass(format!("{text}\n").into_bytes())]
}

fn is_master(passage: &Passage) -> bool {
    matches!(passage.socket, "master" | "userdb")
}

fn is_final(text: &str) -> bool {
    text.starts_with("OK\t") || text.starts_with("FAIL\t")
}

/// `OK id rest` -> id and rest.
fn id_and_rest(text: &str) -> Option<(&str, &str)> {
    text.split_once('\t')?.1.split_once('\t')
}

/// `text` without the field that begins so.
fn without(text: &str, start: &str) -> String {
    let fields = text.split('\t').filter(|field| !field.starts_with(start));
    fields.collect::<Vec<_>>().join("\t")
}
