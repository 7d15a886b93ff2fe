//! `GenerateMac`, `VerifyMac`.

use bytes::Bytes;
use strongroom_engine::operations::mac::{GenerateMac, VerifyMac};

use super::keys::arn_of;
use super::requests;
use crate::attributes::{Carried, Carries};
use crate::check::Check;
use crate::context::{Context, check_grant_tokens};
use crate::error::Fault;
use crate::limits;
use crate::names::Accepts;
use crate::wire::Text;
use crate::words::{self, word};

requests! {
    /// `GenerateMac`, `VerifyMac`
    MacRequest {
        message: Text<'a>,
        key_id: Text<'a>,
        mac_algorithm: Text<'a>,
        mac: Text<'a>,
        grant_tokens: Vec<Text<'a>>,
        dry_run: bool,
    }
}

pub(super) async fn generate(context: &Context<'_>, request: MacRequest<'_>) -> Result<Bytes, Fault> {
    run(context, request, false).await
}

pub(super) async fn verify(context: &Context<'_>, request: MacRequest<'_>) -> Result<Bytes, Fault> {
    run(context, request, true).await
}

async fn run(context: &Context<'_>, request: MacRequest<'_>, verify: bool) -> Result<Bytes, Fault> {
    let mut check = Check::default();
    let message = check.required_blob("message", request.message.as_ref(), &limits::PLAINTEXT);
    let key = check.required("keyId", request.key_id.as_ref(), &limits::KEY_ID);
    check.present("macAlgorithm", request.mac_algorithm.as_ref());
    let algorithm = check.choice("macAlgorithm", request.mac_algorithm.as_ref(), words::MAC_ALGORITHMS);
    let mac = match verify {
        true => check.required_blob("mac", request.mac.as_ref(), &limits::CIPHERTEXT),
        false => Vec::new(),
    };
    check_grant_tokens(&mut check, request.grant_tokens.as_deref());
    check.done()?;
    let algorithm = algorithm.ok_or_else(Fault::serialization)?;
    context.grant_tokens(request.grant_tokens.as_deref())?;
    let algorithm_word = word(words::MAC_ALGORITHMS, &algorithm);
    let carried = Carried::default().with("kms:macalgorithm", Carries::Word(algorithm_word));
    let detail = vec![("keyId", key.to_owned()), ("macAlgorithm", algorithm_word.to_owned())];
    let key = context.key(key, Accepts::Aliases).await?;
    let json = if verify {
        let operation = VerifyMac { key, message, algorithm, mac };
        let entry = context.perform(carried, detail, operation, request.dry_run).await?;
        let mut json = arn_of(context, &entry);
        json.flag("MacValid", true).text("MacAlgorithm", algorithm_word);
        json
    } else {
        let operation = GenerateMac { key, message, algorithm };
        let made = context.perform(carried, detail, operation, request.dry_run).await?;
        let mut json = arn_of(context, &made.key);
        json.blob("Mac", &made.mac).text("MacAlgorithm", algorithm_word);
        json
    };
    Ok(json.finish())
}
