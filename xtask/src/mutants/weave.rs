//! Weaves all mutations of one file into its text, each asleep until its number is called: one build tries them all.

use std::ops::Range;

use syn::{
    Arm, BinOp, Block, Expr, ExprBinary, ExprMatch, ExprStruct, ExprUnary, ImplItemFn, ItemFn, Pat, ReturnType,
    Signature, Type,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::list::{Genre, Mutant};
use crate::Failure;

/// Characters of changed code that are shown of either end.
const END_SHOWN: usize = 32;

/// A file with its mutations in it.
pub struct Woven {
    pub text: String,
    /// Which bytes of it belong to which mutations, so that a compiler's complaint can be laid to one.
    places: Vec<(Range<usize>, Vec<usize>)>,
}

impl Woven {
    /// The mutations a complaint about this byte is about: those of the smallest place around it.
    pub fn at(&self, byte: usize) -> &[usize] {
        let around = self.places.iter().filter(|(range, _)| range.contains(&byte));
        around.min_by_key(|(range, _)| range.len()).map_or(&[], |(_, numbers)| numbers)
    }
}

/// A piece of text to put in.
struct Insertion {
    at: usize,
    /// At one byte, what ends stands before what begins; of two that begin the longer stands first, of two that end
    /// the shorter.
    order: (u8, isize),
    text: String,
    numbers: Vec<usize>,
    /// What begins here reaches to this byte of the original.
    until: Option<usize>,
}

/// The text with these mutations (number and what it is), and what the number is of: the code that changes.
///
/// # Errors
/// When the file is no Rust.
pub fn weave(text: &str, mutants: &[(usize, &Mutant)]) -> Result<Woven, Failure> {
    let mut insertions = Vec::new();
    for (range, mutations) in grouped(text, mutants)? {
        insertions.extend(insertions_of(text, &range, &mutations));
    }
    Ok(put_in(text, insertions))
}

/// The code each mutation changes, as it reads on one line: part of its name, which no line number outlives.
pub fn subjects(text: &str, mutants: &[(usize, &Mutant)]) -> Result<Vec<(usize, String)>, Failure> {
    let mut subjects = Vec::new();
    for (range, mutations) in grouped(text, mutants)? {
        let shown = text[range].split_whitespace().collect::<Vec<_>>().join(" ");
        let shown = both_ends(&shown);
        for mutation in mutations {
            let is_whole_function = matches!(mutation.kind, Kind::Return(_));
            subjects.push((mutation.number, if is_whole_function { String::new() } else { shown.clone() }));
        }
    }
    Ok(subjects)
}

/// In a chain of conditions the beginning is that of all, and the end is what tells one from the next.
fn both_ends(code: &str) -> String {
    let characters: Vec<char> = code.chars().collect();
    if characters.len() <= 2 * END_SHOWN {
        return code.to_owned();
    }
    let end = |range: &[char]| range.iter().collect::<String>();
    format!("{} … {}", end(&characters[..END_SHOWN]), end(&characters[characters.len() - END_SHOWN..]))
}

struct Mutation {
    number: usize,
    kind: Kind,
}

enum Kind {
    /// The function returns this at once.
    Return(String),
    /// The expression reads so.
    Instead(String),
    /// The field of this name, written without a value of its own, gets this one.
    Shorthand { name: String, value: String },
    /// The arm matches nothing; whether it has a guard of its own.
    NoArm { has_guard: bool },
    /// The guard of an arm is this.
    Guard(bool),
}

type Grouped = Vec<(Range<usize>, Vec<Mutation>)>;

/// Mutations by the code they change. Those with no place that could be woven in are left out.
fn grouped(text: &str, mutants: &[(usize, &Mutant)]) -> Result<Grouped, Failure> {
    let file = syn::parse_file(text)?;
    let lines = line_starts(text);
    let mut groups: Grouped = Vec::new();
    for (number, mutant) in mutants {
        let start = byte_of(text, &lines, mutant.line, mutant.column);
        let (genre, replacement) = (&mutant.genre, &mutant.replacement);
        let mut finder = Finder { start, genre, found: None, text, replacement, has_arm_for_the_rest: false };
        finder.visit_file(&file);
        let Some((range, kind)) = finder.found else { continue };
        let mutation = Mutation { number: *number, kind };
        match groups.iter_mut().find(|(known, _)| *known == range) {
            Some((_, mutations)) => mutations.push(mutation),
            None => groups.push((range, vec![mutation])),
        }
    }
    Ok(groups)
}

/// Finds the code of one mutation by the byte it begins at.
struct Finder<'a> {
    start: usize,
    genre: &'a Genre,
    text: &'a str,
    replacement: &'a str,
    found: Option<(Range<usize>, Kind)>,
    /// Whether the innermost match takes what one of its arms takes no more.
    has_arm_for_the_rest: bool,
}

