// Owns the shapes that `towline lsp` and this extension exchange. Generated from the server's own
// types: `UPDATE=1 cargo test --workspace --lib generated` writes it, and a test fails when it is
// stale. Says nothing about how they are shown or sent.

/** The supervised app. */
export type App = {
    /** Its command line. */
    readonly command: readonly string[];
} & ({
    readonly state: "waiting";
} | {
    /** Its process there. */
    readonly pid: number;
    /** How often it was started. */
    readonly starts: number;
    readonly state: "running";
} | {
    /** Its status, if it ended by itself. */
    readonly code: number | null;
    /** The signal that ended it. */
    readonly signal: number | null;
    /** How often it was started. */
    readonly starts: number;
    readonly state: "exited";
} | {
    /** Why. */
    readonly reason: string;
    readonly state: "failed";
});

/** How the app is. */
export type AppState = {
    readonly state: "waiting";
} | {
    /** Its process there. */
    readonly pid: number;
    /** How often it was started. */
    readonly starts: number;
    readonly state: "running";
} | {
    /** Its status, if it ended by itself. */
    readonly code: number | null;
    /** The signal that ended it. */
    readonly signal: number | null;
    /** How often it was started. */
    readonly starts: number;
    readonly state: "exited";
} | {
    /** Why. */
    readonly reason: string;
    readonly state: "failed";
};

/** Whether a debugger can be attached. */
export interface AttachRow {
    /** What is needed, unless the state is `yes`. */
    readonly reason: string | null;
    /** In a word. */
    readonly state: AttachState;
}

/** Whether a debugger can be attached, in a word. */
export type AttachState = "yes" | "needs" | "needs_restart";

/** Of `forward remove`. */
export interface Closed {
    /** The forward that was open. */
    readonly closed: Forward;
}

/** A line for a terminal. */
export interface CommandLine {
    /** As it is typed. */
    readonly command: string;
}

/** A path that both sides changed. */
export interface Conflict {
    /** What happened here. */
    readonly local: string;
    /** Below its root. */
    readonly path: string;
    /** The target's file, as the target names it. */
    readonly remote: string;
    /** The sync. */
    readonly sync: string;
    /** What happened there. */
    readonly target: string;
    /** The local file. */
    readonly uri: string;
}

/** A path that both sides changed. */
export interface ConflictRow {
    /** What happened here: `edited`, `deleted`, `made a directory`. */
    readonly local: string;
    /** Below its root. */
    readonly path: string;
    /** The sync. */
    readonly sync: string;
    /** What happened there. */
    readonly target: string;
}

/** Of `sync conflicts`. */
export interface Conflicts {
    /** All of them. */
    readonly conflicts: readonly ConflictRow[];
}

/** One context. */
export interface Context {
    /** Whether it is meant when none is named. */
    readonly current: boolean;
    /** Its name. */
    readonly name: string;
    /** The namespace that it means when none is named. */
    readonly namespace: string | null;
}

/** What there is to connect to. */
export interface Contexts {
    /** The current one first. */
    readonly contexts: readonly Context[];
}

/** Of `debug`: how to connect to one process. */
export interface DebugHints {
    /** The debug adapter, on standard input and output. */
    readonly command: readonly string[];
    /** Lua for nvim-dap. */
    readonly nvim_dap: string;
    /** Which. */
    readonly process: ProcessRow;
    /** For VS Code's `launch.json`. */
    readonly vscode: LaunchConfiguration;
}

/** A process to attach a debugger to. */
export interface DebugWhat {
    /** Its name or its id; else the app, or the only one. */
    readonly process?: string;
}

/** Both contents of a synced file. */
export interface Difference {
    /** The one here. */
    readonly local: string;
    /** The file here. */
    readonly localUri: string | null;
    /** The file there, as the target names it. */
    readonly remote: string;
    /** The target's. */
    readonly target: string;
}

/** Which way an edit went. */
export type Direction = "to target" | "from target";

/** Nothing to say. */
export type Done = Readonly<Record<string, never>>;

/** Of `down`. */
export interface Ended {
    /** What is no more, a sentence each. */
    readonly ended: readonly string[];
}

/** A variable of the target's environment, or all of them. */
export interface Env {
    /** Its name; who names one gets its value, be it a secret or not. */
    readonly name?: string;
}

