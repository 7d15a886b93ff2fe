//! Where hosts are: looked up once for all who ask at the same time, kept for a moment, and public addresses only.
//!
//! A lookup blocks and cannot be given up, so it has a thread of its own and goes on when its caller's time is over: the
//! next call finds its answer. What fails is not kept. Time is an argument. Absent on purpose: the time that a name's zone grants its answers,
//! which the operating system does not tell.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::error::{Unreachable, XksError};
use crate::limits;

const HTTPS_PORT: u16 = 443;

/// All addresses of a host; blocks.
type LookUp = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;
type Addresses = Arc<[SocketAddr]>;
/// Nothing yet, or what came of it.
type Found = Option<Result<Addresses, Arc<io::Error>>>;

/// The hosts that were asked for lately.
pub(crate) struct Names {
    look_up: Box<LookUp>,
    hosts: Mutex<HashMap<Box<str>, Host>>,
}

enum Host {
    Asked(watch::Receiver<Found>),
    Known { addresses: Addresses, until: Instant },
}

impl Host {
    const fn is_asked(&self) -> bool {
        matches!(self, Self::Asked(_))
    }

    fn is_past(&self, now: Instant) -> bool {
        matches!(self, Self::Known { until, .. } if *until <= now)
    }
}

impl Names {
    pub(crate) fn new(look_up: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self { look_up: Box::new(look_up), hosts: Mutex::new(HashMap::new()) }
    }

    /// The host's public addresses at port 443, of which there is one at least.
    pub(crate) async fn addresses(self: &Arc<Self>, host: &str, now: Instant) -> Result<Addresses, XksError> {
        let mut answer = match self.known_or_asked(host, now)? {
            Host::Known { addresses, .. } => return Ok(addresses),
            Host::Asked(answer) => answer,
        };
        let ended = |_| Unreachable::Name(io::Error::other("the lookup ended without an answer"));
        let found = answer.wait_for(Option::is_some).await.map_err(ended)?.clone();
        match found {
            Some(Ok(addresses)) if addresses.is_empty() => Err(Unreachable::NotPublic.into()),
            Some(Ok(addresses)) => Ok(addresses),
            Some(Err(error)) => Err(Unreachable::Name(io::Error::new(error.kind(), error)).into()),
            None => Err(XksError::Late),
        }
    }

    /// What is known of a host, or the lookup that is under way, begun if need be.
    fn known_or_asked(self: &Arc<Self>, host: &str, now: Instant) -> Result<Host, XksError> {
        let mut hosts = self.hosts.lock();
        match hosts.get(host) {
            Some(Host::Known { addresses, until }) if now < *until => {
                return Ok(Host::Known { addresses: Arc::clone(addresses), until: *until });
            }
            Some(Host::Asked(answer)) => return Ok(Host::Asked(answer.clone())),
            _ => {}
        }
        hosts.retain(|_, host| !host.is_past(now));
        if hosts.values().filter(|host| host.is_asked()).count() >= limits::LOOKUPS {
            return Err(XksError::Busy);
        }
        if hosts.len() >= limits::NAMES {
            forget_the_oldest(&mut hosts);
        }
        let (done, answer) = watch::channel(None);
        hosts.insert(host.into(), Host::Asked(answer.clone()));
        drop(hosts);
        let (names, host) = (Arc::clone(self), Box::<str>::from(host));
        tokio::task::spawn_blocking(move || {
            let found = names.look(&host);
            names.keep(host, &found, now + limits::NAME_KEPT);
            done.send_replace(Some(found));
        });
        Ok(Host::Asked(answer))
    }

    fn look(&self, host: &str) -> Result<Addresses, Arc<io::Error>> {
        let found = (self.look_up)(host)?;
        let public = found.into_iter().filter(|address| is_public(*address));
        Ok(public.map(|address| SocketAddr::new(address, HTTPS_PORT)).collect())
    }

    fn keep(&self, host: Box<str>, found: &Result<Addresses, Arc<io::Error>>, until: Instant) {
        let mut hosts = self.hosts.lock();
        match found {
            Ok(addresses) if !addresses.is_empty() => {
                hosts.insert(host, Host::Known { addresses: Arc::clone(addresses), until });
            }
            _ => drop(hosts.remove(&host)),
        }
    }
}

fn forget_the_oldest(hosts: &mut HashMap<Box<str>, Host>) {
    let ages = hosts.iter().filter_map(|(name, host)| match host {
        Host::Known { until, .. } => Some((*until, name)),
        Host::Asked(_) => None,
    });
    if let Some(name) = ages.min().map(|(_, name)| name.clone()) {
        hosts.remove(&name);
    }
}

