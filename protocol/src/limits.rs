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
/// on framing and still lets loss detection see a queue grow. Its frame is the
/// 16 KiB, so a burst fills the 32 KiB pieces in which container runtimes copy;
/// a rest of some bytes would travel the whole way as a message of its own.
pub const CARRIER_DATAGRAM_MAX: usize = 16 * 1024 - crate::link::frame::HEADER;

/// One datagram of a link that may travel by UDP, in bytes: what IPv6 carries
/// everywhere (1,280) less the headers of IP and UDP.
pub const UDP_DATAGRAM_MAX: usize = 1232;

/// How long a UDP carrier may stay without any answer before it is given up:
/// several round trips and several losses even on a bad mobile line.
pub const UDP_CARRIER_SILENCE_MAX: Duration = Duration::from_secs(3);

/// How long an agent's UDP port waits for a knock when the stream that it was
/// offered on is gone.
pub const UDP_DOOR_LIFE: Duration = Duration::from_secs(30);

/// Bytes of datagrams that wait for a stream carrier before new ones are
/// dropped: with an unbounded queue QUIC's loss detection is blind.
pub const CARRIER_QUEUE_MAX: usize = 1024 * 1024;

/// Bytes of datagrams that wait for a carrier before quinn's senders are parked.
/// What waits in quinn can still be overtaken by a more urgent stream; what
/// waits here cannot.
pub const CARRIER_QUEUE_PARK: usize = 256 * 1024;

/// Largest hello frame: two fingerprints and a path, with room.
pub const HELLO_LEN_MAX: usize = 16 * 1024;

/// Longest version string in the preamble.
pub const VERSION_LEN_MAX: usize = 64;

/// How long either end of a bootstrap channel waits for the other's hello.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// Silence after which an agent gives up a carrier. Hubs ping after 5 seconds,
/// so this much means that the path is gone though nobody closed it.
pub const CARRIER_SILENCE_MAX: Duration = Duration::from_secs(60);

/// What one stream may have under way: 50 MB/s at a round trip of 80 ms.
pub const STREAM_WINDOW: u32 = 4 * 1024 * 1024;

/// What all streams together may have received and nobody read yet: 128 streams
/// with a stalled reader do not block the others.
pub const CONNECTION_WINDOW: u32 = 512 * 1024 * 1024;

/// What one end keeps until it is acknowledged; twice the largest congestion
/// window, so that it never is the limit.
pub const SEND_WINDOW: u64 = 2 * CONGESTION_WINDOW_MAX;

/// Largest congestion window: 1 GB/s with 10 ms of queue, or 200 MB/s at 80 ms.
pub const CONGESTION_WINDOW_MAX: u64 = 16 * 1024 * 1024;

/// Hubs that one agent serves at a time.
pub const SESSIONS_MAX: usize = 16;

/// Bootstrap channels that say hello at the same time.
pub const HELLOS_MAX: usize = 32;

/// How long a QUIC connection outlives its last carrier. A laptop sleeps for a
/// night; liveness is judged above the connection.
pub const LINK_IDLE_TIMEOUT: Duration = Duration::from_secs(12 * 60 * 60);

/// How long an agent waits for a hub before it removes itself.
pub const AGENT_GRACE: Duration = Duration::from_secs(15 * 60);

/// Streams one end may have open at once: 10,000 forwarded connections and
/// room for everything else.
pub const STREAMS_MAX: u32 = 16 * 1024;

/// Edits of one sync batch: enough to hide a round trip, few enough that one
/// batch never keeps a replica busy for long.
pub const SYNC_BATCH_OPS_MAX: usize = 512;

/// Bytes of bodies in one sync batch; a single body may not exceed it.
pub const SYNC_BATCH_BYTES_MAX: u64 = 1024 * 1024;

/// Batches on their way to one side, per class. Few bulk ones keep the link
/// full; edits get more, so that one typed during a round trip need not wait.
pub const SYNC_BULK_FLYING_MAX: usize = 4;
/// See [`SYNC_BULK_FLYING_MAX`].
pub const SYNC_EDIT_FLYING_MAX: usize = 8;
/// Large files at once: each holds a stream and a signature.
pub const SYNC_LARGE_FLYING_MAX: usize = 2;

