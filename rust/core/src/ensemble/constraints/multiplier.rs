//! Where a monotone function of one multiplier vanishes.

/// The multiplier ν of one fragment on its way to the root of a monotone function.
#[derive(Debug, Clone)]
pub(super) struct Multiplier {
    pub(super) nu: f64,
    bracket: [f64; 2],
    /// Smallest excess so far, and where.
    pub(super) best: (f64, f64),
    done: bool,
}

impl Default for Multiplier {
    fn default() -> Self {
        let bracket = [f64::NEG_INFINITY, f64::INFINITY];
        Self { nu: 0.0, bracket, best: (f64::INFINITY, 0.0), done: false }
    }
}

impl Multiplier {
    /// Next ν after an excess with a slope; false if there is nothing left to gain.
    pub(super) fn advance(&mut self, excess: f64, slope: f64) -> bool {
        if self.done {
            return false;
        }
        let better = excess.abs() < self.best.0;
        let stuck = !better && self.best.0 < 1e-9;
        if better {
            self.best = (excess.abs(), self.nu);
        }
        if stuck || excess.abs() <= 1e-15 {
            self.done = true;
            return false;
        }
        self.bracket[usize::from(excess > 0.0)] = self.nu;
        self.nu = next_multiplier(self.nu, excess, slope, self.bracket);
        self.done = self.bracket.contains(&self.nu);
        !self.done
    }
}

/// Newton step on ν, bisected into the bracket, and bounded while there is no bracket.
fn next_multiplier(nu: f64, excess: f64, slope: f64, [low, high]: [f64; 2]) -> f64 {
    let step = (-excess / slope.max(1e-300)).clamp(-4.0 - nu.abs(), 4.0 + nu.abs());
    let next = nu + step;
    if next > low && next < high { next } else { 0.5 * (low + high) }
}
