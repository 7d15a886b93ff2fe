//! Rows that were written before they said whom their names mean.

use minicbor::{Decode, Encode};
use strongroom_engine::{KeyRow, Meant, PrincipalRow};
use strongroom_model::store::{Batch, Store as _};

use super::*;

/// Rewrites every row of a table, as a program could that knew no meanings.
fn rewrite<T: Encode<()> + for<'b> Decode<'b, ()>>(test: &TestEngine, table: Table, change: impl Fn(&mut T)) {
    let rows = test.store.snapshot().unwrap().scan(table, &[], None, 1000).unwrap();
    let mut batch = Batch::default();
    for row in rows {
        let mut decoded: T = minicbor::decode(&row.value[1..]).unwrap();
        change(&mut decoded);
        let mut value = vec![row.value[0]];
        minicbor::encode(&decoded, &mut value).unwrap();
        batch.replace(table, &row, value);
    }
    test.store.commit(batch).unwrap();
}

/// Takes from all rows whom they mean, and starts anew over them.
fn as_of_old(test: TestEngine) -> TestEngine {
    rewrite(&test, Table::Key, |row: &mut KeyRow| row.meant = None);
    rewrite(&test, Table::Grant, |row: &mut GrantRow| row.meant = None);
    rewrite(&test, Table::Principal, |row: &mut PrincipalRow| {
        if let Some(role) = &mut row.role {
            role.meant = None;
        }
    });
    test.restarted()
}

/// Whom all rows of a table mean.
fn meant<T: for<'b> Decode<'b, ()>>(test: &TestEngine, table: Table, of: fn(T) -> Option<Meant>) -> Vec<Meant> {
    let rows = test.store.snapshot().unwrap().scan(table, &[], None, 1000).unwrap();
    rows.iter().filter_map(|row| of(minicbor::decode(&row.value[1..]).unwrap())).collect()
}

struct Installed {
    anna: Arc<Caller>,
    named: Arc<KeyEntry>,
    granted: Arc<KeyEntry>,
}

/// A key whose policy names anna, a key granted to her, and a role that trusts her.
fn installed(test: &TestEngine) -> Installed {
    let anna = user(test, "anna", 1);
    let (named, granted) = (key_for(test, &user_arn("anna")), test.create_key());
    test.run(&test.root(), grant(&granted, &user_arn("anna"), Some(&user_arn("anna")))).unwrap();
    let _ = role(test, "app", 2, &user_arn("anna"));
    Installed { anna, named, granted }
}

fn all_told(test: &TestEngine) -> Vec<Meant> {
    let mut told = meant(test, Table::Key, |row: KeyRow| row.meant);
    told.extend(meant(test, Table::Grant, |row: GrantRow| row.meant));
    told.extend(meant(test, Table::Principal, |row: PrincipalRow| row.role.and_then(|role| role.meant)));
    told
}

#[test]
fn rows_that_did_not_say_whom_they_mean_mean_whoever_has_the_names_at_the_next_start() {
    let test = TestEngine::new();
    let Installed { anna, named, granted } = installed(&test);
    let test = as_of_old(test);
    assert_eq!(all_told(&test), []);
    for key in [&named, &granted] {
        may(&test, &anna, key);
    }
    assume(&test, &anna, "app").unwrap();
    for _ in 0..3 {
        test.tick();
    }
    let told = all_told(&test);
    assert_eq!(told.len(), 3, "the keys that name nobody else are left as they were");
    assert!(told.iter().all(|meant| meant.id_of(&user_arn("anna")) == Some(&*unique_id("AIDA", 1))), "{told:?}");
    for key in [&named, &granted] {
        may(&test, &anna, key);
    }
    assume(&test, &anna, "app").unwrap();
}

#[test]
fn nobody_is_given_a_name_before_all_rows_say_whom_they_mean() {
    let test = TestEngine::new();
    let Installed { named, granted, .. } = installed(&test);
    let test = as_of_old(test);
    remove(&test, "anna");
    // No tick has been.
    let second = user(&test, "anna", 3);
    for key in [&named, &granted] {
        may_not(&test, &second, key);
    }
    assert!(matches!(assume(&test, &second, "app"), Err(EngineError::Denied(_))));
    // Who it was nobody knows any more, so the name is what can be shown.
    assert_eq!(policy(&test, &named), naming(&user_arn("anna")));
    assert_eq!(grants(&test, &granted, None)[0].grantee, user_arn("anna"));
    edit(&test, &named, put(naming(&user_arn("anna")))).unwrap();
    may(&test, &second, &named);
}

#[test]
fn a_grant_made_again_is_the_one_that_did_not_say_whom_it_means() {
    let test = TestEngine::new();
    let Installed { granted, .. } = installed(&test);
    let test = as_of_old(test);
    let made = grants(&test, &granted, None)[0].id;
    let anna = user_arn("anna");
    let again = test.run(&test.root(), grant(&granted, &anna, Some(&anna))).unwrap();
    assert_eq!(again.id, made);
}
