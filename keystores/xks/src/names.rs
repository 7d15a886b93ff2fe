//! Where hosts are: looked up once for all who ask at the same time, kept for a moment, and public addresses only.
//!
//! A lookup blocks and cannot be given up, so it has a thread of its own and goes on when its caller's time is over: the
//! next call finds its answer. Names come from tenants, who may name what never resolves: so what was found once is used
//! for a while longer where no newer answer can be had, some lookups are for names that were found before, and no tenant
//! has more than its share of them. A failure is not kept. Time is an argument. Absent on purpose: the time that a name's zone grants its answers, which the
//! operating system does not tell.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use strongroom_model::id::TenantId;
use tokio::sync::watch;
use tokio::time::timeout;

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

/// A host: what was found of it, and the lookup that is under way. One of the two is there.
#[derive(Clone, Default)]
struct Host {
    known: Option<Known>,
    asked: Option<Asked>,
}

#[derive(Clone)]
struct Known {
    addresses: Addresses,
    since: Instant,
}

#[derive(Clone)]
struct Asked {
    answer: watch::Receiver<Found>,
    since: Instant,
    /// For whom it was begun; whoever asks for the same name meanwhile shares it.
    tenant: TenantId,
}

impl Known {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

impl Host {
    /// What was found a moment ago, for which nothing need be looked up.
    fn fresh(&self, now: Instant) -> Option<Addresses> {
        let known = self.known.as_ref().filter(|known| known.age(now) < limits::NAME_KEPT)?;
        Some(Arc::clone(&known.addresses))
    }

    /// What was found, and is good enough where nothing newer is to be had.
    fn usable(&self, now: Instant) -> Option<Addresses> {
        let known = self.known.as_ref().filter(|known| known.age(now) < limits::NAME_USABLE)?;
        Some(Arc::clone(&known.addresses))
    }
}

impl Names {
    pub(crate) fn new(look_up: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self { look_up: Box::new(look_up), hosts: Mutex::new(HashMap::new()) }
    }

    /// The host's public addresses at port 443, of which there is one at least.
    pub(crate) async fn addresses(
        self: &Arc<Self>,
        tenant: TenantId,
        host: &str,
        now: Instant,
    ) -> Result<Addresses, XksError> {
        let host = self.known_or_asked(tenant, host, now);
        if let Some(fresh) = host.fresh(now) {
            return Ok(fresh);
        }
        let usable = host.usable(now);
        let Some(asked) = host.asked else { return usable.ok_or(XksError::Busy) };
        match usable {
            None => answer(asked).await,
            Some(usable) => {
                let patience = limits::NAME_PATIENCE.saturating_sub(now.saturating_duration_since(asked.since));
                if patience.is_zero() {
                    return Ok(usable);
                }
                match timeout(patience, answer(asked)).await {
                    // An answer, though none that can be used.
                    Ok(Err(error @ XksError::Unreachable(Unreachable::NotPublic))) => Err(error),
                    Ok(Ok(found)) => Ok(found),
                    Ok(Err(_)) | Err(_) => Ok(usable),
                }
            }
        }
    }

    /// What is known of a host and the lookup that is under way, begun if there is need and room.
    fn known_or_asked(self: &Arc<Self>, tenant: TenantId, name: &str, now: Instant) -> Host {
        let mut hosts = self.hosts.lock();
        hosts.retain(|_, host| host.asked.is_some() || host.usable(now).is_some());
        let host = hosts.get(name).cloned().unwrap_or_default();
        if host.asked.is_some() || host.fresh(now).is_some() || !has_room(&hosts, &host, tenant) {
            return host;
        }
        if host.known.is_none() && hosts.len() >= limits::NAMES {
            forget_the_oldest(&mut hosts);
        }
        let (done, answer) = watch::channel(None);
        let host = Host { asked: Some(Asked { answer, since: now, tenant }), ..host };
        hosts.insert(name.into(), host.clone());
        drop(hosts);
        let (names, name) = (Arc::clone(self), Box::<str>::from(name));
        tokio::task::spawn_blocking(move || {
            let found = names.look(&name);
            names.keep(&name, &found, now);
            done.send_replace(Some(found));
        });
        host
    }

