//! Two installations, and one custom key store: what an account of the first encrypts is encrypted once more by the second,
//! over AWS's own APIs on both sides.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_testkit::client::{Answer, Client};

use crate::house::{House, PLAINTEXT, PROXY};
use crate::xks_client::{Proxy, path};

/// The longest deadline that can be configured: how fast it is shows elsewhere.
const DEADLINE: Duration = Duration::from_secs(10);
/// How much longer than its deadline a call may seem on a busy machine.
const NOISE: Duration = Duration::from_secs(5);

fn asked(client: &mut Client, operation: &str, body: &Value) -> Answer {
    client.kms(operation, &body.to_string()).unwrap()
}

/// An answer that is no error.
fn done(client: &mut Client, operation: &str, body: &Value) -> Answer {
    let answer = asked(client, operation, body);
    assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
    answer
}

fn refused(client: &mut Client, operation: &str, body: &Value, error: &str) {
    let answer = asked(client, operation, body);
    assert!(answer.status == 400 && answer.text("__type").ends_with(error), "{operation}: {}", answer.body);
}

#[test]
fn an_account_keeps_its_outer_key_in_another_installation_which_can_take_it_away() {
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
    let (_, other) = ours.encrypt(&served, &owner);
    let mut kms = ours.client(&served, &owner);

    let credential = json!({"AccessKeyId": theirs.credential.id, "RawSecretAccessKey": theirs.credential.secret});
    let store = json!({
        "CustomKeyStoreName": "theirs", "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
        "XksProxyUriEndpoint": format!("https://{PROXY}"), "XksProxyUriPath": path(),
        "XksProxyAuthenticationCredential": credential, "XksProxyConnectivity": "PUBLIC_ENDPOINT",
    });
    let store = done(&mut kms, "CreateCustomKeyStore", &store).text("CustomKeyStoreId");
    done(&mut kms, "ConnectCustomKeyStore", &json!({"CustomKeyStoreId": store}));
    let shown = done(&mut kms, "DescribeCustomKeyStores", &json!({"CustomKeyStoreId": store})).json();
    assert_eq!(shown["CustomKeyStores"][0]["ConnectionState"], "CONNECTED", "{shown}");
    assert!(!shown.to_string().contains(&theirs.credential.secret));

    let key = json!({"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": store, "XksKeyId": "payroll"});
    let made = done(&mut kms, "CreateKey", &key);
    let key = made.text("KeyMetadata.KeyId");
    assert_eq!(made.json()["KeyMetadata"]["XksKeyConfiguration"]["Id"], "payroll", "{}", made.body);
    let missing = json!({"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": store, "XksKeyId": "nothing"});
    refused(&mut kms, "CreateKey", &missing, "XksKeyNotFoundException");

    let context = json!({"department": "payroll"});
    let encrypt = json!({"KeyId": key, "Plaintext": PLAINTEXT, "EncryptionContext": context});
    let ciphertext = done(&mut kms, "Encrypt", &encrypt).text("CiphertextBlob");
    let decrypt = json!({"CiphertextBlob": ciphertext, "EncryptionContext": context});
    assert_eq!(done(&mut kms, "Decrypt", &decrypt).text("Plaintext"), PLAINTEXT);
    // The context is bound at the other side, which opens first.
    refused(&mut kms, "Decrypt", &json!({"CiphertextBlob": ciphertext}), "KMSInvalidStateException");
    let generated = done(&mut kms, "GenerateDataKey", &json!({"KeyId": key, "KeySpec": "AES_256"}));
    let opened = done(&mut kms, "Decrypt", &json!({"CiphertextBlob": generated.text("CiphertextBlob")}));
    assert_eq!(opened.text("Plaintext"), generated.text("Plaintext"));

    // The other side knows for whom, and for which key.
    let records = theirs.house.records("Encrypt");
    let arn = made.text("KeyMetadata.Arn");
    assert!(records.iter().any(|record| record.to_string().contains(&arn)), "{arn}: {records:?}");

    // The other side's switches.
    for (block, unblock) in [
        ("store block prod", "store unblock prod"),
        ("key block --store prod payroll", "key unblock --store prod payroll"),
    ] {
        theirs.switch(block);
        refused(&mut kms, "Encrypt", &encrypt, "KMSInvalidStateException");
        refused(&mut kms, "Decrypt", &decrypt, "KMSInvalidStateException");
        theirs.switch(unblock);
        assert_eq!(done(&mut kms, "Decrypt", &decrypt).text("Plaintext"), PLAINTEXT);
    }

    // And without the other side, nothing but what never needed it.
    theirs.served.stop();
    let began = Instant::now();
    refused(&mut kms, "Decrypt", &decrypt, "KMSInvalidStateException");
    assert!(began.elapsed() < DEADLINE + NOISE, "{:?}", began.elapsed());
    refused(&mut kms, "Encrypt", &encrypt, "KMSInvalidStateException");
    ours.decrypts(&served, &owner, &other);
    served.stop();
}
