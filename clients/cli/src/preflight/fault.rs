//! Why there is no connection or no answer, and what helps.

use rustls::{AlertDescription, CertificateError};

use super::witness::Seen;
use crate::limits;

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connection,
    Handshake,
    Answer,
}

/// Why there is no connection, or no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nobody took the connection.
    Tcp(std::io::Error),
    /// One side refused in TLS, before the connection stood or, as servers of TLS 1.3 do for a client's certificate, after.
    Tls(rustls::Error),
    /// The server left without a word of TLS.
    Handshake(std::io::Error),
    /// It went on for too long.
    Late(Step),
    /// The answer is longer than any right one.
    Long,
    /// The connection broke.
    Broken(String),
}

/// A fault as a check: its name, what was found, and what helps.
pub(super) type Told = (&'static str, String, &'static str);

const REACH: &str = "let AWS reach the proxy: firewall, load balancer, listener";
const SUITES: &str = "enable TLS 1.2 or 1.3 with AES-256-GCM";
const CHAIN: &str =
    "have the server send its whole chain, its own certificate first; its root must be one that AWS accepts";

impl Fault {
    /// What was found, in itself.
    pub(super) fn found(&self) -> String {
        match self {
            Self::Tcp(error) => error.to_string(),
            Self::Tls(rustls::Error::InvalidCertificate(error)) => error.to_string(),
            Self::Tls(rustls::Error::AlertReceived(alert)) => {
                format!("the proxy refused with the alert {}", name(*alert))
            }
            Self::Tls(error) => error.to_string(),
            Self::Handshake(error) => format!("the connection broke before TLS stood: {error}"),
            Self::Late(Step::Connection) => format!("no connection within {:?}", limits::PREFLIGHT_CONNECT),
            Self::Late(Step::Handshake) => format!("no TLS within {:?} of the connection", limits::PREFLIGHT_CONNECT),
            Self::Late(Step::Answer) => format!("no answer within {:?}", limits::PREFLIGHT_ANSWER),
            Self::Long => format!("an answer of more than {} bytes", limits::PREFLIGHT_ANSWER_BYTES),
            Self::Broken(cause) => format!("the connection broke: {cause}"),
        }
    }

    /// The fault as the check that failed by it, where the server showed this and the client had a certificate or none.
    pub(super) fn told(&self, seen: &Seen, identified: bool) -> Told {
        let found = self.found();
        match self {
            Self::Tls(rustls::Error::InvalidCertificate(error)) => ("certificate", found, renewal(error)),
            // A server that asked, and then refused or hung up, wanted another answer.
            Self::Tls(rustls::Error::AlertReceived(_)) | Self::Handshake(_) | Self::Broken(_) if seen.asked => {
                match identified {
                    false => (
                        "mutual TLS",
                        format!("the proxy wants a client certificate, and none was named; {found}"),
                        "name one that the proxy takes: --client-certificate FILE --client-key FILE",
                    ),
                    true => (
                        "mutual TLS",
                        format!("the proxy does not take this client certificate; {found}"),
                        "name another by --client-certificate, or have the proxy trust its authority and its name",
                    ),
                }
            }
            Self::Tls(_) => ("TLS", found, SUITES),
            Self::Tcp(_) | Self::Late(Step::Connection) => ("connection", found, REACH),
            Self::Handshake(_) | Self::Late(Step::Handshake) => {
                ("TLS", found, "see that what listens there speaks TLS, and that load balancers pass it on")
            }
            Self::Late(Step::Answer) => {
                ("time", found, "KMS gives up after 250 ms: see what the proxy waits for, its HSM first")
            }
            Self::Long => ("answer", found, "a proxy's answers have some kilobytes: see what answers at this path"),
            Self::Broken(_) => ("connection", found, "look into the proxy's log for why it hangs up"),
        }
    }
}

fn renewal(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::UnknownIssuer => CHAIN,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "have a certificate issued for this name, the one that AWS is told"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "renew the server's certificate",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "compare this machine's clock, or wait: the certificate holds from later on"
        }
        _ => "have a certificate for servers issued by an authority that AWS accepts",
    }
}

/// An alert as TLS names it (RFC 8446, section 6), such as `handshake_failure`.
fn name(alert: AlertDescription) -> String {
    let mut name = String::new();
    for character in format!("{alert:?}").chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_lowercase());
    }
    name.replace("_c_a", "_ca")
}

/// The refusal of TLS that is under an error, if one is.
pub(super) fn of_tls(error: &(dyn std::error::Error + 'static)) -> Option<Fault> {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if let Some(tls) = tls.or_else(|| error.downcast_ref::<rustls::Error>()) {
            return Some(Fault::Tls(tls.clone()));
        }
        next = error.source();
    }
    None
}

/// What an error comes from in the end.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_told_by_the_names_that_tls_gives_them() {
        for (alert, told) in [
            (AlertDescription::HandshakeFailure, "handshake_failure"),
            (AlertDescription::CertificateRequired, "certificate_required"),
            (AlertDescription::UnknownCA, "unknown_ca"),
        ] {
            assert_eq!(name(alert), told);
        }
    }

    #[test]
    fn an_alert_is_a_matter_of_the_clients_certificate_only_where_one_was_asked_for() {
        let fault = Fault::Tls(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure));
        let asked = Seen { asked: true, ..Seen::default() };
        assert_eq!(fault.told(&asked, false).0, "mutual TLS");
        assert_eq!(fault.told(&Seen::default(), false).0, "TLS");
        assert_eq!(Fault::Late(Step::Answer).told(&asked, false).0, "time");
    }
}
