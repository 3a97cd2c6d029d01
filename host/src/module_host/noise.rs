//! What a module writes to its standard error: always drained, so that it never blocks; a few lines a second reach
//! the log, and the last one helps to explain a crash.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    task::JoinHandle,
    time::Instant,
};

use super::reply::plain;

const LINE_BYTES_MAX: usize = 500;
const LINES_PER_SECOND_MAX: u32 = 20;
const LAST_WORDS_WAIT: Duration = Duration::from_millis(200);

/// The drained standard error of one worker.
pub(super) struct Noise {
    task: JoinHandle<()>,
    last_line: Arc<Mutex<String>>,
}

impl Noise {
    pub(super) fn drain(stream: impl AsyncRead + Unpin + Send + 'static, module: String) -> Self {
        let last_line = Arc::new(Mutex::new(String::new()));
        let task = tokio::spawn(drain(stream, module, last_line.clone()));
        Self { task, last_line }
    }

    /// The last line the worker wrote before it ended, without control characters; empty if there was none.
    pub(super) async fn last_line(mut self) -> String {
        let _ = tokio::time::timeout(LAST_WORDS_WAIT, &mut self.task).await;
        self.task.abort();
        self.last_line.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn drain(mut stream: impl AsyncRead + Unpin, module: String, last_line: Arc<Mutex<String>>) {
    let mut lines = Lines::default();
    let mut rate = Rate::new(Instant::now());
    let mut chunk = [0; 4096];
    loop {
        let length = match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(length) => length,
        };
        for line in lines.feed(&chunk[..length]) {
            log(&module, line, &mut rate, &last_line);
        }
    }
    if let Some(line) = lines.rest() {
        log(&module, line, &mut rate, &last_line);
    }
}

fn log(module: &str, line: String, rate: &mut Rate, last_line: &Mutex<String>) {
    if let Some(dropped) = rate.admits(Instant::now()) {
        if dropped > 0 {
            tracing::warn!(target: "module", module, dropped, "the module wrote too many lines");
        }
        tracing::info!(target: "module", module, "{line}");
    }
    // Rust ends a panic's text with a note on backtraces, which explains nothing.
    if !line.starts_with("note: ") {
        *last_line.lock().unwrap_or_else(PoisonError::into_inner) = line;
    }
}

/// Cuts bytes into lines; of a line too long only the beginning is kept.
#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LINE_BYTES_MAX - self.begun.len();
            self.begun.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                lines.extend(self.rest());
            }
        }
        lines
    }

    fn rest(&mut self) -> Option<String> {
        let line = plain(&String::from_utf8_lossy(&std::mem::take(&mut self.begun)), LINE_BYTES_MAX);
        (!line.is_empty()).then_some(line)
    }
}

/// At most so many lines in each second.
struct Rate {
    since: Instant,
    admitted: u32,
    dropped: u64,
}

impl Rate {
    fn new(now: Instant) -> Self {
        Self { since: now, admitted: 0, dropped: 0 }
    }

    /// Whether a line may pass now, and how many did not since the last one that did.
    fn admits(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.admitted) = (now, 0);
        }
        if self.admitted >= LINES_PER_SECOND_MAX {
            self.dropped += 1;
            return None;
        }
        self.admitted += 1;
        Some(std::mem::take(&mut self.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_cleaned() {
        let mut lines = Lines::default();
        assert_eq!(lines.feed(b"one\ntw"), ["one"]);
        assert_eq!(lines.feed(b"o\n\n\x1b[31mred\xff\n"), ["two", "[31mred\u{fffd}"]);
        let long = lines.feed(&[&[b'x'; 100_000][..], b"\nafter\n"].concat());
        assert_eq!((long[0].len(), long[1].as_str()), (LINE_BYTES_MAX, "after"));
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn a_flood_is_counted_and_not_logged() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        let admitted = (0..1000).filter(|_| rate.admits(start).is_some()).count();
        assert_eq!(admitted, LINES_PER_SECOND_MAX as usize);
        assert_eq!(rate.admits(start + Duration::from_millis(1001)), Some(980));
        assert_eq!(rate.admits(start + Duration::from_millis(1002)), Some(0));
    }
}
