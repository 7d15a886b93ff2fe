//! The software root: its sealed file, and the domain keys that it wraps.

use std::io::Write;
use std::sync::LazyLock;

use strongroom_model::root::RootOfTrust;
use strongroom_root_software::{Credential, Sealed, SoftwareRoot, SoftwareRootError};
use tempfile::NamedTempFile;

use crate::{fixture, nothing_near_opens};

/// A root that opens with a key file.
const FILE: &[u8] = include_bytes!("../../corpus/software_root/key-file");

/// The sealed file. Slots with a passphrase are read and not opened: that takes memory and time on purpose.
pub fn software_root(data: &[u8]) {
    let (key_file, recovered) = (fixture::secret(7), fixture::secret(9));
    let credentials = [Credential::KeyFile(&key_file), Credential::Recovery(&recovered)];
    let unseals = |data: &[u8]| open(data).is_ok_and(|(_, sealed)| sealed.unseal(&credentials[0]).is_ok());
    let Ok((_file, sealed)) = open(data) else { return };
    assert!((1..=strongroom_root_software::limits::SLOTS).contains(&sealed.slots().len()));
    for credential in &credentials {
        let Ok(root) = sealed.unseal(credential) else { continue };
        assert_eq!((root.describe().id, root.slots().unwrap()), (sealed.id(), sealed.slots()));
        // Slots of the other kind are bound too, so every byte counts.
        if matches!(credential, Credential::KeyFile(_)) {
            nothing_near_opens(data, unseals);
        }
    }
}

/// A domain key that the root wrapped.
pub fn software_wrapped(data: &[u8]) {
    static ROOT: LazyLock<SoftwareRoot> = LazyLock::new(|| {
        let (_file, sealed) = open(FILE).unwrap();
        sealed.unseal(&Credential::KeyFile(&fixture::secret(7))).unwrap()
    });
    let unwraps = |data: &[u8]| ROOT.unwrap(fixture::ROOT_CONTEXT, data).is_ok();
    if unwraps(data) {
        assert!(ROOT.unwrap(b"another", data).is_err(), "opens for another context");
        nothing_near_opens(data, unwraps);
    }
}

/// The root in a file of `data`, which is removed with the first value.
fn open(data: &[u8]) -> Result<(NamedTempFile, Sealed), SoftwareRootError> {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(data).unwrap();
    let sealed = SoftwareRoot::open(file.path())?;
    Ok((file, sealed))
}
