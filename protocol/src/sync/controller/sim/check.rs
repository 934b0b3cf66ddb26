//! What has to hold in a simulated world: when it has settled, and at any time.

use super::*;

impl World {
    /// Ends all faults and runs until nothing moves.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        self.say("faults end".into());
        self.disks.iter_mut().for_each(|disk| disk.full = false);
        if !self.linked {
            self.open(Side::Beta);
            self.linked = true;
        }
        // Whoever loses events scans by itself; nothing else may need an audit.
        let audit = self.random.chance(30);
        for round in 0..4000 {
            let mut moved = false;
            for side in [Side::Alpha, Side::Beta] {
                let disk = &mut self.disks[index(side)];
                disk.overflowed |= audit && round == 0;
                disk.scan_on(1000);
                moved |= !disk.observations.is_empty();
                while !self.disks[index(side)].observations.is_empty() {
                    self.deliver(side);
                }
            }
            moved |= !self.carriages.is_empty();
            for _ in 0..self.carriages.len() * 3 {
                self.advance();
            }
            self.drain();
            if let Phase::Braked(reason) = self.controller.phase() {
                self.say(format!("braked: {reason}"));
                self.check_disaster()?;
                let how = if self.disaster { Resume::Restore } else { Resume::Delete };
                self.controller.resume(how);
                self.disaster = false;
                self.drain();
                moved = true;
            }
            if !moved && self.carriages.is_empty() {
                match self.controller.deadline() {
                    Some(at) => self.now = self.now.max(at),
                    None => return self.check(),
                }
                self.drain();
            }
        }
        Err(format!("never comes to rest: {:?}", self.controller.summary()))
    }

    /// While beta is empty by disaster, alpha keeps what it had.
    pub(super) fn check_disaster(&self) -> Result<(), String> {
        if !self.disaster {
            return Ok(());
        }
        let alpha: BTreeSet<_> = self.disks[0].contents().collect();
        let lost: Vec<_> = self
            .written
            .iter()
            .filter(|content| self.disks[0].trash.contains(content))
            .filter(|content| !alpha.contains(content) && !self.excused.contains(content))
            .filter(|content| !self.disks[1].contents().any(|other| other == **content))
            .collect();
        if lost.is_empty() || lost.len() < 5 {
            return Ok(());
        }
        Err(format!("the disaster reached alpha: {lost:?}"))
    }

    pub(super) fn check(&mut self) -> Result<(), String> {
        let mut kept: BTreeSet<u32> = BTreeSet::new();
        for disk in &self.disks {
            kept.extend(disk.contents());
            kept.extend(&disk.trash);
        }
        if let Some(lost) = self
            .written
            .iter()
            .find(|content| !kept.contains(content) && !self.excused.contains(content))
        {
            return Err(format!("content {lost} is lost"));
        }
        let summary = self.controller.summary();
        if summary.phase != Phase::Settled || !summary.problems.is_empty() {
            return Err(format!("not settled: {summary:?}"));
        }
        let conflicts: Vec<_> = self.controller.conflicts().map(|view| view.path).collect();
        let paths: BTreeSet<_> =
            self.disks.iter().flat_map(|disk| disk.tree.keys().cloned()).collect();
        for path in paths {
            let near = conflicts.iter().any(|at| path.is_within(at) || at.is_within(&path));
            let [alpha, beta] = [0, 1].map(|side| self.disks[side].entry(&path));
            let equal = agree(alpha.as_ref(), beta.as_ref())
                || (!self.disks[1].keeps_modes
                    && alpha.as_ref().map(model::without_mode)
                        == beta.as_ref().map(model::without_mode));
            if !near && !equal {
                let why = self.controller.why(&path);
                let [alpha, beta] = [alpha, beta].map(|state| model::short(state.as_ref()));
                return Err(format!("{path:?} differs: {alpha} / {beta}: {why:?}"));
            }
        }
        self.check_counters()
    }

    /// What is counted incrementally is what counting anew gives.
    pub(super) fn check_counters(&self) -> Result<(), String> {
        let lanes = &self.controller.lanes;
        for side in [Side::Alpha, Side::Beta] {
            let present = lanes.values().filter(|lane| lane.present(side)).count() as u64;
            let counted = self.controller.sides[index(side)].present;
            if present != counted {
                return Err(format!("{side:?}: {present} present, counted {counted}"));
            }
        }
        let agreed = lanes.values().filter(|lane| lane.ancestor.is_some()).count() as u64;
        if agreed != self.controller.totals.agreed || self.controller.bodies != 0 {
            return Err(format!("{agreed} agreed, counted {:?}", self.controller.totals));
        }
        Ok(())
    }

    /// A user ends every conflict in favour of one side.
    pub(super) fn resolve_all(&mut self) -> Result<(), String> {
        for _ in 0..20 {
            let paths: Vec<_> = self.controller.conflicts().map(|view| view.path).collect();
            if paths.is_empty() {
                return Ok(());
            }
            for path in paths {
                let keep = if self.random.chance(50) { Side::Alpha } else { Side::Beta };
                self.say(format!("resolve {path:?} for {keep:?}"));
                self.controller.resolve(&path, keep);
                self.drain();
            }
            self.settle()?;
        }
        Err("conflicts come back for ever".into())
    }
}