impl Finder<'_> {
    /// The innermost function around the byte is the one that is meant; it is visited last.
    fn look_at_function(&mut self, signature: &Signature, block: &Block) {
        let range = block.span().byte_range();
        if *self.genre == Genre::Function && range.contains(&self.start) {
            // Two values that are `impl Iterator` are of two types.
            let is_opaque = matches!(&signature.output, ReturnType::Type(_, of) if matches!(**of, Type::ImplTrait(_)));
            self.found = (!is_opaque).then(|| (range, Kind::Return(self.replacement.to_owned())));
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.look_at_function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.look_at_function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_expr_binary(&mut self, expr: &'ast ExprBinary) {
        if *self.genre == Genre::Binary && operator(&expr.op).start == self.start && !has_let(expr) {
            let (left, right) = (expr.left.span().byte_range(), expr.right.span().byte_range());
            let instead = format!("({}) {} ({})", &self.text[left], self.replacement, &self.text[right]);
            self.found = Some((expr.span().byte_range(), Kind::Instead(instead)));
        }
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_unary(&mut self, expr: &'ast ExprUnary) {
        if *self.genre == Genre::Unary && expr.op.span().byte_range().start == self.start {
            let instead = format!("{}({})", self.replacement, &self.text[expr.expr.span().byte_range()]);
            self.found = Some((expr.span().byte_range(), Kind::Instead(instead)));
        }
        visit::visit_expr_unary(self, expr);
    }

    fn visit_expr_struct(&mut self, expr: &'ast ExprStruct) {
        let field = expr.fields.iter().find(|field| field.span().byte_range().start == self.start);
        if let (Genre::Field, Some(field), Some(rest)) = (self.genre, field, &expr.rest) {
            let (name, rest) = (&self.text[field.member.span().byte_range()], &self.text[rest.span().byte_range()]);
            let value = format!("({rest}).{name}");
            let kind = match field.colon_token {
                Some(_) => Kind::Instead(value),
                None => Kind::Shorthand { name: name.to_owned(), value },
            };
            self.found = Some((field.expr.span().byte_range(), kind));
        }
        visit::visit_expr_struct(self, expr);
    }

    fn visit_expr_match(&mut self, expr: &'ast ExprMatch) {
        let is_for_the_rest = |arm: &Arm| arm.guard.is_none() && matches!(arm.pat, Pat::Wild(_));
        let around = std::mem::replace(&mut self.has_arm_for_the_rest, expr.arms.iter().any(is_for_the_rest));
        visit::visit_expr_match(self, expr);
        self.has_arm_for_the_rest = around;
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        let guard = arm.guard.as_ref().map(|(_, guard)| guard);
        match self.genre {
            Genre::Arm if self.has_arm_for_the_rest && arm.span().byte_range().start == self.start => {
                let range = guard.map_or_else(|| arm.pat.span(), |guard| guard.span()).byte_range();
                self.found = Some((range, Kind::NoArm { has_guard: guard.is_some() }));
            }
            Genre::Guard => {
                let guard = guard.map(|guard| guard.span().byte_range()).filter(|range| range.start == self.start);
                if let Some(range) = guard {
                    self.found = Some((range, Kind::Guard(self.replacement == "true")));
                }
            }
            _ => {}
        }
        visit::visit_arm(self, arm);
    }
}

fn operator(operator: &BinOp) -> Range<usize> {
    operator.span().byte_range()
}

/// `if a && let Some(b) = c` is no expression that could stand in brackets.
fn has_let(expr: &ExprBinary) -> bool {
    let side = |side: &Expr| match side {
        Expr::Let(_) => true,
        Expr::Binary(inner) => matches!(inner.op, BinOp::And(_)) && has_let(inner),
        _ => false,
    };
    side(&expr.left) || side(&expr.right)
}

fn insertions_of(text: &str, range: &Range<usize>, mutations: &[Mutation]) -> Vec<Insertion> {
    let length = isize::try_from(range.len()).unwrap_or(isize::MAX);
    let instead_of_it = mutations.iter().filter(|mutation| matches!(mutation.kind, Kind::Instead(_)));
    let numbers: Vec<usize> = instead_of_it.map(|mutation| mutation.number).collect();
    let begins =
        |text, numbers| Insertion { at: range.start, order: (2, -length), text, numbers, until: Some(range.end) };
    let ends = |text| Insertion { at: range.end, order: (0, length), text, numbers: Vec::new(), until: None };
    let at = |at, text, numbers| Insertion { at, order: (1, 0), text, numbers, until: None };
    let mut insertions = Vec::new();
    // What begins last stands innermost, and ends first.
    let mut guards_ends = Vec::new();
    let mut instead = String::new();
    for Mutation { number, kind } in mutations {
        let called = format!("crate::mutant({number})");
        match kind {
            Kind::Return(value) => {
                let value = if value == "()" { "" } else { value };
                insertions.push(at(range.start + 1, format!(" if {called} {{ return {value}; }} "), vec![*number]));
            }
            Kind::Instead(changed) => instead.push_str(&format!("if {called} {{ {changed} }} else ")),
            Kind::Shorthand { name, value } => {
                let begin = format!("{name}: (if {called} {{ {value} }} else {{ ");
                insertions.push(begins(begin, vec![*number]));
                insertions.push(ends(" })".to_owned()));
            }
            Kind::NoArm { has_guard: false } => {
                insertions.push(at(range.end, format!(" if !{called}"), vec![*number]));
            }
            Kind::NoArm { has_guard: true } | Kind::Guard(false) => {
                insertions.push(begins(format!("(!{called} && "), vec![*number]));
                guards_ends.push(ends(")".to_owned()));
            }
            Kind::Guard(true) => {
                insertions.push(begins(format!("({called} || "), vec![*number]));
                guards_ends.push(ends(")".to_owned()));
            }
        }
    }
    if !instead.is_empty() {
        debug_assert!(text.is_char_boundary(range.start));
        insertions.push(begins(format!("({instead}{{ "), numbers));
        insertions.push(ends(" })".to_owned()));
    }
    insertions.extend(guards_ends);
    insertions
}

fn put_in(text: &str, mut insertions: Vec<Insertion>) -> Woven {
    insertions.sort_by_key(|insertion| (insertion.at, insertion.order));
    let mut woven = String::with_capacity(text.len() * 2);
    let mut places = Vec::new();
    let mut open: Vec<(usize, usize, Vec<usize>)> = Vec::new();
    let mut done = 0;
    for insertion in insertions {
        woven.push_str(&text[done..insertion.at]);
        done = insertion.at;
        let start = woven.len();
        woven.push_str(&insertion.text);
        match insertion.until {
            Some(until) => open.push((until, start, insertion.numbers)),
            None if !insertion.numbers.is_empty() => places.push((start..woven.len(), insertion.numbers)),
            None => {
                if let Some(index) = open.iter().rposition(|(until, ..)| *until == insertion.at) {
                    let (_, start, numbers) = open.remove(index);
                    places.push((start..woven.len(), numbers));
                }
            }
        }
    }
    woven.push_str(&text[done..]);
    Woven { text: woven, places }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(place, _)| place + 1)).collect()
}