/** The environment of what runs on the target. */
export interface Environment {
    /** Values by name; those of secrets are masked unless one was asked for. */
    readonly env: Readonly<Record<string, string>>;
}

/** A command to run beside the app. */
export interface Exec {
    /** Program and arguments. */
    readonly argv: readonly string[];
    /** Where, as the target names it. */
    readonly cwd?: string;
}

/** How a command went. */
export interface Executed {
    /** Its status, if it ended by itself. */
    readonly code: number | null;
    /** The signal that ended it. */
    readonly signal: number | null;
    /** See `stdout`. */
    readonly stderr: string;
    /** As much of it as an editor shows. */
    readonly stdout: string;
}

/** Of `sync why`. */
export interface Explained {
    /** As it was asked for. */
    readonly path: string;
    /** What is decided for it. */
    readonly why: string;
}

/** What a script decides on; each has an exit code. */
export type FailureCode = "failure" | "usage" | "not_up" | "unreachable" | "not_found" | "conflict";

/** A file of the target, whole. */
export interface FileContent {
    /** What is in it. */
    readonly base64: string;
    /** Bytes. */
    readonly size: number;
}

/** What to remove of the target's files. */
export interface FileDelete {
    /** Which. */
    readonly path: string;
    /** A directory with all that is in it. */
    readonly recursive?: boolean;
}

/** A directory of the target. */
export interface FileEntries {
    /** In order of their names. */
    readonly entries: readonly FileEntry[];
    /** Whether there are more than an editor shows. */
    readonly more: boolean;
}

/** An entry of a directory. */
export interface FileEntry {
    /** What it is; of a link, what it leads to. */
    readonly kind: FileKind;
    /** Permission bits. */
    readonly mode: number;
    /** Last change, microseconds since the Unix epoch. */
    readonly mtime_us: number;
    /** Its name. */
    readonly name: string;
    /** Bytes. */
    readonly size: number;
}

/** What an entry of a directory is. */
export type FileKind = "file" | "directory" | "link" | "other";

/** Where a text was found. */
export interface FileMatch {
    /** From 0, in units of UTF-16. */
    readonly column: number;
    /** From 1. */
    readonly line: number;
    /** The file, as the target names it. */
    readonly path: string;
    /** The line, as far as a list shows it. */
    readonly text: string;
}

/** What a search found. */
export interface FileMatches {
    /** Why it ended before everything was looked at, if it did. */
    readonly ended_early: string | null;
    /** The first of each line, by path. */
    readonly matches: readonly FileMatch[];
}

/** Another name for a file of the target. */
export interface FileRename {
    /** What. */
    readonly from: string;
    /** Though that name is taken. */
    readonly overwrite?: boolean;
    /** Its new name. */
    readonly to: string;
}

/** A text to look for in the target's files. */
export interface FileSearch {
    /** Whether `a` is another letter than `A`. */
    readonly matchCase?: boolean;
    /** A directory or a file, as the target names it. */
    readonly path: string;
    /** What to look for in each line, as it is. */
    readonly text: string;
}

/** What is known of a file of the target without reading it. */
export interface FileStat {
    /** What it is; of a link, what it leads to. */
    readonly kind: FileKind;
    /** Permission bits. */
    readonly mode: number;
    /** Last change, microseconds since the Unix epoch. */
    readonly mtime_us: number;
    /** Bytes. */
    readonly size: number;
}

/** A file of the target, whole. */
export interface FileWrite {
    /** Its content. */
    readonly base64: string;
    /** Though it is not there yet. */
    readonly create?: boolean;
    /** Though it is there. */
    readonly overwrite?: boolean;
    /** Which. */
    readonly path: string;
}

/** One open forward. */
export interface Forward {
    /** Bytes from the target so far. */
    readonly bytes_in: number;
    /** Bytes to the target so far. */
    readonly bytes_out: number;
    /** Set when the wanted local port was taken: that port. */
    readonly instead_of: number | null;
    /** The last failure, if any, with its time gone by. */
    readonly last_error: string | null;
    /** Where it listens, IPv4 first. */
    readonly local: readonly string[];
    /** Connections open now. */
    readonly open: number;
    /** What it carries. */
    readonly protocol: ForwardProtocol;
    /** `HOST:PORT` as the target sees it. */
    readonly remote: string;
    /** As the user wrote it, normalised: `8080`, `9090:db:5432/udp`. */
    readonly spec: string;
    /** Connections so far. */
    readonly total: number;
}

