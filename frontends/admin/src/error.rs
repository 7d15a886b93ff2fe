//! Every error as the admin API answers it.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::Full;
use strongroom_admin_api::query::QueryError;
use strongroom_admin_api::{ErrorBody, ErrorReply};
use strongroom_authentication::{Reason, report};
use strongroom_engine::{Dialect as _, EngineError, InputFault, Noun, Quota, Unavailable};
use strongroom_http::Response;
use strongroom_identity::TokenError;
use strongroom_model::purpose::Forbidden;

use crate::dialect::AdminDialect;
use crate::{authenticate, reply};

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// The engine refused or failed.
    #[error("{0}")]
    Engine(#[from] EngineError),
    /// Nobody was proved.
    #[error("{0}")]
    Unproved(Reason),
    /// No such path.
    #[error("there is nothing at this path")]
    UnknownPath,
    /// The path takes other methods.
    #[error("this path takes {allowed}")]
    Method {
        /// Which.
        allowed: String,
    },
    /// The body is longer than this path takes.
    #[error("the body is longer than the {limit} bytes that this path takes")]
    BodyTooLong {
        /// How many it takes.
        limit: usize,
    },
    /// The body is no such request.
    #[error("the body cannot be taken: {0}")]
    Body(String),
    /// The query string is not of its form.
    #[error("{0}")]
    Query(QueryError),
    /// The path is not well encoded.
    #[error("the path is not percent-encoded UTF-8")]
    Path,
    /// Not a key's identity.
    #[error("a key is named by its internal id: 32 hexadecimal digits in lower case")]
    KeyId,
    /// Not a root's identity.
    #[error("a root is named by its id: 32 hexadecimal digits in lower case")]
    RootId,
    /// There is no configuration file to take roots from.
    #[error("this server has no configuration file that could name roots; it is for development")]
    NoConfiguration,
    /// The configuration's roots.
    #[error("no root can be added: {0}")]
    Roots(String),
    /// Not an ordinal.
    #[error("a key version is named by its number: 1, 2, 3")]
    Ordinal,
    /// A value out of its bounds.
    #[error("{field} {problem}")]
    Value {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A region that no listener serves.
    #[error("no listener serves the region {region:?}; served are {served}")]
    RegionNotServed {
        /// What was asked for.
        region: String,
        /// Those that are.
        served: String,
    },
    /// Keys of a token issuer that can't be taken.
    #[error("{0}")]
    Keys(TokenError),
    /// A kind of name that no front end of this build owns.
    #[error("{asked:?} is no kind of name here; there are {known}")]
    UnknownKind {
        /// What was asked for.
        asked: String,
        /// The kinds, by name.
        known: String,
    },
    /// Not a name of its kind.
    #[error("{name:?} is no name of the kind {kind}")]
    Name {
        /// The name.
        name: String,
        /// The kind.
        kind: &'static str,
    },
    /// A tag that nobody may give.
    #[error("the tag {0:?} is reserved: its name begins with aws:")]
    ReservedTag(String),
    /// A tag that no client of AWS KMS could show or take away.
    #[error("tag {0:?} is not of the form of tags: a name has 1 to 128 characters, a value at most 256")]
    TagLength(String),
    /// A front end whose keys have names that nobody draws at random.
    #[error("no key is made here for the front end that owns names of kind {0:?}")]
    KeyNotOffered(String),
    /// An action that no front end of this build has.
    #[error("{0:?} is not an action that this server knows")]
    UnknownAction(String),
    /// An answer that could not be written.
    #[error("the answer cannot be written")]
    Answer,
}

impl AdminError {
    /// Whether a proved caller sent what no operation could be made of, which is recorded here; the engine records the
    /// rest.
    pub(crate) const fn is_of_the_request(&self) -> bool {
        !matches!(self, Self::Engine(_) | Self::Unproved(_))
    }

    /// Its name, stable for programs.
    pub(crate) const fn code(&self) -> &'static str {
        self.answer().1
    }

    const fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Engine(error) => answer(error),
            Self::Unproved(reason) => (StatusCode::UNAUTHORIZED, authenticate::code(reason)),
            Self::UnknownPath => (StatusCode::NOT_FOUND, "UnknownPath"),
            Self::Method { .. } => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
            Self::BodyTooLong { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "BodyTooLong"),
            Self::Body(_)
            | Self::Query(_)
            | Self::Path
            | Self::KeyId
            | Self::RootId
            | Self::Ordinal
            | Self::UnknownKind { .. }
            | Self::KeyNotOffered(_)
            | Self::Keys(_)
            | Self::Value { .. } => (StatusCode::BAD_REQUEST, "InvalidRequest"),
            Self::RegionNotServed { .. } => (StatusCode::BAD_REQUEST, "UnknownRegion"),
            Self::Name { .. } => (StatusCode::BAD_REQUEST, "InvalidName"),
            Self::ReservedTag(_) => (StatusCode::BAD_REQUEST, "ReservedTag"),
            Self::TagLength(_) => (StatusCode::BAD_REQUEST, "TagLength"),
            Self::NoConfiguration | Self::Roots(_) => (StatusCode::CONFLICT, "Configuration"),
            Self::UnknownAction(_) => (StatusCode::BAD_REQUEST, "UnknownAction"),
            Self::Answer => (StatusCode::INTERNAL_SERVER_ERROR, "Internal"),
        }
    }

    fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Engine(error) => remedy(error),
            Self::Unproved(Reason::Signature(_)) => {
                Some("check the secret access key, the clock, and that the service signed for is strongroom")
            }
            Self::Unproved(Reason::UnknownCredential) => {
                Some("it may be deleted, suspended or expired; make another: strongroom access-key create")
            }
            Self::Unproved(Reason::Expired) => Some("assume the role again"),
            Self::UnknownAction(_) => Some("name it as policies do, e.g. kms:Decrypt or strongroom:ReadAudit"),
            Self::Name { kind: "aws-kms-alias", .. } => Some(
                "write alias/ and 1 to 250 letters, digits, slashes, hyphens and underscores; alias/aws/ is reserved",
            ),
            Self::ReservedTag(_) => Some("choose another name for the tag"),
            Self::TagLength(_) => Some("give the tag a name, and keep name and value short"),
            Self::NoConfiguration => Some("use strongroom init and strongroom serve"),
            Self::Roots(_) => Some("put the new root into the configuration file as a [[root]], then ask again"),
            Self::RootId => Some("find it with: strongroom root list"),
            Self::RegionNotServed { .. } => {
                Some("name one of those, or add it to the regions of a [[listener]] in the configuration file")
            }
            Self::KeyId => Some("find it with: strongroom key list"),
            _ => None,
        }
    }

    /// The answer, after telling the operators what only they may know.
    pub(crate) fn response(&self, operation: &'static str, request_id: &str) -> Response {
        if let Self::Engine(error) = self {
            report(error, AdminDialect.front_end(), operation, request_id);
        }
        let (status, code) = self.answer();
        let error = ErrorBody {
            code: code.to_owned(),
            message: self.to_string(),
            remedy: self.remedy().map(str::to_owned),
            last_use: match self {
                Self::Engine(EngineError::InvalidInput(InputFault::RecentlyUsed { last, .. })) => Some((*last).into()),
                _ => None,
            },
            request_id: request_id.to_owned(),
        };
        let body = serde_json::to_vec(&ErrorReply { error }).unwrap_or_default();
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        reply::add_headers(&mut response, request_id);
        if let Self::Method { allowed } = self
            && let Ok(allowed) = HeaderValue::from_str(allowed)
        {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("AWS4-HMAC-SHA256");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// The error's name, stable for programs.
#[must_use]
pub const fn code(error: &EngineError) -> &'static str {
    answer(error).1
}

/// The one table.
const fn answer(error: &EngineError) -> (StatusCode, &'static str) {
    match error {
        EngineError::NotFound(_) => (StatusCode::NOT_FOUND, "NotFound"),
        EngineError::AlreadyExists(_) => (StatusCode::CONFLICT, "AlreadyExists"),
        EngineError::Denied(_) => (StatusCode::FORBIDDEN, "AccessDenied"),
        EngineError::StateForbids { .. } => (StatusCode::CONFLICT, "StateForbids"),
        EngineError::TenantSuspended | EngineError::PrincipalSuspended => (StatusCode::FORBIDDEN, "TenantSuspended"),
        EngineError::StoreNotOffered { .. } => (StatusCode::FORBIDDEN, "KeyStoreNotOffered"),
        EngineError::UsageForbids { .. } => (StatusCode::CONFLICT, "UsageForbids"),
        EngineError::AlgorithmUnfit { .. } => (StatusCode::BAD_REQUEST, "AlgorithmUnfit"),
        EngineError::InvalidCiphertext => (StatusCode::BAD_REQUEST, "InvalidCiphertext"),
        EngineError::IncorrectKey => (StatusCode::BAD_REQUEST, "IncorrectKey"),
        EngineError::InvalidSignature => (StatusCode::BAD_REQUEST, "InvalidSignature"),
        EngineError::InvalidMac => (StatusCode::BAD_REQUEST, "InvalidMac"),
        EngineError::InvalidInput(InputFault::NameUnfit { .. }) => (StatusCode::CONFLICT, "UsageForbids"),
        EngineError::InvalidInput(InputFault::LastName) => (StatusCode::CONFLICT, "LastName"),
        EngineError::InvalidInput(InputFault::NameNeeded | InputFault::Nameless) => {
            (StatusCode::CONFLICT, "NameNeeded")
        }
        EngineError::InvalidInput(InputFault::RecentlyUsed { .. }) => (StatusCode::CONFLICT, "RecentlyUsed"),
        EngineError::InvalidInput(_) => (StatusCode::BAD_REQUEST, "InvalidInput"),
        EngineError::InvalidPolicy(_) => (StatusCode::BAD_REQUEST, "InvalidPolicy"),
        EngineError::Lockout => (StatusCode::BAD_REQUEST, "Lockout"),
        EngineError::Conflict => (StatusCode::CONFLICT, "Conflict"),
        EngineError::LimitExceeded(_) => (StatusCode::TOO_MANY_REQUESTS, "LimitExceeded"),
        EngineError::Unsupported(_) | EngineError::StoreLacks { .. } => (StatusCode::BAD_REQUEST, "Unsupported"),
        EngineError::InvalidGrantToken => (StatusCode::BAD_REQUEST, "InvalidGrantToken"),
        EngineError::OriginForbids { .. } => (StatusCode::CONFLICT, "OriginForbids"),
        EngineError::InvalidImportToken => (StatusCode::BAD_REQUEST, "InvalidImportToken"),
        EngineError::ExpiredImportToken => (StatusCode::BAD_REQUEST, "ExpiredImportToken"),
        EngineError::IncorrectMaterial => (StatusCode::BAD_REQUEST, "IncorrectMaterial"),
        EngineError::RotationPending { .. } => (StatusCode::CONFLICT, "RotationPending"),
        EngineError::NotPrimary { .. } => (StatusCode::CONFLICT, "NotPrimary"),
        EngineError::StoreLink(_) => (StatusCode::CONFLICT, "StoreLink"),
        EngineError::External(_) => (StatusCode::BAD_GATEWAY, "External"),
        EngineError::NothingPending { .. } => (StatusCode::CONFLICT, "NothingPending"),
        EngineError::InvalidCursor => (StatusCode::BAD_REQUEST, "InvalidCursor"),
        EngineError::DryRun => (StatusCode::OK, "DryRun"),
        EngineError::SessionExpired => (StatusCode::UNAUTHORIZED, "ExpiredToken"),
        EngineError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Unavailable"),
        EngineError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "Internal"),
    }
}

