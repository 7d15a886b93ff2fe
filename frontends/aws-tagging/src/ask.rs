//! What a `GetResources` asks for.

use serde::Deserialize;

use crate::error::Answer;
use crate::limits;

/// The request as it came. What it has besides is passed over, as AWS does.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    pagination_token: Option<String>,
    tag_filters: Option<Vec<RequestedFilter>>,
    resources_per_page: Option<i64>,
    tags_per_page: Option<i64>,
    resource_type_filters: Option<Vec<String>>,
    include_compliance_details: Option<bool>,
    exclude_compliant_resources: Option<bool>,
    #[serde(rename = "ResourceARNList")]
    resource_arn_list: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RequestedFilter {
    key: Option<String>,
    values: Option<Vec<String>>,
}

/// A tag that a resource must have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) key: String,
    /// Any of these; any value at all where there are none.
    pub(crate) values: Vec<String>,
}

impl Filter {
    /// Whether one of the tags is the one.
    pub(crate) fn fits(&self, tags: &[(String, String)]) -> bool {
        tags.iter().any(|(key, value)| *key == self.key && (self.values.is_empty() || self.values.contains(value)))
    }
}

/// How much a page may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Most {
    Resources(usize),
    Tags(usize),
}

/// What is asked for, within its limits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The tags of these resources, as far as there are such.
    Named(Vec<String>),
    /// A page of all resources.
    Page { filters: Vec<Filter>, types: Vec<String>, most: Most, token: Option<String> },
}

impl Ask {
    /// Reads the body of a request.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Answer> {
        let body = if body.is_empty() { b"{}" } else { body };
        let request: Request = serde_json::from_slice(body)
            .map_err(|_| Answer::refusal("SerializationException", "The body is not the JSON of a GetResources."))?;
        if request.include_compliance_details == Some(true) {
            return Err(Answer::parameter("There are no tag policies here to comply with: IncludeComplianceDetails."));
        }
        if request.exclude_compliant_resources == Some(true) {
            return Err(Answer::parameter("ExcludeCompliantResources can only be used with IncludeComplianceDetails."));
        }
        let token = request.pagination_token.filter(|token| !token.is_empty());
        if let Some(arns) = request.resource_arn_list {
            let alone = request.tag_filters.is_none() && request.resource_type_filters.is_none();
            let paged = request.resources_per_page.is_some() || request.tags_per_page.is_some() || token.is_some();
            if !alone || paged {
                return Err(Answer::parameter("ResourceARNList can't be used with filters or pages."));
            }
            count("ResourceARNList", arns.len(), &limits::ARNS)?;
            arns.iter().try_for_each(|arn| length("ResourceARNList", arn, &limits::ARN))?;
            return Ok(Self::Named(arns));
        }
        if let Some(token) = &token {
            length("PaginationToken", token, &limits::TOKEN)?;
        }
        let most = most(request.resources_per_page, request.tags_per_page)?;
        let types = request.resource_type_filters.unwrap_or_default();
        count("ResourceTypeFilters", types.len(), &(0..=limits::TYPES))?;
        types.iter().try_for_each(|name| length("ResourceTypeFilters", name, &limits::TYPE))?;
        Ok(Self::Page { filters: filters(request.tag_filters.unwrap_or_default())?, types, most, token })
    }
}

fn most(resources: Option<i64>, tags: Option<i64>) -> Result<Most, Answer> {
    let within = |name: &str, value: i64, allowed: &std::ops::RangeInclusive<i64>| {
        let (least, most) = (allowed.start(), allowed.end());
        let outside = || Answer::parameter(format!("{name} must be from {least} to {most}."));
        usize::try_from(value).ok().filter(|_| allowed.contains(&value)).ok_or_else(outside)
    };
    match (resources, tags) {
        (Some(_), Some(_)) => Err(Answer::parameter("ResourcesPerPage and TagsPerPage can't be used together.")),
        (Some(resources), None) => within("ResourcesPerPage", resources, &limits::RESOURCES).map(Most::Resources),
        (None, Some(tags)) => within("TagsPerPage", tags, &limits::TAGS).map(Most::Tags),
        (None, None) => Ok(Most::Resources(limits::USUAL_RESOURCES)),
    }
}