/** A port to bring to localhost. */
export interface ForwardAdd {
    /** As the command line takes it. */
    readonly spec: string;
    /** Whether a taken local port is an error. */
    readonly strict?: boolean;
}

/** What a forward carries. */
export type ForwardProtocol = "tcp" | "udp";

/** A port to close. */
export interface ForwardRemove {
    /** As it was asked for, or its local port. */
    readonly spec: string;
}

/** Of `forward list`: a part of the status. */
export interface Forwards {
    /** Open ones, in the order they were opened. */
    readonly forwards: readonly Forward[];
}

/** What an agent left or keeps in a container. */
export interface FoundAgent {
    /** The container. */
    readonly container: string;
    /** Its directory there. */
    readonly home: string;
    /** The pod. */
    readonly pod: string;
    /** Whether it runs. */
    readonly running: boolean;
    /** Whose it is: `user@machine`. */
    readonly who: string;
}

/** What follows edits of one sync. */
export interface Hook {
    /** `restart` or `run: CMD`. */
    readonly action: string;
    /** How it failed the last time, if it did. */
    readonly last_error: string | null;
    /** Whether it runs now. */
    readonly running: boolean;
    /** How often it ended. */
    readonly runs: number;
    /** The sync. */
    readonly sync: string;
}

/** A path that is not synced any more. */
export interface Ignored {
    /** The line that was written. */
    readonly ignored: string;
}

/** See `lsp::sync::Keep`. */
export type Keep = "local" | "target" | "both";

/** A configuration of VS Code's `launch.json`. */
export interface LaunchConfiguration {
    /** What its list shows. */
    readonly name: string;
    /** The process, by its name. */
    readonly process: string;
    /** `attach`. */
    readonly request: string;
    /** `towline`. */
    readonly type: string;
}

/** How the link is. */
export type Link = {
    readonly state: "connecting";
    /** What is being done: `starting the agent`, `handshake`. */
    readonly step: string;
} | {
    /** The channel that the agent was last reached by, and where it is. */
    readonly bootstrap: string;
    /** Which carrier. */
    readonly carrier: string;
    /** Why it is not a better one. */
    readonly passed: Passed;
    /** Smoothed round trip, microseconds. */
    readonly rtt_us: number;
    readonly state: "up";
} | {
    /** Attempts so far. */
    readonly attempt: number;
    /** Why the last one ended. */
    readonly reason: string;
    readonly state: "reconnecting";
} | {
    /** A full sentence for people. */
    readonly reason: string;
    readonly state: "down";
};

/** A port that something on the target listens at. */
export interface ListeningPort {
    /** `any`, or `own` when only the target itself reaches it. */
    readonly address: string;
    /** Whether it is on localhost here. */
    readonly forwarded: boolean;
    /** Which. */
    readonly port: number;
}

/** What listens on the target. */
export interface ListeningPorts {
    /** By number. */
    readonly ports: readonly ListeningPort[];
}

/** A file of the workspace: a path in it, an absolute one, or a `file:` address. */
export interface LocalPath {
    /** Which. */
    readonly path: string;
}

/** A line for programs. */
export interface LogLine {
    /** When the agent read it, microseconds since the Unix epoch. */
    readonly at_us: number;
    /** `SCHEMA`. */
    readonly schema: number;
    /** Who wrote it. */
    readonly source: LogSource;
    /** Without its end. */
    readonly text: string;
}

/** The app's output. */
export interface LogLines {
    /** Oldest first. */
    readonly lines: readonly LogLine[];
}

/** Who wrote a line. */
export type LogSource = "stdout" | "stderr" | "hook" | "agent";

/** How much of the app's output. */
export interface Logs {
    /** The last so many lines. */
    readonly tail?: number;
}

/** The namespaces of a context. */
export interface Namespaces {
    /** By name. */
    readonly namespaces: readonly string[];
    /** Why they cannot be listed: few people may, and nobody needs to. */
    readonly problem: string | null;
}

/** An address to open. */
export interface Open {
    /** Where. */
    readonly url: string;
}

/** Of `forward add`. */
export interface Opened {
    /** The forward. */
    readonly opened: Forward;
}

