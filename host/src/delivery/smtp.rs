//! One connection to a mail server, from greeting to parting. Each command's refusal is told apart: a refused sender or
//! password may be mended, a refused recipient or message never.

use std::error::Error;

use lettre::{
    Address,
    transport::smtp::{
        self,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
        response::Category,
    },
};

use super::contract::{SendError, Told};

/// A mail server and how it is spoken to.
pub struct Server {
    pub host: String,
    pub port: u16,
    pub encryption: ServerEncryption,
    pub credentials: Option<Credentials>,
    pub hello: ClientId,
    /// Never to be repeated.
    pub secrets: Vec<String>,
}

pub enum ServerEncryption {
    Starttls(TlsParameters),
    Tls(TlsParameters),
    /// To this machine only.
    None,
}

impl Server {
    /// Connects, encrypts, signs in.
    pub async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let wrapped = match &self.encryption {
            ServerEncryption::Tls(parameters) => Some(parameters.clone()),
            ServerEncryption::Starttls(_) | ServerEncryption::None => None,
        };
        let address = (self.host.as_str(), self.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, wrapped, None).await;
        let mut connection = connecting.map_err(|error| self.failed("cannot be reached", &error))?;
        if let ServerEncryption::Starttls(parameters) = &self.encryption {
            if !connection.can_starttls() {
                connection.abort().await;
                return Err(SendError::failed(format!("the mail server {} offers no STARTTLS", self.host)));
            }
            let encrypting = connection.starttls(parameters.clone(), &self.hello).await;
            encrypting.map_err(|error| self.failed("does not encrypt", &error))?;
        }
        if let Some(credentials) = &self.credentials {
            let signing_in = connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await;
            if let Err(error) = signing_in {
                connection.abort().await;
                let what =
                    if error.status().is_some() { "refuses the user or password" } else { "cannot be signed in to" };
                return Err(self.failed(what, &error));
            }
        }
        Ok(connection)
    }

    /// Hands one mail over. After an error the connection is in no known state and must be dropped.
    pub async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        from: &Address,
        to: &Address,
        mail: &[u8],
    ) -> Result<(), SendError> {
        let mut parameters = Vec::new();
        let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
        if !is_ascii(to) || !is_ascii(from) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let reason = format!("the mail server {} takes addresses of ASCII letters only", self.host);
                return Err(SendError::refused(reason));
            }
            parameters.push(MailParameter::SmtpUtfEight);
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let sender = connection.command(Mail::new(Some(from.clone()), parameters)).await;
        sender.map_err(|error| self.failed("refuses the sender", &error))?;
        let recipient = connection.command(Rcpt::new(to.clone(), Vec::new())).await;
        recipient.map_err(|error| self.refused("refuses the recipient", &error))?;
        let data = connection.command(Data).await;
        data.map_err(|error| self.refused("refuses the message", &error))?;
        let message = connection.message(mail).await;
        message.map_err(|error| self.refused("refuses the message", &error))?;
        Ok(())
    }

    /// A permanent refusal is final; anything else may pass.
    fn refused(&self, what: &str, error: &smtp::Error) -> SendError {
        match error.status() {
            // 53x asks for authentication or encryption: the settings are wrong, not the message.
            Some(code) if error.is_permanent() && code.category != Category::Unspecified3 => {
                let reason = format!("the mail server {} {what} ({code})", self.host);
                SendError::refused(reason).with(self.told(error))
            }
            _ => self.failed(what, error),
        }
    }

    fn failed(&self, what: &str, error: &smtp::Error) -> SendError {
        let host = &self.host;
        if let Some(code) = error.status() {
            return SendError::failed(format!("the mail server {host} {what} ({code})")).with(self.told(error));
        }
        // These errors are this machine's own words, and know nothing of the message.
        let cause = cause_of(error);
        let reason = match certificate_error(error) {
            Some(untrusted) => format!("the certificate of the mail server {host} is not trusted: {untrusted}"),
            None if error.is_response() => format!("the mail server {host} does not speak SMTP"),
            None => format!(
                "the mail server {host} {}: {cause}",
                if what.starts_with("refuses") { "broke off" } else { what }
            ),
        };
        SendError::failed(reason)
    }

    fn told(&self, error: &smtp::Error) -> Option<Told> {
        Told::new(&error.source()?.to_string(), &self.secrets)
    }
}

/// The innermost cause, which says most.
fn cause_of(error: &dyn Error) -> String {
    let mut cause = error.source();
    while let Some(inner) = cause.and_then(|cause| cause.source()) {
        cause = Some(inner);
    }
    cause.map_or_else(|| "the connection was lost".to_owned(), ToString::to_string)
}

/// Why TLS failed, however deep it is wrapped.
fn certificate_error(error: &smtp::Error) -> Option<rustls::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found.clone());
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Some(found.clone());
        }
        cause = error.source();
    }
    None
}
