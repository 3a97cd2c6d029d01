//! Rounds of one row: host and bare baseline in turn, so that what else the machine does meets both; then the median.

/// Figures of one row, in the order they were taken.
#[derive(Default)]
pub struct Rounds {
    figures: Vec<f64>,
    bare: Vec<f64>,
}

impl Rounds {
    /// One round without anything to compare it with.
    pub fn add(&mut self, figure: f64) {
        self.figures.push(figure);
    }

    /// One round and the bare figure of the same moment.
    pub fn add_beside(&mut self, figure: f64, bare: f64) {
        self.figures.push(figure);
        self.bare.push(bare);
    }

    /// The median.
    pub fn figure(&self) -> f64 {
        median(&self.figures)
    }

    pub fn bare(&self) -> Option<f64> {
        (!self.bare.is_empty()).then(|| median(&self.bare))
    }

    /// The median of the ratios of each round, not the ratio of two medians.
    pub fn ratio(&self) -> Option<f64> {
        let ratios: Vec<f64> = self.figures.iter().zip(&self.bare).map(|(figure, bare)| figure / bare).collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    /// From the least to the greatest figure, over the median.
    pub fn spread(&self) -> f64 {
        let least = self.figures.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = self.figures.iter().copied().fold(0.0, f64::max);
        (greatest - least) / self.figure()
    }
}

/// The middle one; of an even number the lower of the two.
fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}
