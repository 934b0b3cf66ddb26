// Owns the one value that everything here is rendered from: what the server said last, or why there
// is no server that could say anything.

import type { Status, StatusNotification } from "./protocol";

export type View =
    | { readonly state: "noFolder" }
    /** The server is looked for or has not said anything yet. */
    | { readonly state: "starting" }
    /** It does not run; a full sentence why. */
    | { readonly state: "broken"; readonly reason: string }
    | ({ readonly state: "told" } & StatusNotification);

/** Whether anything is up: the hub may run with nothing wanted of it. */
export function isConnected(status: Status | null): status is Status {
    return status !== null && status.readiness.state !== "idle";
}

/** The part of a view that menus and buttons depend on. */
export function stateKey(view: View): "noFolder" | "starting" | "broken" | "disconnected" | "connected" {
    if (view.state !== "told") return view.state;
    return isConnected(view.status) ? "connected" : "disconnected";
}