    fn look(&self, host: &str) -> Result<Addresses, Arc<io::Error>> {
        let found = (self.look_up)(host)?;
        let public = found.into_iter().filter(|address| is_public(*address));
        Ok(public.map(|address| SocketAddr::new(address, HTTPS_PORT)).collect())
    }

    /// Ends a lookup. One that failed leaves what was known before.
    fn keep(&self, name: &str, found: &Result<Addresses, Arc<io::Error>>, since: Instant) {
        let mut hosts = self.hosts.lock();
        let Some(host) = hosts.get_mut(name) else { return };
        host.asked = None;
        match found {
            Ok(addresses) if addresses.is_empty() => host.known = None,
            Ok(addresses) => host.known = Some(Known { addresses: Arc::clone(addresses), since }),
            Err(_) => {}
        }
        if host.known.is_none() {
            hosts.remove(name);
        }
    }
}

/// What comes of a lookup.
async fn answer(mut asked: Asked) -> Result<Addresses, XksError> {
    let ended = |_| Unreachable::Name(io::Error::other("the lookup ended without an answer"));
    let found = asked.answer.wait_for(Option::is_some).await.map_err(ended)?.clone();
    match found {
        Some(Ok(addresses)) if addresses.is_empty() => Err(Unreachable::NotPublic.into()),
        Some(Ok(addresses)) => Ok(addresses),
        Some(Err(error)) => Err(Unreachable::Name(io::Error::new(error.kind(), error)).into()),
        None => Err(XksError::Late),
    }
}

/// Whether one more lookup may begin for a tenant: those of names that were never found leave some for the others.
fn has_room(hosts: &HashMap<Box<str>, Host>, host: &Host, tenant: TenantId) -> bool {
    let under_way = || hosts.values().filter_map(|host| host.asked.as_ref().map(|asked| (host, asked)));
    let unknown = under_way().filter(|(host, _)| host.known.is_none()).count();
    let own = under_way().filter(|(_, asked)| asked.tenant == tenant).count();
    under_way().count() < limits::LOOKUPS
        && own < limits::LOOKUPS_PER_TENANT
        && (host.known.is_some() || unknown < limits::LOOKUPS_OF_UNKNOWN)
}

fn forget_the_oldest(hosts: &mut HashMap<Box<str>, Host>) {
    let at_rest = hosts.iter().filter(|(_, host)| host.asked.is_none());
    let ages = at_rest.filter_map(|(name, host)| Some((host.known.as_ref()?.since, name)));
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

    use tokio::runtime::{Builder, Runtime};

    use super::*;

    const PUBLIC: [u8; 4] = [52, 94, 0, 1];
    const OURS: TenantId = TenantId::from_bytes([1; 16]);

    /// A tenant of its own for each so many lookups as one may have.
    fn stranger(number: usize) -> TenantId {
        TenantId::from_bytes([u8::try_from(100 + number / limits::LOOKUPS_PER_TENANT).unwrap(); 16])
    }

    fn threads() -> Runtime {
        Builder::new_current_thread().enable_time().build().unwrap()
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
                let found = names.addresses(OURS, "xks.example.com", now).await.unwrap();
                assert_eq!(*found, [SocketAddr::from((PUBLIC, HTTPS_PORT))]);
            }
            assert_eq!(count.load(Ordering::SeqCst), 1);
            names.addresses(OURS, "xks.example.com", now + limits::NAME_KEPT).await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), 2);
        });
    }

    #[test]
    fn names_that_lead_to_no_public_address_are_refused_and_not_kept() {
        threads().block_on(async {
            let (names, count) = counted([127, 0, 0, 1]);
            for _ in 0..2 {
                let told = names.addresses(OURS, "xks.example.com", Instant::now()).await.unwrap_err();
                assert!(matches!(told, XksError::Unreachable(Unreachable::NotPublic)), "{told:?}");
            }
            assert_eq!((count.load(Ordering::SeqCst), names.hosts.lock().len()), (2, 0));
        });
    }

    #[test]
    fn lookups_that_fail_are_told_and_not_kept() {
        threads().block_on(async {
            let names = Arc::new(Names::new(|_| Err(io::ErrorKind::NotFound.into())));
            let told = names.addresses(OURS, "xks.example.com", Instant::now()).await.unwrap_err();
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
                async move { names.addresses(OURS, "xks.example.com", Instant::now()).await }
            });
            while !names.hosts.lock().contains_key("xks.example.com") {
                tokio::task::yield_now().await;
            }
            first.abort();
            assert!(first.await.unwrap_err().is_cancelled());
            release.send(()).unwrap();
            names.addresses(OURS, "xks.example.com", Instant::now()).await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), 1);
        });
    }

    #[test]
    fn names_are_kept_up_to_a_number_and_the_oldest_goes_first() {
        threads().block_on(async {
            let ((names, count), mut now) = (counted(PUBLIC), Instant::now());
            for number in 0..=limits::NAMES {
                names.addresses(OURS, &format!("n{number}.example.com"), now).await.unwrap();
                now += Duration::from_millis(1);
            }
            assert_eq!(names.hosts.lock().len(), limits::NAMES);
            assert!(!names.hosts.lock().contains_key("n0.example.com"));
            names.addresses(OURS, "n1.example.com", now).await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), limits::NAMES + 1);
        });
    }

    #[test]
    fn one_lookup_too_many_is_refused_at_once() {
        threads().block_on(async {
            let (names, release, _) = held();
            fill(&names, Instant::now());
            let told = names.addresses(OURS, "xks.example.com", Instant::now()).await.unwrap_err();
            assert!(matches!(told, XksError::Busy), "{told:?}");
            drop(release);
            names.addresses(OURS, "n0.example.com", Instant::now()).await.unwrap();
        });
    }

    /// As many lookups as there may be, of names that were never found.
    fn fill(names: &Arc<Names>, now: Instant) {
        for number in 0..limits::LOOKUPS_OF_UNKNOWN {
            let name = format!("n{number}.example.com");
            assert!(names.known_or_asked(stranger(number), &name, now).asked.is_some());
        }
    }

    #[test]
    fn a_name_that_was_found_is_looked_up_and_used_while_those_that_never_resolve_take_what_they_can() {
        threads().block_on(async {
            let (names, release, _) = held();
            let now = Instant::now();
            release.send(()).unwrap();
            let known = names.addresses(OURS, "xks.example.com", now).await.unwrap();
            fill(&names, now);
            // Looked up again, without an end: it is asked where it was found.
            let later = now + limits::NAME_KEPT;
            assert_eq!(names.addresses(OURS, "xks.example.com", later).await.unwrap(), known);
            assert!(names.hosts.lock()["xks.example.com"].asked.is_some());
            // Pending beyond a moment: not waited for again.
            let later = later + limits::NAME_PATIENCE;
            let at_once = timeout(Duration::ZERO, names.addresses(OURS, "xks.example.com", later)).await.unwrap();
            assert_eq!(at_once.unwrap(), known);
            drop(release);
            assert_eq!(names.addresses(OURS, "xks.example.com", now + limits::NAME_USABLE).await.unwrap(), known);
        });
    }

    #[test]
    fn where_no_lookup_can_begin_what_was_found_is_used_and_not_for_ever() {
        threads().block_on(async {
            let (names, release, _) = held();
            let now = Instant::now();
            let known: Vec<String> =
                (limits::LOOKUPS_OF_UNKNOWN..=limits::LOOKUPS).map(|number| format!("k{number}.example.com")).collect();
            for name in &known {
                release.send(()).unwrap();
                names.addresses(OURS, name, now).await.unwrap();
            }
            fill(&names, now);
            let (last, others) = known.split_last().unwrap();
            for (number, name) in others.iter().enumerate() {
                names.addresses(stranger(100 + number), name, now + limits::NAME_KEPT).await.unwrap();
            }
            assert!(names.known_or_asked(OURS, last, now + limits::NAME_KEPT).asked.is_none());
            names.addresses(OURS, last, now + limits::NAME_KEPT).await.unwrap();
            let told = names.addresses(OURS, last, now + limits::NAME_USABLE).await.unwrap_err();
            assert!(matches!(told, XksError::Busy), "{told:?}");
        });
    }

    #[test]
    fn a_tenant_whose_names_were_found_once_and_then_hang_has_its_share_of_lookups_and_no_more() {
        threads().block_on(async {
            let (names, release, count) = held();
            let now = Instant::now();
            let hostile: Vec<String> = (0..limits::LOOKUPS).map(|number| format!("h{number}.example.net")).collect();
            for name in hostile.iter().map(String::as_str).chain(["xks.example.com"]) {
                release.send(()).unwrap();
                names.addresses(OURS, name, now).await.unwrap();
            }
            let (theirs, before) = (stranger(0), count.load(Ordering::SeqCst));
            let later = now + limits::NAME_KEPT;
            let begun = hostile.iter().filter(|name| names.known_or_asked(theirs, name, later).asked.is_some()).count();
            assert_eq!(begun, limits::LOOKUPS_PER_TENANT);
            // Names that nobody has found yet are of the same share; who is refused uses what was found before.
            assert!(names.known_or_asked(theirs, "new.example.net", later).asked.is_none());
            names.addresses(theirs, hostile.last().unwrap(), later).await.unwrap();
            // Others look up what they like, the hostile one's names included.
            assert!(names.known_or_asked(OURS, "xks.example.com", later).asked.is_some());
            assert!(names.known_or_asked(OURS, "new.example.com", later).asked.is_some());
            assert!(names.known_or_asked(OURS, hostile.last().unwrap(), later).asked.is_some());
            drop(release);
            names.addresses(OURS, "new.example.com", later).await.unwrap();
            assert_eq!(count.load(Ordering::SeqCst), before + limits::LOOKUPS_PER_TENANT + 3);
        });
    }

    #[test]
    fn a_lookup_that_fails_leaves_what_was_found_before_for_a_while() {
        threads().block_on(async {
            let first = AtomicUsize::new(0);
            let names = Arc::new(Names::new(move |_| match first.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(vec![PUBLIC.into()]),
                _ => Err(io::ErrorKind::NotFound.into()),
            }));
            let now = Instant::now();
            let known = names.addresses(OURS, "xks.example.com", now).await.unwrap();
            for _ in 0..2 {
                assert_eq!(names.addresses(OURS, "xks.example.com", now + limits::NAME_KEPT).await.unwrap(), known);
            }
            let told = names.addresses(OURS, "xks.example.com", now + limits::NAME_USABLE).await.unwrap_err();
            assert!(matches!(told, XksError::Unreachable(Unreachable::Name(_))), "{told:?}");
        });
    }

    #[test]
    fn a_name_that_leads_to_public_addresses_no_more_is_forgotten() {
        threads().block_on(async {
            let first = AtomicUsize::new(0);
            let names = Arc::new(Names::new(move |_| match first.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(vec![PUBLIC.into()]),
                _ => Ok(vec![[10, 0, 0, 1].into()]),
            }));
            let now = Instant::now();
            names.addresses(OURS, "xks.example.com", now).await.unwrap();
            let told = names.addresses(OURS, "xks.example.com", now + limits::NAME_KEPT).await.unwrap_err();
            assert!(matches!(told, XksError::Unreachable(Unreachable::NotPublic)), "{told:?}");
            assert!(names.hosts.lock().is_empty());
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