/// What helps.
fn remedy(error: &EngineError) -> Option<&'static str> {
    Some(match error {
        EngineError::Lockout => {
            "let the policy leave PutKeyPolicy to whoever writes it or to the tenant's root, or give --bypass-lockout"
        }
        EngineError::Denied(_) => "have a policy attached that allows it; strongroom policy explain says what decides",
        // A path prefix is a name that begins as paths do.
        EngineError::AlreadyExists(Noun::Name(name)) if name.starts_with('/') => {
            "take another --prefix, or another name: key stores of a tenant share both, whichever cloud they are for"
        }
        EngineError::AlreadyExists(Noun::Principal(name)) if name.starts_with("service/") => {
            "take another name: key stores of a tenant share their names, whichever cloud they are for"
        }
        EngineError::TenantSuspended => "an operator resumes it: strongroom tenant resume, or resume",
        EngineError::PrincipalSuspended => "an administrator resumes it: strongroom principal resume",
        EngineError::StoreNotOffered { .. } => {
            "operators offer it: accounts of its [[key_store]] in the server's configuration; they may make keys there themselves"
        }
        EngineError::StoreLacks { .. } => {
            "make a key that its hardware can have, or one in no key store; what each kind of key needs stands in the manual \
             of key stores"
        }
        EngineError::Unavailable(Unavailable::KeyStore { .. }) => {
            "see what ails its tokens: strongroom key-store list; the server's log says more under this request id"
        }
        EngineError::Unavailable(Unavailable::Deadline(_)) => {
            "try again; a token's own state is told by strongroom key-store list"
        }
        EngineError::Conflict | EngineError::Unavailable(Unavailable::Busy) => "try again",
        EngineError::LimitExceeded(Quota::Credentials) => "delete an access key that is no longer used",
        EngineError::LimitExceeded(Quota::Policies) => "detach a policy, or put several into one",
        EngineError::InvalidInput(InputFault::LastName) => {
            "to end a key's use, suspend it: strongroom key suspend; to end the key: strongroom key schedule-deletion, after \
             which its last name may go"
        }
        EngineError::InvalidInput(InputFault::NameNeeded) => {
            "bind a front end's own name of the key before any other, and remove it after them: for AWS KMS the key id, of kind \
             aws-kms-key-id"
        }
        EngineError::InvalidInput(InputFault::Nameless) => {
            "bind a name to it first, the one by which its front end knew it: strongroom binding create NAME --kind KIND \
             --tenant ACCOUNT --region REGION --key KEY; for AWS KMS its key id, of kind aws-kms-key-id, which strongroom \
             audit show --key KEY tells"
        }
        EngineError::InvalidInput(InputFault::RecentlyUsed { .. }) => {
            "see who uses it: strongroom key usage; then say when it was last used, as acknowledged_last_use"
        }
        EngineError::InvalidCiphertext => {
            "wrap the material anew: for the public key that came with this token, by the wrapping that was asked for"
        }
        EngineError::InvalidImportToken => "give the token that came with the parameters of this key",
        EngineError::ExpiredImportToken => "ask for new parameters, and wrap the material for their public key",
        EngineError::IncorrectMaterial => "bring the material that the key has; other material is for another key",
        EngineError::OriginForbids { .. } => "make a key whose material is to be brought: strongroom xks key import",
        EngineError::InvalidCursor => "begin the listing again, without after",
        EngineError::Unavailable(Unavailable::Sealed) => "unseal the server: strongroom unseal",
        EngineError::Unavailable(Unavailable::Log { .. }) => "make room for the audit log; the server's log says more",
        EngineError::Unavailable(Unavailable::ClockJumped) => "check the server's clock",
        EngineError::NotFound(noun) => find(noun),
        EngineError::AlreadyExists(_) => "choose another name, or change what has this one",
        EngineError::StateForbids { forbidden, .. } => return revive(*forbidden),
        EngineError::InvalidInput(InputFault::NameUnfit { .. }) => {
            "choose a name of another kind, or a key that is for something else"
        }
        EngineError::InvalidInput(InputFault::DuplicateTags) => "give each tag once",
        EngineError::InvalidInput(InputFault::Days { .. }) => "give a number of days within these bounds",
        EngineError::InvalidInput(_) => "mend the value that is named; --help says what the command takes",
        EngineError::Unavailable(_) | EngineError::Internal(_) => "the server's log says more under this request id",
        _ => return None,
    })
}

