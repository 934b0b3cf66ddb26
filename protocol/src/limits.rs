//! Every cap on a queue, a frame and a list, each with its reason. Two limits
//! that depend on each other are held together by a `const` assertion below.

use core::time::Duration;

/// Largest frame either end accepts, checked before anything is allocated.
/// Above the largest inline body with room for its header.
pub const FRAME_LEN_MAX: usize = 4 * 1024 * 1024;

/// Largest file body that travels inside a sync frame; larger files get a
/// stream of their own with a delta. Above it a delta starts to pay.
pub const INLINE_BODY_MAX: usize = 256 * 1024;

/// Longest path relative to a sync root, in bytes. Linux' PATH_MAX.
pub const PATH_LEN_MAX: usize = 4096;

/// One QUIC datagram inside a stream carrier, in bytes. 16 KiB spends little
/// on framing and still lets loss detection see a queue grow.
pub const CARRIER_DATAGRAM_MAX: usize = 16 * 1024;

/// Bytes of datagrams that wait for a stream carrier before new ones are
/// dropped: with an unbounded queue QUIC's loss detection is blind.
pub const CARRIER_QUEUE_MAX: usize = 1024 * 1024;

/// How long a QUIC connection outlives its last carrier. A laptop sleeps for a
/// night; liveness is judged above the connection.
pub const LINK_IDLE_TIMEOUT: Duration = Duration::from_secs(12 * 60 * 60);

/// How long an agent waits for a hub before it removes itself.
pub const AGENT_GRACE: Duration = Duration::from_secs(15 * 60);

/// Streams one end may have open at once: 10,000 forwarded connections and
/// room for everything else.
pub const STREAMS_MAX: u32 = 16 * 1024;

const _: () = assert!(INLINE_BODY_MAX + PATH_LEN_MAX * 2 < FRAME_LEN_MAX);
const _: () = assert!(CARRIER_QUEUE_MAX >= 16 * CARRIER_DATAGRAM_MAX);
