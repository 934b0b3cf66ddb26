//! In which direction a sync carries changes. Values only.

/// How differences are settled. Names and meaning follow Mutagen's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Both ways; of two different changes neither is touched.
    #[default]
    TwoWaySafe,
    /// Both ways; alpha's change wins, beta's goes to beta's trash.
    TwoWayAlphaWins,
    /// Alpha to beta; what changed on beta is never overwritten.
    OneWaySafe,
    /// Beta becomes what alpha is.
    OneWayReplica,
}

impl Mode {
    /// Whether anything may be written to alpha.
    pub fn writes_alpha(self) -> bool {
        matches!(self, Self::TwoWaySafe | Self::TwoWayAlphaWins)
    }
}
