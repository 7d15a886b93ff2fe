//! Forms and query strings (WHATWG URL, section 5).

use std::borrow::Cow;

use crate::limits;

/// The parameters of a request, in order.
#[derive(Default)]
pub(crate) struct Form<'f>(Vec<(Cow<'f, str>, Cow<'f, str>)>);

impl<'f> Form<'f> {
    /// Reads the query and the body of a request; nothing for more than [`limits::PARAMETERS`], or what is no UTF-8.
    pub(crate) fn read(query: &'f str, body: &'f str) -> Option<Self> {
        let parts = query.split('&').chain(body.split('&')).filter(|part| !part.is_empty());
        let pairs: Option<Vec<_>> = parts
            .take(limits::PARAMETERS + 1)
            .map(|part| {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                Some((decode(name)?, decode(value)?))
            })
            .collect();
        pairs.filter(|pairs| pairs.len() <= limits::PARAMETERS).map(Self)
    }

    /// The first value of `name`.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// The values of `NAME.member.1`, `NAME.member.2` and so on, each with `suffix` behind it.
    pub(crate) fn members(&self, name: &str, suffix: &str) -> Vec<&str> {
        (1..=limits::PARAMETERS).map_while(|index| self.value(&format!("{name}.member.{index}{suffix}"))).collect()
    }

    /// Whether there is a parameter of this name, or a list or structure of it.
    pub(crate) fn has(&self, name: &str) -> bool {
        let of_it = |rest: &str| rest.is_empty() || rest.starts_with('.');
        self.0.iter().any(|(key, _)| key.strip_prefix(name).is_some_and(of_it))
    }
}

/// Takes percent-encoding away; nothing for what it does not leave as UTF-8.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(bytes.next()?)? << 4 | digit(bytes.next()?)?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name_and_decoded() {
        let form = Form::read("Version=2011-06-15&XAction=a", "Action=Get%43aller+%E2%9c%93&Empty").unwrap();
        assert_eq!(form.value("Action"), Some("GetCaller ✓"));
        assert_eq!(form.value("Version"), Some("2011-06-15"));
        assert_eq!(form.value("Empty"), Some(""));
        assert_eq!(form.value("Nothing"), None);
    }

    #[test]
    fn a_list_ends_where_its_numbers_do() {
        let form = Form::read("", "T.member.1.Key=a&T.member.1.Value=1&T.member.2.Key=b&T.member.4.Key=d").unwrap();
        assert_eq!(form.members("T", ".Key"), ["a", "b"]);
        assert!(form.has("T") && !form.has("T.mem"));
    }

    #[test]
    fn what_is_no_form_is_none() {
        for body in ["a=%", "a=%4", "a=%zz", "a=%ff", &"a=1&".repeat(limits::PARAMETERS + 1)] {
            assert!(Form::read("", body).is_none(), "{body}");
        }
    }
}
