//! One batch of codes: argon2id hashes (RFC 9106) under one salt, so that an answer costs one hash however many there
//! are. Codes have 50 bits or more, so one salt helps nobody who would try them all.

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::BASE64URL_NOPAD;
use mfa_sdk::{Call, ModuleError, equal_in_constant_time};
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// 19 MiB and two passes, as OWASP recommends: several hashes at once stay far below the memory a worker has.
const MEMORY_KIB: u32 = 19 * 1024;
const ITERATIONS: u32 = 2;
/// What a record may ask for, so that a damaged one costs no more than a call.
const MEMORY_KIB_MAX: u32 = 64 * 1024;
const ITERATIONS_MAX: u32 = 8;
/// RFC 9106, section 3.1.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// What the host keeps. It has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// Base64url.
    salt: String,
    memory_kib: u32,
    iterations: u32,
    /// What the codes are made of, to put right what looks alike.
    alphabet: String,
    /// Base64url, of the codes that are left.
    hashes: Vec<String>,
    /// How many there were.
    pub(crate) issued: usize,
}

impl Batch {
    /// A fresh batch, and its codes: in this answer and nowhere else.
    pub(crate) fn new<Q>(config: &Config, ask: &Call<'_, Q>) -> Result<(Self, Vec<String>), ModuleError> {
        let mut codes: Vec<String> = Vec::new();
        while codes.len() < config.count {
            let code = ask.random().word(&config.alphabet, config.length);
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        let mut batch = Self {
            salt: BASE64URL_NOPAD.encode(&ask.random().bytes::<SALT_BYTES>()),
            memory_kib: MEMORY_KIB,
            iterations: ITERATIONS,
            alphabet: config.alphabet.clone(),
            hashes: Vec::new(),
            issued: codes.len(),
        };
        batch.hashes = codes.iter().map(|code| batch.hash(code)).collect::<Result<_, _>>()?;
        Ok((batch, codes))
    }

    /// The batch without this code; none if it is not among them. Costs one hash, and the time tells neither which
    /// code it was nor how near.
    pub(crate) fn without(&self, code: &str) -> Result<Option<Self>, ModuleError> {
        let hash = self.hash(&self.put_right(code))?;
        let mut found = None;
        for (position, known) in self.hashes.iter().enumerate() {
            if equal_in_constant_time(known, &hash) {
                found = Some(position);
            }
        }
        Ok(found.map(|position| {
            let mut rest = self.clone();
            rest.hashes.remove(position);
            rest
        }))
    }

    /// How many codes are left.
    pub(crate) fn left(&self) -> usize {
        self.hashes.len()
    }

    /// What no code holds was read wrongly: o is 0, i and l are 1.
    fn put_right(&self, code: &str) -> String {
        let right = |typed: char| match typed {
            typed if self.alphabet.contains(typed) => typed,
            'o' => '0',
            'i' | 'l' => '1',
            typed => typed,
        };
        code.chars().map(right).collect()
    }

    fn hash(&self, code: &str) -> Result<String, ModuleError> {
        let unreadable = || ModuleError::failed("the batch of codes cannot be read");
        if self.memory_kib > MEMORY_KIB_MAX || self.iterations > ITERATIONS_MAX {
            return Err(unreadable());
        }
        let params = Params::new(self.memory_kib, self.iterations, 1, Some(HASH_BYTES)).map_err(|_| unreadable())?;
        let salt = BASE64URL_NOPAD.decode(self.salt.as_bytes()).map_err(|_| unreadable())?;
        let mut hash = [0; HASH_BYTES];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(code.as_bytes(), &salt, &mut hash)
            .map_err(|_| unreadable())?;
        Ok(BASE64URL_NOPAD.encode(&hash))
    }
}
