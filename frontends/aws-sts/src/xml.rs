//! Replies of the AWS query protocol.

use http::StatusCode;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The reply of `GetCallerIdentity`.
pub(crate) fn identity(account: &str, arn: &str, user_id: &str, request_id: &str) -> String {
    let [account, arn, user_id] = [account, arn, user_id].map(escaped);
    format!(
        "<GetCallerIdentityResponse xmlns=\"{NAMESPACE}\"><GetCallerIdentityResult><Arn>{arn}</Arn>\
         <UserId>{user_id}</UserId><Account>{account}</Account></GetCallerIdentityResult>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
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
}
