//! Who may import whom: the floors of ARCHITECTURE.md as an allow-list, and the walls around foreign crates.
//!
//! Normal and build dependencies are checked. Development dependencies may be anything: tests cross floors on purpose.

use super::Finding;
use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::path::Path;

/// One room of the house.
struct Room {
    package: &'static str,
    folder: &'static str,
    imports: Imports,
}

/// What of the workspace a room may import.
enum Imports {
    /// Exactly these packages, or fewer.
    Only(&'static [&'static str]),
    /// Every room that ships.
    Shipped,
    /// Everything: this room never ships.
    Anything,
}

use Imports::{Anything, Only, Shipped};

const ROOMS: &[Room] = &[
    // floor 6
    Room { package: "strongroom", folder: "server", imports: Shipped },
    // floor 5
    Room {
        package: "strongroom-aws-kms",
        folder: "frontends/aws-kms",
        imports: Only(&[
            "strongroom-engine",
            "strongroom-model",
            "strongroom-http",
            "strongroom-json",
            "strongroom-authentication",
        ]),
    },
    Room {
        package: "strongroom-aws-sts",
        folder: "frontends/aws-sts",
        imports: Only(&[
            "strongroom-engine",
            "strongroom-model",
            "strongroom-http",
            "strongroom-authentication",
            "strongroom-identity",
        ]),
    },
    Room {
        package: "strongroom-aws-tagging",
        folder: "frontends/aws-tagging",
        imports: Only(&["strongroom-engine", "strongroom-model", "strongroom-http", "strongroom-authentication"]),
    },
    Room {
        package: "strongroom-aws-xks",
        folder: "frontends/aws-xks",
        imports: Only(&[
            "strongroom-engine",
            "strongroom-model",
            "strongroom-http",
            "strongroom-json",
            "strongroom-authentication",
            "strongroom-services",
        ]),
    },
    Room {
        package: "strongroom-azure-ekm",
        folder: "frontends/azure-ekm",
        imports: Only(&[
            "strongroom-engine",
            "strongroom-model",
            "strongroom-http",
            "strongroom-json",
            "strongroom-authentication",
            "strongroom-services",
        ]),
    },
    Room {
        package: "strongroom-authentication",
        folder: "frontends/authentication",
        imports: Only(&["strongroom-engine", "strongroom-model", "strongroom-http", "strongroom-sigv4"]),
    },
    // What front ends for services elsewhere share, as all share authentication: neither may know the other.
    Room {
        package: "strongroom-services",
        folder: "frontends/services",
        imports: Only(&["strongroom-engine", "strongroom-model", "strongroom-authentication"]),
    },
    Room {
        package: "strongroom-admin",
        folder: "frontends/admin",
        imports: Only(&[
            "strongroom-engine",
            "strongroom-model",
            "strongroom-http",
            "strongroom-sigv4",
            "strongroom-authentication",
            "strongroom-admin-api",
            "strongroom-identity",
        ]),
    },
    // floor 4
    Room {
        package: "strongroom-engine",
        folder: "core/engine",
        imports: Only(&[
            "strongroom-model",
            "strongroom-secret",
            "strongroom-crypto",
            "strongroom-policy",
            "strongroom-audit",
        ]),
    },
    Room { package: "strongroom-identity", folder: "core/identity", imports: Only(&["strongroom-model"]) },
    Room {
        package: "strongroom-root-software",
        folder: "roots/software",
        imports: Only(&["strongroom-model", "strongroom-secret", "strongroom-crypto"]),
    },
    Room {
        package: "strongroom-audit-log",
        folder: "stores/audit-log",
        imports: Only(&["strongroom-model", "strongroom-audit"]),
    },
    Room {
        package: "strongroom-cli",
        folder: "clients/cli",
        imports: Only(&["strongroom-admin-api", "strongroom-audit", "strongroom-render", "strongroom-sigv4"]),
    },
    // floor 3
    Room {
        package: "strongroom-crypto",
        folder: "core/crypto",
        imports: Only(&["strongroom-model", "strongroom-secret"]),
    },
    Room { package: "strongroom-policy", folder: "core/policy", imports: Only(&["strongroom-model"]) },
    Room { package: "strongroom-audit", folder: "core/audit", imports: Only(&["strongroom-model"]) },
    Room {
        package: "strongroom-root-pkcs11",
        folder: "roots/pkcs11",
        imports: Only(&["strongroom-model", "strongroom-secret"]),
    },
    Room { package: "strongroom-store-embedded", folder: "stores/embedded", imports: Only(&["strongroom-model"]) },
    Room {
        package: "strongroom-xks-client",
        folder: "keystores/xks",
        imports: Only(&["strongroom-model", "strongroom-sigv4"]),
    },
    Room { package: "strongroom-render", folder: "clients/render", imports: Only(&["strongroom-audit"]) },
    Room { package: "strongroom-admin-api", folder: "frontends/admin-api", imports: Only(&["strongroom-model"]) },
    Room {
        package: "strongroom-json",
        folder: "frontends/json",
        imports: Only(&["strongroom-model", "strongroom-secret"]),
    },
    Room { package: "strongroom-http", folder: "frontends/http", imports: Only(&["strongroom-model"]) },
    // floor 2
    Room { package: "strongroom-model", folder: "core/model", imports: Only(&["strongroom-secret"]) },
    Room { package: "strongroom-sigv4", folder: "frontends/sigv4", imports: Only(&["strongroom-secret"]) },
    // floor 1
    Room { package: "strongroom-secret", folder: "core/secret", imports: Only(&[]) },
    // beside: never shipped
    Room { package: "strongroom-testkit", folder: "testkit", imports: Anything },
    Room { package: "strongroom-disk-shim", folder: "testkit/disk-shim", imports: Anything },
    Room { package: "strongroom-pkcs11-shim", folder: "testkit/pkcs11-shim", imports: Anything },
    Room { package: "strongroom-bench", folder: "bench", imports: Anything },
    Room { package: "strongroom-fuzz-targets", folder: "fuzz/targets", imports: Anything },
    Room { package: "xtask", folder: "xtask", imports: Anything },
];

