//! Second factors of a directory: which modules they need, what the host keeps of each user, and the right answer.

use std::sync::Arc;

use argon2::Argon2;
use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use mfa_host::clock::Clock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Failure,
    directory::{SALT, user_name},
    sink::Sink,
};

pub const MODULE: &str = "insecure_example";
pub const PIN: &str = "271828";
const TOTP_MODULE: &str = "totp";
const SENT_CODE_MODULE: &str = "sms";
const BACKUP_CODES_MODULE: &str = "backup_codes";
/// The name of the channel, which is the one the module takes by itself.
const CHANNEL: &str = "sms";
/// One code for all: their batches share a salt, as no real ones do, so that one hash is all it takes to make them.
const BACKUP_CODE: &str = "c0rrectb0x";
/// What a fresh batch has.
const BACKUP_CODES: usize = 10;

/// What every user of a directory has beside the password.
#[derive(Clone)]
pub enum SecondFactor {
    Pin,
    Totp,
    /// A code by text message, through this gateway.
    SentCode(Arc<Sink>),
    /// A way back in, beside the PIN, with this batch.
    BackupCode(Arc<Value>),
}

/// What the host keeps of one user and one module.
pub struct Enrolment {
    pub module: &'static str,
    pub recovery: bool,
    /// What the module keeps, as it would have put it down itself.
    pub data: Value,
    /// Where messages for it may go.
    pub sent_to: Value,
}

impl SecondFactor {
    pub fn sent_code() -> Result<Self, Failure> {
        Ok(Self::SentCode(Arc::new(Sink::open()?)))
    }

    /// One hash, however many users there are: a check costs the same for each.
    pub fn backup_code() -> Result<Self, Failure> {
        let mut hash = [0; 32];
        let hashed = Argon2::default().hash_password_into(BACKUP_CODE.as_bytes(), SALT, &mut hash);
        hashed.map_err(|error| error.to_string())?;
        // The code of a login is the last of them; nobody has the others.
        let mut hashes = vec![BASE64URL_NOPAD.encode(&[0; 32]); BACKUP_CODES - 1];
        hashes.push(BASE64URL_NOPAD.encode(&hash));
        Ok(Self::BackupCode(Arc::new(json!({
            "salt": BASE64URL_NOPAD.encode(SALT), "memory_kib": 19 * 1024, "iterations": 2,
            "alphabet": "0123456789abcdefghjkmnpqrstvwxyz", "hashes": hashes, "issued": BACKUP_CODES,
        }))))
    }

    pub fn modules(&self) -> &'static [&'static str] {
        match self {
            Self::Pin => &[MODULE],
            Self::Totp => &[TOTP_MODULE],
            Self::SentCode(_) => &[SENT_CODE_MODULE],
            Self::BackupCode(_) => &[MODULE, BACKUP_CODES_MODULE],
        }
    }

    /// What these factors need of `host.toml`.
    pub fn settings(&self) -> String {
        let mut settings: String =
            self.modules().iter().map(|module| format!("\n[[module]]\ntype = \"{module}\"\n")).collect();
        if let Self::BackupCode(_) = self {
            settings += "recovery = true\n";
        }
        if let Self::SentCode(sink) = self {
            // No login is to be refused for those before it.
            settings += "\n[delivery]\nsends_at_once_max = 64\nmessages_per_user_hour_max = 10000\nmessages_per_target_hour_max = \
                 10000\nmessages_per_hour_max = 10000000\n";
            settings += &format!("\n[[channel]]\nname = \"{CHANNEL}\"\ntype = \"http\"\ntarget = \"phone\"\n");
            settings += &format!("prefixes = [\"+49\"]\n{}", sink.settings());
        }
        settings
    }

    /// The primary one first.
    pub fn enrolments(&self, number: usize) -> Vec<Enrolment> {
        let factor = |module, data| Enrolment { module, recovery: false, data, sent_to: json!([]) };
        match self {
            Self::Pin => vec![factor(MODULE, json!({"pin": PIN}))],
            Self::Totp => {
                let secret = BASE32_NOPAD.encode(&totp_secret(number));
                let data = json!({"secret": secret, "algorithm": "SHA1", "digits": 6, "period_s": 30, "last_step": 0});
                vec![factor(TOTP_MODULE, data)]
            }
            Self::SentCode(_) => {
                let phone = phone(number);
                let sent_to = json!([{"channel": CHANNEL, "to": phone}]);
                vec![Enrolment { sent_to, ..factor(SENT_CODE_MODULE, json!({"phone": phone})) }]
            }
            Self::BackupCode(batch) => {
                let codes = factor(BACKUP_CODES_MODULE, Value::clone(batch));
                vec![factor(MODULE, json!({"pin": PIN})), Enrolment { recovery: true, ..codes }]
            }
        }
    }

    /// The field this user answers in, and what with.
    pub fn answer(&self, number: usize, clock: &Clock) -> Result<(&'static str, String), Failure> {
        Ok(match self {
            Self::Pin => ("pin", PIN.to_owned()),
            Self::Totp => ("code", totp_code(number, clock)?),
            // The bare server sends nothing and takes anything; the host takes no code it did not send.
            Self::SentCode(sink) => ("code", sink.take(&phone(number)).unwrap_or_else(|| "000000".to_owned())),
            Self::BackupCode(_) => ("recovery_code", BACKUP_CODE.to_owned()),
        })
    }
}

/// Another number for each.
fn phone(number: usize) -> String {
    format!("+4930{number:08}")
}

/// The secret a user shares with the authenticator app: 160 bits, another for each.
fn totp_secret(number: usize) -> Vec<u8> {
    Sha256::digest(user_name(number))[..20].to_vec()
}

/// What the user's app shows at this moment.
fn totp_code(user: usize, clock: &Clock) -> Result<String, Failure> {
    let now_s = u64::try_from(clock.now().wall.0)? / 1000;
    let app = totp_rs::Builder::new().with_secret(totp_secret(user)).build_noncompliant();
    Ok(app.generate(now_s).to_string())
}
