//! A PKCS#11 module alone: what the calls that a request makes of a token cost without any of us around them.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::Attribute;
use cryptoki::session::UserType;
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

use crate::house::{ASSOCIATED, PLAINTEXT};
use crate::{Result, process};

/// How long each call is repeated.
const TIME: Duration = Duration::from_secs(2);

/// Prints microseconds of CPU for an encryption, its random IV included, and for a decryption, by AES-GCM under a key in
/// the token: the calls and the sizes of the requests, one after the other, on one thread.
pub(crate) fn measure(module: &Path, label: &str, pin: &str) -> Result<()> {
    let module = Pkcs11::new(module)?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    let of_label = |slot: &Slot| module.get_token_info(*slot).is_ok_and(|info| info.label() == label);
    let slot = module.get_slots_with_token()?.into_iter().find(of_label).ok_or("no token of this label")?;
    let session = module.open_rw_session(slot)?;
    session.login(UserType::User, Some(&AuthPin::from(pin)))?;
    let key = session.generate_key(
        &Mechanism::AesKeyGen,
        &[
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::ValueLen(32.into()),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ],
    )?;
    // With the lengths of data and metadata before them, as they go to the token.
    let additional = [ASSOCIATED.as_slice(), &[0; 8]].concat();
    let seal = || {
        let mut iv = [0; 12];
        session.generate_random_slice(&mut iv)?;
        let sealed = session.encrypt(&gcm(&mut iv, &additional)?, key, &PLAINTEXT)?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((iv, sealed))
    };
    let (iv, sealed) = seal()?;
    let seal_cost = cost(|| seal().map(drop))?;
    let open_cost = cost(|| {
        let mut iv = iv;
        session.decrypt(&gcm(&mut iv, &additional)?, key, &sealed)?;
        Ok(())
    })?;
    session.destroy_object(key)?;
    writeln!(std::io::stdout(), "{seal_cost} {open_cost}")?;
    Ok(())
}

fn gcm<'a>(iv: &'a mut [u8], additional: &'a [u8]) -> Result<Mechanism<'a>> {
    Ok(Mechanism::AesGcm(GcmParams::new(iv, additional, 128.into())?))
}

/// Microseconds of CPU for each call.
fn cost(mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    let (before, end, mut count) = (process::cpu(std::process::id())?, Instant::now() + TIME, 0_u32);
    while Instant::now() < end {
        call()?;
        count += 1;
    }
    Ok(process::cpu(std::process::id())?.saturating_sub(before).as_secs_f64() * 1e6 / f64::from(count))
}
