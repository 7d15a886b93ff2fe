//! What proxies say, the store's rows, the admin API's bodies and queries.

use minicbor::Encoder;
use strongroom_admin_api::{AuditQuery, Outcome, PageSize, query};

use super::{Seed, seed};

pub(crate) fn seeds() -> Vec<Seed> {
    [proxies(), rows(), admin()].concat()
}

fn proxies() -> Vec<Seed> {
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    let header = |command: u8, family: u8, contents: &[u8]| {
        let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, contents].concat()
    };
    let v4 = [203, 0, 113, 9, 10, 0, 0, 1, 0x9c, 0x40, 0x01, 0xbb];
    let v6 = [&[0x20, 0x01, 0x0d, 0xb8][..], &[0; 28], &[0x9c, 0x40, 0x01, 0xbb]].concat();
    vec![
        seed("proxy_header", "ipv4", [header(0x21, 0x11, &v4).as_slice(), b"GET /"].concat()),
        seed("proxy_header", "ipv6-with-fields", header(0x21, 0x21, &[&v6[..], &[4, 0, 2, 7, 7, 0xea, 0, 0]].concat())),
        seed("proxy_header", "local", header(0x20, 0, &[])),
        seed("proxy_header", "unspecified", header(0x21, 0, b"anything")),
        seed("proxy_header", "field-too-long", header(0x21, 0x11, &[&v4[..], &[4, 0, 3, 7, 7]].concat())),
        seed("proxy_header", "longest", header(0x20, 0, &[0; 2032])),
        seed("proxy_header", "too-long", header(0x20, 0, &[0; 2033])),
        seed("proxy_header", "version-1", "PROXY TCP4 203.0.113.9 10.0.0.1 40000 443\r\n"),
        seed("forwarded_for", "one", "198.51.100.1"),
        seed("forwarded_for", "chain", "192.0.2.7\n198.51.100.1:4711, 10.0.0.2"),
        seed("forwarded_for", "ipv6", "[2001:db8::1]:443,\t::ffff:10.0.0.3 "),
        seed("forwarded_for", "unknown", "198.51.100.1, unknown, 10.0.0.2,"),
        seed("network", "ipv4", "10.0.0.0/8"),
        seed("network", "ipv6", "fd00::/8"),
        seed("network", "everything", "::/0"),
        seed("network", "address", "::ffff:10.1.2.3"),
        seed("network", "prefix-too-long", "10.0.0.0/33"),
    ]
}

/// A CBOR value of a row.
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
    Text(&'static str),
    Flag(bool),
    Absent,
    List(Vec<Self>),
    Map(Vec<Self>),
}

use Value::{Absent, Bytes, Flag, List, Map, Number, Text};

fn write(encoder: &mut Encoder<Vec<u8>>, value: &Value) {
    match value {
        Number(number) => drop(encoder.u64(*number).unwrap()),
        Bytes(bytes) => drop(encoder.bytes(bytes).unwrap()),
        Text(text) => drop(encoder.str(text).unwrap()),
        Flag(flag) => drop(encoder.bool(*flag).unwrap()),
        Absent => drop(encoder.null().unwrap()),
        List(items) => {
            encoder.array(items.len() as u64).unwrap();
            items.iter().for_each(|item| write(encoder, item));
        }
        Map(fields) => {
            encoder.map(fields.len() as u64).unwrap();
            for (number, field) in (0..).zip(fields) {
                encoder.u64(number).unwrap();
                write(encoder, field);
            }
        }
    }
}

/// A row by the numbers of its fields, as docs/formats/rows.md lists them.
fn row(kind: u8, name: &str, fields: Vec<Value>) -> Seed {
    let mut encoder = Encoder::new(vec![kind]);
    write(&mut encoder, &Map(fields));
    seed("engine_row", name, encoder.into_writer())
}

fn id(byte: u8) -> Value {
    Bytes(vec![byte; 16])
}

fn pairs() -> Value {
    List(vec![List(vec![Text("department"), Text("finance")])])
}