/** Why better ways are not taken, for people. */
export interface Passed {
    /** A tunnel of the target's platform. */
    readonly tunnel?: string;
    /** UDP, straight to the agent. */
    readonly udp?: string;
}

/** A process of the target. */
export interface ProcessRow {
    /** Debug adapters that are beside it. */
    readonly adapters: readonly string[];
    /** Whether it is the app that towline started, or came of it. */
    readonly app: boolean;
    /** Its command line. */
    readonly argv: readonly string[];
    /** Whether a debugger can be attached. */
    readonly attach: AttachRow;
    /** `python`, `node`, `go`, `native`, `jvm` and others. */
    readonly language: string;
    /** What a person would call it. */
    readonly name: string;
    /** Who started it. */
    readonly parent: number;
    /** Its id. */
    readonly pid: number;
    /** TCP ports that it listens on. */
    readonly ports: readonly number[];
    /** What runs it, in words. */
    readonly runtime: string;
    /** Its user. */
    readonly user: string;
}

/** Of `ps`. */
export interface Processes {
    /** In order of their ids. */
    readonly processes: readonly ProcessRow[];
}

/** Which processes of the target. */
export interface Ps {
    /** Also those that are none of the target's. */
    readonly all?: boolean;
}

/** Whether all that is wanted is there. */
export type Readiness = {
    readonly state: "idle";
} | {
    readonly state: "pending";
    /** As in `the first sync of app`. */
    readonly waiting_for: string;
} | {
    readonly state: "ready";
} | {
    /** What a script decides on. */
    readonly code: FailureCode;
    /** What to do. */
    readonly help: string;
    /** A full sentence. */
    readonly reason: string;
    readonly state: "failed";
};

/** One applied edit. */
export interface RecentEdit {
    /** Which way. */
    readonly direction: Direction;
    /** From the event to visible on the other side, microseconds. */
    readonly latency_us: number;
    /** Where. */
    readonly path: string;
}

/** Of `sync resolve`. */
export interface Resolved {
    /** Whose content stays. */
    readonly kept: Keep;
    /** As it was asked for. */
    readonly resolved: string;
}

/** Of `restart`. */
export interface Restarted {
    /** How the app is now. */
    readonly app: AppState;
}

/** See `lsp::sync::Resume`. */
export type ResumeHow = "plain" | "delete" | "restore";

/** What the editor was asked to show. */
export interface Shown {
    /** What it shows; none when it cannot. */
    readonly shown: string | null;
    /** Where it is. */
    readonly uri: string;
}

/** Everything that is to be known of one workspace. */
export interface Status {
    /** The supervised app, if one is wanted. */
    readonly app: App | null;
    /** Open ones, in the order they were opened. */
    readonly forwards: readonly Forward[];
    /** What follows edits. */
    readonly hooks: readonly Hook[];
    /** The link to its agent. */
    readonly link: Link | null;
    /** The hub's process. */
    readonly pid: number;
    /** Whether all that is wanted is there. */
    readonly readiness: Readiness;
    /** `SCHEMA`. */
    readonly schema: number;
    /** In the order they were asked for. */
    readonly syncs: readonly Sync[];
    /** The target, if one is wanted. */
    readonly target: string | null;
    /** The hub's version. */
    readonly version: string;
    /** Full sentences for people. */
    readonly warnings: readonly string[];
    /** The canonical workspace root. */
    readonly workspace: string;
}

/** What `towline/status` carries: all that is ever shown. */
export interface StatusNotification {
    /** Paths that both sides changed. */
    readonly conflicts: readonly Conflict[];
    /** What stands in the way of telling more. */
    readonly error: string | null;
    /** The workspace. */
    readonly root: string | null;
    /** The document of `towline status --json`; none while no hub runs. */
    readonly status: Status | null;
}

