//! argon2id (RFC 9106) with the parameters OWASP recommends, as a PHC string. A hash keeps the parameters it was made
//! with, so these may grow.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{Error, PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use mfa_sdk::ModuleError;

/// 19 MiB: several hashes at once stay far below the memory a worker has.
const MEMORY_KIB: u32 = 19 * 1024;
const ITERATIONS: u32 = 2;
/// RFC 9106, section 3.1.
const SALT_BYTES: usize = 16;

/// The hash of a PIN.
pub(crate) fn of(pin: &str, salt: &[u8; SALT_BYTES]) -> Result<String, ModuleError> {
    let params = Params::new(MEMORY_KIB, ITERATIONS, 1, None).map_err(ModuleError::failed)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2.hash_password_with_salt(pin.as_bytes(), salt).map_err(|_| ModuleError::failed("no hash"))?;
    Ok(hash.to_string())
}

/// Whether the hash is of this PIN, in a time that does not depend on where they differ.
pub(crate) fn is_of(pin: &str, hash: &str) -> Result<bool, ModuleError> {
    // The error would quote the hash.
    let unreadable = || ModuleError::failed("the hash of the PIN cannot be read");
    let hash = PasswordHash::new(hash).map_err(|_| unreadable())?;
    match Argon2::default().verify_password(pin.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(unreadable()),
    }
}
