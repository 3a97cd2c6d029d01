//! The table: one line a row, printed as each is known and once more as a whole.

use std::fmt;

use super::{rounds::Rounds, targets};

/// All rows of one run.
pub struct Table {
    only: String,
    rows: Vec<Row>,
}

struct Row {
    cells: Cells,
    is_met: bool,
}

/// The name first; the others stand right.
type Cells = [String; 7];

const HEAD: [&str; 7] = ["", "target", "measured", "bare", "ratio", "spread", ""];

impl Table {
    pub fn new(only: &str) -> Self {
        Self { only: only.to_owned(), rows: Vec::new() }
    }

    /// Whether this row is asked for.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }

    /// Takes a row and says it at once, since the whole takes minutes.
    pub fn add(&mut self, name: &str, unit: &str, rounds: &Rounds) {
        let target = targets::of(name);
        let ratio = rounds.ratio();
        let is_met = target.is_none_or(|target| target.is_met(rounds.figure(), ratio));
        let verdict = match target {
            None => "",
            Some(_) if is_met => "ok",
            Some(_) => "MISSED",
        };
        let cells = [
            name.to_owned(),
            target.map(|target| target.shown(unit)).unwrap_or_default(),
            format!("{} {unit}", shown(rounds.figure())),
            rounds.bare().map(|bare| format!("{} {unit}", shown(bare))).unwrap_or_default(),
            ratio.map(|ratio| format!("{ratio:.2} ×")).unwrap_or_default(),
            format!("± {:.0} %", rounds.spread() * 50.0),
            verdict.to_owned(),
        ];
        println!("{name}: {}", cells[2..].join("  "));
        self.rows.push(Row { cells, is_met });
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Names of the rows that miss their target.
    pub fn missed(&self) -> Vec<&str> {
        self.rows.iter().filter(|row| !row.is_met).map(|row| row.cells[0].trim()).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = HEAD.map(str::to_owned);
        let lines: Vec<&Cells> = std::iter::once(&head).chain(self.rows.iter().map(|row| &row.cells)).collect();
        let longest = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..head.len()).map(longest).collect();
        for (place, cells) in lines.iter().enumerate() {
            write!(formatter, "| {:1$} |", cells[0], widths[0])?;
            for (cell, width) in cells.iter().zip(&widths).skip(1) {
                write!(formatter, " {cell:>width$} |")?;
            }
            writeln!(formatter)?;
            if place == 0 {
                write!(formatter, "|{}|", "-".repeat(widths[0] + 2))?;
                for width in &widths[1..] {
                    write!(formatter, "{}:|", "-".repeat(width + 1))?;
                }
                writeln!(formatter)?;
            }
        }
        Ok(())
    }
}

/// Three digits that count, thousands apart.
fn shown(figure: f64) -> String {
    match figure {
        figure if figure >= 1000.0 => {
            let whole = figure.round() as u64;
            format!("{},{:03}", whole / 1000, whole % 1000)
        }
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}
