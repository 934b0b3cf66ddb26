//! The command line as it is written. Parses only, does nothing.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

const EXIT_CODES: &str = "Exit codes:
  0  it worked
  1  it failed
  2  the command line or towline.yaml is wrong
  3  nothing is up in this workspace
  4  the target cannot be reached
  5  a conflict, a brake or other settings stand in the way
`exec` and `shell` pass the command's own status on (128 + N for signal N).

With --json each command prints one JSON document, or one a line where it goes
on (status --watch, logs -f, up). Each has \"schema\": 1; fields are only added.
Failures are {\"schema\":1,\"error\":{\"code\",\"message\",\"help\"}} on standard output.";

const STATUS_SHAPE: &str = "With --json (each command that shows a part of it uses the same names):
  schema, version, pid, workspace, target
  readiness  state: idle | pending (waiting_for) | ready | failed (code, reason, help)
  link       state: connecting (step)
                    | up (carrier, bootstrap, rtt_us, passed: why not {udp, tunnel})
                    | reconnecting (reason, attempt) | down (reason)
  syncs[]    name, alpha (here), beta (there), on_change, files, bytes, pending,
             pending_bytes, applied_beta, applied_alpha, conflicts, problems[[path, why]],
             degraded[], recent[path, direction, latency_us],
             phase.phase: waiting | scanning (alpha, beta) | applying | in_sync
                          | paused | braked (reason) | halted (reason)
  forwards[] spec, local[], remote, protocol, instead_of, open, total, bytes_out,
             bytes_in, last_error
  app        command[], state: waiting | running (pid, starts)
                               | exited (code, signal, starts) | failed (reason)
  hooks[]    sync, action, running, runs, last_error
  warnings[] sentences";

/// Edit here, run there.
#[derive(Debug, Parser)]
#[command(name = "towline", version, after_help = EXIT_CODES, propagate_version = true)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The workspace root, instead of the nearest directory that holds a
    /// towline.yaml or is up
    #[arg(short = 'C', long, global = true, value_name = "DIR", env = "TOWLINE_WORKSPACE")]
    pub workspace: Option<PathBuf>,
    /// Print JSON for programs
    #[arg(long, global = true)]
    pub json: bool,
}

/// What the environment may say about the way to the target.
const CARRIER_HELP: &str = "\
Environment of the hub (it is read when the hub starts):
  TOWLINE_CARRIER=auto|stream|port-forward|udp
                            what carries the link: the best that gets through (the
                            default), the channel that started the agent alone, a
                            port-forward beside it, or UDP alone
  TOWLINE_UDP_HOST=ADDRESS  where UDP reaches the agent [default: the pod's address]";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring the workspace up: sync, ports, app
    #[command(after_long_help = CARRIER_HELP)]
    Up(Up),
    /// End everything and remove every trace of it
    Down,
    /// Show the workloads of a Kubernetes namespace, and who is connected to them
    List(List),
    /// Print the Role that an administrator grants for this, for `kubectl apply`
    Rbac(Rbac),
    /// Show how everything is
    #[command(after_long_help = STATUS_SHAPE)]
    Status {
        /// Go on, at each change
        #[arg(short, long)]
        watch: bool,
    },
    /// Write an image of the agent for ephemeral containers: an OCI archive
    AgentImage(AgentImage),
    /// Bring a port of the target to localhost
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Forward(Forward),
    /// Show the app's output
    Logs {
        /// Go on with what comes
        #[arg(short, long)]
        follow: bool,
        /// Only the last N lines
        #[arg(short = 'n', long, value_name = "N")]
        tail: Option<u32>,
    },
    /// Open a shell beside the app
    Shell {
        /// The directory, as the target names it
        #[arg(short = 'w', long, value_name = "DIR")]
        cwd: Option<String>,
    },
    /// Run a command beside the app
    Exec(Exec),
    /// Copy files in or out; paths of the target are written :PATH
    #[command(after_help = "Examples:\n  towline cp a.txt :/app/\n  towline cp :/app/logs .")]
    Cp {
        /// What to copy
        from: String,
        /// Where to
        to: String,
    },
    /// Show the target's processes, and whether a debugger can be attached to them
    Ps {
        /// Also those that are none of the target's
        #[arg(short, long)]
        all: bool,
    },
    /// Tell how to attach an editor's debugger to a process of the target
    Debug {
        /// Its name or id [default: the app, or the only one]
        process: Option<String>,
        /// What every session is told
        #[command(flatten)]
        how: DebugHow,
    },
    /// Be a debug adapter for a process of the target, on standard input and output
    Dap(Dap),
    /// Restart the app
    Restart,
    /// Look at syncs and decide for them
    Sync(SyncCommand),
    /// Look for usual causes of trouble and for leftovers
    Doctor {
        /// Remove the leftovers
        #[arg(long)]
        fix: bool,
    },
    /// Show on this machine, in a sandbox, what this does
    Demo(Demo),
    /// Print completions for a shell
    Completions {
        /// Which
        shell: Shell,
    },
    /// Print the manual page, or write all pages into a directory
    Man {
        /// Where to write them
        dir: Option<PathBuf>,
    },
    /// Print the JSON Schema of towline.yaml
    Schema,
    /// Speak the language server protocol on standard input and output, for editors
    Lsp,
    /// Run the hub of a workspace
    #[command(hide = true)]
    Hub,
    /// Run the demo's app
    #[command(hide = true)]
    DemoApp {
        /// Where it listens
        #[arg(long)]
        port: u16,
    },
}

