// Owns the shapes that `towline lsp` and this extension exchange. Says nothing about how they are
// shown or sent.

/** What `towline/status` carries: all that this extension ever shows. */
export interface StatusNotification {
    readonly root: string;
    /** null while no hub runs for the workspace. */
    readonly status: Status | null;
    readonly conflicts: readonly Conflict[];
    readonly error: string | null;
}

/** The document of `towline status --json`. */
export interface Status {
    readonly version: string;
    readonly pid: number;
    readonly workspace: string;
    readonly readiness: Readiness;
    readonly target: string | null;
    readonly link: Link | null;
    readonly syncs: readonly Sync[];
    readonly forwards: readonly Forward[];
    readonly app: App | null;
    readonly hooks: readonly Hook[];
    readonly warnings: readonly string[];
}

export type Readiness =
    | { readonly state: "idle" | "ready" }
    | { readonly state: "pending"; readonly waiting_for: string }
    | { readonly state: "failed"; readonly code: string; readonly reason: string; readonly help: string };

export type Link =
    | { readonly state: "connecting"; readonly step: string }
    | {
          readonly state: "up";
          readonly carrier: string;
          readonly bootstrap: string;
          readonly rtt_us: number;
          /** Why a better carrier is not used, by its name. */
          readonly passed: Readonly<Record<string, string>>;
      }
    | { readonly state: "reconnecting"; readonly reason: string; readonly attempt: number }
    | { readonly state: "down"; readonly reason: string };

export interface Sync {
    readonly name: string;
    /** The root here. */
    readonly alpha: string;
    /** The root on the target, as the target names it. */
    readonly beta: string;
    readonly on_change: string;
    readonly phase: SyncPhase;
    readonly files: number;
    readonly bytes: number;
    readonly pending: number;
    readonly pending_bytes: number;
    readonly conflicts: number;
    readonly problems: readonly (readonly [path: string, why: string])[];
    readonly degraded: readonly string[];
    readonly recent: readonly RecentEdit[];
}

export type SyncPhase =
    | { readonly phase: "waiting" | "applying" | "in_sync" | "paused" }
    | { readonly phase: "scanning"; readonly alpha: number; readonly beta: number }
    | { readonly phase: "braked" | "halted"; readonly reason: string };

export interface RecentEdit {
    readonly path: string;
    readonly direction: "to target" | "from target";
    readonly latency_us: number;
}

export interface Forward {
    readonly spec: string;
    /** Addresses on this machine, `127.0.0.1:8080`. */
    readonly local: readonly string[];
    readonly remote: string;
    readonly protocol: "tcp" | "udp";
    /** The local port that was wanted but was taken. */
    readonly instead_of: number | null;
    readonly open: number;
    readonly total: number;
    readonly bytes_out: number;
    readonly bytes_in: number;
    readonly last_error: string | null;
}

export type App = { readonly command: readonly string[] } & AppState;

export type AppState =
    | { readonly state: "waiting" }
    | { readonly state: "running"; readonly pid: number; readonly starts: number }
    | { readonly state: "exited"; readonly code: number | null; readonly signal: number | null; readonly starts: number }
    | { readonly state: "failed"; readonly reason: string };

export interface Hook {
    readonly sync: string;
    readonly action: string;
    readonly running: boolean;
    readonly runs: number;
    readonly last_error: string | null;
}

export interface Conflict {
    readonly sync: string;
    /** Relative to the sync's roots. */
    readonly path: string;
    readonly local: string;
    readonly target: string;
    /** The file here. */
    readonly uri: string;
    /** The file there, as the target names it. */
    readonly remote: string;
}

/** The argument of `towline.up`; all of it may be left to the workspace's towline.yaml. */
export interface Up {
    readonly target?: string;
    readonly container?: string;
    readonly namespace?: string;
    readonly context?: string;
    readonly sync?: readonly string[];
    readonly forward?: readonly string[];
    readonly command?: readonly string[];
    readonly replace?: boolean;
}

export interface Context {
    readonly name: string;
    readonly namespace: string;
    readonly current: boolean;
}

/** A workload as `towline list` shows it. */
export interface Workload {
    readonly workload: string;
    readonly pods: number;
    readonly ready: number;
    readonly containers: readonly string[];
    readonly ports: readonly number[];
    readonly cwd: string | null;
    readonly problem: string | null;
}

export type FileKind = "file" | "directory" | "link" | "other";

export interface FileStat {
    readonly kind: FileKind;
    readonly size: number;
    readonly mtime_us: number;
    readonly mode: number;
}

export interface FileEntry extends FileStat {
    readonly name: string;
}

export interface ListeningPort {
    readonly port: number;
    readonly address: string;
    readonly forwarded: boolean;
}

export type Keep = "local" | "target" | "both";

/** Each command of `workspace/executeCommand` that is used here: its argument and its result. */
export interface Commands {
    "towline.up": [Up, Status];
    "towline.down": [undefined, { readonly ended: readonly string[] }];
    "towline.restart": [undefined, unknown];
    "towline.forward.add": [{ readonly spec: string }, unknown];
    "towline.forward.remove": [{ readonly spec: string }, unknown];
    "towline.sync.pause": [{ readonly name: string }, unknown];
    "towline.sync.resume": [{ readonly name: string; readonly how?: "plain" | "delete" | "restore" }, unknown];
    "towline.sync.why": [{ readonly path: string }, { readonly why: string }];
    "towline.sync.resolve": [{ readonly path: string; readonly keep: Keep }, unknown];
    "towline.sync.undo": [undefined, { readonly undone: string }];
    "towline.difference": [{ readonly path: string }, { readonly local: string | null; readonly target: string | null }];
    "towline.contexts": [undefined, { readonly contexts: readonly Context[] }];
    "towline.namespaces": [
        { readonly context: string },
        { readonly namespaces: readonly string[]; readonly problem: string | null },
    ];
    "towline.list": [
        { readonly context: string; readonly namespace: string },
        { readonly namespace: string; readonly workloads: readonly Workload[] },
    ];
    "towline.file.list": [{ readonly path: string }, { readonly entries: readonly FileEntry[] }];
    "towline.file.stat": [{ readonly path: string }, FileStat];
    "towline.file.read": [{ readonly path: string }, { readonly base64: string; readonly size: number }];
    "towline.file.write": [
        { readonly path: string; readonly base64: string; readonly create: boolean; readonly overwrite: boolean },
        unknown,
    ];
    "towline.file.delete": [{ readonly path: string; readonly recursive: boolean }, unknown];
    "towline.file.rename": [{ readonly from: string; readonly to: string; readonly overwrite: boolean }, unknown];
    "towline.file.mkdir": [{ readonly path: string }, unknown];
    "towline.ports.detect": [undefined, { readonly ports: readonly ListeningPort[] }];
}

/** Whether anything is up: the hub may run with nothing wanted of it. */
export function isConnected(status: Status | null): status is Status {
    return status !== null && status.readiness.state !== "idle";
}