/// Edits that may wait as urgent; what is more is a checkout, not a person.
pub const SYNC_URGENT_MAX: usize = 64;

/// Bytes of content that came along with observations and wait to be carried;
/// beyond it they are fetched when their turn comes.
pub const SYNC_BODIES_HELD_MAX: usize = 8 * 1024 * 1024;

/// Paths a batch names to its hook.
pub const SYNC_BATCH_PATHS_MAX: usize = 1000;

/// Wait before an edit that failed is tried again: doubled each time.
pub const SYNC_RETRY_MIN: Duration = Duration::from_millis(100);
/// See [`SYNC_RETRY_MIN`].
pub const SYNC_RETRY_MAX: Duration = Duration::from_secs(60);

/// Problems and conflicts a status lists; the rest is counted.
pub const SYNC_LISTED_MAX: usize = 100;

/// First quiet time before a file is looked at that was created or written and
/// not yet closed; doubled while writes go on. Long enough for a writer on a busy
/// machine to get its turn: a closed file does not wait at all.
pub const SETTLE_WRITE: Duration = Duration::from_millis(100);

/// Quiet time before a look at what was only touched.
pub const SETTLE_TOUCH: Duration = Duration::from_millis(5);

/// Quiet time before a name that is gone is reported: editors that rename the
/// old file away and write a new one are done by then.
pub const SETTLE_GONE: Duration = Duration::from_millis(20);

/// Latest look at a file that is written without end.
pub const SETTLE_MAX: Duration = Duration::from_secs(2);

/// Longest that who asks for everything, or a scan, waits for files that are
/// still being written.
pub const SETTLE_FLUSH: Duration = Duration::from_millis(500);

/// Changed paths that wait for their look. Beyond it a scan of the tree is
/// cheaper than remembering.
pub const SETTLE_PATHS_MAX: usize = 64 * 1024;

/// Largest body that travels with the observation of an edit, so that a saved
/// file needs no round trip.
pub const SEEN_BODY_MAX: usize = 64 * 1024;

/// Bytes of displaced content that are kept. Enough for a day of checkouts.
pub const TRASH_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Displaced items that are kept: their list travels in a few frames.
pub const TRASH_ITEMS_MAX: usize = 10_000;
/// How long displaced content is kept.
pub const TRASH_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Largest `.gitignore` that is obeyed; what is longer is no rule file.
pub const RULES_LEN_MAX: usize = 1024 * 1024;

/// How often directories without a watch are scanned, and the root is looked
/// at. The only timer of a replica at rest.
pub const REPLICA_TICK: Duration = Duration::from_secs(30);

/// Threads that hash or apply for one replica: beyond two the disk is what one
/// waits for.
pub const REPLICA_THREADS: usize = 2;

/// Replicas that one connection's hub may hold open on an agent.
pub const REPLICAS_MAX: usize = 64;

/// Observations in one frame, and the bytes of paths and bodies from which on a
/// frame is sent though it holds fewer.
pub const OBSERVATIONS_PER_FRAME: usize = 256;
/// See [`OBSERVATIONS_PER_FRAME`].
pub const OBSERVATION_FRAME_LEN: usize = 512 * 1024;

/// Observations that wait in a replica for a slow reader before its watcher
/// waits too. Each may hold a body: 16 MiB at the very worst.
pub const OBSERVATIONS_QUEUED_MAX: usize = 256;

/// Trash items in one frame: each holds a path at most.
pub const TRASH_ITEMS_PER_FRAME: usize = 256;

const _: () = assert!(INLINE_BODY_MAX as u64 <= SYNC_BATCH_BYTES_MAX);

/// First buffer of one direction of a forwarded connection, in bytes: ten
/// thousand idle connections must not cost a gigabyte.
pub const PUMP_BUFFER_MIN: usize = 8 * 1024;

