//! Writing a record: one pass over borrowed fields into one buffer; more passes only for records over their limit.

use std::net::IpAddr;

use super::{Credential, Decision, Demand, Detail, LeftOut, Mode, Outcome, Principal, Record, Request, Source, Text};
use crate::cbor::{Cut, Map, Writer};
use crate::hash::Hash;
use crate::limits;

/// What is written whole, pass by pass, until the record fits. What clients chose goes first, so that they can't push
/// out what the product says of them. The last pass always fits.
const PASSES: [Cut; 5] = [
    UNCUT,
    Cut { claimed: 2048, proved: 2048 },
    Cut { claimed: 256, proved: 2048 },
    Cut { claimed: 32, proved: 512 },
    Cut { claimed: 32, proved: 32 },
];
const UNCUT: Cut = Cut { claimed: usize::MAX, proved: usize::MAX };

impl Record<'_> {
    /// Appends the record's bytes to `out`: at most [`limits::RECORD_BYTES`], usually 300 to 500. Texts that are too
    /// long for that become digests, and list items over their limits are counted and hashed together.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let left_out = self.left_out();
        let start = out.len();
        for cut in PASSES {
            out.truncate(start);
            write_record(&mut Writer::new(out, cut), self, left_out.as_ref());
            if out.len() - start <= limits::RECORD_BYTES {
                break;
            }
        }
    }

    fn left_out(&self) -> Option<LeftOut> {
        let statements = self.decision.as_ref().map(|decision| &*decision.statements).unwrap_or_default();
        let over = [
            self.demands.len().saturating_sub(limits::DEMANDS),
            statements.len().saturating_sub(limits::STATEMENTS),
            self.details.len().saturating_sub(limits::DETAILS),
            self.results.len().saturating_sub(limits::RESULTS),
            self.changes.len().saturating_sub(limits::CHANGES),
        ];
        let items = over.iter().sum::<usize>();
        if items == 0 {
            return self.left_out;
        }
        let mut bytes = Vec::new();
        let writer = &mut Writer::new(&mut bytes, UNCUT);
        self.demands.iter().skip(limits::DEMANDS).for_each(|demand| write_demand(writer, demand));
        statements.iter().skip(limits::STATEMENTS).for_each(|text| writer.text(text));
        self.details.iter().skip(limits::DETAILS).for_each(|detail| write_detail(writer, detail));
        self.results.iter().skip(limits::RESULTS).for_each(|detail| write_detail(writer, detail));
        self.changes.iter().skip(limits::CHANGES).for_each(|text| writer.text(text));
        Some(LeftOut { items: items as u64, sha256: Hash::of([bytes.as_slice()]) })
    }
}

fn write_record(writer: &mut Writer<'_>, record: &Record<'_>, left_out: Option<&LeftOut>) {
    let map = &mut writer.begin();
    unsigned(writer, map, 0, super::VERSION);
    bytes(writer, map, 1, record.id.as_bytes());
    unsigned(writer, map, 2, record.started.0);
    unsigned(writer, map, 3, record.duration_micros);
    if let Some(tenant) = &record.tenant {
        bytes(writer, map, 4, tenant.as_bytes());
    }
    text(writer, map, 5, &record.account);
    text(writer, map, 6, &record.policy_name);
    write_principal(writer, map, &record.principal);
    write_credential(writer, map, &record.credential);
    write_source(writer, map, &record.source);
    write_request(writer, map, &record.request);
    unsigned(writer, map, 11, u64::from(record.action.code()));
    match record.mode {
        Mode::Run => {}
        Mode::DryRun => unsigned(writer, map, 12, 1),
        Mode::Internal => unsigned(writer, map, 12, 2),
    }
    list(writer, map, 13, &record.demands, limits::DEMANDS, write_demand);
    write_decision(writer, map, record.decision.as_ref());
    write_outcome(writer, map, &record.outcome);
    text(writer, map, 16, &record.algorithm);
    list(writer, map, 17, &record.details, limits::DETAILS, write_detail);
    list(writer, map, 18, &record.results, limits::RESULTS, write_detail);
    list(writer, map, 19, &record.changes, limits::CHANGES, |writer, change| writer.text(change));
    if let Some(revision) = record.revision {
        unsigned(writer, map, 20, revision.0);
    }
    if record.count != 1 {
        unsigned(writer, map, 21, record.count);
    }
    if let Some(LeftOut { items, sha256 }) = left_out {
        writer.key(map, 22);
        writer.array(2);
        writer.unsigned(*items);
        writer.bytes(sha256.as_bytes());
    }
    writer.end(map);
}

fn write_principal(writer: &mut Writer<'_>, map: &mut Map, principal: &Principal<'_>) {
    if matches!(principal, Principal::Unproved) {
        return;
    }
    writer.key(map, 7);
    match principal {
        Principal::Unproved => {}
        Principal::TenantRoot => {
            writer.array(1);
            writer.unsigned(1);
        }
        Principal::User { id, unique_id, name } => {
            writer.array(4);
            writer.unsigned(2);
            writer.bytes(id.as_bytes());
            writer.text(unique_id);
            writer.text(name);
        }
        Principal::Operator { uid } => {
            writer.array(2);
            writer.unsigned(3);
            writer.unsigned(u64::from(*uid));
        }
        Principal::Internal { service } => {
            writer.array(2);
            writer.unsigned(4);
            writer.text(service);
        }
        Principal::WebIdentity { subject } => {
            writer.array(2);
            writer.unsigned(5);
            writer.text(subject);
        }
    }
}

