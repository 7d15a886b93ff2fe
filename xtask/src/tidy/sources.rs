//! Rules over the text of files: words that may not appear, secrets exposed, sizes, empty crates.

use super::{Finding, SourceFile};
use std::collections::{BTreeMap, BTreeSet};

/// Above this a file is hard to hold in mind.
const FILE_LINES: usize = 500;
/// Above this a function does more than one thing.
const FUNCTION_LINES: usize = 70;
/// Below this a crate is a placeholder.
const CRATE_LINES: usize = 10;
/// Where the files are named that may take bytes out of a secret's wrapper.
const EXPOSE_LIST: &str = "xtask/expose.allow";

/// Words that no file may contain, with why. Split, so that this file does not contain them.
const WORDS: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "finish it, or write it into the issue tracker"),
    (concat!("FIX", "ME"), "finish it, or write it into the issue tracker"),
    (concat!("crates", ".io"), "name the package, not the registry's host"),
    (concat!("pypi", ".org"), "name the package, not the registry's host"),
    (concat!("python", "hosted.org"), "name the package, not the registry's host"),
    (concat!("npmjs", ".org"), "name the package, not the registry's host"),
    (concat!("npmjs", ".com"), "name the package, not the registry's host"),
    (concat!("deb.", "debian.org"), "name the package, not the registry's host"),
    (concat!("/wo", "rk/"), "a path of one machine: use a relative or configured path"),
    (concat!("/ro", "ot/"), "a path of one machine: use a relative or configured path"),
];

/// Checks every file.
pub(super) fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| !foreign(&file.path)) {
        findings.extend(words(file));
        if file.path.ends_with(".rs") {
            findings.extend(sizes(file));
        }
    }
    findings.extend(exposures(files));
    findings.extend(crates(files));
    findings
}

/// Written by others: vectors as published, and the lock file, which cargo writes.
fn foreign(path: &str) -> bool {
    path.starts_with("vectors/") || path.starts_with("fuzz/corpus/") || path.ends_with("Cargo.lock")
}

fn words(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in numbered(&file.text) {
        for (word, remedy) in WORDS.iter().filter(|(word, _)| stands_alone(text, word)) {
            findings.push(Finding::error(format!("{}:{line}", file.path), format!("says {word}"), *remedy));
        }
    }
    findings
}

/// Whether `word` begins at a boundary: `/v1/root/verify` holds no path that begins with the folder of that name.
fn stands_alone(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '}' | '~' | '>'))
    })
}

fn sizes(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES {
        findings.push(Finding::warning(
            &file.path,
            format!("has {lines} lines, over {FILE_LINES}"),
            "split it where its parts have names",
        ));
    }
    for (line, name, length) in functions(&file.text) {
        if length > FUNCTION_LINES {
            findings.push(Finding::warning(
                format!("{}:{line}", file.path),
                format!("fn {name} has {length} lines, over {FUNCTION_LINES}"),
                "name its steps as functions",
            ));
        }
    }
    findings
}

/// Functions of a formatted file: line, name, length in lines. A function ends at the first `}` indented like its `fn`, and
/// one without a body at the first `)` there that a `;` ends.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<(usize, &str)> = numbered(text).collect();
    let mut found = Vec::new();
    for (index, (line, opening)) in lines.iter().enumerate() {
        let Some(name) = function_name(opening) else { continue };
        let indent: String = opening.chars().take_while(|c| *c == ' ').collect();
        let (end, signature_end) = (format!("{indent}}}"), format!("{indent})"));
        let one_line = opening.trim_end().ends_with(['}', ';']);
        let ends = |text: &str| text == end || text.starts_with(&signature_end) && text.ends_with(';');
        let rest = lines.iter().skip(index + 1).take_while(|(_, text)| !ends(text)).count();
        found.push((*line, name, if one_line { 1 } else { rest + 2 }));
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let (head, tail) = line.split_once("fn ")?;
    let modifiers = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\"", "default"];
    let plain = head.split_whitespace().all(|word| modifiers.contains(&word) || word.starts_with("pub(in"));
    let name: String = tail.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (plain && !name.is_empty()).then_some(name)
}

/// A secret's bytes may be exposed only in listed files, and a listed file must still do so.
fn exposures(files: &[SourceFile]) -> Vec<Finding> {
    let list = files.iter().find(|file| file.path == EXPOSE_LIST).map_or("", |file| file.text.as_str());
    let mut findings = Vec::new();
    let mut listed = BTreeSet::new();
    for (line, text) in numbered(list).filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
        match text.split_once(": ") {
            Some((path, reason)) if !reason.trim().is_empty() => drop(listed.insert(path)),
            _ => findings.push(Finding::error(
                format!("{EXPOSE_LIST}:{line}"),
                "is not `path: reason`",
                "say in a few words why that file must see the bytes",
            )),
        }
    }
    let mut exposing = BTreeSet::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs") && !is_test(&file.path)) {
        let calls: Vec<_> = numbered(product(&file.text)).filter(|(_, text)| calls_expose(text)).collect();
        let Some((line, _)) = calls.first() else { continue };
        exposing.insert(file.path.as_str());
        if !listed.contains(file.path.as_str()) {
            findings.push(Finding::error(
                format!("{}:{line}", file.path),
                format!("takes the bytes out of a secret's wrapper ({} places)", calls.len()),
                format!("hand the wrapper on, or add `{}: reason` to {EXPOSE_LIST}", file.path),
            ));
        }
    }
    for stale in listed.difference(&exposing) {
        findings.push(Finding::error(EXPOSE_LIST, format!("{stale} exposes nothing"), "take its line out"));
    }
    findings
}