/// Its size once reads fill it, in bytes: fewer wake-ups per megabyte.
pub const PUMP_BUFFER_MAX: usize = 128 * 1024;

/// Payload of one exec or copy frame, in bytes: large enough that framing
/// costs nothing, small enough that a signal never waits long behind one.
pub const CHUNK_LEN_MAX: usize = 256 * 1024;

/// Largest UDP datagram that a flow carries, in bytes: what IP allows.
pub const DATAGRAM_LEN_MAX: usize = 65_535;

/// How long a UDP flow lives without a datagram either way. Longer than DNS
/// and QUIC handshakes wait, shorter than NAT tables usually do.
pub const UDP_IDLE: Duration = Duration::from_secs(60);

/// UDP flows one forward keeps at once; each holds a socket at the far side.
pub const UDP_FLOWS_MAX: usize = 1024;

/// Datagrams of one flow that wait for the link before new ones are dropped,
/// as a full socket buffer would drop them.
pub const UDP_QUEUE_MAX: usize = 64;

/// Forwarded connections one hub holds at once, within [`STREAMS_MAX`].
pub const FORWARDED_MAX: usize = 10_000;

/// How long a forwarded connection waits for a link before it is cut: about
/// what a person takes for a hang.
pub const FORWARD_PATIENCE: Duration = Duration::from_secs(10);

/// How long the agent tries to reach an address before it says so.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// The app's kept output, in bytes: a long look back that only an app which
/// writes much costs; a silent one costs nothing.
pub const LOG_LEN_MAX: usize = 8 * 1024 * 1024;

/// Entries of a directory in one frame; with the longest names they stay far below
/// the largest frame.
pub const FILES_PER_FRAME: usize = 1000;

/// Largest file of the target that an editor gets to see: it holds it in memory, more
/// than once.
pub const REMOTE_FILE_MAX: usize = 16 * 1024 * 1024;

/// Entries of one directory that an editor shows.
pub const FILES_LISTED_MAX: usize = 100_000;

/// Files that one request of a search looks at: far below a second on a slow disk, so
/// that a search that nobody wants any more ends soon.
pub const SEARCH_FILES_PER_STEP: u32 = 2000;

/// Bytes that one request of a search reads; see [`SEARCH_FILES_PER_STEP`].
pub const SEARCH_BYTES_PER_STEP: u64 = 16 * 1024 * 1024;

/// Files that a whole search looks at: the tree of a large image.
pub const SEARCH_FILES_MAX: u32 = 500_000;

/// Lines that a search finds; nobody reads more of them.
pub const SEARCH_MATCHES_MAX: usize = 1000;

/// Longest file that is searched; what is longer is data.
pub const SEARCH_FILE_LEN_MAX: u64 = 4 * 1024 * 1024;

/// Bytes of a line that a search shows.
pub const SEARCH_LINE_MAX: usize = 256;

/// Longest text to look for.
pub const SEARCH_TEXT_MAX: usize = 1024;

/// How much of each output of a command an editor gets.
pub const EXEC_OUTPUT_MAX: usize = 1024 * 1024;

/// Longest message of an editor: a text of as many bytes is no source code.
pub const LSP_MESSAGE_MAX: usize = 32 * 1024 * 1024;

/// Longest message between a debugger and an editor: a source file as long as an editor
/// sees one, in JSON.
pub const DAP_MESSAGE_MAX: usize = 2 * REMOTE_FILE_MAX;

/// Longest header before such a message. There is one header that anybody sends.
pub const DAP_HEADER_MAX: usize = 1024;

/// Requests of one editor, or of one adapter, that wait for their answers.
pub const DAP_PENDING_MAX: usize = 4096;

/// Files with breakpoints in one debug session, and sources without a local file that were
/// named in it.
pub const DAP_SOURCES_MAX: usize = 10_000;

/// How long a process stays in a debugger's hands when nobody is heard from any more: long
/// enough for a carrier to be changed, short enough for those who wait for the app.
pub const DEBUG_LEASE: Duration = Duration::from_secs(30);

