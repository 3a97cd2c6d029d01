//! The table: one line a row, printed as each is known and once more as a whole.

use std::fmt;

use super::{rounds::Rounds, targets};

/// All rows of one run.
pub struct Table {
    only: String,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    cells: [String; 6],
    is_met: bool,
}

const HEAD: [&str; 6] = ["target", "measured", "bare", "ratio", "spread", ""];

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
            target.map(|target| target.shown(unit)).unwrap_or_default(),
            format!("{} {unit}", shown(rounds.figure())),
            rounds.bare().map(|bare| format!("{} {unit}", shown(bare))).unwrap_or_default(),
            ratio.map(|ratio| format!("{ratio:.2} ×")).unwrap_or_default(),
            format!("± {:.0} %", rounds.spread() * 50.0),
            verdict.to_owned(),
        ];
        println!("{name}: {}", cells[1..].join("  "));
        self.rows.push(Row { name: name.to_owned(), cells, is_met });
    }

    /// Names of the rows that miss their target.
    pub fn missed(&self) -> Vec<&str> {
        self.rows.iter().filter(|row| !row.is_met).map(|row| row.name.as_str()).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head: [String; 6] = HEAD.map(str::to_owned);
        let lines: Vec<(&str, &[String; 6])> =
            std::iter::once(("", &head)).chain(self.rows.iter().map(|row| (row.name.as_str(), &row.cells))).collect();
        let width = |of: &dyn Fn(&(&str, &[String; 6])) -> usize| lines.iter().map(of).max().unwrap_or(0);
        let first = width(&|(name, _)| name.chars().count());
        let others: Vec<usize> = (0..6).map(|column| width(&|(_, cells)| cells[column].chars().count())).collect();
        for (place, (name, cells)) in lines.iter().enumerate() {
            write!(formatter, "| {name:first$} |")?;
            for (cell, width) in cells.iter().zip(&others) {
                write!(formatter, " {cell:>width$} |")?;
            }
            writeln!(formatter)?;
            if place == 0 {
                let rules: Vec<String> =
                    std::iter::once(first).chain(others.iter().copied()).map(|width| "-".repeat(width + 2)).collect();
                writeln!(formatter, "|{}|", rules.join("|"))?;
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
