//! Two installations, and one custom key store: what an account of the first encrypts is encrypted once more by the second,
//! over AWS's own APIs on both sides.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_testkit::client::{Answer, Client};
use strongroom_testkit::server::Served;

use crate::house::{House, Key, PLAINTEXT, PROXY};
use crate::xks_client::{Proxy, path};

/// Longer than a call takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(5);
/// How much longer than its deadline a call may seem on a busy machine.
const NOISE: Duration = Duration::from_secs(5);

/// Longest wait for a store to be connected.
const PATIENCE: Duration = Duration::from_secs(60);

fn asked(client: &mut Client, operation: &str, body: &Value) -> Answer {
    client.kms(operation, &body.to_string()).unwrap()
}

/// An answer that is no error.
pub(crate) fn done(client: &mut Client, operation: &str, body: &Value) -> Answer {
    let answer = asked(client, operation, body);
    assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
    answer
}

fn refused(client: &mut Client, operation: &str, body: &Value, error: &str) {
    let answer = asked(client, operation, body);
    assert!(answer.status == 400 && answer.text("__type").ends_with(error), "{operation}: {}", answer.body);
}

/// How a custom key store is described once it is not being connected any more.
#[expect(clippy::disallowed_methods, reason = "what comes of it can only be asked, again and again")]
pub(crate) fn settled(kms: &mut Client, store: &str) -> Value {
    let begun = Instant::now();
    loop {
        let told = state(kms, store);
        if told["ConnectionState"] != "CONNECTING" {
            return told;
        }
        assert!(begun.elapsed() < PATIENCE, "never: {told}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How a custom key store is described.
pub(crate) fn state(kms: &mut Client, store: &str) -> Value {
    done(kms, "DescribeCustomKeyStores", &json!({"CustomKeyStoreId": store})).json()["CustomKeyStores"][0].clone()
}

/// An installation with a custom key store over another's key store, and its owner's connection.
struct Rig {
    theirs: Proxy,
    ours: House,
    served: Served,
    owner: Key,
    kms: Client,
    store: String,
}

impl Rig {
    fn new() -> Self {
        let theirs = Proxy::start();
        let ours = House::new();
        let table = format!(
            "[[external_key_manager]]\nhost = \"{PROXY}\"\naddress = \"{}\"\nauthorities = \"{}\"\ndeadline_milliseconds = {}\n",
            theirs.served.address.unwrap(),
            theirs.house.path("chain.pem").display(),
            DEADLINE.as_millis()
        );
        ours.configure(&format!("{}{table}", ours.software_root("root")));
        ours.init();
        let served = ours.serve();
        let owner = ours.root_key();
        let mut kms = ours.client(&served, &owner);
        let Key { id, secret } = &theirs.credential;
        let store = json!({
            "CustomKeyStoreName": "theirs", "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
            "XksProxyUriEndpoint": format!("https://{PROXY}"), "XksProxyUriPath": path(),
            "XksProxyAuthenticationCredential": {"AccessKeyId": id, "RawSecretAccessKey": secret},
            "XksProxyConnectivity": "PUBLIC_ENDPOINT",
        });
        let store = done(&mut kms, "CreateCustomKeyStore", &store).text("CustomKeyStoreId");
        done(&mut kms, "ConnectCustomKeyStore", &json!({"CustomKeyStoreId": store}));
        let told = settled(&mut kms, &store);
        assert_eq!(told["ConnectionState"], "CONNECTED", "{told}");
        Self { theirs, ours, served, owner, kms, store }
    }

    /// What makes a key over one of theirs.
    fn over(&self, external: &str) -> Value {
        json!({"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": self.store, "XksKeyId": external})
    }
}

#[test]
fn an_account_keeps_its_outer_key_in_another_installation_which_can_take_it_away() {
    let mut rig = Rig::new();
    let (payroll, nothing) = (rig.over("payroll"), rig.over("nothing"));
    let (_, other) = rig.ours.encrypt(&rig.served, &rig.owner);
    let kms = &mut rig.kms;
    let shown = done(kms, "DescribeCustomKeyStores", &json!({"CustomKeyStoreId": rig.store})).json();
    assert_eq!(shown["CustomKeyStores"][0]["ConnectionState"], "CONNECTED", "{shown}");
    assert!(!shown.to_string().contains(&rig.theirs.credential.secret));
    let made = done(kms, "CreateKey", &payroll);
    assert_eq!(made.json()["KeyMetadata"]["XksKeyConfiguration"]["Id"], "payroll", "{}", made.body);
    refused(kms, "CreateKey", &nothing, "XksKeyNotFoundException");

    let (key, context) = (made.text("KeyMetadata.KeyId"), json!({"department": "payroll"}));
    let encrypt = json!({"KeyId": key, "Plaintext": PLAINTEXT, "EncryptionContext": context});
    let ciphertext = done(kms, "Encrypt", &encrypt).text("CiphertextBlob");
    let decrypt = json!({"CiphertextBlob": ciphertext, "EncryptionContext": context});
    assert_eq!(done(kms, "Decrypt", &decrypt).text("Plaintext"), PLAINTEXT);
    // The context is bound here: the other side is told nothing of it.
    refused(kms, "Decrypt", &json!({"CiphertextBlob": ciphertext}), "InvalidCiphertextException");
    let generated = done(kms, "GenerateDataKey", &json!({"KeyId": key, "KeySpec": "AES_256"}));
    let opened = done(kms, "Decrypt", &json!({"CiphertextBlob": generated.text("CiphertextBlob")}));
    assert_eq!(opened.text("Plaintext"), generated.text("Plaintext"));

    // The other side knows for whom, and for which key.
    let records = rig.theirs.house.records("Encrypt");
    let arn = made.text("KeyMetadata.Arn");
    assert!(records.iter().any(|record| record.to_string().contains(&arn)), "{arn}: {records:?}");

    // The other side's switches.
    for (block, unblock) in [
        ("store block prod", "store unblock prod"),
        ("key block --store prod payroll", "key unblock --store prod payroll"),
    ] {
        rig.theirs.switch(block);
        refused(kms, "Encrypt", &encrypt, "KMSInvalidStateException");
        refused(kms, "Decrypt", &decrypt, "KMSInvalidStateException");
        rig.theirs.switch(unblock);
        assert_eq!(done(kms, "Decrypt", &decrypt).text("Plaintext"), PLAINTEXT);
    }

    // And without the other side, nothing but what never needed it: told in the same words before it is left alone and after.
    rig.theirs.served.stop();
    let began = Instant::now();
    for (operation, body) in [("Decrypt", &decrypt), ("Encrypt", &encrypt)].repeat(6) {
        let told = asked(kms, operation, body);
        let same =
            told.text("__type").ends_with("KMSInvalidStateException") && told.body.contains("cannot communicate");
        assert!(same, "{}", told.body);
    }
    assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
    rig.ours.decrypts(&rig.served, &rig.owner, &other);
    rig.served.stop();
}

#[test]
fn while_the_other_installation_hangs_its_keys_are_refused_at_the_deadline_and_others_answer_as_before() {
    let mut rig = Rig::new();
    let payroll = rig.over("payroll");
    let (_, other) = rig.ours.encrypt(&rig.served, &rig.owner);
    let key = done(&mut rig.kms, "CreateKey", &payroll).text("KeyMetadata.KeyId");
    let encrypt = json!({"KeyId": key, "Plaintext": PLAINTEXT});
    done(&mut rig.kms, "Encrypt", &encrypt);

    rig.theirs.served.freeze();
    let (Rig { ours, served, owner, .. }, encrypt) = (&rig, &encrypt);
    std::thread::scope(|scope| {
        let hung: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut kms = ours.client(served, owner);
                    let began = Instant::now();
                    refused(&mut kms, "Encrypt", encrypt, "KMSInvalidStateException");
                    began.elapsed()
                })
            })
            .collect();
        let began = Instant::now();
        for _ in 0..5 {
            ours.decrypts(served, owner, &other);
        }
        assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
        for hung in hung {
            let took = hung.join().unwrap();
            assert!((DEADLINE..DEADLINE + NOISE).contains(&took), "{took:?}");
        }
    });
    rig.theirs.served.thaw();
    done(&mut rig.kms, "Encrypt", encrypt);
    rig.theirs.served.stop();
    rig.served.stop();
}

#[test]
fn a_server_killed_while_it_connects_a_custom_key_store_goes_on_with_that_when_it_is_back() {
    let Rig { theirs, ours, served, owner, mut kms, store } = Rig::new();
    let one = json!({"CustomKeyStoreId": store});
    done(&mut kms, "DisconnectCustomKeyStore", &one);
    theirs.served.freeze();
    done(&mut kms, "ConnectCustomKeyStore", &one);
    assert_eq!(state(&mut kms, &store)["ConnectionState"], "CONNECTING");
    drop(kms);
    served.kill();
    theirs.served.thaw();
    let served = ours.serve();
    let mut kms = ours.client(&served, &owner);
    let told = settled(&mut kms, &store);
    assert_eq!(told["ConnectionState"], "CONNECTED", "{told}");
    done(
        &mut kms,
        "CreateKey",
        &json!({"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": store, "XksKeyId": "payroll"}),
    );
    theirs.served.stop();
    served.stop();
}
