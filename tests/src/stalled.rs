//! A client that asks and never takes the answer holds its place for a while and not for good. The limit is kept by the
//! system, whose time no test can move.

use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::harness::Stage;

/// Three times the limit.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_client_that_takes_nothing_of_its_answers_is_cut() {
    let stage = Stage::new();
    let address = stage.wire().base().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).expect("a connection");
    stream.set_nonblocking(true).expect("a mode");
    let request = format!("GET /static/style.css HTTP/1.1\r\nhost: {address}\r\n\r\n");
    // Until neither side takes more: the host waits for a client that does not read.
    let began = Instant::now();
    while stream.write_all(request.as_bytes()).is_ok() {
        assert!(began.elapsed() < PATIENCE, "the host reads on without being read");
    }
    while began.elapsed() < PATIENCE {
        let mut watched = [PollFd::new(&stream, PollFlags::empty())];
        match poll(&mut watched, Some(&Timespec { tv_sec: 1, tv_nsec: 0 })) {
            Ok(_) if watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => return,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the connection is still open after {PATIENCE:?}");
}
