//! The terminal itself: says lines, asks for lines, passwords without echo. Without a terminal the answers are the
//! lines of standard input, so that scripts can drive it.

use std::{
    io::{self, BufRead, BufReader, IsTerminal, Write},
    time::Duration,
};

use super::conversation::Stop;

/// How often a step that waits for something elsewhere is asked about.
const POLL_EVERY: Duration = Duration::from_secs(2);
/// Longest line taken.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Where the conversation happens.
pub struct Terminal {
    input: Box<dyn BufRead>,
    output: Box<dyn Write>,
    complaints: Box<dyn Write>,
    /// Passwords are read without echo.
    is_terminal: bool,
    poll_every: Duration,
}

impl Terminal {
    /// With `json`, standard output is kept for the result and the conversation moves to standard error.
    pub fn new(json: bool) -> Self {
        Self {
            input: Box::new(BufReader::new(io::stdin())),
            output: if json { Box::new(io::stderr()) } else { Box::new(io::stdout()) },
            complaints: Box::new(io::stderr()),
            is_terminal: io::stdin().is_terminal(),
            poll_every: POLL_EVERY,
        }
    }

    /// Prints a line.
    pub fn say(&mut self, text: &str) {
        // A closed output is no reason to stop a login; the answers still count.
        writeln!(self.output, "{}", printable(text)).ok();
    }

    /// Prints a line to standard error.
    pub fn complain(&mut self, text: &str) {
        self.output.flush().ok();
        writeln!(self.complaints, "{}", printable(text)).ok();
    }

    /// Lets some time pass before a step that waits is asked about again.
    pub fn wait(&mut self) {
        self.output.flush().ok();
        std::thread::sleep(self.poll_every);
    }

    /// Asks for a line, without its end.
    pub fn line(&mut self, prompt: &str) -> Result<String, Stop> {
        write!(self.output, "{}", printable(prompt)).ok();
        self.output.flush().ok();
        let line = self.read()?;
        if !self.is_terminal {
            // Nobody typed the end of the line, so the next words would stand behind the prompt.
            writeln!(self.output).ok();
        }
        Ok(line)
    }

    /// Asks for a line that is not echoed.
    pub fn secret(&mut self, prompt: &str) -> Result<String, Stop> {
        if !self.is_terminal {
            return self.line(prompt);
        }
        self.output.flush().ok();
        rpassword::prompt_password(printable(prompt))
            .map_err(|error| Stop(format!("no password could be read: {error}")))
    }

    /// Shows a numbered list and gives the index of the option picked; Enter takes the default.
    /// Options are pairs of value and name.
    pub fn choose(&mut self, label: &str, options: &[(String, String)], default: Option<usize>) -> Result<usize, Stop> {
        self.say(&format!("{label}:"));
        for (at, (_, name)) in options.iter().enumerate() {
            self.say(&format!("  {}) {name}", at + 1));
        }
        let hint = default.map(|at| format!(" [{}]", at + 1)).unwrap_or_default();
        loop {
            let text = self.line(&format!("Number{hint}: "))?;
            match picked(&text, options, default) {
                Some(at) => return Ok(at),
                None => self.say(&format!("  a number from 1 to {}", options.len())),
            }
        }
    }

    fn read(&mut self) -> Result<String, Stop> {
        let mut line = String::new();
        let mut bounded = io::Read::take(&mut self.input, LINE_BYTES_MAX);
        match bounded.read_line(&mut line) {
            Ok(0) => Err(Stop("the input ended before the last question was answered".to_owned())),
            Ok(_) => {
                let end = line.trim_end_matches(['\r', '\n']).len();
                line.truncate(end);
                Ok(line)
            }
            Err(error) => Err(Stop(format!("the input cannot be read: {error}"))),
        }
    }
}

/// A number from 1, the value or name of an option, or nothing for the default.
fn picked(text: &str, options: &[(String, String)], default: Option<usize>) -> Option<usize> {
    match text.trim() {
        "" => default,
        text => match text.parse::<usize>() {
            Ok(number) => number.checked_sub(1).filter(|at| *at < options.len()),
            Err(_) => options.iter().position(|(value, name)| value == text || name.eq_ignore_ascii_case(text)),
        },
    }
}

/// A host or a module cannot steer the terminal: control characters other than line ends are dropped.
fn printable(text: &str) -> String {
    let is_steering = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(|character| !is_steering(*character)).collect()
}

#[cfg(test)]
pub mod scripted {
    //! A terminal that is a text, for tests.

    use std::{cell::RefCell, io::Cursor, rc::Rc};

    use super::*;

    /// What was said.
    #[derive(Clone, Default)]
    pub struct Seen(Rc<RefCell<Vec<u8>>>);

    impl Seen {
        pub fn text(&self) -> String {
            String::from_utf8(self.0.borrow().clone()).unwrap()
        }
    }

    impl Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Terminal {
        pub fn scripted(input: &str) -> (Self, Seen) {
            let seen = Seen::default();
            let terminal = Self {
                input: Box::new(Cursor::new(input.to_owned())),
                output: Box::new(seen.clone()),
                complaints: Box::new(seen.clone()),
                is_terminal: false,
                poll_every: Duration::ZERO,
            };
            (terminal, seen)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_a_number_in_range_a_name_or_the_default() {
        let options = [("totp".to_owned(), "App".to_owned()), ("note".to_owned(), "Pin".to_owned())];
        for (text, expected) in [
            ("1", Some(0)),
            (" 2 ", Some(1)),
            ("pin", Some(1)),
            ("totp", Some(0)),
            ("0", None),
            ("3", None),
            ("-1", None),
        ] {
            assert_eq!(picked(text, &options, None), expected, "{text:?}");
        }
        assert_eq!((picked("", &options, Some(1)), picked("", &options, None)), (Some(1), None));
    }

    #[test]
    fn nobody_steers_the_terminal() {
        let (mut terminal, seen) = Terminal::scripted("");
        terminal.say("a\x1b[2Jb\rc\u{202e}d\nWert: ü");
        assert_eq!(seen.text(), "a[2Jbcd\nWert: ü\n");
    }

    #[test]
    fn the_end_of_the_input_is_said() {
        let (mut terminal, _) = Terminal::scripted("one\r\ntwo");
        assert_eq!(terminal.line("? ").unwrap(), "one");
        assert_eq!(terminal.line("? ").unwrap(), "two");
        assert!(terminal.line("? ").is_err());
    }
}
