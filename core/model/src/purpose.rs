//! Key states and purposes, and the one table that says which state permits which purpose.

use crate::clock::Timestamp;

/// The state of a key (SP 800-57 part 1, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
pub enum KeyState {
    /// Made, without usable material yet.
    #[n(0)]
    PreActivation,
    /// In use.
    #[n(1)]
    Active,
    /// Use is stopped and may be resumed.
    #[n(2)]
    Suspended,
    /// Use is stopped; the material is destroyed at the given time unless that is called off.
    #[n(3)]
    DestructionScheduled {
        /// When the material is to be destroyed.
        #[n(0)]
        at: Timestamp,
    },
    /// The material is gone; the metadata remains.
    #[n(4)]
    Destroyed,
    /// Use is stopped; the wait for the destruction begins once the last replica of the key is gone, unless that is called
    /// off.
    #[n(5)]
    DestructionAwaitsReplicas {
        /// Days to wait then.
        #[n(0)]
        days: u32,
    },
}

/// The state of one key version, within what its key's state permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum VersionState {
    /// Originator and recipient usage: the newest version.
    #[n(0)]
    Active,
    /// Recipient usage only: a newer version has taken over.
    #[n(1)]
    Deactivated,
    /// Neither, until it is resumed.
    #[n(2)]
    Suspended,
    /// The material is gone.
    #[n(3)]
    Destroyed,
    /// Neither yet: it waits for a rotation to take over.
    #[n(4)]
    Pending,
    /// Neither: the imported material was taken away and may be brought again. Nor does any other version of the key.
    #[n(5)]
    Absent,
}

/// What an operation wants of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Encrypt, wrap, sign, compute a MAC, encapsulate: originator usage. Key agreement too: what it yields protects
    /// and opens alike, so the stricter row holds.
    ApplyProtection,
    /// Decrypt, unwrap, verify, decapsulate: recipient usage.
    ProcessProtected,
    /// Give out the public half.
    Publish,
    /// Read metadata.
    Inspect,
    /// Change metadata of a key that is to stay: names, tags, description.
    Describe,
    /// Change who may use it: policies, grants' end.
    Govern,
    /// Give a part of its use to someone else.
    Delegate,
    /// Suspend or resume use.
    Suspend,
    /// Replace or schedule the replacement of its material.
    Rotate,
    /// Bring material from outside.
    Import,
    /// Take imported material away, which may be brought again.
    RemoveMaterial,
    /// Schedule its destruction.
    ScheduleDestruction,
    /// Call its destruction off.
    CancelDestruction,
}

/// Why a state forbids a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The key has no material yet.
    PreActivation,
    /// The key is suspended.
    Suspended,
    /// The key's destruction is scheduled.
    DestructionScheduled,
    /// The key is to be destroyed once its replicas are.
    DestructionAwaitsReplicas,
    /// The key's destruction is not scheduled, so there is nothing to call off.
    DestructionNotScheduled,
    /// The key is destroyed.
    Destroyed,
    /// The key version in question is suspended.
    VersionSuspended,
    /// The key version in question is only there for what it protected before.
    VersionDeactivated,
    /// The key version in question is destroyed.
    VersionDestroyed,
    /// The key version in question waits for a rotation.
    VersionPending,
    /// The material of the key version in question was taken away.
    VersionAbsent,
    /// The key was made through a link to a key store that is not connected.
    StoreDisconnected,
}

impl KeyState {
    /// The table: may a key in this state serve this purpose?
    ///
    /// # Errors
    /// The reason, when it may not.
    pub const fn permits(self, purpose: Purpose) -> Result<(), Forbidden> {
        use Purpose as P;
        match (self, purpose) {
            (Self::Destroyed, P::Inspect) | (_, P::Inspect) => Ok(()),
            (Self::Destroyed, _) => Err(Forbidden::Destroyed),
            (_, P::Govern | P::RemoveMaterial) => Ok(()),
            (Self::DestructionScheduled { .. } | Self::DestructionAwaitsReplicas { .. }, P::CancelDestruction) => {
                Ok(())
            }
            (Self::DestructionScheduled { .. }, _) => Err(Forbidden::DestructionScheduled),
            (Self::DestructionAwaitsReplicas { .. }, _) => Err(Forbidden::DestructionAwaitsReplicas),
            (_, P::CancelDestruction) => Err(Forbidden::DestructionNotScheduled),
            (_, P::ScheduleDestruction | P::Describe) => Ok(()),
            (Self::PreActivation, P::Import) | (Self::Active | Self::Suspended, P::Import | P::Suspend) => Ok(()),
            (Self::PreActivation, _) => Err(Forbidden::PreActivation),
            (Self::Suspended, _) => Err(Forbidden::Suspended),
            (Self::Active, _) => Ok(()),
        }
    }
}

impl VersionState {
    /// The table for one version: rotation ends originator usage, never recipient usage.
    ///
    /// # Errors
    /// The reason, when the version may not serve.
    pub const fn permits(self, purpose: Purpose) -> Result<(), Forbidden> {
        match (self, purpose) {
            (Self::Active, _) | (Self::Deactivated, Purpose::ProcessProtected | Purpose::Publish) => Ok(()),
            (Self::Deactivated, _) => Err(Forbidden::VersionDeactivated),
            (Self::Suspended, _) => Err(Forbidden::VersionSuspended),
            (Self::Destroyed, _) => Err(Forbidden::VersionDestroyed),
            (Self::Pending, _) => Err(Forbidden::VersionPending),
            (Self::Absent, _) => Err(Forbidden::VersionAbsent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULED: KeyState = KeyState::DestructionScheduled { at: Timestamp(0) };

    #[test]
    fn only_an_active_key_applies_protection() {
        assert_eq!(KeyState::Active.permits(Purpose::ApplyProtection), Ok(()));
        assert_eq!(KeyState::Suspended.permits(Purpose::ApplyProtection), Err(Forbidden::Suspended));
        assert_eq!(KeyState::PreActivation.permits(Purpose::ApplyProtection), Err(Forbidden::PreActivation));
        assert_eq!(SCHEDULED.permits(Purpose::ApplyProtection), Err(Forbidden::DestructionScheduled));
        assert_eq!(KeyState::Destroyed.permits(Purpose::ApplyProtection), Err(Forbidden::Destroyed));
    }

    #[test]
    fn destruction_can_be_called_off_only_while_it_is_scheduled() {
        assert_eq!(SCHEDULED.permits(Purpose::CancelDestruction), Ok(()));
        assert_eq!(KeyState::Active.permits(Purpose::CancelDestruction), Err(Forbidden::DestructionNotScheduled));
        assert_eq!(SCHEDULED.permits(Purpose::ScheduleDestruction), Err(Forbidden::DestructionScheduled));
    }

    #[test]
    fn rotation_ends_originator_usage_and_never_recipient_usage() {
        assert_eq!(VersionState::Deactivated.permits(Purpose::ProcessProtected), Ok(()));
        assert_eq!(VersionState::Deactivated.permits(Purpose::ApplyProtection), Err(Forbidden::VersionDeactivated));
    }
}
