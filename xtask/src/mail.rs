//! `cargo xtask demo --mail`: a second factor by mail, from the address to the login, with a mail server that is not ours.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    Failure,
    host::{self, Host, text},
    packages, python,
    stage::check,
};

const USER: &str = "demo";
const ADDRESS: &str = "demo@example.org";
/// How long a mail may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Builds, sends two codes by mail, logs in with the second, and then goes on until Ctrl-C, unless it is to end.
pub fn run(once: bool, listen: &str) -> Result<(), Failure> {
    packages::install_what_is_lacking(&["python3"])?;
    python::install_what_is_lacking()?;
    let binary = host::build_release()?;
    let server = MailServer::start()?;
    let throw_away = tempfile::tempdir()?;
    let directory = throw_away.path().join("config");
    let password = host::random_password()?;
    host::with_password(&binary, &directory, &["init", "--user", USER], &password)?;
    enable_mail(&binary, &directory, server.port)?;
    let running = Host::start(&binary, &directory, if once { "127.0.0.1:0" } else { listen })?;
    println!("mfa-host runs at {}, and a mail server (aiosmtpd) beside it", running.base);

    let token = running.exchange(&log_in(&running, &password)?.1)?;
    println!("\nsetting up: a code goes to {ADDRESS}");
    let step = running.post("/api/mfa/email/setup", Some(&token), &json!({}))?;
    let place = format!("/api/mfa/setup/{}", text(&step, "/flow_id")?);
    running.post(&place, Some(&token), &json!({"email": ADDRESS}))?;
    let done = running.post(&place, Some(&token), &json!({"code": server.next_code()?}))?;
    expect(&done, "create_entry")?;
    println!("the code proved the address");

    println!("\nlogging in: password, then the code of the mail");
    let (flow_id, step) = log_in(&running, &password)?;
    expect(&step, "form")?;
    let done = running.submit_login(&flow_id, json!({"code": server.next_code()?}))?;
    let token = running.exchange(&done)?;
    let method = text(&running.get("/api/me", &token)?, "/session/mfa_method_used")?;
    println!("logged in; the session is stamped with {method:?}");
    if once {
        return Ok(());
    }
    println!("\nIn a second terminal, in this directory (user {USER}, password {password}):");
    let shown = directory.display();
    println!("  target/release/mfa-host --config {shown} login --url {}", running.base);
    println!("Every mail is shown here. Ctrl-C ends both servers.");
    loop {
        server.next(Duration::MAX)?;
    }
}

/// The channel, and the module that sends by it; `init` installed its file with all others.
fn enable_mail(binary: &Path, directory: &Path, port: u16) -> Result<(), Failure> {
    let path = directory.join("host.toml");
    let mut settings = fs::read_to_string(&path)?;
    settings.push_str(&format!(
        "\n[[channel]]\nname = \"email\"\ntype = \"email\"\nhost = \"localhost\"\nport = {port}\nencryption = \"none\"\n\
         from = \"mfa-host <login@example.org>\"\n"
    ));
    fs::write(path, settings)?;
    check(Command::new(binary).arg("--config").arg(directory).args(["module", "enable", "email"]))
}

fn log_in(running: &Host, password: &str) -> Result<(String, Value), Failure> {
    let flow_id = running.begin_login()?;
    let step = running.submit_login(&flow_id, json!({"username": USER, "password": password}))?;
    Ok((flow_id, step))
}

fn expect(step: &Value, kind: &str) -> Result<(), Failure> {
    if step["type"] == kind { Ok(()) } else { Err(format!("not the {kind} that was expected: {step}").into()) }
}

/// aiosmtpd, which shows each mail it takes. It ends with this value.
struct MailServer {
    child: Child,
    port: u16,
    lines: Receiver<String>,
}

impl MailServer {
    fn start() -> Result<Self, Failure> {
        let mut child = Command::new(python::interpreter())
            .arg(crate::root().join("tests/servers/mail.py"))
            .args(["--tls", "none"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("the mail server has no output")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let first = lines.recv_timeout(PATIENCE)?;
        let port = first.strip_prefix("listening ").ok_or("the mail server says no port")?.parse()?;
        Ok(Self { child, port, lines })
    }

    /// Shows the next mail and gives its text.
    fn next(&self, patience: Duration) -> Result<String, Failure> {
        let line = match patience {
            Duration::MAX => self.lines.recv()?,
            patience => self.lines.recv_timeout(patience).map_err(|_| "no mail came")?,
        };
        let mail: Value = serde_json::from_str(&line)?;
        let words = text(&mail, "/parts/text~1plain")?;
        println!("  ┌ mail to {}", text(&mail, "/envelope_to/0")?);
        words.lines().for_each(|line| println!("  │ {line}"));
        Ok(words)
    }

    /// The code in the next mail that has one; a notice has none.
    fn next_code(&self) -> Result<String, Failure> {
        loop {
            let words = self.next(PATIENCE)?;
            let mut groups = words.split(|letter: char| !letter.is_ascii_digit());
            if let Some(code) = groups.find(|group| group.len() == 6) {
                return Ok(code.to_owned());
            }
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
