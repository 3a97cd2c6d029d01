//! An authority of the host's own, for who has no certificate: it may sign for the host's names and nothing else, so that
//! trusting it risks little. Its key is kept, so that a renewal asks nobody to trust anew.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chrono::{DateTime, Datelike, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use zeroize::Zeroizing;

use super::facts::{Facts, days_until};
use crate::{clock::Timestamp, random};

/// Folder of the configuration directory with everything `init` makes.
pub const FOLDER: &str = "tls";
/// What others are asked to trust.
pub const CA_FILE: &str = "tls/ca.pem";
pub const CA_KEY_FILE: &str = "tls/ca-key.pem";
pub const CERTIFICATE_FILE: &str = "tls/cert.pem";
pub const KEY_FILE: &str = "tls/key.pem";

const DAY_S: u64 = 24 * 3600;
const AUTHORITY_DAYS: u64 = 3650;
/// Browsers take no certificate that is valid for more than 398 days; it is valid since yesterday.
const CERTIFICATE_DAYS: u64 = 396;
const SERIAL_BYTES: usize = 16;
const MARK_BYTES: usize = 4;
/// RFC 5280 appendix A.1 gives a common name 64 in all.
const NAME_CHARS_MAX: usize = 40;

/// What was made, in PEM form.
pub struct Made {
    pub authority: String,
    pub authority_key: Zeroizing<String>,
    pub certificate: String,
    pub key: Zeroizing<String>,
    /// All it is for, those that were wished first.
    pub names: Vec<String>,
    pub wished: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("{0:?} is neither a host name nor an address")]
    Name(String),
    #[error("{0} does not hold what mfa-host put there")]
    Unreadable(&'static str),
    #[error("the authority in {CA_FILE} has no more than {0} days to go")]
    Ending(i64),
    #[error("make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    #[error("make a certificate: there are no random numbers: {0}")]
    Random(#[from] std::io::Error),
}

/// What a host can be reached by.
pub struct Names {
    wished: Vec<String>,
    all: Vec<String>,
}

/// Names as certificates have them: those wished, then this machine's own, each once.
///
/// # Errors
/// One of those wished is no name.
pub fn names(machine: Option<&str>, wished: &[String]) -> Result<Names, AuthorityError> {
    let wished = wished.iter().map(|name| name_of(name)).collect::<Result<Vec<_>, _>>()?;
    let own = ["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()];
    // A machine may be called what is no name of the network.
    let machine = machine.and_then(|name| name_of(name).ok());
    let mut all: Vec<String> = Vec::new();
    for name in wished.iter().cloned().chain(machine).chain(own) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    Ok(Names { wished, all })
}

fn name_of(text: &str) -> Result<String, AuthorityError> {
    let wrong = || AuthorityError::Name(text.to_owned());
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    match url::Host::parse(text).map_err(|_| wrong())? {
        url::Host::Domain(name) if matches!(ServerName::try_from(name.as_str()), Ok(ServerName::DnsName(_))) => {
            Ok(name)
        }
        url::Host::Domain(_) => Err(wrong()),
        url::Host::Ipv4(address) => Ok(address.to_string()),
        url::Host::Ipv6(address) => Ok(address.to_string()),
    }
}

/// An authority for these names, and a certificate by it.
///
/// # Errors
/// A name does not fit into a certificate, or there are no random numbers.
pub fn make(names: Names, now: Timestamp) -> Result<Made, AuthorityError> {
    let Names { wished, all: names } = names;
    let (authority_key, key) = (KeyPair::generate()?, KeyPair::generate()?);
    let mark = data_encoding::HEXLOWER.encode(&random::bytes::<MARK_BYTES>()?);
    let first: String = names.first().map(|name| name.chars().take(NAME_CHARS_MAX).collect()).unwrap_or_default();
    let parameters = authority(&names, format!("mfa-host {first} {mark}"), now)?;
    let authority = parameters.self_signed(&authority_key)?.pem();
    let issuer = Issuer::from_params(&parameters, &authority_key);
    let certificate = certificate(&names, now)?.signed_by(&key, &issuer)?.pem();
    let secret = |key: &KeyPair| Zeroizing::new(key.serialize_pem());
    Ok(Made { authority, authority_key: secret(&authority_key), certificate, key: secret(&key), names, wished })
}

/// A new certificate for the names and the key of the former one.
///
/// # Errors
/// What `init` made is not there any more, or the authority will end before the certificate would.
pub fn renew(
    authority: &[u8],
    authority_key: &str,
    certificate_before: &[u8],
    key: &str,
    now: Timestamp,
) -> Result<String, AuthorityError> {
    let authority = facts(authority).ok_or(AuthorityError::Unreadable(CA_FILE))?;
    let before = facts(certificate_before).ok_or(AuthorityError::Unreadable(CERTIFICATE_FILE))?;
    let name = authority.common_name.ok_or(AuthorityError::Unreadable(CA_FILE))?;
    let left = days_until(authority.valid_until, now);
    if left < CERTIFICATE_DAYS.cast_signed() {
        return Err(AuthorityError::Ending(left));
    }
    let authority_key = KeyPair::from_pem(authority_key).map_err(|_| AuthorityError::Unreadable(CA_KEY_FILE))?;
    let key = KeyPair::from_pem(key).map_err(|_| AuthorityError::Unreadable(KEY_FILE))?;
    // All an issuer's parameters are used for is its name; the key says the rest.
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = called(name);
    let issuer = Issuer::from_params(&parameters, &authority_key);
    Ok(self::certificate(&before.names, now)?.signed_by(&key, &issuer)?.pem())
}

fn facts(pem: &[u8]) -> Option<Facts> {
    Facts::read(&CertificateDer::from_pem_slice(pem).ok()?).ok()
}

fn authority(names: &[String], name: String, now: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let permitted = names.iter().map(|name| match name.parse::<IpAddr>() {
        Ok(address @ IpAddr::V4(_)) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 32)),
        Ok(address @ IpAddr::V6(_)) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 128)),
        Err(_) => GeneralSubtree::DnsName(name.clone()),
    });
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = called(name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.name_constraints =
        Some(NameConstraints { permitted_subtrees: permitted.collect(), excluded_subtrees: Vec::new() });
    for_days(parameters, now, AUTHORITY_DAYS)
}

