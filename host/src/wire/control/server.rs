//! The running host's end of the control socket.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::BufReader,
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinHandle,
};

use super::{Host, Outcome, SOCKET_NAME, address::SocketPath, execute, frame, socket_directory};

/// A command with a name and a password is far shorter.
const COMMAND_BYTES_MAX: u64 = 64 * 1024;
const CONNECTIONS_MAX: usize = 16;
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// A command that runs when the socket closes has this long to finish.
const FINISH_TIMEOUT: Duration = Duration::from_secs(10);

/// The socket while it is open.
pub struct ControlSocket {
    task: JoinHandle<()>,
    /// All of it is free when no command runs.
    room: Arc<Semaphore>,
    directory: PathBuf,
}

impl ControlSocket {
    /// Opens the socket, 0600, and answers commands. Only the holder of the store's lock may call this: whatever
    /// socket file is there then was left by a host that is gone, and is removed.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn open(config_directory: &Path, host: Arc<Host>) -> std::io::Result<Self> {
        let directory = socket_directory(config_directory);
        let path = SocketPath::new(&directory, SOCKET_NAME)?;
        remove_if_there(path.as_path())?;
        let listener = UnixListener::bind(path.as_path())?;
        std::fs::set_permissions(path.as_path(), std::fs::Permissions::from_mode(0o600))?;
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Ok(Self { task: tokio::spawn(accept(listener, room.clone(), host)), room, directory })
    }

    /// Takes no more commands and lets those that run finish. The store's lock must still be held.
    pub async fn close(self) {
        self.task.abort();
        // The task was aborted on purpose; its result says nothing.
        let _ = self.task.await;
        let all_done = self.room.acquire_many(CONNECTIONS_MAX as u32);
        if tokio::time::timeout(FINISH_TIMEOUT, all_done).await.is_err() {
            tracing::warn!("a command did not finish within {} s and was cut", FINISH_TIMEOUT.as_secs());
        }
        let removed = SocketPath::new(&self.directory, SOCKET_NAME).and_then(|path| remove_if_there(path.as_path()));
        if let Err(error) = removed {
            tracing::warn!("the control socket could not be removed: {error}");
        }
    }
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn accept(listener: UnixListener, room: Arc<Semaphore>, host: Arc<Host>) {
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let host = host.clone();
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, &host).await {
                        tracing::debug!("control connection: {error}");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!("control socket: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, host: &Host) -> Result<(), frame::FrameError> {
    let peer = stream.peer_cred()?.uid();
    let (reading, mut writing) = stream.split();
    let outcome = if !may_command(peer, rustix::process::geteuid().as_raw()) {
        tracing::warn!("user id {peer} tried the control socket and was refused");
        refusal("only the host's own user and root may give commands", "run the command as the host's user")
    } else {
        match tokio::time::timeout(READ_TIMEOUT, frame::read(&mut BufReader::new(reading), COMMAND_BYTES_MAX)).await {
            Err(_) => refusal("the command did not arrive in time", "run the command again"),
            Ok(Err(error)) => {
                refusal(&format!("the running host: {error}"), "restart the host if it is older than this command")
            }
            Ok(Ok(command)) => execute(host, &format!("uid:{peer}"), command).await,
        }
    };
    frame::write(&mut writing, &outcome).await
}

fn refusal(problem: &str, remedy: &str) -> Outcome {
    Outcome::Failed { problem: problem.to_owned(), remedy: remedy.to_owned() }
}

fn may_command(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_user_and_root_may_command() {
        assert!(may_command(1000, 1000) && may_command(0, 1000) && may_command(0, 0));
        assert!(!may_command(1001, 1000) && !may_command(1000, 0));
    }

    #[tokio::test]
    async fn a_deep_directory_and_a_stale_file_are_no_obstacle() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(120)).join("e".repeat(120));
        std::fs::create_dir_all(&deep).unwrap();
        for _ in 0..2 {
            let path = SocketPath::new(&deep, SOCKET_NAME).unwrap();
            remove_if_there(path.as_path()).unwrap();
            let listener = UnixListener::bind(path.as_path()).unwrap();
            let again = SocketPath::new(&deep, SOCKET_NAME).unwrap();
            let (client, server) = tokio::join!(UnixStream::connect(again.as_path()), listener.accept());
            assert_eq!(server.unwrap().0.peer_cred().unwrap().uid(), rustix::process::geteuid().as_raw());
            drop(client.unwrap());
        }
        assert!(deep.join(SOCKET_NAME).exists());
    }
}
