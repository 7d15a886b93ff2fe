//! What a record costs. Run by hand: `cargo test --release -p strongroom-audit-log -- --ignored --nocapture cost`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use strongroom_audit::port::{AuditLog, RecordClass};
use strongroom_audit_log::{FileLog, Options};

use crate::helper::*;

const FOR: Duration = Duration::from_secs(3);

fn cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

#[test]
#[ignore = "measures; proves nothing"]
fn cost_of_a_record_by_how_many_append_at_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    for appenders in [1_u32, 16, 64] {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let options = Options { reserved_bytes: 0, ..Options::new(ORIGIN.to_owned()) };
        let log = Arc::new(FileLog::open(directory.path(), options, Arc::new(HandClock::default()), None).unwrap().0);
        let (start, spent) = (Instant::now(), cpu());
        let tasks: Vec<_> = (0..appenders)
            .map(|_| {
                let log = Arc::clone(&log);
                runtime.spawn(async move {
                    let (mut slowest, mut number) = (Duration::ZERO, 0_u32);
                    while start.elapsed() < FOR {
                        let begun = Instant::now();
                        let permit = log.reserve(RecordClass::Authenticated, 1).unwrap();
                        log.append(permit, vec![record(u64::from(number))]).await.unwrap();
                        slowest = slowest.max(begun.elapsed());
                        number += 1;
                    }
                    (slowest, number)
                })
            })
            .collect();
        let done: Vec<_> = tasks.into_iter().map(|task| runtime.block_on(task).unwrap()).collect();
        let (elapsed, spent) = (start.elapsed(), cpu() - spent);
        let records: u32 = done.iter().map(|(_, number)| number).sum();
        let slowest = done.iter().map(|(slowest, _)| *slowest).max().unwrap_or_default();
        println!(
            "{appenders:2} appenders: {:7.0} records/s, {:5.2} us of CPU a record, {:6.1} us a record for each, slowest {slowest:?}",
            f64::from(records) / elapsed.as_secs_f64(),
            spent.as_secs_f64() * 1e6 / f64::from(records),
            elapsed.as_secs_f64() * 1e6 * f64::from(appenders) / f64::from(records),
        );
    }
}