/// Lines and columns count from 1, columns in characters.
fn byte_of(text: &str, lines: &[usize], line: usize, column: usize) -> usize {
    let start = lines.get(line.saturating_sub(1)).copied().unwrap_or(text.len());
    text[start..].char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(place, _)| start + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str =
        "fn f(a: u8, b: bool) -> bool {\n    match a {\n        1 if b => true,\n        _ => a < 2 && !b,\n    }\n}\n";

    fn mutant(genre: Genre, replacement: &str, (line, column): (usize, usize)) -> Mutant {
        let (file, replacement) = ("f.rs".to_owned(), replacement.to_owned());
        Mutant { file, what: String::new(), genre, replacement, line, column }
    }

    #[test]
    fn each_kind_sleeps_until_its_number_is_called() {
        let mutants = [
            mutant(Genre::Function, "true", (2, 5)),
            mutant(Genre::Guard, "true", (3, 14)),
            mutant(Genre::Guard, "false", (3, 14)),
            mutant(Genre::Binary, "==", (4, 16)),
            mutant(Genre::Binary, "||", (4, 20)),
            mutant(Genre::Unary, "", (4, 23)),
        ];
        let numbered: Vec<(usize, &Mutant)> = mutants.iter().enumerate().collect();
        let woven = weave(CODE, &numbered).unwrap();
        syn::parse_file(&woven.text).unwrap();
        assert!(woven.text.contains("{ if crate::mutant(0) { return true; } "), "{}", woven.text);
        assert!(woven.text.contains("(crate::mutant(1) || (!crate::mutant(2) && b))"), "{}", woven.text);
        assert!(woven.text.contains("if crate::mutant(3) { (a) == (2) } else { a < 2 }"), "{}", woven.text);
        assert!(woven.text.contains("if crate::mutant(4) { (a < 2) || (!b) } else { "), "{}", woven.text);
        assert!(woven.text.contains("if crate::mutant(5) { (b) } else { !b }"), "{}", woven.text);
        assert_eq!(weave(CODE, &[]).unwrap().text, CODE);
        let complaint = woven.text.find("(a) == (2)").unwrap();
        assert_eq!(woven.at(complaint), [3], "the smallest place around it");
    }

    #[test]
    fn a_guard_that_is_one_comparison_holds_its_mutations_too() {
        let code = "fn f(a: u8) -> bool {\n    match a {\n        1 if a < 2 => true,\n        _ => false,\n    }\n}\n";
        let mutants = [
            mutant(Genre::Guard, "true", (3, 14)),
            mutant(Genre::Guard, "false", (3, 14)),
            mutant(Genre::Binary, "==", (3, 16)),
        ];
        let numbered: Vec<(usize, &Mutant)> = mutants.iter().enumerate().collect();
        let woven = weave(code, &numbered).unwrap();
        syn::parse_file(&woven.text).unwrap();
        let guard = "(crate::mutant(0) || (!crate::mutant(1) && (if crate::mutant(2) { (a) == (2) } else { a < 2 })))";
        assert!(woven.text.contains(guard), "{}", woven.text);
        assert_eq!(woven.at(woven.text.find("(a) == (2)").unwrap()), [2]);
    }

    #[test]
    fn a_function_whose_type_has_no_name_returns_nothing_else() {
        let mutant = mutant(Genre::Function, "::std::iter::empty()", (2, 5));
        for (of, is_there) in [("impl Iterator<Item = u8>", false), ("Once<u8>", true)] {
            let code = format!("fn f() -> {of} {{\n    ::std::iter::once(1)\n}}\n");
            assert_eq!(weave(&code, &[(0, &mutant)]).unwrap().text != code, is_there, "{of}");
        }
    }

    #[test]
    fn an_arm_goes_only_where_another_takes_what_it_took() {
        let code = |rest: &str| {
            format!("fn f(a: u8) -> u8 {{\n    match a {{\n        1 => 2,\n        {rest} => 3,\n    }}\n}}\n")
        };
        let mutant = mutant(Genre::Arm, "", (3, 9));
        for (rest, is_there) in [("_", true), ("_ if a > 2", false), ("0 | 2..", false)] {
            let woven = weave(&code(rest), &[(0, &mutant)]).unwrap();
            assert_eq!(woven.text.contains("1 if !crate::mutant(0) => 2"), is_there, "{rest}: {}", woven.text);
        }
    }

    #[test]
    fn a_field_is_left_to_what_stands_behind_it_however_it_is_written() {
        let code = "fn f(a: u8) -> S {\n    S { a, b: 1, ..s() }\n}\n";
        let mutants = [mutant(Genre::Field, "", (2, 9)), mutant(Genre::Field, "", (2, 12))];
        let numbered: Vec<(usize, &Mutant)> = mutants.iter().enumerate().collect();
        let woven = weave(code, &numbered).unwrap();
        syn::parse_file(&woven.text).unwrap();
        assert!(woven.text.contains("a: (if crate::mutant(0) { (s()).a } else { a }),"), "{}", woven.text);
        assert!(woven.text.contains("b: (if crate::mutant(1) { (s()).b } else { 1 }),"), "{}", woven.text);
    }

    #[test]
    fn a_mutation_is_named_by_its_code() {
        let mutants = [mutant(Genre::Binary, "==", (4, 16)), mutant(Genre::Function, "true", (2, 5))];
        let numbered: Vec<(usize, &Mutant)> = mutants.iter().enumerate().collect();
        let subjects = subjects(CODE, &numbered).unwrap();
        assert_eq!(subjects, [(0, "a < 2".to_owned()), (1, String::new())]);
    }
}
