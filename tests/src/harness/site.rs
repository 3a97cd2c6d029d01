//! A site that is not the host's: the client that a browser comes back to, or a page made for a test.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use super::status::PATIENCE;

/// What browsers ask for of their own accord.
const ICON: &str = "/favicon.ico";

/// What a site says at its addresses.
#[derive(Clone)]
enum Says {
    /// These pages by path; any other says "not found".
    Pages(BTreeMap<String, String>),
    /// That all of it has moved to this origin.
    Moved(String),
}

/// A server of fixed answers. It ends with the process.
pub struct Site {
    /// Scheme, host and port.
    pub origin: String,
    asked: Receiver<String>,
}

impl Site {
    /// A site with these pages by path.
    pub fn new(pages: &[(&str, &str)]) -> Self {
        let pages = pages.iter().chain(&[(ICON, "")]).map(|(path, page)| ((*path).to_owned(), (*page).to_owned()));
        Self::that_says(Says::Pages(pages.collect()))
    }

    /// A site that leads whoever comes on to another, to the same path and query there.
    pub fn leading_to(other: &Site) -> Self {
        Self::that_says(Says::Moved(other.origin.clone()))
    }

    fn that_says(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        let (sender, asked) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A browser opens connections in advance and says nothing on them; each has its own thread.
                let (says, sender) = (says.clone(), sender.clone());
                thread::spawn(move || stream.and_then(|stream| answer(stream, &says, &sender)));
            }
        });
        Self { origin, asked }
    }

    /// Path and query of the next request.
    #[track_caller]
    pub fn next(&self) -> String {
        self.asked.recv_timeout(PATIENCE).expect("somebody comes")
    }
}

fn answer(mut stream: TcpStream, says: &Says, asked: &Sender<String>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let path = target.split('?').next().unwrap_or_default();
    let (status, page) = match says {
        Says::Pages(pages) => pages.get(path).map_or(("404 Not Found", "not found"), |page| ("200 OK", page.as_str())),
        Says::Moved(origin) => (&*format!("302 Found\r\nlocation: {origin}{target}"), ""),
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\nconnection: close\r\n");
    while !lines.next().unwrap_or_else(|| Ok(String::new()))?.is_empty() {}
    if target != ICON {
        let _ = asked.send(target);
    }
    write!(stream, "{head}content-length: {}\r\n\r\n{page}", page.len())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new()).map(drop)
}
