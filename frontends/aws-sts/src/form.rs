//! Forms and query strings (WHATWG URL, section 5), as far as their values here go: plain words.

/// The first value of `name`; `None` where it is absent or holds anything that is percent-encoded, which no value here needs.
pub(crate) fn value<'f>(form: &'f str, name: &str) -> Option<&'f str> {
    let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    (!value.contains(['%', '+'])).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        assert_eq!(value("Version=2011-06-15&Action=GetCallerIdentity", "Action"), Some("GetCallerIdentity"));
        assert_eq!(value("XAction=a", "Action"), None);
        assert_eq!(value("Action=Get%43allerIdentity", "Action"), None);
        assert_eq!(value("", "Action"), None);
    }
}
