//! AWS's published test suite, read from where the crate that ships it lies.

use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

use crate::sent::Sent;

/// Two cases of the crate's copy differ from AWS's original: it folds form bodies into the query string, which no
/// service of ours does. The originals are in `vectors/sigv4`.
const FOLDED: [&str; 2] = ["post-x-www-form-urlencoded", "post-x-www-form-urlencoded-parameters"];

/// Cases in the suite, the folded ones left out; a smaller number means that the suite was not found whole.
const CASES: usize = 29;

fn shipped() -> PathBuf {
    let metadata = MetadataCommand::new().exec().unwrap();
    let package = metadata.packages.iter().find(|package| *package.name == "scratchstack-aws-signature").unwrap();
    package.manifest_path.parent().unwrap().join("src/aws-sig-v4-test-suite").into_std_path_buf()
}

fn originals() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/sigv4")
}

/// Every file named `*.<extension>` below `folder`, without its extension, sorted.
fn cases(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(cases(&path, extension));
        } else if path.extension().is_some_and(|of| of == extension) {
            found.push(path.with_extension(""));
        }
    }
    found.sort();
    found
}

/// Reads a request as the suite writes it: a continuation line is one more value of the header before it.
fn read(case: &Path, extension: &str) -> Sent {
    let text = std::fs::read_to_string(case.with_extension(extension)).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
    let target = rest.strip_suffix(" HTTP/1.1").unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    for line in lines {
        let previous = headers.last().map(|(name, _)| name.clone());
        let (name, value) = if line.starts_with(' ') {
            (previous.unwrap(), line)
        } else {
            line.split_once(':').map(|(name, value)| (name.to_owned(), value)).unwrap()
        };
        headers.push((name, value.as_bytes().to_vec()));
    }
    let mut sent = Sent {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        authority: String::new(),
        headers,
        body: body.as_bytes().to_vec(),
    };
    sent.authority = sent.header("host").to_owned();
    sent
}

fn name(case: &Path) -> &str {
    case.file_name().unwrap().to_str().unwrap()
}

fn all_cases() -> Vec<PathBuf> {
    let mut all = cases(&shipped(), "req");
    all.retain(|case| !FOLDED.contains(&name(case)));
    assert_eq!(all.len(), CASES);
    all.extend(cases(&originals(), "req"));
    all
}

#[test]
fn every_request_of_the_published_suite_verifies() {
    for case in all_cases() {
        let mut signed = read(&case, "sreq");
        if name(&case) == "post-sts-header-after" {
            // Adds the token after signing; we want it signed.
            assert!(matches!(
                signed.verify(),
                Err(strongroom_sigv4::SigV4Error::HeaderNotSigned { name }) if name == "x-amz-security-token"
            ));
            signed = signed.without("x-amz-security-token");
        }
        assert_eq!(signed.verify().err(), None, "{}", case.display());
    }
}

#[test]
fn signing_a_request_of_the_published_suite_gives_the_published_signature() {
    for case in all_cases() {
        let mut unsigned = read(&case, "req").without("x-amz-date");
        let token = unsigned.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-amz-security-token"));
        let token = token.map(|(_, value)| String::from_utf8(value.clone()).unwrap());
        unsigned = unsigned.without("x-amz-security-token");
        let published = std::fs::read_to_string(case.with_extension("authz")).unwrap();
        let signed = unsigned.sign(token.as_deref());
        assert_eq!(signed.header("authorization"), published.trim_end(), "{}", case.display());
    }
}
