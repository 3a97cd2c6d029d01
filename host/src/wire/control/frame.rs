//! One JSON line there, one JSON line back, each of bounded length.

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the connection ended before the line did")]
    Cut,
    #[error("the line is longer than {0} bytes")]
    TooLong(u64),
    #[error("the line is not understood: {0}")]
    Malformed(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Reads one line. Its bytes may hold a password and are wiped.
pub async fn read<T: DeserializeOwned>(
    stream: &mut (impl AsyncBufRead + Unpin),
    bytes_max: u64,
) -> Result<T, FrameError> {
    let mut line = Zeroizing::new(Vec::new());
    stream.take(bytes_max).read_until(b'\n', &mut line).await?;
    if line.last() != Some(&b'\n') {
        return Err(if line.len() as u64 == bytes_max { FrameError::TooLong(bytes_max) } else { FrameError::Cut });
    }
    // The message of serde_json may quote the input; only where it stands is told.
    serde_json::from_slice(&line)
        .map_err(|error| FrameError::Malformed(format!("{:?} at column {}", error.classify(), error.column())))
}

/// Writes one line.
pub async fn write<T: Serialize>(stream: &mut (impl AsyncWrite + Unpin), content: &T) -> Result<(), FrameError> {
    let mut line =
        Zeroizing::new(serde_json::to_vec(content).map_err(|error| FrameError::Malformed(error.to_string()))?);
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::control::Command;

    async fn parse(bytes: &[u8], bytes_max: u64) -> Result<Command, FrameError> {
        read(&mut &*bytes, bytes_max).await
    }

    #[tokio::test]
    async fn only_a_whole_short_line_is_taken() {
        let line = b"{\"command\":\"user_list\"}\n";
        assert!(matches!(parse(line, 100).await, Ok(Command::UserList {})));
        assert!(matches!(parse(line, line.len() as u64).await, Ok(Command::UserList {})));
        assert!(matches!(parse(line, line.len() as u64 - 1).await, Err(FrameError::TooLong(_))));
        assert!(matches!(parse(&line[..line.len() - 1], 100).await, Err(FrameError::Cut)));
        assert!(matches!(parse(b"", 100).await, Err(FrameError::Cut)));
        assert!(matches!(parse(&[b'a'; 200], 100).await, Err(FrameError::TooLong(100))));
        assert!(matches!(parse(b"\xff\xfe\n", 100).await, Err(FrameError::Malformed(_))));
    }

    #[tokio::test]
    async fn an_error_never_quotes_the_line() {
        let line = b"{\"command\":\"user_add\",\"name\":\"a\",\"password\":\"hunter2\",\"owner\":\"hunter2\"}\n";
        let Err(error) = parse(line, 1000).await else { panic!("taken") };
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
