//! Echoes over TLS, to be measured: `echo CHAIN.pem KEY.pem [PORT]`. A line of input ends it and prints the CPU time
//! per request.

use std::{
    env,
    error::Error,
    io::{Write, stdin, stdout},
    sync::Arc,
};

use strongroom_http::{App, Listener, ListenerConfig, Peer, Request, Response, TlsProfile, shutdown};

struct Echo;

impl App for Echo {
    async fn call(&self, _peer: &Arc<Peer>, request: Request) -> Response {
        Response::new(request.body.into())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (chain, key) = arguments.next().zip(arguments.next()).ok_or("usage: echo CHAIN.pem KEY.pem [PORT]")?;
    let port = arguments.next().map_or(Ok(8443), |port| port.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut config = ListenerConfig::tcp("echo", ([127, 0, 0, 1], port).into());
    config.tls = Some(TlsProfile::new(chain, key));
    let listener = runtime.block_on(Listener::bind(config))?;
    let counters = listener.counters();
    let (trigger, signal) = shutdown();
    let serving = runtime.spawn(listener.serve(Arc::new(Echo), signal));
    stdin().read_line(&mut String::new())?;
    trigger.drain();
    let drained = runtime.block_on(serving)?;
    let counts = counters.snapshot();
    writeln!(stdout(), "{counts:?}\n{drained:?}\n{:.2} us of CPU a request", cpu_micros()? / counts.requests as f64)?;
    Ok(())
}

/// User and system time of this process so far, in microseconds, from the kernel's count of hundredths of a second.
fn cpu_micros() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The fields after the program's name, which is in parentheses, begin with the third.
    let fields = stat.rsplit_once(')').ok_or("/proc/self/stat is malformed")?.1.split_whitespace();
    let ticks: Result<Vec<f64>, _> = fields.skip(11).take(2).map(str::parse).collect();
    Ok(ticks?.iter().sum::<f64>() * 10_000.0)
}
