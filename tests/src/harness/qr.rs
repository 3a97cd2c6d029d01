//! Reads a drawn QR code the way a telephone does: as a picture, with a reader that is not ours.

use std::{path::Path, process::Command};

use super::scratch::temporary_directory;

/// What the QR code in this SVG says.
pub fn decode_svg(svg: &str) -> String {
    let directory = temporary_directory();
    let (drawing, picture) = (directory.path().join("code.svg"), directory.path().join("code.png"));
    std::fs::write(&drawing, svg).expect("the drawing is written");
    let drawn = Command::new("rsvg-convert")
        .args(["--width", "600", "--keep-aspect-ratio", "--background-color", "white", "--output"])
        .arg(&picture)
        .arg(&drawing)
        .output()
        .expect("rsvg-convert runs; cargo xtask test installs it");
    assert!(drawn.status.success(), "rsvg-convert: {}", String::from_utf8_lossy(&drawn.stderr));
    read(&picture)
}

/// What the one QR code in this picture says.
pub fn decode_png(png: &[u8]) -> String {
    let directory = temporary_directory();
    let picture = directory.path().join("page.png");
    std::fs::write(&picture, png).expect("the picture is written");
    read(&picture)
}

fn read(picture: &Path) -> String {
    let read = Command::new("zbarimg")
        .args(["--quiet", "--raw", "--nodbus"])
        .arg(picture)
        .output()
        .expect("zbarimg runs; cargo xtask test installs it");
    assert!(read.status.success(), "zbarimg: {}", String::from_utf8_lossy(&read.stderr));
    String::from_utf8(read.stdout).expect("text").trim_end().to_owned()
}
