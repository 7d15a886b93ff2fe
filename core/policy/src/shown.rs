//! A document as it is shown once some whom it names are gone: as it came, but for their names.

/// What a value in a document is, as far as names of principals may stand in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Document,
    /// One statement, or several in an array.
    Statements,
    /// `Principal` or `NotPrincipal`.
    Principals,
    /// One name of a principal, or several in an array.
    Names,
    Other,
}

impl Part {
    /// What the value of a member is.
    fn member(self, name: &str) -> Self {
        match (self, name) {
            (Self::Document, "Statement") => Self::Statements,
            (Self::Statements, "Principal" | "NotPrincipal") => Self::Principals,
            (Self::Principals, "AWS") => Self::Names,
            _ => Self::Other,
        }
    }
}

/// A sound document with each name of a principal that `id_of` has a unique id for replaced by that, in `Principal` and
/// `NotPrincipal` alone; every other byte is as it came.
#[must_use]
pub fn shown<'i>(document: &str, id_of: impl Fn(&str) -> Option<&'i str>) -> String {
    let mut shown = String::with_capacity(document.len());
    let mut open: Vec<(Part, char)> = Vec::new();
    let (mut value, mut name_is_next) = (Part::Document, false);
    let mut rest = document;
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' { string_length(rest) } else { first.len_utf8() };
        let Some((token, after)) = rest.split_at_checked(length) else { break };
        rest = after;
        let mut id = None;
        match (first, open.last()) {
            ('"', Some((part, _))) if name_is_next => {
                value = text(token).map_or(Part::Other, |name| part.member(&name));
                name_is_next = false;
            }
            ('"', _) if value == Part::Names => id = text(token).and_then(|name| id_of(&name)),
            ('{' | '[', _) => {
                open.push((value, first));
                name_is_next = first == '{';
            }
            ('}' | ']', _) => {
                open.pop();
                name_is_next = false;
            }
            (',', Some((_, '{'))) => name_is_next = true,
            (',', Some((part, _))) => value = *part,
            _ => {}
        }
        match id {
            // Unique ids are letters, digits and what names of sessions have: nothing that JSON escapes.
            Some(id) => shown.extend(["\"", id, "\""]),
            None => shown.push_str(token),
        }
    }
    shown
}

/// Bytes of the string that a text begins with, its quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

fn text(token: &str) -> Option<String> {
    serde_json::from_str(token).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: &str = "arn:aws:iam::111122223333:user/gone";

    fn replaced(document: &str) -> String {
        shown(document, |name| (name == GONE).then_some("AIDAGONEGONEGONEGONE"))
    }

    #[test]
    fn a_name_of_somebody_gone_is_replaced_wherever_a_principal_stands_and_nothing_else_changes() {
        let document = r#" {"Statement": [ {"Sid":"a, {\"b\"} [", "Principal" : {"AWS":["*", "ARN","arn:x"]},
            "Condition":{"ArnEquals":{"aws:PrincipalArn":"ARN"}}}, {"NotPrincipal":{"Service":"ARN","AWS":"ARN"},"Sid":"ARN"}]} "#;
        let expected = r#" {"Statement": [ {"Sid":"a, {\"b\"} [", "Principal" : {"AWS":["*", "ID","arn:x"]},
            "Condition":{"ArnEquals":{"aws:PrincipalArn":"ARN"}}}, {"NotPrincipal":{"Service":"ARN","AWS":"ID"},"Sid":"ARN"}]} "#;
        let filled = |text: &str| text.replace("ARN", GONE).replace("ID", "AIDAGONEGONEGONEGONE");
        assert_eq!(replaced(&document.replace("ARN", GONE)), filled(expected));
    }

    #[test]
    fn a_single_statement_and_an_escaped_name_are_read_as_json_has_them() {
        let document = r#"{"Statement":{"Principal":{"AWS":"arn:aws:iam::111122223333:user\/gone"},"Effect":"Deny"}}"#;
        let expected = r#"{"Statement":{"Principal":{"AWS":"AIDAGONEGONEGONEGONE"},"Effect":"Deny"}}"#;
        assert_eq!(replaced(document), expected);
        let nobody = r#"{"Statement":{"Principal":"*"}}"#;
        assert_eq!(replaced(nobody), nobody);
    }
}
