//! Between which values each number may be set.

use super::{Argon2Settings, ChannelSettings, DeliverySettings, Limits, PagesSettings, Passwords, SignUp};

/// A number of the settings with its bounds, both included.
pub struct Bounded {
    /// Where it stands in the file.
    pub place: &'static str,
    pub value: u64,
    pub min: u64,
    pub max: u64,
}

const fn bounded(place: &'static str, value: u64, min: u64, max: u64) -> Bounded {
    Bounded { place, value, min, max }
}

/// All numbers of `[limits]`.
pub fn of_limits(limits: &Limits) -> Vec<Bounded> {
    const HOUR_S: u64 = 3600;
    const DAY_S: u64 = 24 * HOUR_S;
    const MIB: u64 = 1024 * 1024;
    vec![
        bounded("limits.session_lifetime_s", limits.session_lifetime_s, 1, HOUR_S),
        bounded("limits.first_factor_lifetime_s", limits.first_factor_lifetime_s, 1, HOUR_S),
        bounded("limits.setup_lifetime_s", limits.setup_lifetime_s, 1, HOUR_S),
        bounded("limits.result_code_lifetime_s", limits.result_code_lifetime_s, 1, 600),
        bounded("limits.access_token_lifetime_s", limits.access_token_lifetime_s, 1, DAY_S),
        bounded("limits.refresh_token_lifetime_s", limits.refresh_token_lifetime_s, 1, 5 * 366 * DAY_S),
        bounded("limits.fresh_proof_max_age_s", limits.fresh_proof_max_age_s, 1, HOUR_S),
        bounded("limits.sessions_per_user_max", limits.sessions_per_user_max as u64, 1, 1000),
        bounded("limits.setups_per_user_max", limits.setups_per_user_max as u64, 1, 100),
        bounded("limits.body_bytes_max", limits.body_bytes_max as u64, 4096, 16 * MIB),
        bounded("limits.request_timeout_s", limits.request_timeout_s, 1, 300),
        bounded("limits.module_deadline_ms", limits.module_deadline_ms, 100, 60_000),
        bounded("limits.module_slots", limits.module_slots as u64, 1, 64),
        bounded("limits.module_reply_bytes_max", limits.module_reply_bytes_max as u64, 4096, 64 * MIB),
        bounded("limits.module_memory_mib_max", limits.module_memory_mib_max, 32, 16 * 1024),
        bounded("limits.module_crashes_max", limits.module_crashes_max.into(), 1, 1000),
        bounded("limits.password_hashes_at_once", limits.password_hashes_at_once as u64, 1, 256),
        bounded("limits.password_queue_max", limits.password_queue_max as u64, 1, 10_000),
        bounded("limits.commands_at_once", limits.commands_at_once as u64, 1, 256),
    ]
}

/// All numbers of `[argon2]`; too small a product of memory and iterations is warned of.
pub fn of_argon2(argon2: &Argon2Settings) -> Vec<Bounded> {
    vec![
        bounded("argon2.memory_kib", argon2.memory_kib.into(), 7168, 1024 * 1024),
        bounded("argon2.iterations", argon2.iterations.into(), 1, 64),
        bounded("argon2.parallelism", argon2.parallelism.into(), 1, 16),
    ]
}

/// All numbers of `[delivery]`.
pub fn of_delivery(delivery: &DeliverySettings) -> Vec<Bounded> {
    vec![
        bounded("delivery.sends_at_once_max", delivery.sends_at_once_max as u64, 1, 64),
        bounded("delivery.messages_per_user_hour_max", delivery.messages_per_user_hour_max, 1, 10_000),
        bounded("delivery.messages_per_target_hour_max", delivery.messages_per_target_hour_max, 1, 10_000),
        bounded("delivery.messages_per_hour_max", delivery.messages_per_hour_max, 1, 10_000_000),
        bounded("delivery.hand_over_wait_ms", delivery.hand_over_wait_ms, 0, 10_000),
        bounded("delivery.resend_wait_s", delivery.resend_wait_s, 0, 600),
    ]
}

/// All numbers of one `[[channel]]`.
pub fn of_channel(channel: &ChannelSettings) -> Vec<Bounded> {
    // A command on a running host waits a minute for its answer.
    vec![bounded("channel.timeout_s", channel.timeout_s, 1, 50)]
}

/// All numbers of `[passwords]` and `[sign_up]`.
pub fn of_people(passwords: &Passwords, sign_up: &SignUp) -> Vec<Bounded> {
    const DAY_S: u64 = 24 * 3600;
    vec![
        bounded("passwords.length_min", passwords.length_min as u64, 8, 128),
        bounded("sign_up.invitation_lifetime_s", sign_up.invitation_lifetime_s, 60, 31 * DAY_S),
    ]
}

/// The number of `[pages]`.
pub fn of_pages(pages: &PagesSettings) -> Vec<Bounded> {
    vec![bounded("pages.session_lifetime_s", pages.session_lifetime_s, 60, 31 * 24 * 3600)]
}

/// The number of one `[[provider]]`; the place is without its position.
pub fn of_provider(time_limit_s: u64) -> Bounded {
    bounded("provider.time_limit_s", time_limit_s, 1, 60)
}

/// As [`of_provider`], with the default.
#[cfg(test)]
pub fn of_any_provider() -> Bounded {
    of_provider(super::provider_types::TIME_LIMIT_S)
}

/// Longest `client_id`, in the settings and in a request.
pub const CLIENT_ID_BYTES_MAX: usize = 255;

/// Memory times iterations below which a start warns: the weakest of the recommendations for argon2id in the OWASP password storage
/// cheat sheet (7 MiB, 5 iterations).
pub const ARGON2_WORK_KIB_MIN: u64 = 7168 * 5;
