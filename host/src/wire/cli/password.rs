//! A new password: typed twice at a terminal, or the first line of standard input.

use std::io::{BufRead, IsTerminal};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::failure::Failure;

const LINE_BYTES_MAX: u64 = 4096;

/// A new password for `name`.
pub fn ask(name: &str) -> Result<SecretString, Failure> {
    let standard_input = std::io::stdin();
    if standard_input.is_terminal() { ask_twice(name) } else { first_line(standard_input.lock()) }
}

fn ask_twice(name: &str) -> Result<SecretString, Failure> {
    let prompt = |text: String| {
        rpassword::prompt_password(text).map(SecretString::from).map_err(|error| {
            Failure::failed(
                format!("the password could not be read: {error}"),
                "give it on the first line of standard input",
            )
        })
    };
    let first = prompt(format!("Password for {name}: "))?;
    let second = prompt("Again: ".to_owned())?;
    if first.expose_secret() != second.expose_secret() {
        return Err(Failure::failed("the two passwords differ", "run the command again"));
    }
    Ok(first)
}

fn first_line(input: impl BufRead) -> Result<SecretString, Failure> {
    let remedy = "write the password and a line's end to standard input";
    let mut line = Zeroizing::new(String::with_capacity(LINE_BYTES_MAX as usize));
    input
        .take(LINE_BYTES_MAX)
        .read_line(&mut line)
        .map_err(|error| Failure::failed(format!("the password could not be read: {error}"), remedy))?;
    if line.len() as u64 == LINE_BYTES_MAX {
        return Err(Failure::failed(
            format!("the password has {LINE_BYTES_MAX} bytes or more"),
            "choose a shorter one",
        ));
    }
    let password = line.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(Failure::failed("no password was given", remedy));
    }
    Ok(SecretString::from(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_without_its_end() {
        let read = |text: &str| first_line(text.as_bytes()).map(|password| password.expose_secret().to_owned()).ok();
        assert_eq!(read("one two\nthree\n").as_deref(), Some("one two"));
        assert_eq!(read("windows\r\n").as_deref(), Some("windows"));
        assert_eq!(read(" spaces count ").as_deref(), Some(" spaces count "));
        assert_eq!(read("\nsecond\n"), None);
        assert_eq!(read(""), None);
        assert_eq!(read(&"a".repeat(5000)), None);
    }
}
