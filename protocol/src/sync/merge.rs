//! The three-way merge of one path. Knows nothing of other paths: that a
//! directory is emptied before it goes is the controller's business.

#[cfg(test)]
mod tests;

use super::ancestor::{Ancestor, mode, same_content, with_mode};
use super::entry::{Entry, Side, agree};
use super::mode::Mode;

/// What is to be done about a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Both sides hold the same: that is the new ancestor.
    Agreed,
    /// `to` is to hold `new`.
    Carry {
        /// The side to change.
        to: Side,
        /// What it is to hold.
        new: Option<Entry>,
    },
    /// Both changed it differently; neither is touched.
    Conflict,
    /// They differ and may: a one-way sync leaves beta's own content alone.
    Leave,
}

/// How far the two trees know each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquaintance {
    /// They meet for the first time, or one of them was replaced: what has no
    /// ancestor is united, alpha being right, and nothing is deleted for it.
    Meeting,
    /// A path without an ancestor is new on the side that has it.
    Joined,
}

/// Decides about one path.
///
/// | alpha \ beta | as before | changed | deleted |
/// |---|---|---|---|
/// | as before | agreed | carry to alpha | delete on alpha |
/// | changed | carry to beta | conflict | carry to beta |
/// | deleted | delete on beta | carry to alpha | agreed |
///
/// (two-way-safe; the other modes replace the conflict or a direction.)
pub fn merge(
    how: Mode,
    acquaintance: Acquaintance,
    ancestor: Option<&Ancestor>,
    alpha: Option<&Entry>,
    beta: Option<&Entry>,
) -> Verdict {
    let held = |side, state: Option<&Entry>| match ancestor {
        Some(ancestor) => ancestor.holds_on(side, state),
        None => state.is_none(),
    };
    let (alpha_held, beta_held) = (held(Side::Alpha, alpha), held(Side::Beta, beta));
    if agree(alpha, beta) || (alpha_held && beta_held) {
        return Verdict::Agreed;
    }
    let to_beta = || Verdict::Carry { to: Side::Beta, new: alpha.cloned() };
    if how == Mode::OneWayReplica {
        return to_beta();
    }
    if let (Some(alpha), Some(beta)) = (alpha, beta)
        && let Some(verdict) = merge_modes(how, ancestor, alpha, beta)
    {
        return verdict;
    }
    let meets = acquaintance == Acquaintance::Meeting && ancestor.is_none();
    let displaces_directory = matches!(beta, Some(Entry::Directory { .. }));
    if meets && alpha.is_some() && beta.is_some() {
        return if displaces_directory { Verdict::Conflict } else { to_beta() };
    }
    if how == Mode::OneWaySafe {
        return match (alpha, beta) {
            (_, _) if beta_held => to_beta(),
            (Some(_), None) => to_beta(),
            (Some(_), Some(_)) if !alpha_held || ancestor.is_some() => Verdict::Conflict,
            _ => Verdict::Leave,
        };
    }
    match (alpha_held, beta_held) {
        (false, true) => to_beta(),
        (true, false) => Verdict::Carry { to: Side::Alpha, new: beta.cloned() },
        // Both changed, differently.
        _ if how == Mode::TwoWayAlphaWins => to_beta(),
        _ => match (alpha, beta) {
            (None, _) => Verdict::Carry { to: Side::Alpha, new: beta.cloned() },
            (_, None) => to_beta(),
            _ => Verdict::Conflict,
        },
    }
}

/// Settles content and permission bits on their own where no two contents
/// compete: a `chmod` on one side never fights an edit on the other.
fn merge_modes(
    how: Mode,
    ancestor: Option<&Ancestor>,
    alpha: &Entry,
    beta: &Entry,
) -> Option<Verdict> {
    let carry = |to, new| Some(Verdict::Carry { to, new: Some(new) });
    let mode_kept = |side: Side, entry: &Entry| {
        ancestor.is_some_and(|ancestor| mode(&ancestor.on(side)) == mode(entry))
    };
    if same_content(alpha, beta) {
        return if how.writes_alpha()
            && mode_kept(Side::Alpha, alpha)
            && !mode_kept(Side::Beta, beta)
        {
            carry(Side::Alpha, beta.clone())
        } else {
            carry(Side::Beta, alpha.clone())
        };
    }
    // One side has new content of the same kind, the other only a new mode.
    let ancestor = ancestor?;
    let only_mode = |side: Side, entry: &Entry| {
        same_content(&ancestor.on(side), entry) && !ancestor.holds_on(side, Some(entry))
    };
    if !matches!((alpha, beta), (Entry::File { .. }, Entry::File { .. })) {
        return None;
    }
    if only_mode(Side::Beta, beta) {
        let kept = mode_kept(Side::Alpha, alpha) && how.writes_alpha();
        let bits = if kept { mode(beta)? } else { mode(alpha)? };
        return carry(Side::Beta, with_mode(alpha, bits));
    }
    if how.writes_alpha() && only_mode(Side::Alpha, alpha) {
        return carry(Side::Alpha, with_mode(beta, mode(alpha)?));
    }
    None
}
