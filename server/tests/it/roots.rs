//! Roots of trust: whichever is lost, another or the recovery shares bring everything back.

use serde_json::Value;
use strongroom_testkit::softhsm::Token;

use crate::house::{House, text};

fn id(root: &Value) -> &str {
    root["id"].as_str().unwrap()
}

fn token_root(token: &Token) -> String {
    format!(
        "[[root]]\nkind = \"pkcs11\"\nmodule = \"{}\"\ntoken_label = \"{}\"\npin = {{ environment = \"PIN\" }}\n",
        Token::module().display(),
        token.label()
    )
}

#[test]
fn a_destroyed_token_costs_nothing_where_a_second_root_is_and_another_token_takes_its_place() {
    let mut house = House::new();
    let tokens = house.path("softhsm");
    std::fs::create_dir(&tokens).unwrap();
    let token = Token::new(&tokens, "first");
    house.environment = vec![token.environment(), ("PIN".into(), Token::PIN.into())];
    house.configure(&format!("{}{}", token_root(&token), house.software_root("root")));
    house.init();
    let served = house.serve();
    let key = house.root_key();
    let (_, ciphertext) = house.encrypt(&served, &key);
    let verified = house.done("root verify");
    let opened: Vec<_> = verified["items"].as_array().unwrap().iter().map(|found| found["opened"].as_u64()).collect();
    assert_eq!(opened, [Some(2), Some(2)], "{verified}");
    served.stop();

    token.destroy();
    let served = house.serve();
    assert!(served.said().contains("a root cannot serve"), "{}", served.said());
    house.decrypts(&served, &key, &ciphertext);
    house.encrypt(&served, &key);
    let roots = house.roots();
    let lost = roots.iter().find(|root| root["open"] == false).unwrap();
    assert_eq!(lost["kind"], "pkcs11");

    let second = Token::new(&tokens, "second");
    house.configure(&format!("{}{}", token_root(&second), house.software_root("root")));
    house.done(&format!("root rotate {}", id(lost)));
    let roots = house.await_roots(|roots| roots.iter().all(|root| root["open"] == true && root["complete"] == true));
    assert_eq!(roots.len(), 2, "{roots:?}");
    served.stop();

    // Now the new token alone has to do.
    house.configure(&token_root(&second));
    let served = house.serve();
    house.decrypts(&served, &key, &ciphertext);
    served.stop();
}

#[test]
fn roots_are_added_verified_replaced_and_removed_while_serving() {
    let house = House::new();
    house.configure(&house.software_root("root-a"));
    house.init();
    let served = house.serve();
    let key = house.root_key();
    let (_, ciphertext) = house.encrypt(&served, &key);
    let first = id(&house.roots()[0]).to_owned();
    assert!(house.refused("root add").contains("knows every root"));
    assert!(house.refused(&format!("root remove {first}")).contains("last one"));
    assert!(house.refused(&format!("root rotate {first}")).contains("knows every root"));
    assert!(house.refused("root verify 00112233445566778899aabbccddeeff").contains("does not exist"));

    house.configure(&format!("{}{}", house.software_root("root-a"), house.software_root("root-b")));
    let added = house.done("root add");
    let second = id(&added["items"][0]).to_owned();
    house.await_roots(|roots| roots.len() == 2 && roots.iter().all(|root| root["complete"] == true));
    let found = house.done(&format!("root verify {second}"));
    assert_eq!(found["items"][0]["opened"], 2, "{found}");
    assert_eq!(found["items"][0]["lacking"], 0, "{found}");
    house.done(&format!("root remove {first}"));

    house.configure(&format!("{}{}", house.software_root("root-b"), house.software_root("root-c")));
    house.done(&format!("root rotate {second}"));
    let roots = house.await_roots(|roots| roots.len() == 1 && roots[0]["complete"] == true);
    assert_ne!(id(&roots[0]), second);
    house.done(&format!("tenant rotate-domain-key {}", crate::house::ACCOUNT));
    house.decrypts(&served, &key, &ciphertext);
    served.stop();

    for gone in ["root-a", "root-b"] {
        std::fs::remove_file(house.path(gone)).unwrap();
    }
    house.configure(&house.software_root("root-c"));
    let served = house.serve();
    house.decrypts(&served, &key, &ciphertext);
    served.stop();
}

#[test]
fn shares_alone_bring_the_keys_back_when_every_root_is_lost() {
    let house = House::new();
    house.configure(&house.software_root("root"));
    let made = house.init();
    let served = house.serve();
    let key = house.root_key();
    let (_, ciphertext) = house.encrypt(&served, &key);
    served.stop();

    std::fs::remove_file(house.path("root")).unwrap();
    assert!(house.try_serve(&[]).is_err_and(|said| said.contains("cannot be opened")));
    let one = house.program(&["recover"], &format!("{}\n", made.shares[0]));
    assert!(!one.status.success() && text(&one.stderr).contains("shares"), "{}", text(&one.stderr));
    let two = house.program(&["recover"], &format!("{}\n{}\n", made.shares[0], made.shares[2]));
    assert!(two.status.success(), "{}", text(&two.stderr));
    assert!(text(&two.stdout).contains("2 domain keys"), "{}", text(&two.stdout));
    let served = house.serve();
    house.decrypts(&served, &key, &ciphertext);
    let lost = house.roots().into_iter().find(|root| root["open"] == false).unwrap();
    house.done(&format!("root remove {}", id(&lost)));
    served.stop();
}
