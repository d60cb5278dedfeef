use super::*;

/// A value of BER with its length in the shortest form.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => {
            bytes.push(0x84);
            bytes.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend(content);
    bytes
}

fn message(id: u8, operation: u8, members: &[Vec<u8>]) -> Vec<u8> {
    let members = value(operation, &members.concat());
    value(SEQUENCE, &[value(INTEGER, &[id]), members].concat())
}

fn result(operation: u8, code: u8, text: &[u8]) -> Vec<u8> {
    let members = [value(ENUMERATED, &[code]), value(OCTETS, b""), value(OCTETS, text)];
    message(2, operation, &members)
}

fn entry(values: &[&[u8]]) -> Vec<u8> {
    let values: Vec<Vec<u8>> = values.iter().map(|one| value(OCTETS, one)).collect();
    let attribute = [value(OCTETS, b"mail"), value(SET, &values.concat())].concat();
    let attributes = value(SEQUENCE, &value(SEQUENCE, &attribute));
    message(2, SEARCH_ENTRY, &[value(OCTETS, b"uid=ada,dc=example"), attributes])
}

fn passes(message: &[u8], awaited: Awaited) {
    assert_eq!(check(message, awaited), Ok(()));
}

fn is_refused(message: &[u8], awaited: Awaited, why: Bad) {
    assert_eq!(check(message, awaited), Err(why));
}

#[test]
fn what_servers_say_passes() {
    passes(&result(BIND_RESPONSE, 49, b"invalid credentials"), Awaited::Bind);
    passes(&result(SEARCH_DONE, 0, b""), Awaited::Search);
    passes(&result(EXTENDED_RESPONSE, 2, "für später".as_bytes()), Awaited::Extended);
    passes(&entry(&[b"ada@example.org", b"\xff\x00", b""]), Awaited::Search);
    let url = value(OCTETS, b"ldap://other.example.org/dc=example");
    passes(&message(2, SEARCH_REFERENCE, std::slice::from_ref(&url)), Awaited::Search);
    let referral =
        [value(ENUMERATED, &[10]), value(OCTETS, b""), value(OCTETS, b""), value(REFERRAL, &url)];
    passes(&message(2, SEARCH_DONE, &referral), Awaited::Search);
    assert_eq!(code(&result(EXTENDED_RESPONSE, 53, b"")), Ok(53));
}

#[test]
fn controls_pass() {
    let cookie = [value(INTEGER, &[0, 0xff]), value(OCTETS, b"there")].concat();
    let page = value(SEQUENCE, &cookie);
    let control =
        [value(OCTETS, b"1.2.840.113556.1.4.319"), value(BOOLEAN, &[0xff]), value(OCTETS, &page)];
    let controls = value(CONTROLS, &value(SEQUENCE, &control.concat()));
    let done = [value(ENUMERATED, &[0]), value(OCTETS, b""), value(OCTETS, b"")].concat();
    let members = [value(INTEGER, &[2]), value(SEARCH_DONE, &done), controls].concat();
    passes(&value(SEQUENCE, &members), Awaited::Search);
    assert_eq!(page_cookie(&page), Ok(b"there".to_vec()));
    assert_eq!(page_cookie(b"\x30\x80"), Err("a length that LDAP does not have"));
    assert_eq!(page_cookie(b""), Err("a value that is cut off"));
}

#[test]
fn what_was_not_asked_for_is_refused() {
    let nobody = "an answer that nobody waits for";
    is_refused(&result(SEARCH_DONE, 0, b""), Awaited::Bind, nobody);
    is_refused(&entry(&[]), Awaited::Bind, nobody);
    is_refused(&result(BIND_RESPONSE, 0, b""), Awaited::Search, nobody);
    is_refused(&result(BIND_RESPONSE, 0, b""), Awaited::Nothing, nobody);
    is_refused(&message(0, EXTENDED_RESPONSE, &[]), Awaited::Bind, GOODBYE);
}

#[test]
fn what_ldap3_would_stumble_over_is_refused() {
    let check = |bytes: &[u8], why| is_refused(bytes, Awaited::Bind, why);
    check(b"", "a value that is cut off");
    check(&value(SET, b""), "a value of another type");
    check(&value(SEQUENCE, b""), "a value that is cut off");
    check(&value(SEQUENCE, &value(INTEGER, b"")), "a number out of range");
    check(&value(SEQUENCE, &value(INTEGER, &[1])), "a value that is cut off");
    check(&message(2, BIND_RESPONSE, &[]), "a value that is cut off");
    check(&result(BIND_RESPONSE, 0xff, b""), "a number out of range");
    check(&result(BIND_RESPONSE, 0, b"\xff"), "a text that is not UTF-8");
    check(&message(2, BIND_RESPONSE, &[value(INTEGER, &[0])]), "a value of another type");
    let mut longer = result(BIND_RESPONSE, 0, b"");
    longer.push(0);
    check(&longer, "something behind the end");
    let nested = (0..1000).fold(Vec::new(), |inner, _| value(SEQUENCE, &inner));
    check(&nested, "a value of another type");
    let result = [value(ENUMERATED, &[0]), value(OCTETS, b""), value(OCTETS, b""), nested];
    check(&message(2, BIND_RESPONSE, &result), "an answer with a member that none has");
}

#[tokio::test]
async fn a_message_is_read_to_its_end_alone() {
    let first = result(BIND_RESPONSE, 0, &[b'x'; 300]);
    let bytes = [first.clone(), b"rest".to_vec()].concat();
    let mut stream = &bytes[..];
    assert_eq!(read(&mut stream).await.unwrap(), first);
    assert_eq!(stream, b"rest");
}

#[tokio::test]
async fn what_is_no_message_is_not_waited_for() {
    for (bytes, kind) in [
        (&b"\x30\x84\x7f\xff\xff\xff"[..], io::ErrorKind::InvalidData),
        (b"\x30\x89", io::ErrorKind::InvalidData),
        (b"\x30\x80", io::ErrorKind::InvalidData),
        (b"\x3f\x01", io::ErrorKind::InvalidData),
        (b"\x30\x10rest", io::ErrorKind::UnexpectedEof),
        (b"\x30", io::ErrorKind::UnexpectedEof),
        (b"", io::ErrorKind::UnexpectedEof),
    ] {
        let mut stream = bytes;
        assert_eq!(read(&mut stream).await.unwrap_err().kind(), kind, "{bytes:x?}");
    }
}

proptest::proptest! {
    /// Whatever comes, neither this nor what `ldap3` makes of it panics.
    #[test]
    fn anything_can_come(
        mut bytes in proptest::sample::select(vec![
            result(BIND_RESPONSE, 49, b"invalid"),
            result(SEARCH_DONE, 0, b""),
            entry(&[b"ada@example.org", b"b"]),
        ]),
        changes in proptest::collection::vec((0_usize..64, 0_u8..), 0..6),
    ) {
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        for awaited in [Awaited::Bind, Awaited::Search, Awaited::Extended] {
            if check(&bytes, awaited).is_err() {
                continue;
            }
            let (rest, tag) = ldap3::asn1::parse_tag(&bytes).expect("it passed");
            proptest::prop_assert!(rest.is_empty());
            let mut members = tag.expect_constructed().expect("it passed");
            let operation = members.remove(1);
            if operation.id == 4 {
                ldap3::SearchEntry::construct(ldap3::ResultEntry::new(operation));
            } else {
                ldap3::parse_refs(operation);
            }
        }
    }
}
