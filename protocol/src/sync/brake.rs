//! Holds deletions for a moment and judges them as a burst. Knows numbers and
//! times only: which paths they are is the controller's business.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use super::entry::Side;

/// Quiet time before deletions are carried: a rename or an atomic save shows a
/// path gone for a moment. Longer towards alpha, where the user's own files are.
const QUIET_TO_BETA: Duration = Duration::from_millis(50);
const QUIET_TO_ALPHA: Duration = Duration::from_millis(250);
/// However busy the side is, a few deletions wait no longer than this.
const HOLD_MAX: Duration = Duration::from_secs(2);
/// And many no longer than this: half of a vanishing tree must not pass for a
/// subtree only because it vanishes slowly.
const HOLD_MANY_MAX: Duration = Duration::from_secs(10);
/// Deletions within this time count as one burst.
const BURST: Duration = Duration::from_secs(5);
/// Deletions towards alpha that are always allowed, and above it the share.
const FEW: u64 = 100;
const SHARE_PERCENT: u64 = 20;
/// From so many on, nine of ten gone mean that the target's tree was emptied.
const EMPTIED_MIN: u64 = 5;

/// What is known when a burst is judged.
#[derive(Debug, Clone, Copy)]
pub struct Burst {
    /// Where the deletions would be carried out.
    pub to: Side,
    /// How many are held.
    pub held: u64,
    /// Entries the other side still shows.
    pub left_at_source: u64,
    /// Entries on the side that would lose them.
    pub present: u64,
    /// Entries both sides agreed on.
    pub agreed: u64,
}

/// One direction's brake.
#[derive(Debug, Default)]
pub struct Brake {
    first: Option<Duration>,
    last: Duration,
    many: bool,
    window: Option<Duration>,
    released: u64,
    engaged: Option<String>,
}

impl Brake {
    /// A deletion came to be held.
    pub fn hold(&mut self, now: Duration, held: u64) {
        self.first.get_or_insert(now);
        self.last = now;
        self.many = held > FEW;
    }

    /// When the held ones are to be judged, if any are held and the brake is
    /// not engaged.
    pub fn due(&self, to: Side) -> Option<Duration> {
        if self.engaged.is_some() {
            return None;
        }
        let quiet = match to {
            Side::Beta => QUIET_TO_BETA,
            Side::Alpha => QUIET_TO_ALPHA,
        };
        let longest = if self.many { HOLD_MANY_MAX } else { HOLD_MAX };
        self.first.map(|first| (self.last + quiet).min(first + longest))
    }

    /// Judges the burst: true lets it go, false engages the brake.
    pub fn judge(&mut self, now: Duration, burst: Burst) -> bool {
        self.first = None;
        if self.window.is_none_or(|start| now.saturating_sub(start) > BURST) {
            self.window = Some(now);
            self.released = 0;
        }
        let total = self.released + burst.held;
        if let Some(reason) = verdict(burst, total) {
            self.engaged = Some(reason);
            return false;
        }
        self.released = total;
        true
    }

    /// Why it is engaged, if it is.
    pub fn engaged(&self) -> Option<&str> {
        self.engaged.as_deref()
    }

    /// Lets go, by the user's word.
    pub fn release(&mut self) {
        *self = Self::default();
    }

    /// Forgets held deletions: there are none any more.
    pub fn clear(&mut self) {
        self.first = None;
        self.many = false;
    }
}

fn verdict(burst: Burst, total: u64) -> Option<String> {
    let (from, on) = match burst.to {
        Side::Alpha => ("the target", "here"),
        Side::Beta => ("the local folder", "on the target"),
    };
    if burst.left_at_source == 0 && burst.present >= 2 {
        return Some(format!(
            "everything is gone from {from}; the {} entries {on} were not deleted",
            burst.present
        ));
    }
    // A few paths may have been made anew in a tree that was emptied.
    let emptied =
        total >= EMPTIED_MIN && total.saturating_mul(10) >= burst.agreed.saturating_mul(9);
    if burst.to == Side::Alpha && emptied {
        return Some(format!(
            "nearly everything ({total} of {} entries) is gone from {from}; it was not deleted {on}",
            burst.agreed
        ));
    }
    let allowed = FEW.max(burst.present.saturating_mul(SHARE_PERCENT) / 100);
    if burst.to == Side::Alpha && total > allowed {
        return Some(format!(
            "{total} of {} entries vanished from {from} at once; they were not deleted {on}",
            burst.present
        ));
    }
    None
}
