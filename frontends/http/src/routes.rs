//! Routes as data: which method and path leads to which handler, with the body that it may have.
//!
//! A table can be printed and compared, and so be held by a snapshot test. Absent: routing by fields or by body, which
//! is a protocol's own matter (the AWS JSON protocols all post to `/`), and percent decoding: segments match and are
//! captured as they were sent.

use std::{collections::BTreeMap, fmt};

use http::Method;

use crate::Error;

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<H> {
    /// The method.
    pub method: Method,
    /// The path. A segment `{name}` stands for any one segment that is not empty, `{*}` at the end for everything
    /// that follows, nothing included.
    pub pattern: &'static str,
    /// Bytes that the body may have.
    pub max_body_bytes: usize,
    /// What it leads to.
    pub handler: H,
}

/// A table of routes. A path without captures goes before patterns, an earlier pattern before a later one.
#[derive(Clone, Debug)]
pub struct Routes<H> {
    exact: BTreeMap<&'static str, Vec<Route<H>>>,
    patterns: Vec<Route<H>>,
}

/// What a lookup found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'r, 'p, H> {
    /// A route, and the segments that its captures stand for, in order.
    Route(&'r Route<H>, Vec<&'p str>),
    /// The path is known, for other methods: 405, with these in `Allow`.
    OtherMethods(Vec<&'r Method>),
    /// The path is not known: 404.
    Nothing,
}

impl<H> Routes<H> {
    /// Makes a table.
    ///
    /// # Errors
    /// [`Error::RouteTwice`], [`Error::RoutePattern`].
    pub fn new(routes: impl IntoIterator<Item = Route<H>>) -> Result<Self, Error> {
        let mut table = Self { exact: BTreeMap::new(), patterns: Vec::new() };
        for route in routes {
            let pattern = route.pattern;
            let ends_early = pattern.find("{*}").is_some_and(|at| at + "{*}".len() < pattern.len());
            if !pattern.starts_with('/') || ends_early {
                return Err(Error::RoutePattern { pattern: pattern.to_owned() });
            }
            let same = |other: &Route<H>| other.method == route.method && other.pattern == pattern;
            let group =
                if pattern.contains('{') { &mut table.patterns } else { table.exact.entry(pattern).or_default() };
            if group.iter().any(same) {
                return Err(Error::RouteTwice { method: route.method, pattern: pattern.to_owned() });
            }
            group.push(route);
        }
        Ok(table)
    }

    /// Finds the route for a method and a path (without query).
    pub fn find<'p>(&self, method: &Method, path: &'p str) -> Found<'_, 'p, H> {
        let exact = self.exact.get(path).map(Vec::as_slice).unwrap_or_default();
        if let Some(route) = exact.iter().find(|route| route.method == *method) {
            return Found::Route(route, Vec::new());
        }
        let mut allowed: Vec<&Method> = exact.iter().map(|route| &route.method).collect();
        for route in &self.patterns {
            let Some(captures) = capture(route.pattern, path) else { continue };
            if route.method == *method {
                return Found::Route(route, captures);
            }
            if !allowed.contains(&&route.method) {
                allowed.push(&route.method);
            }
        }
        if allowed.is_empty() { Found::Nothing } else { Found::OtherMethods(allowed) }
    }
}

/// One line a route: method, pattern, body limit, handler. Paths without captures first, in the order of their bytes.
impl<H: fmt::Debug> fmt::Display for Routes<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Route { method, pattern, max_body_bytes, handler } in self.exact.values().flatten().chain(&self.patterns) {
            writeln!(f, "{method} {pattern} {max_body_bytes} {handler:?}")?;
        }
        Ok(())
    }
}

