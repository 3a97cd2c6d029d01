//! The store's files in the hands of somebody who may write them but lacks the key: lines can be changed, and the
//! framing (byte count, checksum) put right again, because no secret is needed for that.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// One line of a file of the store.
#[derive(Clone, Debug)]
pub struct Line {
    pub file: PathBuf,
    pub json: Value,
    /// As it stands in the file, so that untouched lines stay untouched.
    pub text: String,
}

impl Line {
    /// The record's key, unless this line frames a batch.
    pub fn key(&self) -> Option<&str> {
        self.json["key"].as_str()
    }

    /// Whether this is a live record of this kind (`session`, `user`, …).
    pub fn is_record_of(&self, kind: &str) -> bool {
        self.key().is_some_and(|key| key.split('/').next() == Some(kind)) && self.json.get("value").is_some()
    }

    /// Changes the line.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.json);
        self.text = self.json.to_string();
    }
}

/// All lines of all files, in the order they stand.
pub fn read_lines(files: &[PathBuf]) -> Vec<Line> {
    let mut lines = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).expect("the store's files are text");
        // A running host keeps room behind its last change, filled with ends of lines.
        for line in text.lines().filter(|line| !line.is_empty()) {
            let json = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
            lines.push(Line { file: file.clone(), json, text: line.to_owned() });
        }
    }
    lines
}

/// Writes the lines back to their files; with `reframe`, byte counts and checksums fit again.
pub fn write_lines(lines: &[Line], reframe: bool) {
    let mut files: Vec<&Path> = lines.iter().map(|line| line.file.as_path()).collect();
    files.dedup();
    for file in files {
        let own: Vec<&Line> = lines.iter().filter(|line| line.file == file).collect();
        let mut text = String::new();
        for (position, line) in own.iter().enumerate() {
            if reframe && line.json.get("batch").is_some() {
                let body: String = own[position + 1..]
                    .iter()
                    .take_while(|line| line.json.get("batch").is_none())
                    .map(|line| format!("{}\n", line.text))
                    .collect();
                text.push_str(&frame(&line.json, body.as_bytes()));
            } else {
                text.push_str(&line.text);
            }
            text.push('\n');
        }
        std::fs::write(file, text).expect("the store's file is written");
    }
}

/// The header with the byte count and checksum of this body.
fn frame(header: &Value, body: &[u8]) -> String {
    let mut header = header.clone();
    header["bytes"] = body.len().into();
    assert!(header["checksum"].is_string(), "a checksum in {header}");
    header["checksum"] = format!("{:08x}", crc32(body)).into();
    header.to_string()
}

/// CRC-32 of IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}

#[test]
fn crc32_has_the_known_check_value() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}
