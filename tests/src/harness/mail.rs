//! Messages of a test's host: an outbox in place of a mail server, and the codes that lie in it.

use serde_json::{Value, json};

use super::{Answer, CLIENT_ID, Directory, Server, Stage, Tokens};

impl Directory {
    /// A channel `email` that keeps its mails for `/dev/outbox`, and the module that sends codes by it.
    pub fn with_outbox(&self) {
        self.append_settings("[[channel]]\nname = \"email\"\ntype = \"outbox\"\ntarget = \"email\"");
        self.with_email_module("");
    }

    /// A channel `email` to this mail server without encryption, and the module that sends codes by it.
    pub fn with_mail_server(&self, port: u16) {
        self.append_settings(&format!(
            "[[channel]]\nname = \"email\"\ntype = \"email\"\nhost = \"localhost\"\nport = {port}\n\
             from = \"login@example.org\"\nencryption = \"none\""
        ));
        self.with_email_module("");
    }

    /// The module `email` with this configuration.
    pub fn with_email_module(&self, config: &str) {
        self.append_settings(&format!(
            "[[module]]\ntype = \"email\"\nkind = \"possession\"\namr = [\"mca\"]\n[module.config]\n{config}"
        ));
    }
}

impl Stage {
    /// What lies in the outbox, the oldest first.
    pub fn outbox(&self) -> Vec<Value> {
        let messages = self.wire().get("/dev/outbox").expect(200);
        messages.as_array().expect("a list").clone()
    }

    /// The same without what only tells what happened to the account.
    pub fn asked_for(&self) -> Vec<Value> {
        let mut messages = self.outbox();
        messages.retain(|message| !is_notice(message["text"].as_str().expect("text")));
        messages
    }

    /// The code of the latest message.
    #[track_caller]
    pub fn sent_code(&self) -> String {
        code_in(self.asked_for().last().expect("a message")["text"].as_str().expect("text"))
    }

    /// The code of the first message to this address.
    #[track_caller]
    pub fn code_sent_to(&self, address: &str) -> String {
        let messages = self.outbox();
        let message = messages.iter().find(|message| message["to"] == address);
        code_in(message.unwrap_or_else(|| panic!("a message to {address}"))["text"].as_str().expect("text"))
    }

    /// Sets `email` up for this address; the code comes from the outbox.
    #[track_caller]
    pub fn set_up_email(&self, tokens: &Tokens, address: &str) {
        let step = self.begin_setup(tokens, "email").expect(200);
        let flow_id = step["flow_id"].as_str().expect("a flow id").to_owned();
        let step = self.submit_setup(tokens, &flow_id, &json!({"email": address})).expect(200);
        assert_eq!(step["delivery"], "sent", "{step}");
        let done = self.submit_setup(tokens, &flow_id, &json!({"code": self.sent_code()})).expect(200);
        assert_eq!(done["type"], "create_entry", "{done}");
    }

    /// A wish in place of an answer: `resend`, or another method.
    pub fn wish(&self, flow_id: &str, wish: &Value) -> Answer {
        let mut body = wish.clone();
        body["client_id"] = CLIENT_ID.into();
        self.wire().post(&format!("/auth/login_flow/{flow_id}"), &body)
    }
}

impl Server {
    /// The next mail that does not only tell what happened to the account.
    #[track_caller]
    pub fn next_asked_for(&self) -> Value {
        loop {
            let mail = self.next();
            if !is_notice(mail["parts"]["text/plain"].as_str().expect("a plain part")) {
                return mail;
            }
        }
    }

    /// The code of the next mail, which stands in both parts.
    #[track_caller]
    pub fn next_code(&self) -> String {
        let mail = self.next_asked_for();
        let part = |kind: &str| mail["parts"][kind].as_str().unwrap_or_else(|| panic!("{kind} in {mail:#}")).to_owned();
        let code = code_in(&part("text/plain"));
        assert!(part("text/html").contains(&code), "{mail:#}");
        code
    }
}

/// Every notice says what to do if it was not you.
fn is_notice(text: &str) -> bool {
    text.contains("If this was not you")
}

/// The one group of six digits.
#[track_caller]
fn code_in(text: &str) -> String {
    let groups = text.split(|character: char| !character.is_ascii_digit()).filter(|group| group.len() == 6);
    let codes: Vec<&str> = groups.collect();
    assert_eq!(codes.len(), 1, "one code in {text}");
    codes[0].to_owned()
}
