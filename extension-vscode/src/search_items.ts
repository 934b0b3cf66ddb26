// Owns how places where a text was found are listed. Pure.

import type { FileMatch } from "./protocol";

export interface MatchItem {
    readonly label: string;
    readonly description: string;
    readonly detail: string;
    readonly match: FileMatch;
}

export function matchItems(matches: readonly FileMatch[]): MatchItem[] {
    return matches.map((match) => {
        const slash = match.path.lastIndexOf("/");
        return {
            label: `${match.path.slice(slash + 1)}:${match.line}`,
            description: match.path.slice(0, slash + 1),
            detail: match.text.trim(),
            match,
        };
    });
}
