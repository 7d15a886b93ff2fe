//! Many keys: how fast they are made, how long a killed server takes to answer again, how much memory it holds, and
//! whether a key that was never used is slower than one in use.
#![expect(clippy::print_stdout, reason = "a benchmark's table goes to standard output")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::load::{Client, Target, text_field};
use crate::process::Server;
use crate::{Arguments, Result};

const CONNECTIONS: usize = 64;

/// Makes `count` keys and measures what they cost.
pub(crate) fn measure(arguments: &Arguments, count: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let directory = tempfile::tempdir()?;
    let start = || Server::ours(arguments.server.as_deref(), directory.path(), &arguments.dev);
    let mut server = start()?;
    println!("| what | figure |");
    println!("|---|---|");
    println!("| memory with one key | {:.0} MiB |", server.memory()?);
    let begun = Instant::now();
    let keys = runtime.block_on(make(&server.target, count))?;
    let took = begun.elapsed().as_secs_f64();
    println!("| keys made | {count} in {took:.1} s, {:.0}/s |", count as f64 / took);
    println!("| memory after making them | {:.0} MiB |", server.memory()?);
    server.kill()?;
    let begun = Instant::now();
    let server = start()?;
    let first = keys.first().ok_or("no keys")?;
    runtime.block_on(encrypt(&server.target, std::slice::from_ref(first)))?;
    println!("| kill -9 to first answer | {:.0} ms |", begun.elapsed().as_secs_f64() * 1e3);
    let some: Vec<String> = keys.iter().step_by((count / 2000).max(1)).cloned().collect();
    let cold = runtime.block_on(encrypt(&server.target, &some))?;
    let warm = runtime.block_on(encrypt(&server.target, &some))?;
    println!("| first use of a key, one connection | p50 {:.2} ms, p99 {:.2} ms |", at(&cold, 50), at(&cold, 99));
    println!("| second use of it | p50 {:.2} ms, p99 {:.2} ms |", at(&warm, 50), at(&warm, 99));
    let through = runtime.block_on(encrypt(&server.target, &keys))?;
    println!("| every key once more | p50 {:.2} ms, p99 {:.2} ms |", at(&through, 50), at(&through, 99));
    println!("| memory after using every key | {:.0} MiB |", server.memory()?);
    Ok(())
}

async fn make(target: &Target, count: usize) -> Result<Vec<String>> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (mut client, next) = (Client::connect(target).await?, Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            let mut keys = Vec::new();
            while next.fetch_add(1, Ordering::Relaxed) < count {
                keys.push(text_field(&client.ask("CreateKey", "{}").await?, "KeyId")?);
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

async fn encrypt(target: &Target, keys: &[String]) -> Result<Vec<Duration>> {
    let mut client = Client::connect(target).await?;
    let mut times = Vec::with_capacity(keys.len());
    for key in keys {
        let begun = Instant::now();
        client.ask("Encrypt", &format!(r#"{{"KeyId":"{key}","Plaintext":"aGVsbG8="}}"#)).await?;
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