/// The segments that a pattern's captures stand for, if it matches.
fn capture<'p>(pattern: &str, path: &'p str) -> Option<Vec<&'p str>> {
    let mut captures = Vec::new();
    let mut rest = path.strip_prefix('/')?;
    let mut segments = pattern.strip_prefix('/')?.split('/').peekable();
    while let Some(expected) = segments.next() {
        if expected == "{*}" {
            captures.push(rest);
            return Some(captures);
        }
        let (segment, after) = rest.split_once('/').map_or((rest, None), |(segment, after)| (segment, Some(after)));
        if expected.starts_with('{') && expected.ends_with('}') && !segment.is_empty() {
            captures.push(segment);
        } else if expected != segment {
            return None;
        }
        match (segments.peek(), after) {
            (None, None) => return Some(captures),
            (Some(_), Some(after)) => rest = after,
            // A pattern that ends in {*} matches its own stem too.
            (Some(&"{*}"), None) => rest = "",
            (Some(_), None) | (None, Some(_)) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: Method, pattern: &'static str, handler: u8) -> Route<u8> {
        Route { method, pattern, max_body_bytes: 64, handler }
    }

    fn table() -> Routes<u8> {
        Routes::new([
            route(Method::POST, "/", 1),
            route(Method::GET, "/v1/keys", 2),
            route(Method::POST, "/v1/keys", 3),
            route(Method::GET, "/v1/keys/{key}", 4),
            route(Method::GET, "/v1/keys/{key}/versions/{version}", 5),
            route(Method::GET, "/static/{*}", 6),
            route(Method::GET, "/v1/keys/default", 7),
        ])
        .unwrap()
    }

    fn find<'p>(method: &Method, path: &'p str) -> Option<(u8, Vec<&'p str>)> {
        match table().find(method, path) {
            Found::Route(route, captures) => Some((route.handler, captures)),
            _ => None,
        }
    }

    #[test]
    fn a_path_leads_to_its_handler() {
        assert_eq!(find(&Method::POST, "/"), Some((1, vec![])));
        assert_eq!(find(&Method::POST, "/v1/keys"), Some((3, vec![])));
        assert_eq!(find(&Method::GET, "/v1/keys/a%2Fb"), Some((4, vec!["a%2Fb"])));
        assert_eq!(find(&Method::GET, "/v1/keys/a/versions/2"), Some((5, vec!["a", "2"])));
        assert_eq!(find(&Method::GET, "/static/css/page.css"), Some((6, vec!["css/page.css"])));
        assert_eq!(find(&Method::GET, "/static/"), Some((6, vec![""])));
        assert_eq!(find(&Method::GET, "/static"), Some((6, vec![""])));
    }

    #[test]
    fn a_path_without_captures_goes_before_a_pattern() {
        assert_eq!(find(&Method::GET, "/v1/keys/default"), Some((7, vec![])));
    }

    #[test]
    fn what_is_no_route_is_told_from_a_wrong_method() {
        for path in ["", "/v1", "/v1/keys/", "/v1/keys/a/", "/v1/keys/a/versions", "/v1/keys/a/versions/", "//"] {
            assert_eq!(table().find(&Method::GET, path), Found::Nothing, "{path}");
        }
        assert_eq!(table().find(&Method::DELETE, "/v1/keys"), Found::OtherMethods(vec![&Method::GET, &Method::POST]));
        assert_eq!(table().find(&Method::POST, "/v1/keys/default"), Found::OtherMethods(vec![&Method::GET]));
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused() {
        let twice = Routes::new([route(Method::GET, "/{a}", 1), route(Method::GET, "/{a}", 2)]);
        assert!(matches!(twice, Err(Error::RouteTwice { .. })));
        for pattern in ["", "v1", "/{*}/v1"] {
            assert!(matches!(Routes::new([route(Method::GET, pattern, 1)]), Err(Error::RoutePattern { .. })));
        }
    }

    #[test]
    fn a_table_prints_one_line_a_route() {
        let routes = Routes::new([route(Method::GET, "/{a}", 2), route(Method::POST, "/", 1)]).unwrap();
        assert_eq!(routes.to_string(), "POST / 64 1\nGET /{a} 64 2\n");
    }
}