fn calls_expose(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.contains(concat!(".expose", "(")) || code.contains(concat!(".expose", "_mut("))
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || ["/tests/", "/examples/", "/benches/"].iter().any(|folder| path.contains(folder))
        || ["testkit/", "bench/", "fuzz/", "xtask/"].iter().any(|folder| path.starts_with(folder))
}

/// The text before the file's test module.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
}

/// Every crate opens with `//!` and has something in it.
fn crates(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut code: BTreeMap<&str, usize> = BTreeMap::new();
    let roots = files.iter().filter_map(|file| file.path.strip_suffix("/Cargo.toml"));
    code.extend(roots.map(|root| (root, 0)));
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        if let Some((root, inside)) = file.path.split_once("/src/") {
            *code.entry(root).or_default() += file.text.lines().filter(|line| is_code(line)).count();
            if matches!(inside, "lib.rs" | "main.rs") && !file.text.starts_with("//!") {
                findings.push(Finding::error(
                    &file.path,
                    "does not open with `//!`",
                    "say what the crate is and what is deliberately absent from it",
                ));
            }
        }
    }
    for (root, lines) in code.into_iter().filter(|(root, lines)| *lines < CRATE_LINES && *root != "fuzz") {
        findings.push(Finding::error(
            format!("{root}/Cargo.toml"),
            format!("the crate has {lines} lines of code"),
            "write it, or take it out of the workspace until it is written",
        ));
    }
    findings
}

fn is_code(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with("//")
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::super::{Finding, SourceFile, Weight};
    use super::{EXPOSE_LIST, crates, exposures, functions, sizes, words};

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn places(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.place.as_str()).collect()
    }

    #[test]
    fn a_word_that_may_not_appear_is_refused_with_its_line() {
        let text = concat!("fine\n// TO", "DO later\n", "see crates", ".io\n", "cd /wo", "rk/main\n");
        assert_eq!(places(&words(&file("a.md", text))), ["a.md:2", "a.md:3", "a.md:4"]);
    }

    #[test]
    fn a_route_below_root_is_no_path_of_a_machine() {
        let route = concat!("POST /v1/ro", "ot/verify, ${base}/ro", "ot/add, an attestation of the fra", "mework/x");
        assert_eq!(words(&file("a.md", route)), []);
    }

    #[test]
    fn a_long_file_is_a_warning() {
        let found = sizes(&file("a.rs", &"\n".repeat(501)));
        assert_eq!(found.iter().map(|finding| finding.weight).collect::<Vec<_>>(), [Weight::Warning]);
        assert_eq!(sizes(&file("a.rs", &"\n".repeat(500))), []);
    }

    #[test]
    fn a_functions_length_runs_from_its_fn_to_its_closing_brace() {
        let text = "impl A {\n    pub(crate) async fn b(\n        c: u8,\n    ) {\n        if c {\n        }\n    }\n\n    fn d() {}\n}\n";
        assert_eq!(functions(text), [(2, "b".to_owned(), 6), (9, "d".to_owned(), 1)]);
    }

    #[test]
    fn a_function_without_a_body_ends_with_its_signature() {
        let text = "trait T {\n    fn a(\n        &self,\n    ) -> u8;\n\n    fn b(&self) {\n        c();\n    }\n}\n";
        assert_eq!(functions(text), [(2, "a".to_owned(), 3), (6, "b".to_owned(), 3)]);
    }

    #[test]
    fn a_long_function_is_a_warning_where_it_begins() {
        let text = format!("\nfn long() {{\n{}}}\n", "    step();\n".repeat(69));
        assert_eq!(places(&sizes(&file("a.rs", &text))), ["a.rs:2"]);
    }

    #[test]
    fn a_secret_is_exposed_only_in_listed_files() {
        let call = concat!("fn a(s: &S) {\n    seal(s.expose", "());\n}\n");
        assert_eq!(places(&exposures(&[file("core/a/src/lib.rs", call)])), ["core/a/src/lib.rs:2"]);
        let listed = file(EXPOSE_LIST, "# why\ncore/a/src/lib.rs: the library takes bytes\n");
        assert_eq!(exposures(&[file("core/a/src/lib.rs", call), listed]), []);
    }

    #[test]
    fn tests_may_expose() {
        let text = concat!("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b(s: &S) { s.expose", "(); }\n}\n");
        assert_eq!(exposures(&[file("core/a/src/lib.rs", text), file("core/a/tests/it/main.rs", text)]), []);
    }

    #[test]
    fn a_listed_file_that_exposes_nothing_is_refused() {
        let listed = file(EXPOSE_LIST, "core/a/src/lib.rs: the library takes bytes\n");
        assert_eq!(places(&exposures(&[file("core/a/src/lib.rs", "fn a() {}\n"), listed])), [EXPOSE_LIST]);
    }

    #[test]
    fn a_listed_file_needs_a_reason() {
        let listed = file(EXPOSE_LIST, "core/a/src/lib.rs\n");
        assert_eq!(places(&exposures(&[listed])), ["xtask/expose.allow:1"]);
    }

    #[test]
    fn an_empty_crate_is_refused() {
        let manifest = file("core/a/Cargo.toml", "");
        let library = file("core/a/src/lib.rs", "//! Being laid.\n");
        assert_eq!(places(&crates(&[manifest, library])), ["core/a/Cargo.toml"]);
    }

    #[test]
    fn a_crate_opens_with_what_it_is() {
        let library = file("core/a/src/lib.rs", &"fn a() {}\n".repeat(20));
        assert_eq!(places(&crates(&[library])), ["core/a/src/lib.rs"]);
    }
}