fn certificate(names: &[String], now: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name = called("mfa-host".to_owned());
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    for_days(parameters, now, CERTIFICATE_DAYS)
}

fn called(name: String) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}

/// From yesterday, for clocks that are behind. A number of its own: browsers refuse two certificates with the same one.
fn for_days(mut parameters: CertificateParams, now: Timestamp, days: u64) -> Result<CertificateParams, AuthorityError> {
    let day = |at: Timestamp| {
        let date = DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default().date_naive();
        // The calendar gives no month or day that does not fit.
        date_time_ymd(date.year(), u8::try_from(date.month()).unwrap_or(1), u8::try_from(date.day()).unwrap_or(1))
    };
    parameters.not_before = day(Timestamp(now.0.saturating_sub_unsigned(DAY_S * 1000)));
    parameters.not_after = day(now.plus_s(days * DAY_S));
    let mut serial = random::bytes::<SERIAL_BYTES>()?;
    // Positive, and of the same length whatever the number.
    serial[0] = serial[0] & 0x3f | 0x40;
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(2_051_222_410_000);

    fn all(machine: &str, wished: &[&str]) -> Vec<String> {
        let wished: Vec<String> = wished.iter().map(|name| (*name).to_owned()).collect();
        names(Some(machine), &wished).unwrap().all
    }

    #[test]
    fn names_stand_once_and_as_certificates_have_them() {
        let wished = ["DOOR.example", "door.example", "[fd00::1]", "192.0.2.7", "b\u{fc}cher.example"];
        let expected =
            ["door.example", "fd00::1", "192.0.2.7", "xn--bcher-kva.example", "vm", "localhost", "127.0.0.1", "::1"];
        assert_eq!(all("vm", &wished), expected);
        for machine in ["", "localhost", "my machine"] {
            assert_eq!(all(machine, &[]), ["localhost", "127.0.0.1", "::1"], "{machine:?}");
        }
    }

    #[test]
    fn a_renewal_never_outlives_the_authority() {
        let made = make(names(None, &["door.example".to_owned()]).unwrap(), NOW).unwrap();
        let renewed = |now: Timestamp| {
            let (authority, before) = (made.authority.as_bytes(), made.certificate.as_bytes());
            renew(authority, &made.authority_key, before, &made.key, now)
        };
        let after = |days: u64| renewed(NOW.plus_s(days * DAY_S));
        let last = facts(after(AUTHORITY_DAYS - CERTIFICATE_DAYS - 1).unwrap().as_bytes()).unwrap();
        assert_eq!(last.names, made.names);
        assert!(last.valid_until <= facts(made.authority.as_bytes()).unwrap().valid_until);
        assert!(matches!(after(AUTHORITY_DAYS - CERTIFICATE_DAYS + 1), Err(AuthorityError::Ending(_))));
        let mixed = renew(made.authority.as_bytes(), "no key", made.certificate.as_bytes(), &made.key, NOW);
        assert!(matches!(mixed, Err(AuthorityError::Unreadable(CA_KEY_FILE))));
    }

    #[test]
    fn a_name_as_long_as_names_may_be_fits() {
        let label = "a".repeat(60);
        let name = [label.as_str(); 4].join(".");
        let made = make(names(None, std::slice::from_ref(&name)).unwrap(), NOW).unwrap();
        let authority = facts(made.authority.as_bytes()).unwrap();
        assert!(authority.common_name.unwrap().len() <= 64);
        assert!(facts(made.certificate.as_bytes()).unwrap().names.contains(&name));
    }
}
