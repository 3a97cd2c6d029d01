//! The clock file a host reads at every look: tests move time, they never wait for it.

use std::path::{Path, PathBuf};

use serde_json::json;

/// 2035-01-01T00:00:10Z: ten seconds into a TOTP step, and later than any real commit of `init`.
const START_WALL_MS: i64 = 2_051_222_410_000;
const START_BOOT_MS: i64 = 1_000_000;

/// A clock of one configuration directory.
pub struct ManualClock {
    path: PathBuf,
    pub wall_ms: i64,
    pub boot_ms: i64,
    pub boot_id: String,
}

impl ManualClock {
    /// A new clock that is written to `clock.json` in this directory.
    pub fn new(config_directory: &Path) -> Self {
        let clock = Self {
            path: config_directory.join("clock.json"),
            wall_ms: START_WALL_MS,
            boot_ms: START_BOOT_MS,
            boot_id: "00000000-0000-4000-8000-000000000001".to_owned(),
        };
        clock.write();
        clock
    }

    /// A clock that goes on from a noted reading.
    pub fn at(config_directory: &Path, wall_ms: i64, boot_ms: i64, boot_id: &str) -> Self {
        let path = config_directory.join("clock.json");
        let clock = Self { path, wall_ms, boot_ms, boot_id: boot_id.to_owned() };
        clock.write();
        clock
    }

    /// Time passes, on both clocks.
    pub fn advance_ms(&mut self, milliseconds: i64) {
        self.wall_ms += milliseconds;
        self.boot_ms += milliseconds;
        self.write();
    }

    /// Time passes, on both clocks.
    pub fn advance_s(&mut self, seconds: i64) {
        self.advance_ms(seconds * 1000);
    }

    /// The wall clock is set; the machine's own clock goes on undisturbed.
    pub fn shift_wall_ms(&mut self, milliseconds: i64) {
        self.wall_ms += milliseconds;
        self.write();
    }

    /// The machine's own clock goes on while the wall clock stands.
    pub fn shift_boot_ms(&mut self, milliseconds: i64) {
        self.boot_ms += milliseconds;
        self.write();
    }

    fn write(&self) {
        let text = json!({"wall_ms": self.wall_ms, "boot_ms": self.boot_ms, "boot_id": self.boot_id}).to_string();
        let temporary = self.path.with_extension("json.new");
        std::fs::write(&temporary, text).expect("the clock file is written");
        std::fs::rename(&temporary, &self.path).expect("the clock file is replaced");
    }
}
