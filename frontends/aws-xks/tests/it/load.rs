//! The kill switch under load.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::house::House;

const CALLERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn once_a_key_store_is_blocked_no_call_of_it_succeeds_any_more() {
    let house = House::new();
    let (served, refused, ended) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let until = |count: &AtomicUsize, wanted: usize| {
        let begun = Instant::now();
        while count.load(Ordering::SeqCst) < wanted {
            assert!(begun.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
    };
    let (blocked, calls) = std::thread::scope(|scope| {
        let call = || {
            let mut calls = Vec::new();
            while !ended.load(Ordering::SeqCst) {
                let began = Instant::now();
                let answer = house.encrypt(json!({}));
                let counter = if answer.status == 200 { &served } else { &refused };
                counter.fetch_add(1, Ordering::SeqCst);
                calls.push((began, answer.error().1.to_owned()));
            }
            calls
        };
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(call)).collect();
        until(&served, 40);
        house.block(true);
        let blocked = Instant::now();
        until(&refused, 40);
        ended.store(true, Ordering::SeqCst);
        let calls: Vec<_> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        (blocked, calls)
    });
    let mut later = calls.iter().filter(|(began, _)| *began >= blocked);
    assert!(later.clone().count() > 0);
    assert!(later.all(|(_, error)| error == "InvalidStateException"), "{calls:?}");
    assert!(calls.iter().all(|(_, error)| error.is_empty() || error == "InvalidStateException"), "{calls:?}");
}