fn rows() -> Vec<Seed> {
    let (arn, unique_id) = ("arn:aws:iam::111122223333:user/alice", "AIDAAAAAAAAAAAAAAAAA");
    let wrap = || Map(vec![id(9), Bytes(vec![1; 60])]);
    let tenant = [id(1), Text("111122223333"), Text("finance"), Flag(false), Number(1), id(2), Text(arn)];
    let root = [id(9), Text("software"), Text("root"), Number(1), Number(0), Bytes(vec![1; 32])];
    let principal = [id(3), id(1), Text("alice"), Text(arn), Number(1), Flag(true), Text(unique_id)];
    let credential = [id(4), id(1), Absent, Text("AKIDEXAMPLE"), Bytes(vec![1; 40]), Number(1), Number(2), Flag(false)];
    let binding = [id(5), Number(2), Text("us-east-1"), Text("alias/dev"), Number(1), Number(2)];
    let installation = [id(1), Number(1), Bytes(vec![1; 32]), List(vec![Number(2), Number(3)])];
    vec![
        row(0, "tenant", tenant.into()),
        row(1, "domain-key", vec![id(2), id(1), Number(1), List(vec![wrap(), wrap()])]),
        row(2, "root", root.into()),
        row(3, "principal", principal.into()),
        row(4, "credential", credential.into()),
        row(5, "identity-policy", vec![Text("admin"), Text("{}")]),
        row(6, "version", version()),
        row(7, "binding", binding.into()),
        row(8, "grant", grant()),
        row(9, "installation", installation.into()),
        row(10, "key", key()),
        row(5, "missing-field", vec![Text("admin")]),
        seed("engine_row", "unknown-field", b"\x05\xa3\x00\x61a\x01\x62{}\x18\x63\x82\x01\x9f\xff".as_slice()),
        seed("engine_row", "long-list", b"\x01\xa1\x03\x9b\x00\x00\x00\x7f\xff\xff\xff\xff".as_slice()),
    ]
}

fn version() -> Vec<Value> {
    let empty = || Bytes(Vec::new());
    vec![id(5), Number(1), id(6), Bytes(vec![7; 32]), Number(0), Number(1), empty(), empty(), Number(1)]
}

fn grant() -> Vec<Value> {
    let actions = List(vec![Number(10), Number(11)]);
    let (arn, name) = (|| Text("arn"), Text("name"));
    vec![id(8), id(5), arn(), arn(), actions, pairs(), Absent, name, Number(1), arn(), Absent]
}

fn key() -> Vec<Value> {
    let time = || Number(1_800_000_000_000);
    let scheduled = List(vec![Number(3), List(vec![time()])]);
    let rotation = Map(vec![Number(365), time()]);
    let front = vec![id(5), id(1), id(6), Number(1), Number(1), Flag(false), Number(1), scheduled, Number(1)];
    let back = [Text("words"), Text("{}"), pairs(), rotation, Number(2), Number(1), Text("us-east-1"), Number(2)];
    front.into_iter().chain(back).collect()
}

fn admin() -> Vec<Seed> {
    let audit = AuditQuery {
        principal: Some("arn:aws:iam::111122223333:user/a+b %&=\u{e9}".to_owned()),
        outcome: Some(Outcome::Denied),
        since: Some("2026-01-31T09:30:00Z".parse().unwrap()),
        limit: PageSize::new(7),
        ..AuditQuery::default()
    };
    let bodies = [
        ("tenant", r#"{"account":"111122223333","name":"finance"}"#),
        ("principal", r#"{"name":"alice"}"#),
        ("access-key", r#"{"principal":"alice","lifetime_seconds":3600}"#),
        ("policy", r#"{"document":"{\"Version\":\"2012-10-17\",\"Statement\":[]}"}"#),
        (
            "explain",
            r#"{"action":"kms:Decrypt","key":"01","conditions":[{"name":"kms:ViaService","value":"s3"}],"encryption_context":[]}"#,
        ),
        (
            "page",
            r#"{"items":[{"account":"111122223333","name":"n","arn":"a","id":"01","state":"suspended","created":"2026-01-31T09:30:00.000Z"}],"next":"x"}"#,
        ),
        ("audit", r#"{"items":[{"position":18446744073709551615,"record":"oQA="}]}"#),
        ("error", r#"{"error":{"code":"NotFound","message":"m","remedy":null,"request_id":"1"}}"#),
        ("health", r#"{"status":"serving","version":"1","installation":"01","time":"1970-01-01T00:00:00Z"}"#),
        ("unknown-field", r#"{"name":"alice","nmae":"bob"}"#),
        ("repeated-field", r#"{"name":"alice","name":"bob"}"#),
        ("nested", "[[[[[[[[[[[[[[[["),
    ];
    let mut seeds: Vec<Seed> = bodies.into_iter().map(|(name, body)| seed("admin_json", name, body)).collect();
    for (name, text) in [
        ("page", "limit=500&after=abc"),
        ("limit-too-high", "limit=501"),
        ("twice", "limit=1&limit=1"),
        ("broken-escape", "after=%G0"),
        ("not-utf-8", "after=%FF"),
        ("time", "2026-01-31T10:30:00.123456789+01:00"),
        ("last-time", "9999-12-31T23:59:59.999Z"),
    ] {
        seeds.push(seed("admin_query", name, text));
    }
    seeds.push(seed("admin_query", "audit", query::write(&audit)));
    seeds
}
