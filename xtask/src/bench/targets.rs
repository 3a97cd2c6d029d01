//! What must be reached. Each row of the table that has a target finds it here by its name.

/// What a row is held to.
#[derive(Clone, Copy)]
pub enum Target {
    /// The figure itself.
    AtMost(f64),
    /// The figure over the bare one beside it.
    RatioAtMost(f64),
    RatioAtLeast(f64),
}

const TARGETS: &[(&str, Target)] = &[
    ("start with 10,000 users", Target::AtMost(150.0)),
    ("memory of the host", Target::AtMost(15.0)),
    ("memory of a worker", Target::AtMost(5.0)),
    ("module call", Target::RatioAtMost(3.0)),
    ("commit, 64 waiting", Target::RatioAtLeast(0.6)),
    ("longest wait for a commit", Target::AtMost(100.0)),
    ("login by argon2id", Target::RatioAtLeast(0.9)),
    ("login, 100 users, 64 at once", Target::RatioAtLeast(0.2)),
    ("login, 100,000 users, 64 at once", Target::RatioAtLeast(0.2)),
    ("login with a sent code, 64 at once", Target::RatioAtLeast(0.15)),
    ("page to sign in", Target::AtMost(1000.0)),
];

/// The target of a row; none means that the row is shown to be compared, not judged.
pub fn of(row: &str) -> Option<Target> {
    TARGETS.iter().find(|(name, _)| *name == row).map(|(_, target)| *target)
}

impl Target {
    /// Whether it is met.
    pub fn is_met(self, figure: f64, ratio: Option<f64>) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::RatioAtMost(most) => ratio.is_some_and(|ratio| ratio <= most),
            Self::RatioAtLeast(least) => ratio.is_some_and(|ratio| ratio >= least),
        }
    }

    /// As it stands in the table.
    pub fn shown(self, unit: &str) -> String {
        match self {
            Self::AtMost(most) => format!("≤ {most} {unit}"),
            Self::RatioAtMost(most) => format!("≤ {most:.1} ×"),
            Self::RatioAtLeast(least) => format!("≥ {least:.2} ×"),
        }
    }
}
