//! A person without a mouse.

use serde_json::{Value, json};

use super::{page::text, session::Browser};

/// Keys that write nothing, as the protocol numbers them.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    Tab,
    BackTab,
    Enter,
    Space,
    Down,
}

const SHIFT: char = '\u{e008}';

/// More stops than any page has.
const STOPS_MAX: usize = 80;

impl Browser {
    pub fn key(&self, key: Key) {
        let keys: &[char] = match key {
            Key::Tab => &['\u{e004}'],
            Key::BackTab => &[SHIFT, '\u{e004}'],
            Key::Enter => &['\u{e007}'],
            Key::Space => &[' '],
            Key::Down => &['\u{e015}'],
        };
        self.strike(keys);
    }

    /// Writes where the focus is.
    pub fn write(&self, words: &str) {
        let strokes = words.chars().flat_map(|character| [stroke("keyDown", character), stroke("keyUp", character)]);
        self.strokes(strokes.collect());
    }

    /// The role and name of what has the focus, as `button Sign in`; empty if nothing has.
    pub fn focused(&self) -> String {
        let focus = "const focus = document.activeElement; return focus === document.body ? null : focus";
        let element = self.script(focus);
        let Some(element) = element.as_object().and_then(|element| element.values().next()).and_then(Value::as_str)
        else {
            return String::new();
        };
        let of = |what: &str| text(self.get(&format!("/element/{element}/{what}")).expect("what a screen reader says"));
        format!("{} {}", of("computedrole"), of("computedlabel"))
    }

    /// Goes from stop to stop until one is called just this.
    #[track_caller]
    pub fn tab_to(&self, name: &str) {
        let mut stops = Vec::new();
        while stops.len() < STOPS_MAX {
            let focused = self.focused();
            if focused.split_once(' ').is_some_and(|(_, label)| label == name) {
                return;
            }
            stops.push(focused);
            self.key(Key::Tab);
        }
        panic!("no stop is called {name:?}: {stops:?}");
    }

    /// The next key leads to another page.
    #[track_caller]
    pub fn key_to_page(&self, key: Key) {
        let page = self.root().expect("a page");
        self.key(key);
        self.until_left(&page, &format!("{key:?}"));
    }

    /// Presses these, the first the longest.
    fn strike(&self, keys: &[char]) {
        let down = keys.iter().map(|key| stroke("keyDown", *key));
        let up = keys.iter().rev().map(|key| stroke("keyUp", *key));
        self.strokes(down.chain(up).collect());
    }

    fn strokes(&self, strokes: Vec<Value>) {
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": strokes});
        self.post("/actions", json!({"actions": [keyboard]})).expect("keys");
    }
}

fn stroke(kind: &str, key: char) -> Value {
    json!({"type": kind, "value": key})
}