/// Whether an address is one that anybody may have: no special purpose in the registries of RFC 6890.
fn is_public(address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else { return false };
    let [first, second, third, _] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let protocols = first == 192 && second == 0 && third == 0;
    let benchmarks = first == 198 && (second == 18 || second == 19);
    let own = address.is_private() || address.is_loopback() || address.is_link_local();
    let nobody = first == 0 || first >= 224 || address.is_documentation();
    !(own || nobody || shared || protocols || benchmarks)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    const PUBLIC: [u8; 4] = [52, 94, 0, 1];

    fn threads() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    /// Names that all lead to one address, and how often one was looked up.
    fn counted(address: [u8; 4]) -> (Arc<Names>, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let names = Names::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(vec![address.into()])
        });
        (Arc::new(names), count)
    }

    /// Names whose lookups end when the test says so.
    fn held() -> (Arc<Names>, Sender<()>, Arc<AtomicUsize>) {
        let (release, gate): (_, Receiver<()>) = channel();
        let (gate, count) = (Mutex::new(gate), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&count);
        let names = Names::new(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            // It ends with the test as well.
            let _ = gate.lock().recv();
            Ok(vec![PUBLIC.into()])
        });
        (Arc::new(names), release, count)
    }

    #[test]
    fn a_name_is_looked_up_once_and_again_when_its_time_is_over() {
        threads().block_on(async {
            let ((names, count), now) = (counted(PUBLIC), Instant::now());
            for _ in 0..3 {
                let found = names.addresses("xks.example.com", now).await.unwrap();
                assert_eq!(*found, [SocketAddr::from((PUBLIC, HTTPS_PORT))]);
            }
            assert_eq!(count.load(Ordering::SeqCst), 1);
            names.addresses("xks.example.com", now + limits::NAME_KEPT).await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), 2);
        });
    }

    #[test]
    fn names_that_lead_to_no_public_address_are_refused_and_not_kept() {
        threads().block_on(async {
            let (names, count) = counted([127, 0, 0, 1]);
            for _ in 0..2 {
                let told = names.addresses("xks.example.com", Instant::now()).await.unwrap_err();
                assert!(matches!(told, XksError::Unreachable(Unreachable::NotPublic)), "{told:?}");
            }
            assert_eq!((count.load(Ordering::SeqCst), names.hosts.lock().len()), (2, 0));
        });
    }

    #[test]
    fn lookups_that_fail_are_told_and_not_kept() {
        threads().block_on(async {
            let names = Arc::new(Names::new(|_| Err(io::ErrorKind::NotFound.into())));
            let told = names.addresses("xks.example.com", Instant::now()).await.unwrap_err();
            assert!(matches!(told, XksError::Unreachable(Unreachable::Name(_))), "{told:?}");
            assert!(names.hosts.lock().is_empty());
        });
    }

    #[test]
    fn all_who_ask_for_a_name_at_once_share_one_lookup_which_outlives_them() {
        threads().block_on(async {
            let (names, release, count) = held();
            let first = tokio::spawn({
                let names = Arc::clone(&names);
                async move { names.addresses("xks.example.com", Instant::now()).await }
            });
            while !names.hosts.lock().contains_key("xks.example.com") {
                tokio::task::yield_now().await;
            }
            first.abort();
            assert!(first.await.unwrap_err().is_cancelled());
            release.send(()).unwrap();
            names.addresses("xks.example.com", Instant::now()).await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), 1);
        });
    }

    #[test]
    fn names_are_kept_up_to_a_number_and_the_oldest_goes_first() {
        threads().block_on(async {
            let ((names, count), mut now) = (counted(PUBLIC), Instant::now());
            for number in 0..=limits::NAMES {
                names.addresses(&format!("n{number}.example.com"), now).await.unwrap();
                now += Duration::from_millis(1);
            }
            assert_eq!(names.hosts.lock().len(), limits::NAMES);
            assert!(!names.hosts.lock().contains_key("n0.example.com"));
            names.addresses("n1.example.com", now).await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), limits::NAMES + 1);
        });
    }

    #[test]
    fn one_lookup_too_many_is_refused_at_once() {
        threads().block_on(async {
            let (names, release, _) = held();
            for number in 0..limits::LOOKUPS {
                assert!(names.known_or_asked(&format!("n{number}.example.com"), Instant::now()).unwrap().is_asked());
            }
            let told = names.addresses("xks.example.com", Instant::now()).await.unwrap_err();
            assert!(matches!(told, XksError::Busy), "{told:?}");
            drop(release);
            names.addresses("n0.example.com", Instant::now()).await.unwrap();
        });
    }

    #[test]
    fn addresses_of_ones_own_network_are_not_public() {
        for address in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.1",
            "::1",
            "fe80::1",
            "2001:4860:4860::8888",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in ["8.8.8.8", "52.94.0.1", "100.128.0.1", "172.32.0.1", "198.20.0.1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