/** A sync and what belongs to it here. */
export interface Sync {
    /** The local root. */
    readonly alpha: string;
    /** See `applied_beta`. */
    readonly applied_alpha: number;
    /** Edits applied since the start, to the target and from it. */
    readonly applied_beta: number;
    /** The target's root. */
    readonly beta: string;
    /** Bytes both sides agree on. */
    readonly bytes: number;
    /** Paths in conflict. */
    readonly conflicts: number;
    /** How watching is degraded on either side, and what to do. */
    readonly degraded: readonly string[];
    /** Files both sides agree on. */
    readonly files: number;
    /** Its name. */
    readonly name: string;
    /** `nothing`, `restart` or `run: CMD`. */
    readonly on_change: string;
    /** Edits not applied yet. */
    readonly pending: number;
    /** Bytes of them. */
    readonly pending_bytes: number;
    /** Where it is. */
    readonly phase: SyncPhase;
    /** Paths that cannot be synced, the first hundred, with the reason. */
    readonly problems: readonly (readonly [string, string])[];
    /** Last applied edits, newest first, at most ten. */
    readonly recent: readonly RecentEdit[];
}

/** A path in a sync. */
export interface SyncPath {
    /** The sync's name; none for the one that knows the path. */
    readonly name?: string;
    /** Below the sync's root, absolute, or a `file:` address. */
    readonly path: string;
}

/** Where a sync is. */
export type SyncPhase = {
    readonly phase: "waiting";
} | {
    /** Entries seen locally so far. */
    readonly alpha: number;
    /** Entries seen on the target so far. */
    readonly beta: number;
    readonly phase: "scanning";
} | {
    readonly phase: "applying";
} | {
    readonly phase: "in_sync";
} | {
    readonly phase: "paused";
} | {
    readonly phase: "braked";
    /** A full sentence: what would have been deleted and why it was not. */
    readonly reason: string;
} | {
    readonly phase: "halted";
    /** A full sentence with what to do. */
    readonly reason: string;
};

/** A conflict to end. */
export interface SyncResolve {
    /** Whose content stays. */
    readonly keep: Keep;
    /** The sync's name; none for the one that knows the path. */
    readonly name?: string;
    /** Below the sync's root, absolute, or a `file:` address. */
    readonly path: string;
}

/** How to go on. */
export interface SyncResume {
    /** After a brake: what of the deletions; else `plain`. */
    readonly how?: ResumeHow;
    /** The sync's name; none for all. */
    readonly name?: string;
}

/** What to bring back. */
export interface SyncUndo {
    /** The sync's name; none for the first that has something. */
    readonly name?: string;
    /** Only at this path. */
    readonly path?: string;
}

/** Of `sync list`, `pause`, `resume` and `wait`. */
export interface Syncs {
    /** The syncs that were meant. */
    readonly syncs: readonly Sync[];
}

/** A path as the target names it. */
export interface TargetPath {
    /** Which. */
    readonly path: string;
}

/** Of `sync undo`. */
export interface Undone {
    /** What is back. */
    readonly undone: string;
}

/** What `up` takes; what is left out is what `towline.yaml` says. */
export interface Up {
    /** The image of ephemeral containers. */
    readonly agentImage?: string;
    /** Sync to every pod of the workload. */
    readonly all?: boolean;
    /** The app to run there. */
    readonly command?: readonly string[];
    /** The workload's container. */
    readonly container?: string;
    /** The kubeconfig's context. */
    readonly context?: string;
    /** The app's directory, as the target names it. */
    readonly cwd?: string;
    /** `PORT`, `LOCAL:REMOTE`, `HOST:PORT` or `LOCAL:HOST:PORT`, each. */
    readonly forward?: readonly string[];
    /** The workload's namespace. */
    readonly namespace?: string;
    /** `restart`, `nothing` or `run: CMD`, after each batch of edits. */
    readonly onChange?: string;
    /** Change what is up to this. */
    readonly replace?: boolean;
    /** Whether a taken local port is an error. */
    readonly strictPorts?: boolean;
    /** `LOCAL:/REMOTE`, each. */
    readonly sync?: readonly string[];
    /** A workload, as in `deploy/api`, or `local:DIR`. */
    readonly target?: string;
    /** `exec` or `ephemeral`. */
    readonly tier?: string;
}

/** A namespace of a cluster. */
export interface Where {
    /** The kubeconfig's context; none for the current one. */
    readonly context?: string;
    /** None for the context's own. */
    readonly namespace?: string;
}

/** One sync, or all of them. */
export interface WhichSync {
    /** Its name. */
    readonly name?: string;
}

