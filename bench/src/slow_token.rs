//! A token that takes its time for every call: how many requests it serves, and how long the longest takes.
#![expect(clippy::print_stdout, reason = "a benchmark's table goes to standard output")]

use std::time::Duration;

use strongroom_pkcs11_shim::Faults;

use crate::house::SESSIONS;
use crate::load::{Job, Times};
use crate::subject::Subject;
use crate::{Arguments, Result, WARM_UP, load};

const CALLERS: usize = 64;

pub(crate) fn measure(arguments: &Arguments, milliseconds: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let directory = tempfile::tempdir()?;
        let faults = Faults::new(directory.path());
        let subject = Subject::house(arguments, directory.path(), Some(&faults)).await?;
        // Where an encryption or decryption begins: the library asks a token twice for the outcome of each.
        faults.set(&format!("C_EncryptInit * delay {milliseconds}\nC_DecryptInit * delay {milliseconds}"))?;
        let time = Duration::from_secs(arguments.seconds);
        println!(
            "| operation | callers | sessions | requests/s | of sessions / latency | p50 ms | p99 ms | longest ms | refused/s |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        for job in Job::XKS_RESIDENT {
            let sample = subject.samples.of(job)?;
            let mut clients = load::connect(&sample.target, CALLERS).await?;
            load::run(&mut clients, &sample.ask, WARM_UP).await?;
            let outcome = load::run(&mut clients, &sample.ask, time).await?;
            let (times, refused) = (Times::new(outcome.accepted), Times::new(outcome.refused));
            let (seals, opens) = job.token_calls();
            let most = f64::from(SESSIONS) * 1e3 / f64::from(milliseconds * (seals + opens));
            let per_second = times.count() as f64 / time.as_secs_f64();
            println!(
                "| {} | {CALLERS} | {SESSIONS} | {per_second:.0} | {:.2} | {:.1} | {:.1} | {:.1} | {:.0} |",
                job.name(),
                per_second / most,
                times.at(500),
                times.at(990),
                times.at(1000).max(refused.at(1000)),
                refused.count() as f64 / time.as_secs_f64(),
            );
        }
        Ok(())
    })
}
