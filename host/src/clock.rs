//! Time, as an argument everywhere. This is the one file that asks the system for it.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// One reading of both clocks, taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970-01-01T00:00:00Z; may jump.
    pub wall: Timestamp,
    /// Milliseconds since the machine started, asleep or awake; never jumps.
    pub boot_ms: i64,
    /// Which start of the machine `boot_ms` counts from.
    pub boot_id: std::sync::Arc<str>,
}

/// A moment of the wall clock, in milliseconds since 1970-01-01T00:00:00Z; in JSON an RFC 3339 text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment and `seconds` more.
    pub fn plus_s(self, seconds: u64) -> Self {
        Self(self.0.saturating_add_unsigned(seconds.saturating_mul(1000)))
    }

    /// Milliseconds from `earlier` to this moment; negative if it is the other way round.
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 with milliseconds, in UTC.
    pub fn rfc3339(self) -> String {
        DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

/// Day and minute for a person in their zone, by its name in the IANA database; in UTC without one. The zone is always
/// said, as in `2026-07-01 14:30 CEST`.
pub fn zoned(moment: Timestamp, zone: Option<&str>) -> String {
    let zone = zone.and_then(|name| name.parse().ok()).unwrap_or(chrono_tz::UTC);
    let moment = DateTime::<Utc>::from_timestamp_millis(moment.0).unwrap_or_default().with_timezone(&zone);
    // A zone without an abbreviation has its distance from UTC in that place.
    let from_utc = if moment.format("%Z").to_string().starts_with(['+', '-']) { "UTC" } else { "" };
    format!("{} {from_utc}{}", moment.format("%Y-%m-%d %H:%M"), moment.format("%Z"))
}

/// Whether there is a zone of this name.
pub fn is_zone(name: &str) -> bool {
    name.parse::<chrono_tz::Tz>().is_ok()
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let moment = DateTime::parse_from_rfc3339(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(moment.timestamp_millis()))
    }
}

/// Where time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clocks.
    System { boot_id: std::sync::Arc<str> },
    /// A JSON file `{"wall_ms", "boot_ms", "boot_id"}` read at every look: `[development] clock_file`.
    File(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileReading {
    wall_ms: i64,
    boot_ms: i64,
    boot_id: String,
}

impl Clock {
    /// The machine's clocks, unless there is a file for tests.
    pub fn read_from(file: Option<PathBuf>) -> Self {
        file.map_or_else(Self::system, Self::File)
    }

    /// The machine's clocks.
    pub fn system() -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self::System { boot_id: boot_id.trim().into() }
    }

    /// A reading of both clocks.
    ///
    /// # Panics
    /// When a development clock file cannot be read: without time nothing can be decided.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn now(&self) -> Now {
        match self {
            Self::System { boot_id } => {
                let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                Now {
                    wall: Timestamp(Utc::now().timestamp_millis()),
                    boot_ms: boot.tv_sec * 1000 + boot.tv_nsec / 1_000_000,
                    boot_id: boot_id.clone(),
                }
            }
            Self::File(path) => {
                let text = std::fs::read(path).unwrap_or_else(|error| panic!("clock file {}: {error}", path.display()));
                let reading: FileReading = serde_json::from_slice(&text)
                    .unwrap_or_else(|error| panic!("clock file {}: {error}", path.display()));
                Now { wall: Timestamp(reading.wall_ms), boot_ms: reading.boot_ms, boot_id: reading.boot_id.into() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_the_readers_zone_and_the_zone_with_it() {
        let (winter, summer) = (Timestamp(2_051_222_410_000), Timestamp(2_066_860_800_000));
        for (moment, zone, told) in [
            (winter, None, "2035-01-01 00:00 UTC"),
            (winter, Some("Mars"), "2035-01-01 00:00 UTC"),
            (winter, Some("Europe/Berlin"), "2035-01-01 01:00 CET"),
            (summer, Some("Europe/Berlin"), "2035-07-01 02:00 CEST"),
            (winter, Some("America/New_York"), "2034-12-31 19:00 EST"),
            (winter, Some("Asia/Kolkata"), "2035-01-01 05:30 IST"),
            (winter, Some("America/Sao_Paulo"), "2034-12-31 21:00 UTC-03"),
            (winter, Some("UTC"), "2035-01-01 00:00 UTC"),
        ] {
            assert_eq!(zoned(moment, zone), told, "{zone:?}");
        }
    }

    #[test]
    fn only_names_of_the_database_are_zones() {
        for name in ["Europe/Berlin", "UTC", "Etc/GMT+1", "America/Port-au-Prince", "Asia/Shanghai"] {
            assert!(is_zone(name), "{name}");
        }
        for name in ["Mars", "", "../etc", "Europe/", "europe/berlin", "Europe/Berlin ", "CEST"] {
            assert!(!is_zone(name), "{name}");
        }
    }
}