/** One of them. */
export interface Workload {
    /** Agents in its pods; none where nobody looked. */
    readonly agents: readonly FoundAgent[];
    /** The containers of the pod that `up` would go to, the chosen one first. */
    readonly containers: readonly string[];
    /** Where its process starts. */
    readonly cwd: string | null;
    /** Its pods. */
    readonly pods: number;
    /** Ports that this container declares. */
    readonly ports: readonly number[];
    /** Why `up` would not work now. */
    readonly problem: string | null;
    /** Those of them that are ready. */
    readonly ready: number;
    /** As `up` takes it. */
    readonly workload: string;
    /** Workspaces of this machine that are up on it. */
    readonly workspaces: readonly string[];
}

/** The workloads of a namespace. */
export interface Workloads {
    /** The namespace. */
    readonly namespace: string;
    /** In order of their names. */
    readonly workloads: readonly Workload[];
}

/** Each command of `workspace/executeCommand`: its argument and its answer. */
export interface Commands {
    /** Bring the workspace up: sync, ports, app. */
    "towline.up": [Up | undefined, Status];
    /** End everything and remove every trace of it. */
    "towline.down": [undefined, Ended];
    /** Show how everything is. */
    "towline.status": [undefined, Status | null];
    /** Restart the app. */
    "towline.restart": [undefined, Restarted];
    /** Show the open ports. */
    "towline.forward.list": [undefined, Forwards];
    /** Bring a port of the target to localhost. */
    "towline.forward.add": [ForwardAdd, Opened];
    /** Close a port. */
    "towline.forward.remove": [ForwardRemove, Closed];
    /** Show the syncs. */
    "towline.sync.list": [undefined, Syncs];
    /** Carry nothing until it is resumed. */
    "towline.sync.pause": [WhichSync | undefined, Syncs];
    /** Go on after a pause or a brake. */
    "towline.sync.resume": [SyncResume | undefined, Syncs];
    /** Return when every edit made so far is on both sides. */
    "towline.sync.wait": [WhichSync | undefined, Syncs];
    /** Explain what is decided for a path. */
    "towline.sync.why": [SyncPath, Explained];
    /** Show paths that both sides changed. */
    "towline.sync.conflicts": [WhichSync | undefined, Conflicts];
    /** End a conflict; what loses goes to the trash. */
    "towline.sync.resolve": [SyncResolve, Resolved];
    /** Bring back what was displaced last. */
    "towline.sync.undo": [SyncUndo | undefined, Undone];
    /** Never sync a path. */
    "towline.sync.ignore": [LocalPath, Ignored];
    /** Show the app's output. */
    "towline.logs": [Logs | undefined, LogLines];
    /** Run a command beside the app. */
    "towline.exec": [Exec, Executed];
    /** Open a shell beside the app. */
    "towline.shell": [undefined, CommandLine];
    /** Show the contexts of the kubeconfig. */
    "towline.contexts": [undefined, Contexts];
    /** Show the namespaces of a context. */
    "towline.namespaces": [Where | undefined, Namespaces];
    /** Show the workloads of a namespace. */
    "towline.list": [Where | undefined, Workloads];
    /** Show a directory of the target. */
    "towline.file.list": [TargetPath, FileEntries];
    /** Show what is at a path of the target. */
    "towline.file.stat": [TargetPath, FileStat];
    /** Read a file of the target. */
    "towline.file.read": [TargetPath, FileContent];
    /** Look for a text in files of the target. */
    "towline.file.search": [FileSearch, FileMatches];
    /** Write a file of the target. */
    "towline.file.write": [FileWrite, Done];
    /** Remove a file of the target. */
    "towline.file.delete": [FileDelete, Done];
    /** Rename a file of the target. */
    "towline.file.rename": [FileRename, Done];
    /** Make a directory on the target. */
    "towline.file.mkdir": [TargetPath, Done];
    /** Show what listens in the target. */
    "towline.ports.detect": [undefined, ListeningPorts];
    /** Show the environment of the target. */
    "towline.env": [Env | undefined, Environment];
    /** Show the target's processes. */
    "towline.ps": [Ps | undefined, Processes];
    /** Tell how to attach a debugger to a process of the target. */
    "towline.debug": [DebugWhat | undefined, DebugHints];
    /** Show both contents of a file. */
    "towline.difference": [LocalPath, Difference];
    /** Show the target's content of a file. */
    "towline.diff": [LocalPath, Shown];
    /** Open a forwarded port in the browser. */
    "towline.open": [Open, Shown];
}