/// `up`.
#[derive(Debug, Clone, Args)]
pub struct Up {
    /// Where the app runs: a workload (deploy/api, statefulset/db, svc/web,
    /// pod/x, label/app=x) or a directory of this machine (local:DIR)
    pub target: Option<String>,
    /// The workload's container
    #[arg(short, long, value_name = "NAME", requires = "target")]
    pub container: Option<String>,
    /// The workload's namespace [default: the context's]
    #[arg(short, long, value_name = "NAME", requires = "target")]
    pub namespace: Option<String>,
    /// The kubeconfig's context [default: the current one]
    #[arg(long, value_name = "NAME", requires = "target")]
    pub context: Option<String>,
    /// Where in the pod the agent goes: exec (into the container) or ephemeral (into
    /// an ephemeral container beside it) [default: what works, in this order]
    #[arg(long, value_name = "TIER", requires = "target")]
    pub tier: Option<String>,
    /// The image of ephemeral containers: one that `agent-image` made, or one that has a
    /// shell, as busybox
    #[arg(long, value_name = "IMAGE", requires = "target")]
    pub agent_image: Option<String>,
    /// Sync to every pod of the workload; everything else goes to one of them
    #[arg(long, requires = "target")]
    pub all: bool,
    /// Keep LOCAL and the target's /REMOTE the same (again for more)
    #[arg(short, long, value_name = "LOCAL:/REMOTE")]
    pub sync: Vec<String>,
    /// Bring a port to localhost: PORT, LOCAL:REMOTE, HOST:PORT,
    /// LOCAL:HOST:PORT, with /udp for datagrams (again for more)
    #[arg(short, long, value_name = "PORT")]
    pub forward: Vec<String>,
    /// Refuse to use another local port when one is taken
    #[arg(long)]
    pub strict_ports: bool,
    /// After each batch of edits: restart, nothing, or 'run: CMD'
    #[arg(long, value_name = "WHAT")]
    pub on_change: Option<String>,
    /// The app's directory, as the target names it [default: the first sync's]
    #[arg(short = 'w', long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// Keep the hub in this process; Ctrl-C is `towline down`
    #[arg(long)]
    pub foreground: bool,
    /// Change what is up to these settings
    #[arg(long)]
    pub replace: bool,
    /// The app to run there
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Look into the containers: everybody's agents, and what is left of them
    #[arg(short, long)]
    pub all: bool,
    /// The namespace [default: the context's]
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The kubeconfig's context [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// `dap`.
#[derive(Debug, Args)]
pub struct Dap {
    /// The process, by its name or id [default: the app, or the only one]
    #[arg(short, long, value_name = "NAME|PID")]
    pub process: Option<String>,
    /// Listen on this port of localhost, a session for each connection
    #[arg(long, value_name = "PORT")]
    pub listen: Option<u16>,
    /// The rest
    #[command(flatten)]
    pub how: DebugHow,
}

/// How a debug session is.
#[derive(Debug, Clone, Args)]
pub struct DebugHow {
    /// Sources that are elsewhere there (again for more)
    #[arg(long, value_name = "LOCAL:/REMOTE")]
    pub map: Vec<String>,
    /// A debug adapter on the target by its name or path; for Python the directory that
    /// holds debugpy
    #[arg(long, value_name = "NAME|PATH")]
    pub adapter: Option<String>,
    /// When nobody is heard from for so many seconds, the process is let go
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    pub lease: f32,
    /// Refuse to run code in the process: no evaluation, no assignment
    #[arg(long)]
    pub no_evaluate: bool,
}

/// `rbac`.
#[derive(Debug, Args)]
pub struct Rbac {
    /// The namespace
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    pub namespace: String,
    /// With the right to add ephemeral containers, for images without a shell
    #[arg(long)]
    pub ephemeral: bool,
    /// With the right to forward ports of pods, which carries more than an exec does
    #[arg(long)]
    pub port_forward: bool,
    /// Bind it to this user (again for more)
    #[arg(long, value_name = "NAME")]
    pub user: Vec<String>,
    /// Bind it to this group (again for more)
    #[arg(long, value_name = "NAME")]
    pub group: Vec<String>,
    /// Bind it to this ServiceAccount, NAME or NAMESPACE/NAME (again for more)
    #[arg(long, value_name = "NAME")]
    pub service_account: Vec<String>,
}

/// `agent-image`.
#[derive(Debug, Args)]
#[command(after_help = "\
The image is known by the last part of its repository, so keep it `towline-agent`:
  skopeo copy --all oci-archive:OUT.tar docker://registry.example/towline-agent:TAG
  ctr -n k8s.io images import --base-name registry.example/towline-agent OUT.tar
  towline up deploy/api --agent-image registry.example/towline-agent:TAG")]
pub struct AgentImage {
    /// Where to write it
    #[arg(value_name = "OUT.tar")]
    pub out: PathBuf,
    /// A static agent for another architecture, amd64 or arm64 (again for more)
    #[arg(long, value_name = "ARCH=FILE")]
    pub add: Vec<String>,
}

/// `forward`.
#[derive(Debug, Args)]
pub struct Forward {
    /// What to do; `towline forward 6379` is `towline forward add 6379`
    #[command(subcommand)]
    pub action: Option<ForwardAction>,
    /// A port to bring here
    #[command(flatten)]
    pub add: ForwardAdd,
}

/// `forward add`.
#[derive(Debug, Args)]
pub struct ForwardAdd {
    /// PORT, LOCAL:REMOTE, HOST:PORT or LOCAL:HOST:PORT, with /udp for datagrams
    #[arg(required = true, value_name = "PORT")]
    pub specs: Vec<String>,
    /// Refuse to use another local port when one is taken
    #[arg(long)]
    pub strict_ports: bool,
}

/// What to do with forwards.
#[derive(Debug, Subcommand)]
pub enum ForwardAction {
    /// Bring a port to localhost
    Add(ForwardAdd),
    /// Show the open ones, with byte counts
    #[command(alias = "ls")]
    List,
    /// Close one
    #[command(alias = "rm")]
    Remove {
        /// As it was written, or its local port
        #[arg(required = true, value_name = "PORT")]
        specs: Vec<String>,
    },
}

/// `exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// Give it a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Pass standard input on (it is whenever it is not a terminal)
    #[arg(short, long)]
    pub interactive: bool,
    /// The directory, as the target names it
    #[arg(short = 'w', long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// NAME=VALUE for its environment (again for more)
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// The command; `--` before it is needed only where it begins with a dash
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// `sync`.
#[derive(Debug, Args)]
pub struct SyncCommand {
    /// Which sync [default: all]
    #[arg(long, global = true)]
    pub name: Option<String>,
    /// What to do
    #[command(subcommand)]
    pub action: SyncAction,
}

/// What to do with syncs.
#[derive(Debug, Subcommand)]
pub enum SyncAction {
    /// Show them
    #[command(alias = "ls")]
    List,
    /// Carry nothing until `resume`
    Pause,
    /// Go on after a pause or a brake
    Resume {
        /// After a brake: the deletions are wanted
        #[arg(long, conflicts_with = "restore")]
        delete: bool,
        /// After a brake: put the files back
        #[arg(long)]
        restore: bool,
    },
    /// Return when every edit made so far is on both sides
    Wait,
    /// Explain what is decided for a path
    Why {
        /// A path in the sync's root, as it is or as it is shown (\xNN for
        /// bytes that are not UTF-8)
        path: OsString,
    },
    /// Show paths that both sides changed
    Conflicts,
    /// End a conflict; what loses goes to the trash
    Resolve {
        /// The path
        path: OsString,
        /// Whose content stays
        #[arg(long)]
        keep: Keep,
    },
    /// Bring back what was displaced last
    Undo {
        /// Only at this path
        path: Option<OsString>,
    },
}

/// Whose content stays.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Keep {
    /// The one here
    Local,
    /// The one there
    Target,
    /// Local in place, the target's beside it
    Both,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Make one edit, see it through the forward, and leave
    #[arg(long)]
    pub once: bool,
    /// The app's port on localhost
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
}