/// How often a hub says that it is there, as a part of the lease.
pub const DEBUG_ALIVE_PART: u32 = 4;

/// How long the way from a start of an adapter to its readiness may take.
pub const ADAPTER_START_MAX: Duration = Duration::from_secs(30);

/// How long an adapter may take for each step of letting go of its process.
pub const RELEASE_STEP_MAX: Duration = Duration::from_secs(5);

/// Bytes and files of a debug adapter that is brought to a target: several times the
/// largest one.
pub const ADAPTER_BYTES_MAX: usize = 128 * 1024 * 1024;
/// See [`ADAPTER_BYTES_MAX`].
pub const ADAPTER_FILES_MAX: usize = 20_000;

/// Messages that wait for an adapter that does not read, and frames for a hub that is not
/// heard from; with more the session ends, or its adapter waits.
pub const DEBUG_QUEUE_MAX: usize = 256;

/// Processes that are listed.
pub const PROCESSES_MAX: usize = 4096;

/// Processes in one frame, and bytes of a command line that are shown.
pub const PROCESSES_PER_FRAME: usize = 64;
/// See [`PROCESSES_PER_FRAME`].
pub const ARGV_SHOWN_MAX: usize = 4096;

/// Source files that a program names and that travel with an attach.
pub const SOURCES_NAMED_MAX: usize = 2000;

/// Largest executable, and largest table in it, that is looked into.
pub const EXECUTABLE_MAX: u64 = 1024 * 1024 * 1024;
/// See [`EXECUTABLE_MAX`].
pub const EXECUTABLE_PART_MAX: usize = 64 * 1024 * 1024;

const _: () = assert!(PROCESSES_PER_FRAME * (ARGV_SHOWN_MAX * 2 + 4096) < FRAME_LEN_MAX);

/// Longest log line, in bytes; a longer one comes in pieces.
pub const LOG_LINE_MAX: usize = 64 * 1024;

const _: () = assert!(LOG_LINE_MAX * 16 <= LOG_LEN_MAX);
const _: () = assert!(FILES_PER_FRAME * 512 < FRAME_LEN_MAX);
const _: () = assert!(SEARCH_FILE_LEN_MAX <= SEARCH_BYTES_PER_STEP);
const _: () = assert!(FORWARDED_MAX < STREAMS_MAX as usize);
const _: () = assert!(CHUNK_LEN_MAX + 64 < FRAME_LEN_MAX);
const _: () = assert!(INLINE_BODY_MAX + PATH_LEN_MAX * 2 < FRAME_LEN_MAX);
const _: () = assert!(UDP_DATAGRAM_MAX >= 1200); // QUIC's own minimum
const _: () = assert!(CARRIER_QUEUE_MAX >= 16 * CARRIER_DATAGRAM_MAX);

/// Longest line between a face and the hub. A status of a hundred problems with
/// the longest paths fits.
pub const API_LINE_MAX: usize = 2 * 1024 * 1024;

/// Faces at one hub at a time; each holds a task and a socket.
pub const HUB_CLIENTS_MAX: usize = 256;

/// Events that wait for a hub; whoever sends more waits too.
pub const HUB_EVENTS_MAX: usize = 256;

/// Batches of one sync that wait for the hub; they are coalesced there.
pub const HUB_BATCHES_MAX: usize = 16;

/// Size at which the hub's log is set aside; one older file is kept.
pub const HUB_LOG_MAX: u64 = 2 * 1024 * 1024;

/// How long a hub that keeps nothing up outlives its last face.
pub const HUB_IDLE_GRACE: Duration = Duration::from_secs(10);

const _: () = assert!(CARRIER_QUEUE_PARK < CARRIER_QUEUE_MAX);

const _: () = assert!(OBSERVATION_FRAME_LEN + SEEN_BODY_MAX + PATH_LEN_MAX * 2 < FRAME_LEN_MAX);
const _: () = assert!(TRASH_ITEMS_PER_FRAME * (PATH_LEN_MAX * 2 + 256) < FRAME_LEN_MAX);
