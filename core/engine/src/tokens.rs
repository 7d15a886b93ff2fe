//! Tokens that callers carry and can't make: page cursors and grant tokens.

use strongroom_crypto::wrapped::Kind;
use strongroom_model::id::{GrantId, KeyId};

use crate::Engine;
use crate::error::{self, EngineError};

impl Engine {
    /// Seals a position in a listing. `listing` says which one: tenant, region, filters; a cursor fits no other.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn seal_cursor(&self, listing: &[u8], position: &[u8]) -> Result<Vec<u8>, EngineError> {
        self.token_key.load().seal(Kind::PageCursor, listing, position, self.random()).map_err(error::crypto)
    }

    /// Opens a position that [`Engine::seal_cursor`] sealed for the same listing.
    ///
    /// # Errors
    /// [`EngineError::InvalidCursor`] for anything else.
    pub fn open_cursor(&self, listing: &[u8], cursor: &[u8]) -> Result<Vec<u8>, EngineError> {
        let position = self.token_key.load().open(Kind::PageCursor, listing, cursor);
        Ok(position.map_err(|_| EngineError::InvalidCursor)?.expose().to_vec())
    }

    /// Seals what a grant token points to.
    pub(crate) fn seal_grant_token(&self, key: KeyId, grant: GrantId) -> Result<Vec<u8>, EngineError> {
        let grant = [key.as_bytes().as_slice(), grant.as_bytes()].concat();
        self.token_key.load().seal(Kind::GrantToken, b"", &grant, self.random()).map_err(error::crypto)
    }

    /// Checks that a grant token was made here. The grant itself is found through its key like any other: on one store
    /// a grant counts as soon as it was answered.
    ///
    /// # Errors
    /// [`EngineError::InvalidGrantToken`] when it was not.
    pub fn open_grant_token(&self, token: &[u8]) -> Result<(KeyId, GrantId), EngineError> {
        let opened =
            self.token_key.load().open(Kind::GrantToken, b"", token).map_err(|_| EngineError::InvalidGrantToken)?;
        let (key, grant) = opened.expose().split_at_checked(16).ok_or(EngineError::InvalidGrantToken)?;
        let ids = KeyId::from_slice(key).zip(GrantId::from_slice(grant));
        ids.ok_or(EngineError::InvalidGrantToken)
    }
}
