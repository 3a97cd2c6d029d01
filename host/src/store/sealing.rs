//! Sealing: XChaCha20-Poly1305 under a key derived from the master key. What is not secret is bound to the seal as
//! associated data, so that nothing on disk can be edited, moved or copied back without its seal breaking.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce, aead::AeadInOut};
use zeroize::Zeroizing;

use crate::{keys::MasterKey, random};

const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// What a seal has beyond the secret in it.
pub(super) const SEAL_BYTES: usize = NONCE_BYTES + TAG_BYTES;
/// Room for what most seals bind.
const BOUND_BYTES_USUAL: usize = 512;

/// Seals and opens with the key of one configuration directory.
pub(super) struct Sealer {
    cipher: XChaCha20Poly1305,
    key_id: Box<str>,
}

/// Associated data. Every part carries its length, so that no two different lists of parts are the same bytes; the
/// domain keeps a seal of one kind from being used as another.
pub(super) struct Bound(Vec<u8>);

impl Bound {
    pub(super) fn new(domain: &str) -> Self {
        Self(Vec::with_capacity(BOUND_BYTES_USUAL)).text(domain)
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(super) fn number(mut self, number: u64) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }
}

impl Sealer {
    pub(super) fn new(keys: &MasterKey) -> Self {
        let key = keys.derive("store records");
        Self { cipher: XChaCha20Poly1305::new((&*key).into()), key_id: keys.id().into() }
    }

    /// Stands beside everything sealed, and is part of what each seal binds.
    pub(super) fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Nonce, then ciphertext and tag.
    ///
    /// # Errors
    /// When the system gives no randomness: a repeated nonce would give secrets away.
    pub(super) fn seal(&self, bound: &Bound, plaintext: &[u8]) -> io::Result<Vec<u8>> {
        // 192 bits at random: no two are the same before some 2^80 of them.
        let nonce: [u8; NONCE_BYTES] = random::bytes()?;
        let mut sealed = Vec::with_capacity(SEAL_BYTES + plaintext.len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let secret = (&mut sealed[NONCE_BYTES..]).into();
        let tag = self
            .cipher
            .encrypt_inout_detached(&XNonce::from(nonce), &bound.0, secret)
            .map_err(|_| io::Error::other("sealing refused the length of its input"))?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// A seal over nothing but what it binds, as the text that stands on disk.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    pub(super) fn sign(&self, bound: &Bound) -> io::Result<String> {
        Ok(STANDARD.encode(self.seal(bound, b"")?))
    }

    /// Whether this text is a seal over nothing but this.
    pub(super) fn is_signed(&self, bound: &Bound, text: &str) -> bool {
        STANDARD.decode(text).is_ok_and(|sealed| self.unseal(bound, &sealed).is_some_and(|nothing| nothing.is_empty()))
    }

    /// What was sealed, if nothing was changed.
    pub(super) fn unseal(&self, bound: &Bound, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        let mut secret = Zeroizing::new(ciphertext.to_vec());
        self.cipher
            .decrypt_inout_detached(&XNonce::from(*nonce), &bound.0, secret.as_mut_slice().into(), &Tag::from(*tag))
            .ok()?;
        Some(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(folder: &tempfile::TempDir, name: &str) -> Sealer {
        Sealer::new(&MasterKey::create(&folder.path().join(name)).unwrap())
    }

    #[test]
    fn a_seal_opens_only_with_what_it_was_bound_to() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, other) = (sealer(&folder, "a"), sealer(&folder, "b"));
        let bound = Bound::new("record").text("ab").text("c").number(7);
        let sealed = ours.seal(&bound, b"secret").unwrap();
        assert_eq!(ours.unseal(&bound, &sealed).unwrap().as_slice(), b"secret");
        assert_ne!(sealed, ours.seal(&bound, b"secret").unwrap());
        assert!(other.unseal(&bound, &sealed).is_none());
        assert!(ours.unseal(&Bound::new("record").text("a").text("bc").number(7), &sealed).is_none());
        assert!(ours.unseal(&Bound::new("record").text("ab").text("c").number(8), &sealed).is_none());
        for end in 0..sealed.len() {
            assert!(ours.unseal(&bound, &sealed[..end]).is_none());
        }
        for index in 0..sealed.len() {
            let mut edited = sealed.clone();
            edited[index] ^= 1;
            assert!(ours.unseal(&bound, &edited).is_none());
        }
        assert!(ours.is_signed(&bound, &ours.sign(&bound).unwrap()));
        assert!(!ours.is_signed(&bound, &STANDARD.encode(sealed)), "it seals something");
    }
}
