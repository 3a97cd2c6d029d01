//! What a certificate says of itself: from when until when, and for which names. RFC 5280 section 4.1.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader, BERReaderSeq, Tag, tags::TAG_UTCTIME};

use crate::clock::Timestamp;

const DAY_MS: i64 = 24 * 3600 * 1000;
const COMMON_NAME: [u64; 4] = [2, 5, 4, 3];
const ALTERNATIVE_NAMES: [u64; 4] = [2, 5, 29, 17];
/// Tags of a GeneralName, RFC 5280 section 4.2.1.6.
const DNS_NAME: u64 = 2;
const IP_ADDRESS: u64 = 7;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub valid_from: Timestamp,
    /// Its last moment.
    pub valid_until: Timestamp,
    /// Names and addresses it is for; a name may begin with `*.`.
    pub names: Vec<String>,
    /// What the subject is called.
    pub common_name: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("it is no X.509 certificate")]
pub struct NotACertificate;

/// Whole days that are left, or that have passed since then as a negative number.
pub fn days_until(then: Timestamp, now: Timestamp) -> i64 {
    then.since_ms(now).div_euclid(DAY_MS)
}

impl Facts {
    /// # Errors
    /// The bytes are no certificate.
    pub fn read(der: &[u8]) -> Result<Self, NotACertificate> {
        let certificate = |reader: BERReader<'_, '_>| {
            reader.read_sequence(|parts| {
                let facts = parts.next().read_sequence(body)?;
                // Algorithm and signature are for who has to believe it.
                skip(parts, 2)?;
                Ok(facts)
            })
        };
        yasna::parse_der(der, certificate).map_err(|_| NotACertificate)
    }
}

/// The TBSCertificate.
fn body(parts: &mut BERReaderSeq<'_, '_>) -> ASN1Result<Facts> {
    parts.read_optional(|version| version.read_tagged(Tag::context(0), |number| number.read_i64()))?;
    // Serial number, signature algorithm, issuer.
    skip(parts, 3)?;
    let (valid_from, valid_until) =
        parts.next().read_sequence(|validity| Ok((moment(validity.next())?, moment(validity.next())?)))?;
    let common_name = common_name(parts.next())?;
    // The public key.
    skip(parts, 1)?;
    for unique_id in [1, 2] {
        let tag = Tag::context(unique_id);
        parts.read_optional(|id| id.read_tagged_implicit(tag, |bits| bits.read_bitvec_bytes()))?;
    }
    let mut names = Vec::new();
    parts.read_optional(|extensions| {
        extensions.read_tagged(Tag::context(3), |all| all.read_sequence_of(|one| extension(one, &mut names)))
    })?;
    Ok(Facts { valid_from, valid_until, names, common_name })
}

fn skip(parts: &mut BERReaderSeq<'_, '_>, count: usize) -> ASN1Result<()> {
    (0..count).try_for_each(|_| parts.next().read_der().map(drop))
}

fn moment(reader: BERReader<'_, '_>) -> ASN1Result<Timestamp> {
    let seconds = if reader.lookahead_tag()? == TAG_UTCTIME {
        reader.read_utctime()?.datetime().unix_timestamp()
    } else {
        reader.read_generalized_time()?.datetime().unix_timestamp()
    };
    seconds.checked_mul(1000).map(Timestamp).ok_or(ASN1Error::new(ASN1ErrorKind::Invalid))
}

/// The last one, which is the most exact.
fn common_name(subject: BERReader<'_, '_>) -> ASN1Result<Option<String>> {
    let mut found = None;
    subject.read_sequence_of(|part| {
        part.read_set_of(|pair| {
            pair.read_sequence(|pair| {
                let kind = pair.next().read_oid()?;
                let value = pair.next().read_tagged_der()?;
                if kind.components()[..] == COMMON_NAME {
                    found = String::from_utf8(value.value().to_vec()).ok();
                }
                Ok(())
            })
        })
    })?;
    Ok(found)
}

fn extension(reader: BERReader<'_, '_>, names: &mut Vec<String>) -> ASN1Result<()> {
    reader.read_sequence(|parts| {
        let kind = parts.next().read_oid()?;
        parts.read_optional(|is_critical| is_critical.read_bool())?;
        let content = parts.next().read_bytes()?;
        if kind.components()[..] == ALTERNATIVE_NAMES {
            yasna::parse_der(&content, |all| {
                all.read_sequence_of(|name| {
                    let name = name.read_tagged_der()?;
                    names.extend(general_name(name.tag(), name.value()));
                    Ok(())
                })
            })?;
        }
        Ok(())
    })
}

/// Names of other kinds lead to no host.
fn general_name(tag: Tag, value: &[u8]) -> Option<String> {
    if tag == Tag::context(DNS_NAME) {
        return String::from_utf8(value.to_vec()).ok();
    }
    if tag != Tag::context(IP_ADDRESS) {
        return None;
    }
    let v4 = <[u8; 4]>::try_from(value).map(|octets| IpAddr::from(Ipv4Addr::from(octets)));
    let address = v4.or_else(|_| <[u8; 16]>::try_from(value).map(|octets| IpAddr::from(Ipv6Addr::from(octets))));
    address.ok().map(|address| address.to_string())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn certificate() -> Vec<u8> {
        let mut parameters =
            CertificateParams::new(["door.example", "*.door.example", "192.0.2.7", "::1"].map(str::to_owned)).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, "Door");
        (parameters.not_before, parameters.not_after) = (date_time_ymd(2035, 1, 1), date_time_ymd(2051, 1, 1));
        parameters.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_times_are_read_in_both_forms_of_time() {
        let facts = Facts::read(&certificate()).unwrap();
        assert_eq!(facts.names, ["door.example", "*.door.example", "192.0.2.7", "::1"]);
        // Before 2050 a certificate has a UTCTime, from then on a GeneralizedTime.
        assert_eq!(facts.valid_from.rfc3339(), "2035-01-01T00:00:00.000Z");
        assert_eq!(facts.valid_until.rfc3339(), "2051-01-01T00:00:00.000Z");
        assert_eq!(facts.common_name.as_deref(), Some("Door"));
    }

    #[test]
    fn anything_else_is_refused_wherever_it_breaks_off() {
        let whole = certificate();
        for length in 0..whole.len() {
            assert!(Facts::read(&whole[..length]).is_err(), "{length}");
        }
        assert!(Facts::read(b"-----BEGIN CERTIFICATE-----").is_err());
    }

    #[test]
    fn days_are_counted_whole() {
        let at = |days: i64| Timestamp(days * DAY_MS);
        assert_eq!((days_until(at(3), at(1)), days_until(at(3), Timestamp(1))), (2, 2));
        assert_eq!(days_until(Timestamp(0), Timestamp(1)), -1);
    }
}
