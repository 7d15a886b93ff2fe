//! From the token of an issuer to a proved caller, and what a token that proves nothing is answered.

use http::StatusCode;
use strongroom_engine::operations::role::Token;
use strongroom_engine::{EngineError, TokenIssuerRow};
use strongroom_identity::{Claims, Issuer, KeySource, TokenError, issuer_of};
use strongroom_model::clock::Timestamp;
use strongroom_model::id::TenantId;

use crate::ask::Ask;
use crate::{Answer, Sts, worded, xml};

/// The claims by which an issuer gives a session tags, and says on whose behalf it is begun.
const TAGS: &str = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

/// Whom a token is about, verified.
pub(crate) struct Bearer {
    pub(crate) tenant: TenantId,
    /// `arn:PARTITION:iam::ACCOUNT:oidc-provider/ISSUER`.
    pub(crate) provider: String,
    pub(crate) audience: String,
    pub(crate) token: Token,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) transitive_tag_keys: Vec<String>,
    pub(crate) source_identity: Option<String>,
}

impl Sts {
    /// Verifies the token of a request by an issuer that the role's tenant trusts.
    pub(crate) async fn bearer(&self, ask: &Ask<'_>, request_id: &str) -> Result<Bearer, Answer> {
        let Ok(_place) = self.web_identities.try_acquire() else {
            return Err(Answer::refusal("Throttling", "Rate exceeded"));
        };
        let issuer = issuer_of(ask.token).map_err(|_| invalid(NOT_A_TOKEN))?;
        let found = self.engine.token_issuer(ask.role.account, &issuer).await;
        let found = found.map_err(|error: EngineError| worded(&error, "AssumeRoleWithWebIdentity", request_id))?;
        let missing = || invalid(format!("No OpenIDConnect provider found in your account for {issuer}"));
        let (tenant, row) = found.ok_or_else(missing)?;
        let clock = self.engine.clock();
        let verified = self.tokens.verify(ask.token, &issuer_from(row), clock).await;
        let claims = verified.map_err(|error| refused(&error, clock.now(), request_id))?;
        Ok(bearer(ask, tenant, claims))
    }
}

fn issuer_from(row: TokenIssuerRow) -> Issuer {
    let source = match row.keys {
        Some(keys) => KeySource::Given(keys),
        None => KeySource::Fetched { authorities: row.authorities },
    };
    Issuer { url: row.issuer, audiences: row.audiences, source }
}

fn bearer(ask: &Ask<'_>, tenant: TenantId, claims: Claims) -> Bearer {
    let Claims { issuer, subject, audiences, mut others, objects, .. } = claims;
    let name = issuer.strip_prefix("https://").unwrap_or(&issuer).to_owned();
    let given = objects.get(TAGS);
    let tags = given.and_then(|tags| tags.get("principal_tags")).and_then(|tags| tags.as_object());
    let first = |value: &'_ serde_json::Value| value.as_str().or_else(|| value.get(0)?.as_str()).map(str::to_owned);
    let tags = tags.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), first(value)?))).collect();
    let kept = given.and_then(|tags| tags.get("transitive_tag_keys")).and_then(|keys| keys.as_array());
    let kept = kept.into_iter().flatten().filter_map(|key| key.as_str().map(str::to_owned)).collect();
    let source_identity = others.remove(SOURCE_IDENTITY).and_then(|values| values.into_iter().next());
    let others =
        others.into_iter().flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
    Bearer {
        tenant,
        provider: format!("arn:{}:iam::{}:oidc-provider/{name}", ask.role.partition, ask.role.account),
        audience: audiences.first().cloned().unwrap_or_default(),
        token: Token { issuer: name, subject, others: others.collect(), audiences },
        tags,
        transitive_tag_keys: kept,
        source_identity,
    }
}

const NOT_A_TOKEN: &str =
    "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";

fn invalid(message: impl Into<String>) -> Answer {
    Answer::refusal("InvalidIdentityToken", message)
}

/// What a token that proves nothing is answered.
fn refused(error: &TokenError, now: Timestamp, request_id: &str) -> Answer {
    match error {
        TokenError::Malformed(_) => invalid(NOT_A_TOKEN),
        TokenError::Issuer => invalid("Issuer does not match the provider"),
        TokenError::Audience => invalid("Incorrect token audience"),
        TokenError::Expired => {
            let now = xml::moment(now);
            let message = format!("Token expired: current date/time {now} must be before the expiration date/time");
            Answer::refusal("ExpiredTokenException", message)
        }
        TokenError::NotYet => Answer {
            status: StatusCode::FORBIDDEN,
            code: "IDPRejectedClaim",
            message: "The token is not valid yet".to_owned(),
        },
        TokenError::Signature => invalid(NO_KEY),
        TokenError::Keys(_) | TokenError::NotAllowed { .. } | TokenError::Unreachable { .. } => {
            tracing::warn!(request_id, cause = %error, "a web identity could not be verified");
            Answer::refusal("IDPCommunicationError", NO_KEY)
        }
        TokenError::Busy => Answer::refusal("Throttling", "Rate exceeded"),
    }
}

const NO_KEY: &str = "Couldn't retrieve verification key from your identity provider, please reference \
     AssumeRoleWithWebIdentity documentation for requirements";
