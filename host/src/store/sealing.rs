//! Sealing: XChaCha20-Poly1305 under a key derived from the master key. What is not secret is bound to the seal as
//! associated data, so that nothing on disk can be edited, moved or copied back without its seal breaking.

use std::io;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

use crate::keys::MasterKey;

const NONCE_BYTES: usize = 24;

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
        Self(Vec::new()).text(domain)
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
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(io::Error::other)?;
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plaintext, aad: &bound.0 })
            .map_err(|_| io::Error::other("sealing refused the length of its input"))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// What was sealed, if nothing was changed.
    pub(super) fn unseal(&self, bound: &Bound, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: ciphertext, aad: &bound.0 };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_only_with_what_it_was_bound_to() {
        let folder = tempfile::tempdir().unwrap();
        let key = |name: &str| Sealer::new(&MasterKey::create(&folder.path().join(name)).unwrap());
        let (ours, other) = (key("a"), key("b"));
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
    }
}
