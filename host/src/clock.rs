//! Time, as an argument everywhere. This is the one file that asks the system for it.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use jiff::tz::TimeZone;
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
        self.written().map_or_else(|| self.far_away(), |text| text.as_str().to_owned())
    }

    fn written(self) -> Option<Written> {
        let (day, ms) = (self.0.div_euclid(DAY_MS), self.0.rem_euclid(DAY_MS).unsigned_abs());
        let (year, month, day) = date_of(day);
        // A year of other than four digits is written with a sign.
        let year = u64::try_from(year).ok().filter(|year| *year <= 9999)?;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put(&mut text[0..4], year);
        put(&mut text[5..7], month);
        put(&mut text[8..10], day);
        put(&mut text[11..13], ms / 3_600_000);
        put(&mut text[14..16], ms / 60_000 % 60);
        put(&mut text[17..19], ms / 1000 % 60);
        put(&mut text[20..23], ms % 1000);
        Some(Written(text))
    }

    fn far_away(self) -> String {
        DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// What [`Timestamp::rfc3339`] writes, to the byte; anything else is for a reader of RFC 3339 as a whole.
    fn read(text: &[u8]) -> Option<Self> {
        let text: &[u8; WRITTEN_BYTES] = text.try_into().ok()?;
        let is_form = b"0000-00-00T00:00:00.000Z".iter().zip(text).all(|(form, byte)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        });
        let number =
            |from: usize, to: usize| text[from..to].iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        if !is_form {
            return None;
        }
        let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
        let (hour, minute, second, ms) = (number(11, 13), number(14, 16), number(17, 19), number(20, 23));
        // Days 29 to 31 are not in every month, and a leap second is a matter of its own.
        let is_plain = (1..=12).contains(&month) && (1..=28).contains(&day) && hour < 24 && minute < 60 && second < 60;
        let ms_of_day = ((hour * 60 + minute) * 60 + second) * 1000 + ms;
        is_plain.then(|| Self(day_of(year, month, day) * DAY_MS + ms_of_day))
    }
}

const DAY_MS: i64 = 86_400_000;
const WRITTEN_BYTES: usize = 24;

/// The text of a moment, all of it ASCII.
struct Written([u8; WRITTEN_BYTES]);

impl Written {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The lowest digits of a number, as many as there is room for.
fn put(room: &mut [u8], mut number: u64) {
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Days in 400 years, after which the calendar repeats itself.
const ERA_DAYS: i64 = 146_097;
/// From 0000-03-01, where the count of an era begins, to 1970-01-01. A year that begins with March has its leap day last.
const EPOCH_DAYS: i64 = 719_468;

/// Year, month and day so many days after 1970-01-01.
fn date_of(days: i64) -> (i64, u64, u64) {
    let days = days + EPOCH_DAYS;
    let (era, day) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month.unsigned_abs(), day.unsigned_abs())
}

/// Days from 1970-01-01 to this date.
fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day = (153 * month + 2) / 5 + day - 1;
    era * ERA_DAYS + 365 * year + year / 4 - year / 100 + day - EPOCH_DAYS
}

/// Day and minute for a person in their zone, by its name in the IANA database; in UTC without one. The zone is always
/// said, as in `2026-07-01 14:30 CEST`.
pub fn zoned(moment: Timestamp, zone: Option<&str>) -> String {
    let zone = zone.and_then(zone_of).unwrap_or(TimeZone::UTC);
    let moment = jiff::Timestamp::from_millisecond(moment.0).unwrap_or_default().to_zoned(zone);
    // A zone without an abbreviation has its distance from UTC in that place.
    let from_utc = if moment.strftime("%Z").to_string().starts_with(['+', '-']) { "UTC" } else { "" };
    format!("{} {from_utc}{}", moment.strftime("%Y-%m-%d %H:%M"), moment.strftime("%Z"))
}

/// Whether there is a zone of this name.
pub fn is_zone(name: &str) -> bool {
    zone_of(name).is_some()
}

/// The zone that is written so, capitals and all: other programs are told the name as well.
fn zone_of(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().filter(|zone| zone.iana_name() == Some(name))
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.written() {
            Some(text) => serializer.serialize_str(text.as_str()),
            None => serializer.serialize_str(&self.far_away()),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Moment;

        impl serde::de::Visitor<'_> for Moment {
            type Value = Timestamp;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a moment in RFC 3339")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
                let whole = || Ok(Timestamp(DateTime::parse_from_rfc3339(text).map_err(E::custom)?.timestamp_millis()));
                Timestamp::read(text.as_bytes()).map_or_else(whole, Ok)
            }
        }

        deserializer.deserialize_str(Moment)
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

    /// As the calendar of another has it.
    fn theirs(moment: Timestamp) -> String {
        moment.far_away()
    }

    #[test]
    fn a_moment_is_written_as_rfc_3339_has_it_and_read_again() {
        let day_by_day = (-800_000..2_950_000).map(|day| day * DAY_MS + (day.rem_euclid(997) * 86_399));
        let edges = [0, -1, 999, 1000, 951_782_400_000, 951_868_799_999, 253_402_300_799_999, 253_402_300_800_000];
        for ms in day_by_day.step_by(37).chain(edges).chain([-62_167_219_200_000, -62_167_219_200_001, i64::MAX]) {
            let moment = Timestamp(ms);
            assert_eq!(moment.rfc3339(), theirs(moment), "{ms}");
            let json = serde_json::to_string(&moment).unwrap();
            assert_eq!(json, format!("\"{}\"", theirs(moment)));
            if (-62_167_219_200_000..253_402_300_800_000).contains(&ms) {
                assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), moment);
            }
        }
    }

    #[test]
    fn a_moment_of_another_hand_is_read_as_before() {
        let read = |text: &str| serde_json::from_value::<Timestamp>(text.into()).ok();
        for text in [
            "2026-02-29T00:00:00.000Z",
            "2024-02-29T12:30:59.999Z",
            "2026-13-01T00:00:00.000Z",
            "2026-00-01T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
            "2026-01-32T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T00:60:00.000Z",
            "2016-12-31T23:59:60.500Z",
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.000z",
            "2026-01-01T00:00:00.1234567Z",
            "2026-01-01T02:00:00.000+02:00",
            "2026-01-01 00:00:00.000Z",
            "+026-01-01T00:00:00.000Z",
            "",
        ] {
            let theirs = DateTime::parse_from_rfc3339(text).ok().map(|moment| Timestamp(moment.timestamp_millis()));
            assert_eq!(read(text), theirs, "{text}");
        }
        assert!(serde_json::from_str::<Timestamp>("7").is_err());
    }
}