/// How what is missing can be found.
const fn find(noun: &Noun) -> &'static str {
    match noun {
        Noun::Key(_) => "see the keys that there are: strongroom key list",
        Noun::Name(_) => "see the names that there are: strongroom binding list",
        Noun::Grant => "see the key's grants: aws kms list-grants",
        Noun::Policy(_) => "see the policies that there are: strongroom policy list",
        Noun::Tenant(_) => "see the tenants that there are: strongroom tenant list",
        Noun::Principal(_) => "see who there is: strongroom principal list, role list",
        Noun::Credential(_) => "see the access keys that there are: strongroom access-key list",
        Noun::TokenIssuer(_) => "see the issuers that there are: strongroom issuer list",
        Noun::Root(_) => "see the roots that there are: strongroom root list",
        Noun::Version(_) => "see the key's versions: strongroom key show",
        Noun::KeyStore(_) => "name a [[key_store]] of the server's configuration: strongroom key-store list",
    }
}

/// What brings a key into a state that permits more.
const fn revive(forbidden: Forbidden) -> Option<&'static str> {
    Some(match forbidden {
        Forbidden::DestructionNotScheduled => "nothing needs calling off; strongroom key show tells the key's state",
        Forbidden::DestructionScheduled | Forbidden::DestructionAwaitsReplicas => {
            "call it off first: strongroom key cancel-deletion"
        }
        Forbidden::Suspended => "resume it: strongroom key resume",
        Forbidden::VersionSuspended => "resume the version: strongroom key resume --version-number",
        Forbidden::PreActivation => "bring its material first: strongroom xks key import",
        _ => return None,
    })
}
