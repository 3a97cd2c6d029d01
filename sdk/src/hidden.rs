//! `Debug` of what host and module say to each other: kinds and names, never what is kept, typed or shown once.

use std::fmt;

use crate::{
    form::Block,
    protocol::{Answer, Enrolment, LoginReply, Operation, Reply, SetupReply, VerdictReply},
};

impl fmt::Debug for Block {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Text { text } => return formatter.debug_struct("Text").field("text", text).finish(),
            Self::Qr { .. } => "Qr",
            Self::Secret { .. } => "Secret",
            Self::Uri { .. } => "Uri",
            Self::Codes { .. } => "Codes",
            Self::Image { .. } => "Image",
        };
        formatter.debug_struct(kind).field("name", &self.name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Enrolment").field("version", &self.version).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form { fields } => formatter.debug_tuple("Form").field(&fields.keys()).finish(),
            Self::Link => formatter.write_str("Link"),
            Self::Poll => formatter.write_str("Poll"),
        }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::InputSchema {} => "InputSchema",
            Self::SetupFlow { .. } => "SetupFlow",
            Self::InitializeLoginMfaStep { .. } => "InitializeLoginMfaStep",
            Self::Validate { .. } => "Validate",
            Self::Issue {} => "Issue",
            Self::Depose { .. } => "Depose",
            Self::Migrate { .. } => "Migrate",
            Self::Overview { .. } => "Overview",
            Self::ChangeDevice { .. } => "ChangeDevice",
        })
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form { form, code } => {
                formatter.debug_struct("Form").field("form", form).field("code", code).finish()
            }
            Self::Setup(reply) => formatter.debug_tuple("Setup").field(reply).finish(),
            Self::Login(reply) => formatter.debug_tuple("Login").field(reply).finish(),
            Self::Verdict(reply) => formatter.debug_tuple("Verdict").field(reply).finish(),
            Self::Issued { .. } => formatter.write_str("Issued"),
            Self::Deposed {} => formatter.write_str("Deposed"),
            Self::Migrated { enrolment } => formatter.debug_tuple("Migrated").field(enrolment).finish(),
            Self::Overview(overview) => formatter.debug_tuple("Overview").field(overview).finish(),
            Self::Changed { .. } => formatter.write_str("Changed"),
            Self::Unsupported {} => formatter.write_str("Unsupported"),
            Self::Failed { message } => formatter.debug_tuple("Failed").field(message).finish(),
        }
    }
}

impl fmt::Debug for SetupReply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form { form, messages, error, .. } => formatter
                .debug_struct("Form")
                .field("form", form)
                .field("messages", messages)
                .field("error", error)
                .finish_non_exhaustive(),
            Self::Done { .. } => formatter.write_str("Done"),
            Self::Abort { reason } => formatter.debug_tuple("Abort").field(reason).finish(),
        }
    }
}

impl fmt::Debug for LoginReply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { form, messages, .. } = self;
        formatter.debug_struct("LoginReply").field("form", form).field("messages", messages).finish_non_exhaustive()
    }
}

impl fmt::Debug for VerdictReply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { advice, .. } => {
                formatter.debug_struct("Accepted").field("advice", advice).finish_non_exhaustive()
            }
            Self::Rejected { error, .. } => {
                formatter.debug_struct("Rejected").field("error", error).finish_non_exhaustive()
            }
            Self::Pending { retry_after_ms, .. } => {
                formatter.debug_struct("Pending").field("retry_after_ms", retry_after_ms).finish_non_exhaustive()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{form::Form, message::Message, protocol::Cause};

    const SECRET: &str = "swordfish";

    /// Everything that can hold a secret, with one.
    fn shown() -> Vec<String> {
        let enrolment = || Enrolment { version: 1, data: json!({ "pin": SECRET }) };
        let kept = || Some(Value::from(SECRET));
        let form = || {
            let form = Form::new().qr("qr", SECRET).secret("key", SECRET, "key").uri("url", SECRET);
            form.codes("codes", vec![SECRET.to_owned()])
        };
        let messages = || vec![Message::code("email", SECRET, SECRET, 600)];
        let fields = || [("pin".to_owned(), Value::from(SECRET))].into();
        let operations = [
            Operation::SetupFlow { state: kept(), input: Some(fields()), replaces: Some(enrolment()) },
            Operation::InitializeLoginMfaStep { enrolment: enrolment(), cause: Cause::First },
            Operation::Validate {
                enrolment: enrolment(),
                challenge: kept(),
                answer: Answer::Form { fields: fields() },
            },
            Operation::Depose { enrolment: enrolment() },
        ];
        let (error, error_text) = (None, None);
        let replies = [
            Reply::Setup(SetupReply::Form {
                form: form(),
                state: json!(SECRET),
                messages: messages(),
                error,
                error_text,
            }),
            Reply::Setup(SetupReply::Done { enrolment: json!(SECRET) }),
            Reply::Login(LoginReply { form: form(), challenge: kept(), messages: messages() }),
            Reply::Verdict(VerdictReply::Accepted { enrolment: kept(), advice: None }),
            Reply::Verdict(VerdictReply::Rejected { error: "no".to_owned(), challenge: kept() }),
            Reply::Verdict(VerdictReply::Pending { challenge: kept(), retry_after_ms: 1 }),
            Reply::Issued { enrolment: json!(SECRET), codes: vec![SECRET.to_owned()] },
            Reply::Migrated { enrolment: enrolment() },
            Reply::Changed { enrolment: kept() },
        ];
        let operations = operations.iter().map(|operation| format!("{operation:?}"));
        let answer = format!("{:?}", Answer::Form { fields: fields() });
        operations.chain(replies.iter().map(|reply| format!("{reply:?}"))).chain([answer]).collect()
    }

    #[test]
    fn debug_shows_names_and_no_secret() {
        for shown in shown() {
            assert!(!shown.is_empty() && !shown.contains(SECRET), "{shown}");
        }
        assert_eq!(
            format!("{:?}", Answer::Form { fields: [("pin".to_owned(), json!(SECRET))].into() }),
            r#"Form(["pin"])"#
        );
    }
}
