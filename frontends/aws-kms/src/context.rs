//! One request on its way: who sent it, and what every operation of it needs.

use std::sync::Arc;

use strongroom_authentication::report;
use strongroom_engine::{Call, Dialect as _, Engine, EngineError, Mode, Operation as EngineOperation};
use strongroom_model::caller::{Caller, Source};
use strongroom_model::key_store::KeyStoreName;

use crate::attributes::Carried;
use crate::check::Check;
use crate::dialect::KmsDialect;
use crate::error::{Answer, Fault, answer};
use crate::limits;
use crate::operations::Operation;
use crate::operations::key_stores::Cluster;
use crate::wire::{self, Text};

/// A request of a proved caller.
pub(crate) struct Context<'a> {
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) dialect: &'static KmsDialect,
    pub(crate) caller: Arc<Caller>,
    pub(crate) region: Arc<str>,
    /// The regions of the whole installation.
    pub(crate) regions: &'a [Arc<str>],
    /// The key stores that custom key stores may be on.
    pub(crate) clusters: &'a [Cluster],
    pub(crate) source: Arc<Source>,
    pub(crate) request_id: &'a str,
    pub(crate) user_agent: &'a str,
    pub(crate) operation: Operation,
}

/// What a record says of a request besides: names in AWS's spelling, and values.
pub(crate) type Detail = Vec<(&'static str, String)>;

impl Context<'_> {
    /// The request as the engine sees it.
    pub(crate) fn call(&self, carried: Carried, detail: Detail) -> Call {
        Call {
            caller: Arc::clone(&self.caller),
            dialect: self.dialect,
            source: Arc::clone(&self.source),
            request_id: self.request_id.into(),
            region: Arc::clone(&self.region),
            operation: self.operation.name(),
            user_agent: self.user_agent.into(),
            detail,
            attributes: Arc::new(carried),
            grant_tokens: Vec::new(),
        }
    }

    /// An engine's error in KMS's words, once the operators were told what only they may know.
    pub(crate) fn worded(&self, error: &EngineError) -> Answer {
        report(error, self.dialect.front_end(), self.operation.name(), self.request_id);
        answer(error, self.operation)
    }

    /// What the engine refused before there was an operation to record it with.
    pub(crate) fn unrecorded(&self, error: &EngineError) -> Fault {
        Fault::Own(self.worded(error))
    }

    /// The id of the cluster that a key store is to AWS's clients.
    pub(crate) fn cluster_of(&self, store: &KeyStoreName) -> Option<&str> {
        self.clusters.iter().find(|cluster| cluster.store == *store).map(|cluster| &*cluster.id)
    }

    /// Does an engine's operation in earnest or as a trial.
    pub(crate) async fn perform<O: EngineOperation>(
        &self,
        carried: Carried,
        detail: Detail,
        operation: O,
        dry_run: Option<bool>,
    ) -> Result<O::Output, Fault> {
        let mode = if dry_run == Some(true) { Mode::DryRun } else { Mode::Run };
        Ok(self.engine.perform(self.call(carried, detail), operation, mode).await?)
    }

    /// Checks that grant tokens were made here. What they point to counts already: a grant does as soon as it was answered.
    pub(crate) fn grant_tokens(&self, tokens: Option<&[Text<'_>]>) -> Result<(), Fault> {
        for token in tokens.unwrap_or_default() {
            self.grant_token(token)?;
        }
        Ok(())
    }

    /// What a grant token points to.
    pub(crate) fn grant_token(
        &self,
        token: &str,
    ) -> Result<(strongroom_model::id::KeyId, strongroom_model::id::GrantId), Fault> {
        let invalid = || self.unrecorded(&EngineError::InvalidGrantToken);
        let token = wire::decode(token).ok_or_else(invalid)?;
        self.engine.open_grant_token(&token).map_err(|_| invalid())
    }
}

/// Checks the number and length of grant tokens.
pub(crate) fn check_grant_tokens(check: &mut Check, tokens: Option<&[Text<'_>]>) {
    check.texts("grantTokens", tokens, limits::GRANT_TOKENS, &limits::GRANT_TOKEN);
}
