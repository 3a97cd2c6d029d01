//! TLS: whose certificates are believed when the host calls others, the certificate it shows itself, and an authority of
//! its own for who has none.

mod authority;
mod facts;
mod identity;
mod trust;

pub use authority::{
    AuthorityError, CA_FILE, CA_KEY_FILE, CERTIFICATE_FILE, FOLDER, KEY_FILE, Made, make, names, renew,
};
pub use facts::{Facts, days_until};
pub use identity::{Identity, IdentityError, RENEW, is_for, load};
pub use trust::{NoCertificate, Trust, without_a_look_at_names};
