//! Many keys: how fast they are made, how long a killed server takes to answer again, how much memory it holds, and
//! whether they are slower to use than a hundred.
#![expect(clippy::print_stdout, reason = "a benchmark's table goes to standard output")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::client::{Ask, Client, text_field};
use crate::process::Dev;
use crate::{Arguments, Result};

const CONNECTIONS: usize = 64;
/// More keys than any cache holds.
const MANY: usize = 50_000;

/// Keys that are made over the wire, to see how fast that is; the others are made past it.
const OVER_THE_WIRE: usize = 10_000;
/// Keys that are used before they are too many for the caches.
const FEW: usize = 100;
/// Uses of each of those, and of keys drawn from all.
const USES: usize = 5_000;

/// Makes `count` keys and measures what they cost.
pub(crate) fn measure(arguments: &Arguments, count: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let directory = tempfile::tempdir()?;
    let start = || Dev::start(arguments.server.as_deref(), directory.path(), &arguments.dev);
    let mut dev = start()?;
    println!("| what | figure |");
    println!("|---|---|");
    println!("| memory with one key | {:.0} MiB |", dev.server.memory()?);
    let begun = Instant::now();
    let over_the_wire = count.min(OVER_THE_WIRE);
    let mut keys = runtime.block_on(make(&dev, over_the_wire))?;
    let took = begun.elapsed().as_secs_f64();
    println!("| keys made over the wire | {over_the_wire} in {took:.1} s, {:.0}/s |", over_the_wire as f64 / took);
    let few: Vec<String> = keys.iter().take(FEW).cycle().take(USES).cloned().collect();
    runtime.block_on(encrypt(&dev, &few))?;
    tell("use of one of a hundred keys", &runtime.block_on(encrypt(&dev, &few))?);
    let (data, region) = (dev.directory.clone(), dev.signer.region.clone());
    dev.server.kill()?;
    let begun = Instant::now();
    keys.extend(crate::fill::fill(&data, &region, count - over_the_wire)?);
    println!(
        "| the others, by the engine alone | {} in {:.1} s |",
        count - over_the_wire,
        begun.elapsed().as_secs_f64()
    );

    let mut dev = start()?;
    let first = keys.first().ok_or("no keys")?;
    // Some load, so that the kill meets a server at work.
    runtime.block_on(encrypt(&dev, &few))?;
    dev.server.kill()?;
    let begun = Instant::now();
    let dev = start()?;
    runtime.block_on(encrypt(&dev, std::slice::from_ref(first)))?;
    println!("| kill -9 to first answer | {:.0} ms |", begun.elapsed().as_secs_f64() * 1e3);
    println!("| memory after starting | {:.0} MiB |", dev.server.memory()?);
    let spread: Vec<String> = keys.iter().step_by((count / USES).max(1)).cloned().collect();
    tell("first use of keys spread over all", &runtime.block_on(encrypt(&dev, &spread))?);
    tell("second use of them", &runtime.block_on(encrypt(&dev, &spread))?);
    runtime.block_on(encrypt(&dev, &few))?;
    tell("use of one of a hundred keys, beside all others", &runtime.block_on(encrypt(&dev, &few))?);
    let many: Vec<String> = keys.iter().rev().take(MANY).cloned().collect();
    tell(&format!("one use of each of {} keys", many.len()), &runtime.block_on(encrypt(&dev, &many))?);
    println!("| memory after that | {:.0} MiB |", dev.server.memory()?);
    Ok(())
}

fn tell(what: &str, times: &[Duration]) {
    println!("| {what}, one connection | p50 {:.2} ms, p99 {:.2} ms |", at(times, 50), at(times, 99));
}

async fn make(dev: &Dev, count: usize) -> Result<Vec<String>> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (mut client, next) = (Client::connect(&dev.server.target).await?, Arc::clone(&next));
        let create = Ask::kms(&dev.signer, "CreateKey", "{}".to_owned());
        tasks.push(tokio::spawn(async move {
            let mut keys = Vec::new();
            while next.fetch_add(1, Ordering::Relaxed) < count {
                keys.push(text_field(&client.ask(&create).await?, "KeyId")?);
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(keys)
        }));
    }
    let mut keys = Vec::with_capacity(count);
    for task in tasks {
        keys.extend(task.await??);
    }
    Ok(keys)
}

async fn encrypt(dev: &Dev, keys: &[String]) -> Result<Vec<Duration>> {
    let mut client = Client::connect(&dev.server.target).await?;
    let mut times = Vec::with_capacity(keys.len());
    for key in keys {
        let body = format!(r#"{{"KeyId":"{key}","Plaintext":"aGVsbG8="}}"#);
        let encrypt = Ask::kms(&dev.signer, "Encrypt", body);
        let begun = Instant::now();
        client.ask(&encrypt).await?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

/// A share of sorted times, in milliseconds.
fn at(times: &[Duration], share: usize) -> f64 {
    let index = (times.len() * share / 100).min(times.len().saturating_sub(1));
    times.get(index).copied().unwrap_or_default().as_secs_f64() * 1e3
}