fn filters(asked: Vec<RequestedFilter>) -> Result<Vec<Filter>, Answer> {
    count("TagFilters", asked.len(), &(0..=limits::FILTERS))?;
    let read = |RequestedFilter { key, values }: RequestedFilter| {
        let (key, values) = (key.unwrap_or_default(), values.unwrap_or_default());
        length("TagFilters.Key", &key, &limits::TAG_KEY)?;
        count("TagFilters.Values", values.len(), &(0..=limits::VALUES))?;
        values.iter().try_for_each(|value| length("TagFilters.Values", value, &limits::TAG_VALUE))?;
        Ok(Filter { key, values })
    };
    asked.into_iter().map(read).collect()
}

fn count(name: &str, items: usize, allowed: &std::ops::RangeInclusive<usize>) -> Result<(), Answer> {
    let (least, most) = (allowed.start(), allowed.end());
    match allowed.contains(&items) {
        true => Ok(()),
        false => Err(Answer::parameter(format!("{name} must have from {least} to {most} items."))),
    }
}

fn length(name: &str, text: &str, allowed: &std::ops::RangeInclusive<usize>) -> Result<(), Answer> {
    let (least, most) = (allowed.start(), allowed.end());
    match allowed.contains(&text.chars().count()) {
        true => Ok(()),
        false => Err(Answer::parameter(format!("{name} must have from {least} to {most} characters."))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refused(body: &Value) -> (&'static str, String) {
        let answer = Ask::read(body.to_string().as_bytes()).unwrap_err();
        (answer.code, answer.message)
    }

    #[test]
    fn nothing_asked_is_a_page_of_everything() {
        let all = Ask::Page { filters: Vec::new(), types: Vec::new(), most: Most::Resources(50), token: None };
        for body in ["", "{}", r#"{"PaginationToken":"","TagFilters":null,"Unknown":1}"#] {
            assert_eq!(Ask::read(body.as_bytes()).unwrap(), all, "{body}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let text = |length: usize| "x".repeat(length);
        for body in [
            json!({ "ResourcesPerPage": 0 }),
            json!({ "ResourcesPerPage": 101 }),
            json!({ "TagsPerPage": 99 }),
            json!({ "TagsPerPage": 501 }),
            json!({ "ResourcesPerPage": 1, "TagsPerPage": 100 }),
            json!({ "TagFilters": vec![json!({ "Key": "a" }); 51] }),
            json!({ "TagFilters": [{ "Values": ["a"] }] }),
            json!({ "TagFilters": [{ "Key": text(129) }] }),
            json!({ "TagFilters": [{ "Key": "a", "Values": vec!["v"; 21] }] }),
            json!({ "TagFilters": [{ "Key": "a", "Values": [text(257)] }] }),
            json!({ "ResourceTypeFilters": vec!["kms"; 101] }),
            json!({ "ResourceTypeFilters": [text(257)] }),
            json!({ "PaginationToken": text(2049) }),
            json!({ "ResourceARNList": [] }),
            json!({ "ResourceARNList": vec!["arn"; 101] }),
            json!({ "ResourceARNList": [""] }),
            json!({ "ResourceARNList": [text(1012)] }),
            json!({ "ResourceARNList": ["arn"], "TagFilters": [] }),
            json!({ "ResourceARNList": ["arn"], "ResourceTypeFilters": ["kms"] }),
            json!({ "ResourceARNList": ["arn"], "ResourcesPerPage": 1 }),
            json!({ "ResourceARNList": ["arn"], "TagsPerPage": 100 }),
            json!({ "ResourceARNList": ["arn"], "PaginationToken": "t" }),
            json!({ "IncludeComplianceDetails": true }),
            json!({ "ExcludeCompliantResources": true }),
        ] {
            let (code, message) = refused(&body);
            assert_eq!(code, "InvalidParameterException", "{body}");
            assert!(!message.is_empty());
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for body in ["[", "[]", r#"{"TagFilters":{}}"#, r#"{"ResourcesPerPage":"1"}"#] {
            assert_eq!(Ask::read(body.as_bytes()).unwrap_err().code, "SerializationException", "{body}");
        }
    }

    #[test]
    fn a_filter_wants_its_key_and_one_of_its_values() {
        let tags = [("team".to_owned(), "red".to_owned()), ("stage".to_owned(), String::new())];
        let fits = |key: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            Filter { key: key.to_owned(), values }.fits(&tags)
        };
        assert!(fits("team", &[]) && fits("team", &["blue", "red"]) && fits("stage", &[""]));
        assert!(!fits("team", &["blue"]) && !fits("Team", &[]) && !fits("stage", &["red"]) && !fits("other", &[]));
    }
}
