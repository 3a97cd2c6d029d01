//! A plain socket pair between two processes: as many bytes there and back as a module call has, and nothing else.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{Child, Command, Stdio},
};

use crate::Failure;

/// The near end, and the process at the far one.
pub struct Echo {
    socket: UnixStream,
    child: Child,
    request: Vec<u8>,
    reply: Vec<u8>,
}

impl Echo {
    pub fn start(request_bytes: usize, reply_bytes: usize) -> Result<Self, Failure> {
        let (socket, far) = UnixStream::pair()?;
        let child = Command::new(std::env::current_exe()?)
            .arg(super::SOCKET_ARGUMENT)
            .args([request_bytes.to_string(), reply_bytes.to_string()])
            .stdin(Stdio::from(OwnedFd::from(far)))
            .spawn()?;
        Ok(Self { socket, child, request: vec![b'a'; request_bytes], reply: vec![0; reply_bytes] })
    }

    /// One request there, one reply back.
    pub fn exchange(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.request)?;
        self.socket.read_exact(&mut self.reply)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The far end, on standard input, until the near one is gone.
pub fn answer() -> Result<(), Failure> {
    let mut sizes = std::env::args().skip(2).map(|size| size.parse::<usize>());
    let mut request = vec![0; sizes.next().ok_or("no size")??];
    let reply = vec![b'b'; sizes.next().ok_or("no size")??];
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    while socket.read_exact(&mut request).is_ok() {
        socket.write_all(&reply)?;
    }
    Ok(())
}