/// A foreign crate that only some rooms may import. Rooms that never ship may import all of them.
struct Wall {
    foreign: &'static str,
    folders: &'static [&'static str],
    because: &'static str,
}

const WALLS: &[Wall] = &[
    Wall { foreign: "cryptoki", folders: &["roots/pkcs11"], because: "one crate speaks PKCS#11" },
    Wall { foreign: "cryptoki-sys", folders: &["roots/pkcs11"], because: "one crate speaks PKCS#11" },
    Wall { foreign: "rusqlite", folders: &["stores/embedded"], because: "one crate speaks SQLite" },
    Wall {
        foreign: "hyper",
        folders: &["frontends/http", "clients/cli", "core/identity", "keystores/xks"],
        because: "one crate runs listeners, one is a client of them, two ask others: token issuers and XKS proxies",
    },
    Wall {
        foreign: "hyper-util",
        folders: &["frontends/http", "clients/cli", "core/identity", "keystores/xks"],
        because: "one crate runs listeners, one is a client of them, two ask others: token issuers and XKS proxies",
    },
    Wall {
        foreign: "aws-lc-rs",
        folders: &["core/crypto", "core/audit", "roots", "frontends/sigv4", "keystores/xks"],
        because: "cryptography is called in core/crypto; a root is a module of its own, audit hashes, sigv4 verifies, \
                  a proxy's answer is hashed where it comes in",
    },
    Wall {
        foreign: "aws-lc-sys",
        folders: &["core/crypto"],
        because: "what the safe crate lacks is called in one file (docs/adr/lower-layer.md)",
    },
    Wall { foreign: "jsonwebtoken", folders: &["core/identity"], because: "one crate verifies tokens" },
    Wall {
        foreign: "http",
        folders: &["frontends", "clients", "server", "core/identity", "keystores/xks"],
        because: "the core, the roots and the stores know no wire, but for what asks token issuers and XKS proxies",
    },
    Wall {
        foreign: "tokio",
        folders: &["frontends", "clients", "server", "core/identity", "keystores/xks", "roots/pkcs11"],
        because: "the core, the roots and the stores run on threads, not on a runtime, but for what asks token issuers \
                  and XKS proxies, and the task that takes in a token's answers (docs/adr/uses-begun.md)",
    },
];

/// Checks the workspace at `root`.
///
/// # Errors
/// A sentence, where cargo cannot describe the workspace.
pub(super) fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let metadata = MetadataCommand::new()
        .current_dir(root)
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let folder = folder(root, package)?;
        let dependencies: Vec<&str> = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development)
            .map(|dependency| dependency.name.as_str())
            .collect();
        findings.extend(room(package.name.as_str(), &folder, &dependencies));
    }
    let present = |room: &&Room| metadata.packages.iter().any(|package| package.name.as_str() == room.package);
    for absent in ROOMS.iter().filter(|room| !present(room)) {
        findings.push(Finding::error(
            "xtask/src/tidy/edges.rs",
            format!("{} has a row but is not in the workspace", absent.package),
            "take its row out, or add it to [workspace] members",
        ));
    }
    Ok(findings)
}

/// A package's folder from the repository's root.
fn folder(root: &Path, package: &Package) -> Result<String, String> {
    let manifest = package.manifest_path.as_std_path();
    let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok());
    let folder = folder.ok_or_else(|| format!("{} lies outside {}", manifest.display(), root.display()))?;
    Ok(folder.to_string_lossy().replace('\\', "/"))
}

