//! The command line's end of the control socket.

use std::{os::unix::fs::MetadataExt, path::Path, time::Duration};

use tokio::{io::BufReader, net::UnixStream};

use super::{
    Command, Outcome, SOCKET_NAME,
    address::SocketPath,
    frame::{self, FrameError},
    socket_directory,
};

/// A list of every user and session of a large host fits.
const OUTCOME_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Longer than any command takes on a host that is well.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens: the host is stopped.
    #[error("no host is running")]
    NotRunning,
    #[error("the control socket is held by user id {0}, who is neither you, root nor the owner of the directory")]
    ForeignServer(u32),
    #[error("the running host did not answer: {0}")]
    NoAnswer(#[from] FrameError),
    #[error("the running host did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Late,
    #[error("the control socket cannot be used: {0}")]
    Io(std::io::Error),
}

/// Hands the command to the running host.
///
/// # Errors
/// No host runs, or it does not answer.
pub async fn ask(config_directory: &Path, command: &Command) -> Result<Outcome, AskError> {
    let directory = socket_directory(config_directory);
    let path = SocketPath::new(&directory, SOCKET_NAME).map_err(not_running)?;
    let mut stream = UnixStream::connect(path.as_path()).await.map_err(not_running)?;
    // A password may follow: it is told to nobody but the one whose directory this is.
    let server = stream.peer_cred().map_err(AskError::Io)?.uid();
    let owner = std::fs::metadata(config_directory).map_err(AskError::Io)?.uid();
    if ![0, owner, rustix::process::geteuid().as_raw()].contains(&server) {
        return Err(AskError::ForeignServer(server));
    }
    let (reading, mut writing) = stream.split();
    let exchange = async {
        frame::write(&mut writing, command).await?;
        frame::read(&mut BufReader::new(reading), OUTCOME_BYTES_MAX).await
    };
    Ok(tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.map_err(|_| AskError::Late)??)
}

fn not_running(error: std::io::Error) -> AskError {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => AskError::NotRunning,
        _ => AskError::Io(error),
    }
}
