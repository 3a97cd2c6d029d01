//! A bare append with a shared `fdatasync`: one thread takes all that waits, writes it in one piece and syncs once.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

use tokio::sync::oneshot;

struct Line {
    bytes: Vec<u8>,
    durable: oneshot::Sender<()>,
}

/// The near end. The thread ends when the last clone is gone.
#[derive(Clone)]
pub struct Append {
    lines: Sender<Line>,
}

impl Append {
    pub fn start(path: &Path) -> io::Result<(Self, JoinHandle<io::Result<()>>)> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let (lines, waiting) = channel();
        let thread = std::thread::Builder::new().name("append".to_owned()).spawn(move || write(&file, &waiting))?;
        Ok((Self { lines }, thread))
    }

    /// Durable when it returns true.
    pub async fn commit(&self, bytes: Vec<u8>) -> bool {
        let (durable, answered) = oneshot::channel();
        self.lines.send(Line { bytes, durable }).is_ok() && answered.await.is_ok()
    }
}

fn write(file: &File, waiting: &Receiver<Line>) -> io::Result<()> {
    let mut offset = 0;
    let mut batch = Vec::new();
    while let Ok(first) = waiting.recv() {
        batch.clear();
        let mut answers = Vec::new();
        for line in std::iter::once(first).chain(waiting.try_iter()) {
            batch.extend_from_slice(&line.bytes);
            answers.push(line.durable);
        }
        file.write_all_at(&batch, offset)?;
        file.sync_data()?;
        offset += batch.len() as u64;
        for durable in answers {
            // Whoever stopped waiting has no use for it.
            let _ = durable.send(());
        }
    }
    Ok(())
}