/// Checks one package against its row and the walls.
fn room(package: &str, folder: &str, dependencies: &[&str]) -> Vec<Finding> {
    let place = format!("{folder}/Cargo.toml");
    let Some(row) = ROOMS.iter().find(|room| room.package == package) else {
        return vec![Finding::error(
            place,
            format!("{package} has no row in the floor table"),
            "decide its floor in ARCHITECTURE.md and add its row to ROOMS in xtask/src/tidy/edges.rs",
        )];
    };
    let mut findings = Vec::new();
    if row.folder != folder {
        findings.push(Finding::error(&place, format!("{package} belongs in {}", row.folder), "move it there"));
    }
    let ours = dependencies.iter().filter(|name| ROOMS.iter().any(|room| room.package == **name));
    for import in ours.filter(|name| !allowed(row, name)) {
        findings.push(Finding::error(
            &place,
            format!("{package} imports {import}, which its row does not name"),
            "reach it through a port of the model that the binary wires, or change the row and say why in an ADR",
        ));
    }
    if !ships(row) {
        return findings;
    }
    for wall in WALLS.iter().filter(|wall| dependencies.contains(&wall.foreign)) {
        let inside = |allowed: &&&str| folder == **allowed || folder.starts_with(&format!("{allowed}/"));
        if wall.folders.iter().find(inside).is_none() {
            findings.push(Finding::error(
                &place,
                format!(
                    "{package} imports {}, walled into {}: {}",
                    wall.foreign,
                    wall.folders.join(", "),
                    wall.because
                ),
                "use the port or the crate that wraps it",
            ));
        }
    }
    findings
}

fn allowed(row: &Room, import: &str) -> bool {
    match row.imports {
        Anything => true,
        Only(names) => names.contains(&import),
        Shipped => ROOMS.iter().any(|room| room.package == import && ships(room)),
    }
}

/// Whether the room is part of the product, rather than of its making.
fn ships(room: &Room) -> bool {
    !matches!(room.imports, Anything)
}

#[cfg(test)]
mod tests {
    use super::room;

    fn faults(package: &str, folder: &str, dependencies: &[&str]) -> Vec<String> {
        room(package, folder, dependencies).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_room_may_import_what_its_row_names() {
        assert_eq!(faults("strongroom-policy", "core/policy", &["strongroom-model", "serde"]), [""; 0]);
        assert_eq!(faults("strongroom", "server", &["strongroom-engine", "strongroom-root-pkcs11"]), [""; 0]);
        assert_eq!(faults("strongroom-bench", "bench", &["strongroom-testkit", "hyper", "aws-lc-rs"]), [""; 0]);
    }

    #[test]
    fn an_edge_that_no_row_names_is_refused() {
        let found = faults("strongroom-aws-kms", "frontends/aws-kms", &["strongroom-crypto"]);
        assert_eq!(found, ["strongroom-aws-kms imports strongroom-crypto, which its row does not name"]);
    }

    #[test]
    fn the_binary_may_not_ship_the_testkit() {
        assert_eq!(faults("strongroom", "server", &["strongroom-testkit"]).len(), 1);
    }

    #[test]
    fn a_room_without_a_row_is_refused() {
        assert_eq!(faults("strongroom-attic", "attic", &[]), ["strongroom-attic has no row in the floor table"]);
    }

    #[test]
    fn a_room_in_another_folder_is_refused() {
        assert_eq!(faults("strongroom-policy", "policy", &[]), ["strongroom-policy belongs in core/policy"]);
    }

    #[test]
    fn a_walled_crate_is_refused_outside_its_wall() {
        for (foreign, inside, outside) in [
            ("cryptoki", ("strongroom-root-pkcs11", "roots/pkcs11"), ("strongroom-engine", "core/engine")),
            ("rusqlite", ("strongroom-store-embedded", "stores/embedded"), ("strongroom-engine", "core/engine")),
            ("hyper", ("strongroom-http", "frontends/http"), ("strongroom-aws-kms", "frontends/aws-kms")),
            ("aws-lc-rs", ("strongroom-crypto", "core/crypto"), ("strongroom-engine", "core/engine")),
            ("http", ("strongroom-admin", "frontends/admin"), ("strongroom-model", "core/model")),
            ("tokio", ("strongroom-cli", "clients/cli"), ("strongroom-audit-log", "stores/audit-log")),
        ] {
            assert_eq!(faults(inside.0, inside.1, &[foreign]), [""; 0], "{foreign}");
            assert_eq!(faults(outside.0, outside.1, &[foreign]).len(), 1, "{foreign}");
        }
    }
}
