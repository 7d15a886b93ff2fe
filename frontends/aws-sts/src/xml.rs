//! Replies of the AWS query protocol.

use http::StatusCode;
use strongroom_model::clock::Timestamp;
use time::OffsetDateTime;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The reply of `GetCallerIdentity`.
pub(crate) fn identity(account: &str, arn: &str, user_id: &str, request_id: &str) -> String {
    let fields = [element("Arn", arn), element("UserId", user_id), element("Account", account)];
    reply("GetCallerIdentity", &fields.concat(), request_id)
}

/// A session's credentials, as both ways to begin one show them, with [`SECRET`] in the place of the secret.
pub(crate) fn credentials(access_key_id: &str, token: &str, expires: Timestamp) -> String {
    let fields = [
        element("AccessKeyId", access_key_id),
        format!("<SecretAccessKey>{SECRET}</SecretAccessKey>"),
        element("SessionToken", token),
        element("Expiration", &moment(expires)),
    ];
    format!("<Credentials>{}</Credentials>", fields.concat())
}

/// Stands for a secret until the whole reply is written: XML can't hold it, so nothing else can be it.
const SECRET: char = '\u{0}';

/// A reply, with `secret`, which has nothing to escape, in its place. Of no use but in memory that is erased.
pub(crate) fn with_secret(reply: &str, secret: &[u8]) -> Vec<u8> {
    let (before, after) = reply.split_once(SECRET).unwrap_or((reply, ""));
    [before.as_bytes(), secret, after.as_bytes()].concat()
}

/// Who a session is.
pub(crate) fn assumed(unique_id: &str, arn: &str) -> String {
    format!("<AssumedRoleUser>{}{}</AssumedRoleUser>", element("AssumedRoleId", unique_id), element("Arn", arn))
}

/// One element of text.
pub(crate) fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>", escaped(text))
}

/// The reply of an operation, around its fields.
pub(crate) fn reply(operation: &str, fields: &str, request_id: &str) -> String {
    format!(
        "<{operation}Response xmlns=\"{NAMESPACE}\"><{operation}Result>{fields}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
}

/// A refusal.
pub(crate) fn error(status: StatusCode, code: &str, message: &str, request_id: &str) -> String {
    let fault = if status.is_server_error() { "Receiver" } else { "Sender" };
    let message = escaped(message);
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{fault}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
}

/// A time in whole seconds, as in RFC 3339.
pub(crate) fn moment(at: Timestamp) -> String {
    let seconds = i64::try_from(at.seconds()).unwrap_or(i64::MAX);
    let t = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, clock) = (t.date(), t.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", clock.hour(), clock.minute(), clock.second())
}

/// Text fit for XML 1.0: markup escaped, characters that it can't hold left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\u{0}'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_wrote_cannot_become_markup() {
        let reply = error(StatusCode::BAD_REQUEST, "InvalidAction", "<a>&\"\u{1}", "id");
        assert!(reply.contains("<Message>&lt;a&gt;&amp;&quot;</Message>"), "{reply}");
    }

    #[test]
    fn a_secret_stands_in_its_place_and_nothing_a_client_wrote_can_take_it() {
        let fields = [element("Note", "a\u{0}b"), credentials("ASIA", "token", Timestamp(0))].concat();
        let reply = with_secret(&reply("AssumeRole", &fields, "id"), b"secret/+");
        let reply = String::from_utf8(reply).unwrap();
        assert!(reply.contains("<Note>ab</Note>"), "{reply}");
        assert!(reply.contains("<SecretAccessKey>secret/+</SecretAccessKey><SessionToken>token<"), "{reply}");
    }

    #[test]
    fn a_time_is_told_to_the_second() {
        assert_eq!(moment(Timestamp(1_800_000_000_999)), "2027-01-15T08:00:00Z");
    }
}
