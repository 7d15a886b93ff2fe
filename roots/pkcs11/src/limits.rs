//! The bounds of this room, all of them.

use std::time::Duration;

/// How long a call may take unless the caller says otherwise, waiting included.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// How many calls run in the token at once unless configured: sessions, each on a thread of its own.
pub const SESSIONS: usize = 8;
/// Most sessions that may be configured.
pub const SESSIONS_MOST: usize = 64;
/// How many calls may be under way unless configured, running and waiting together.
pub const QUEUE: usize = 256;
/// Most calls under way that may be configured.
pub const QUEUE_MOST: usize = 4096;
/// Longest context of a wrapped domain key, in bytes.
pub const CONTEXT_BYTES: usize = 4096;
/// Longest PIN, in bytes.
pub const PIN_BYTES: usize = 255;
/// Random bytes asked of the token in one call.
pub(crate) const RANDOM_BYTES: usize = 4096;
/// Longest message between the process and its child, in bytes.
pub(crate) const FRAME_BYTES: usize = 32 * 1024;
/// Most bytes that one call for a resident key takes, associated data and plaintext together.
pub const DATA_BYTES: usize = 24 * 1024;
/// Most sockets on which a child answers: one for each caller that waits, whose calls it has or may take next, two for each
/// session, as long as there are that many; and one for all calls that no thread waits for.
pub(crate) const LANES_MOST: usize = 128;
/// Answers to calls that no thread waits for that are taken in before others on the thread have their turn.
pub(crate) const ANSWERS_AT_ONCE: usize = 32;
/// The shortest time that is left to a further token.
pub(crate) const LEAST: Duration = Duration::from_millis(20);
/// How long a child may take to load the module, find the token and log in.
pub(crate) const START: Duration = Duration::from_secs(30);
/// How long a probe of a token may take at least, however short callers' deadlines are.
pub(crate) const PROBE: Duration = Duration::from_secs(1);
/// How long a use of a resident key may take unless configured, waiting included.
pub const USE_DEADLINE: Duration = Duration::from_millis(180);
/// Most tokens in a group.
pub const TOKENS_MOST: usize = 8;
/// How many handles of objects a session remembers.
pub(crate) const HANDLES: usize = 4096;
/// How often the supervisor looks whether the child hangs, and takes in answers that came too late.
pub(crate) const TICK: Duration = Duration::from_millis(50);
/// The least age of an unanswered request before the child is taken to hang, however short the caller's deadline was.
pub(crate) const HANG_LEAST: Duration = Duration::from_secs(1);
/// The pause before a child is started again, doubled each time in vain up to [`PAUSE_MOST`].
pub(crate) const PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause.
pub(crate) const PAUSE_MOST: Duration = Duration::from_secs(5);
/// How many failures in a row open the breaker.
pub(crate) const BREAKER_FAILURES: u32 = 5;
/// How long after a failure a token is probed, doubled each time in vain up to [`COOL_MOST`].
pub(crate) const COOL: Duration = Duration::from_millis(500);
/// The longest such time.
pub(crate) const COOL_MOST: Duration = Duration::from_secs(30);
/// How long after a module was begun anew for what it did not find that may be again, doubled each time up to
/// [`RENEWAL_PAUSE_MOST`].
pub(crate) const RENEWAL_PAUSE: Duration = Duration::from_secs(10);
/// The longest such time.
pub(crate) const RENEWAL_PAUSE_MOST: Duration = Duration::from_secs(60 * 60);
/// How long nothing may have been missed in a token before its module is begun anew as if for the first time.
pub(crate) const RENEWAL_CALM: Duration = RENEWAL_PAUSE_MOST;
/// How many sessions a child may replace before it is itself replaced, since a replaced session may still count in the token.
pub(crate) const RENEWALS: usize = 64;
