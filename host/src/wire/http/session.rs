//! What a request carries besides its body: a bearer token, service credentials, ids in the path.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::flow::{Access, Asker, FlowError, Flows, ServiceLogin};

use super::{client_address::Client, error::Failure};

/// Longest id in a path and longest credential in a header that is looked at. A flow id carries the client's `state`.
const ID_BYTES_MAX: usize = 2048;
const CREDENTIAL_BYTES_MAX: usize = 4096;

/// The session of `Authorization: Bearer`.
pub struct Bearer(pub Access);

/// Who asks with a bearer token, what they ask, and from where.
pub struct Caller {
    pub flows: Flows,
    pub access: Access,
    pub asker: Asker,
}

/// As [`Bearer`], where the answer without one is only shorter. A wrong token is refused here too.
pub struct MaybeBearer(pub Option<Access>);

/// The one id in the path. What cannot be an id is answered like an id nobody has.
pub struct PathId(pub String);

/// Both ids of a path that has two.
pub struct PathPair(pub String, pub String);

impl FromRequestParts<Flows> for Bearer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, flows: &Flows) -> Result<Self, Failure> {
        let token = credentials(&parts.headers, "bearer").ok_or(FlowError::Unauthenticated)?;
        Ok(Self(flows.authenticate(&token).await?))
    }
}

impl FromRequestParts<Flows> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, flows: &Flows) -> Result<Self, Failure> {
        let Bearer(access) = Bearer::from_request_parts(parts, flows).await?;
        let Ok(Client(asker)) = Client::from_request_parts(parts, flows).await;
        Ok(Self { flows: flows.clone(), access, asker })
    }
}

impl FromRequestParts<Flows> for MaybeBearer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, flows: &Flows) -> Result<Self, Failure> {
        if !parts.headers.contains_key(header::AUTHORIZATION) {
            return Ok(Self(None));
        }
        let Bearer(access) = Bearer::from_request_parts(parts, flows).await?;
        Ok(Self(Some(access)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| FlowError::UnknownFlow)?;
        Ok(Self(checked_id(params.iter().next())?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathPair {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| FlowError::UnknownFlow)?;
        let mut params = params.iter();
        Ok(Self(checked_id(params.next())?, checked_id(params.next())?))
    }
}

fn checked_id(parameter: Option<(&str, &str)>) -> Result<String, Failure> {
    let id = parameter.map(|(_, value)| value).unwrap_or_default();
    if id.is_empty() || id.len() > ID_BYTES_MAX || id.contains(char::is_control) {
        return Err(FlowError::UnknownFlow.into());
    }
    Ok(id.to_owned())
}

/// HTTP Basic of an application that vouches (RFC 7617). Another scheme is none of ours and is passed over.
pub fn service_login(headers: &HeaderMap) -> Result<Option<ServiceLogin>, Failure> {
    let Some(encoded) = credentials(headers, "basic") else { return Ok(None) };
    let malformed = || Failure::malformed("The Basic credentials cannot be read.");
    let plain = STANDARD.decode(encoded).map_err(|_| malformed())?;
    let plain = String::from_utf8(plain).map_err(|_| malformed())?;
    let (id, secret) = plain.split_once(':').ok_or_else(malformed)?;
    Ok(Some(ServiceLogin { credential_id: id.to_owned(), credential_secret: secret.to_owned().into() }))
}

/// What follows `scheme` in the only `Authorization` header; two headers are none.
fn credentials(headers: &HeaderMap, scheme: &str) -> Option<String> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (given, rest) = value.to_str().ok()?.split_once(' ')?;
    let token = rest.trim();
    let fits = given.eq_ignore_ascii_case(scheme) && !token.is_empty() && token.len() <= CREDENTIAL_BYTES_MAX;
    fits.then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn with(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn basic_credentials_split_at_the_first_colon() {
        let login = service_login(&with(&["Basic YXBwOnM6ZWNyZXQ="])).unwrap().unwrap();
        assert_eq!((login.credential_id.as_str(), login.credential_secret.expose_secret()), ("app", "s:ecret"));
        assert!(service_login(&with(&["Basic ***"])).is_err());
        assert!(service_login(&with(&["Basic YXBw"])).is_err());
        assert!(service_login(&with(&["Bearer YXBwOnM="])).unwrap().is_none());
        assert!(service_login(&with(&[])).unwrap().is_none());
    }

    #[test]
    fn two_authorizations_are_none() {
        assert_eq!(credentials(&with(&["Bearer a"]), "bearer").as_deref(), Some("a"));
        assert_eq!(credentials(&with(&["bearer  a "]), "bearer").as_deref(), Some("a"));
        for values in [&["Bearer a", "Bearer b"][..], &["Bearer "], &["Bearer"], &["Basic a"]] {
            assert_eq!(credentials(&with(values), "bearer"), None, "{values:?}");
        }
    }
}
