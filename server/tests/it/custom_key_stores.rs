//! A custom key store on a token: connected while the token answers, hangs, and is back.

use serde_json::json;
use strongroom_pkcs11_shim::Faults;
use strongroom_testkit::softhsm::Token;

use crate::external_keys::{done, settled, state};
use crate::house::{ACCOUNT, House, PLAINTEXT};

const CLUSTER: &str = "cluster-strongroomhsm";
const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n";

#[test]
fn a_server_killed_while_it_waits_for_a_token_goes_on_with_that_when_it_is_back() {
    let mut house = House::new();
    let tokens = house.path("softhsm");
    std::fs::create_dir(&tokens).unwrap();
    let (token, faults) = (Token::new(&tokens, "store"), Faults::new(&tokens));
    house.environment = vec![token.environment(), ("PIN".into(), Token::PIN.into())];
    house.environment.extend(faults.environment(&Token::module()));
    house.configure(&format!(
        "{}[[key_store]]\nname = \"hsm\"\nkind = \"pkcs11\"\nmodule = \"{}\"\ntokens = [{{ label = \"store\" }}]\n\
         deadline_milliseconds = 10000\npin = {{ environment = \"PIN\" }}\naws_kms = {{ cluster = \"{CLUSTER}\", accounts = [\"{ACCOUNT}\"] }}\n",
        house.software_root("root"),
        strongroom_pkcs11_shim::library().unwrap().display(),
    ));
    house.init();
    let served = house.serve();
    let owner = house.root_key();
    let mut kms = house.client(&served, &owner);
    let store = json!({
        "CustomKeyStoreName": "payroll", "CloudHsmClusterId": CLUSTER,
        "TrustAnchorCertificate": PEM, "KeyStorePassword": "kmsPswd-1",
    });
    let store = done(&mut kms, "CreateCustomKeyStore", &store).text("CustomKeyStoreId");
    let one = json!({"CustomKeyStoreId": store});

    faults.set("C_Encrypt * hang").unwrap();
    assert_eq!(done(&mut kms, "ConnectCustomKeyStore", &one).body, "{}");
    assert_eq!(state(&mut kms, &store)["ConnectionState"], "CONNECTING");
    drop(kms);
    served.kill();
    faults.set("").unwrap();
    let served = house.serve();
    let mut kms = house.client(&served, &owner);
    let told = settled(&mut kms, &store);
    assert_eq!(told["ConnectionState"], "CONNECTED", "{told}");
    done(&mut kms, "CreateKey", &json!({"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": store}));

    // A key of the token that is in no custom key store tells the token alone, and is not stopped with the store.
    house.done(&format!(
        "key create --tenant {ACCOUNT} --key-store hsm --spec ECC_NIST_P256 --usage SIGN_VERIFY --alias alias/own"
    ));
    let told = done(&mut kms, "DescribeKey", &json!({"KeyId": "alias/own"})).json()["KeyMetadata"].clone();
    assert_eq!((&told["CloudHsmClusterId"], told.get("CustomKeyStoreId")), (&json!(CLUSTER), None), "{told}");
    // What does not come back in time is told as AWS does, and can be connected again.
    done(&mut kms, "DisconnectCustomKeyStore", &one);
    let sign = json!({"KeyId": "alias/own", "Message": PLAINTEXT, "SigningAlgorithm": "ECDSA_SHA_256"});
    done(&mut kms, "Sign", &sign);
    faults.set("C_Encrypt * hang").unwrap();
    done(&mut kms, "ConnectCustomKeyStore", &one);
    let told = settled(&mut kms, &store);
    assert_eq!((&told["ConnectionState"], &told["ConnectionErrorCode"]), (&json!("FAILED"), &json!("NETWORK_ERRORS")));
    faults.set("").unwrap();
    served.stop();
}
