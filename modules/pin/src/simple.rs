//! PINs that are tried first: steps, repetitions, mirrors, years, dates, ways across the keypad.

/// Ways across the keypad and others that lists of leaked PINs have near the top.
const KEYPAD: [&str; 16] = [
    "2580",
    "0852",
    "1470",
    "1590",
    "147258",
    "258369",
    "369258",
    "159357",
    "159753",
    "357159",
    "753159",
    "147852",
    "789456",
    "456123",
    "147258369",
    "314159",
];

/// Whether somebody who knows nothing of its owner would try it early.
pub(crate) fn is_too_simple(pin: &str) -> bool {
    // The form takes digits only; whatever else came by another way is no PIN to keep.
    if !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return true;
    }
    let digits: Vec<u8> = pin.bytes().map(|byte| byte - b'0').collect();
    steps(&digits)
        || repeats(&digits)
        || mirrors(&digits)
        || doubles_a_walk(&digits)
        || is_a_date(pin)
        || KEYPAD.contains(&pin)
}

/// The same step from each digit to the next, around the end: 111111, 123456, 7890, 2468, 9630.
fn steps(digits: &[u8]) -> bool {
    let step = |pair: &[u8]| (pair[1] + 10 - pair[0]) % 10;
    let mut steps = digits.windows(2).map(step);
    let first = steps.next();
    steps.all(|step| Some(step) == first)
}

/// A shorter one, said at least twice: 1212, 123123, 12121.
fn repeats(digits: &[u8]) -> bool {
    (1..=digits.len() / 2).any(|period| digits.iter().zip(&digits[period..]).all(|(one, other)| one == other))
}

/// The same from both ends: 1221, 123321.
fn mirrors(digits: &[u8]) -> bool {
    digits.iter().eq(digits.iter().rev())
}

/// Each digit twice, in steps: 112233.
fn doubles_a_walk(digits: &[u8]) -> bool {
    let (pairs, rest) = digits.as_chunks::<2>();
    let single: Vec<u8> = pairs.iter().map(|pair| pair[0]).collect();
    rest.is_empty() && pairs.iter().all(|pair| pair[0] == pair[1]) && steps(&single)
}

/// A year from 1900 to 2099, or a day of one in the orders people write it.
fn is_a_date(pin: &str) -> bool {
    let number = |from: usize, to: usize| pin.get(from..to).and_then(|part| part.parse::<u32>().ok());
    let year = |number: Option<u32>| number.is_some_and(|number| (1900..=2099).contains(&number));
    let month = |number: Option<u32>| number.is_some_and(|number| (1..=12).contains(&number));
    let day = |number: Option<u32>| number.is_some_and(|number| (1..=31).contains(&number));
    let in_year = |one, other| (day(one) && month(other)) || (month(one) && day(other));
    match pin.len() {
        4 => year(number(0, 4)),
        8 => {
            (year(number(4, 8)) && in_year(number(0, 2), number(2, 4)))
                || (year(number(0, 4)) && in_year(number(4, 6), number(6, 8)))
        }
        _ => false,
    }
}
