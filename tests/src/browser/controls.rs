//! What is filled and pressed, found by the name a screen reader would say. What has no name cannot be found, as it should
//! be.

use serde_json::{Value, json};

use super::{driver::Refusal, page::text, session::Browser};

/// The key of an element's reference, by the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const FIELDS: &str = "input:not([type=hidden]), textarea, select";
const BUTTONS: &str = "button, input[type=submit], a[href], summary";
/// Those that are shown and hold these words somewhere; asking each for its name would take long.
const CANDIDATES: &str = "
    const [selector, words] = arguments;
    const says = element => [element.innerText, element.value, element.ariaLabel, element.placeholder,
        ...[...element.labels ?? []].map(label => label.innerText)].join(' ').replace(/\\s+/g, ' ');
    return [...document.querySelectorAll(selector)].filter(element => element.checkVisibility()
        && (says(element).includes(words) || element.hasAttribute('aria-labelledby')));";

/// A place in a page.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Element(pub(super) String);

impl Browser {
    /// Types this into the field of this name, in place of what stands there.
    #[track_caller]
    pub fn fill(&self, name: &str, value: &str) {
        let field = self.named(FIELDS, name);
        self.on(&field, "clear", json!({}));
        self.on(&field, "value", json!({"text": value}));
    }

    /// What stands in the field of this name.
    #[track_caller]
    pub fn value(&self, name: &str) -> String {
        let field = self.named(FIELDS, name);
        text(self.get(&format!("/element/{}/property/value", field.0)).expect("a value"))
    }

    /// Ticks the box, or chooses the one of several, of this name.
    #[track_caller]
    pub fn tick(&self, name: &str) {
        let field = self.named(FIELDS, name);
        self.on(&field, "click", json!({}));
    }

    /// Chooses from the list of this name.
    #[track_caller]
    pub fn choose(&self, name: &str, option: &str) {
        let field = self.named(FIELDS, name);
        let find = "const [field, words] = arguments; return [...field.options].find(one => one.text.trim() === words)";
        let found = self.script_with(find, json!([{ELEMENT: field.0}, option])).expect("a list");
        let option = element(&found).unwrap_or_else(|| panic!("{option} in {name}"));
        self.on(&option, "click", json!({}));
    }

    /// Presses the button or link of this name and waits for the page it leads to.
    #[track_caller]
    pub fn press(&self, name: &str) {
        let (page, button) = (self.root().expect("a page"), self.named(BUTTONS, name));
        self.on(&button, "click", json!({}));
        self.until_left(&page, name);
    }

    /// Presses a button that leads to no other page.
    #[track_caller]
    pub fn press_here(&self, name: &str) {
        let button = self.named(BUTTONS, name);
        self.on(&button, "click", json!({}));
    }

    /// Presses twice as fast as people do who are used to it.
    #[track_caller]
    pub fn double_press(&self, name: &str) {
        let (page, button) = (self.root().expect("a page"), self.named(BUTTONS, name));
        let (down, up) = (json!({"type": "pointerDown", "button": 0}), json!({"type": "pointerUp", "button": 0}));
        let there = json!({"type": "pointerMove", "x": 0, "y": 0, "origin": {ELEMENT: button.0}});
        let pointer = json!({"type": "pointer", "id": "mouse", "actions": [there, down, up, down, up]});
        self.post("/actions", json!({"actions": [pointer]})).expect("two clicks");
        self.until_left(&page, name);
    }

    /// Whether there is a button or link of this name.
    pub fn has_button(&self, name: &str) -> bool {
        matches!(self.find(BUTTONS, name), Ok(Some(_)))
    }

    /// Whether there is a field of this name.
    pub fn has_field(&self, name: &str) -> bool {
        matches!(self.find(FIELDS, name), Ok(Some(_)))
    }

    /// Waits for another page than this.
    #[track_caller]
    pub(super) fn until_left(&self, page: &Element, by: &str) {
        self.until(&format!("on another page after {by:?}"), |browser| {
            Ok(browser.root().ok().filter(|root| root != page))
        });
    }

    /// What stands for the page as it was loaded.
    pub(super) fn root(&self) -> Result<Element, Refusal> {
        let found = self.post("/element", json!({"using": "css selector", "value": "html"}))?;
        Ok(element(&found).expect("an element"))
    }

    #[track_caller]
    fn named(&self, selector: &str, name: &str) -> Element {
        self.until(&format!("there is {name:?}"), |browser| browser.find(selector, name))
    }

    /// The one whose name is this, or else the only one whose name begins with it.
    fn find(&self, selector: &str, name: &str) -> Result<Option<Element>, Refusal> {
        let candidates = self.script_with(CANDIDATES, json!([selector, name]))?;
        let mut beginning = Vec::new();
        for candidate in candidates.as_array().into_iter().flatten().filter_map(element) {
            let label = text(self.get(&format!("/element/{}/computedlabel", candidate.0))?);
            if label == name {
                return Ok(Some(candidate));
            }
            if label.starts_with(name) {
                beginning.push(candidate);
            }
        }
        Ok(if beginning.len() == 1 { beginning.pop() } else { None })
    }

    #[track_caller]
    fn on(&self, element: &Element, deed: &str, body: Value) {
        let done = self.post(&format!("/element/{}/{deed}", element.0), body);
        done.unwrap_or_else(|refusal| panic!("{deed}: {refusal}"));
    }
}

fn element(value: &Value) -> Option<Element> {
    Some(Element(value[ELEMENT].as_str()?.to_owned()))
}