fn write_credential(writer: &mut Writer<'_>, map: &mut Map, Credential { id, shown }: &Credential<'_>) {
    if id.is_none() && shown.is_empty() {
        return;
    }
    writer.key(map, 8);
    let inner = &mut writer.begin();
    if let Some(id) = id {
        bytes(writer, inner, 0, id.as_bytes());
    }
    claimed(writer, inner, 1, shown);
    writer.end(inner);
}

fn write_source(writer: &mut Writer<'_>, map: &mut Map, source: &Source<'_>) {
    let Source { address, listener, tls, user_agent } = source;
    if address.is_none() && listener.is_empty() && tls.is_empty() && user_agent.is_empty() {
        return;
    }
    writer.key(map, 9);
    let inner = &mut writer.begin();
    if let Some(address) = address {
        match address.ip() {
            IpAddr::V4(ip) => bytes(writer, inner, 0, &ip.octets()),
            IpAddr::V6(ip) => bytes(writer, inner, 0, &ip.octets()),
        }
        unsigned(writer, inner, 1, u64::from(address.port()));
    }
    text(writer, inner, 2, listener);
    text(writer, inner, 3, tls);
    claimed(writer, inner, 4, user_agent);
    writer.end(inner);
}

fn write_request(writer: &mut Writer<'_>, map: &mut Map, request: &Request<'_>) {
    let Request { id, front_end, event_source, operation, region } = request;
    let fields = [id, front_end, event_source, operation, region];
    if fields.iter().all(|field| field.is_empty()) {
        return;
    }
    writer.key(map, 10);
    let inner = &mut writer.begin();
    for (key, field) in (0..).zip(fields) {
        text(writer, inner, key, field);
    }
    writer.end(inner);
}

fn write_demand(writer: &mut Writer<'_>, demand: &Demand<'_>) {
    let map = &mut writer.begin();
    unsigned(writer, map, 0, u64::from(demand.action.code()));
    text(writer, map, 1, &demand.resource);
    if let Some(key) = &demand.key {
        bytes(writer, map, 2, key.as_bytes());
    }
    if let Some(material) = &demand.material {
        bytes(writer, map, 3, material.as_bytes());
    }
    if let Some(ordinal) = demand.ordinal {
        unsigned(writer, map, 4, ordinal);
    }
    if let Some(purpose) = demand.purpose {
        unsigned(writer, map, 5, u64::from(super::purpose_code(purpose)));
    }
    writer.end(map);
}

fn write_decision(writer: &mut Writer<'_>, map: &mut Map, decision: Option<&Decision<'_>>) {
    let Some(Decision { allowed, statements, missing }) = decision else { return };
    writer.key(map, 14);
    let inner = &mut writer.begin();
    writer.key(inner, 0);
    writer.boolean(*allowed);
    list(writer, inner, 1, statements, limits::STATEMENTS, |writer, statement| writer.text(statement));
    text(writer, inner, 2, missing);
    writer.end(inner);
}

fn write_outcome(writer: &mut Writer<'_>, map: &mut Map, outcome: &Outcome<'_>) {
    match outcome {
        Outcome::Done => {}
        Outcome::Failed { code, message, engine } => {
            writer.key(map, 15);
            writer.array(4);
            writer.unsigned(1);
            writer.text(code);
            writer.claimed(message);
            writer.unsigned(u64::from(*engine));
        }
        Outcome::Abandoned => {
            writer.key(map, 15);
            writer.array(1);
            writer.unsigned(2);
        }
    }
}

fn write_detail(writer: &mut Writer<'_>, Detail { group, name, value }: &Detail<'_>) {
    if group.is_empty() {
        writer.array(2);
    } else {
        writer.array(3);
        writer.claimed(group);
    }
    writer.claimed(name);
    writer.claimed(value);
}

fn unsigned(writer: &mut Writer<'_>, map: &mut Map, key: u8, value: u64) {
    writer.key(map, key);
    writer.unsigned(value);
}

fn bytes(writer: &mut Writer<'_>, map: &mut Map, key: u8, value: &[u8]) {
    writer.key(map, key);
    writer.bytes(value);
}

fn text(writer: &mut Writer<'_>, map: &mut Map, key: u8, value: &Text<'_>) {
    if !value.is_empty() {
        writer.key(map, key);
        writer.text(value);
    }
}

fn claimed(writer: &mut Writer<'_>, map: &mut Map, key: u8, value: &Text<'_>) {
    if !value.is_empty() {
        writer.key(map, key);
        writer.claimed(value);
    }
}

fn list<T>(
    writer: &mut Writer<'_>,
    map: &mut Map,
    key: u8,
    items: &[T],
    most: usize,
    write: impl Fn(&mut Writer<'_>, &T),
) {
    if items.is_empty() {
        return;
    }
    writer.key(map, key);
    writer.array(items.len().min(most));
    items.iter().take(most).for_each(|item| write(writer, item));
}
