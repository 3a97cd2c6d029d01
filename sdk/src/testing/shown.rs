//! What a form shows in words, so that a text English lacks is found.

use crate::{
    form::{Block, FieldKind, Form},
    text::Text,
};

/// Every text a form shows.
pub(super) fn texts(form: &Form) -> Vec<&Text> {
    let mut texts: Vec<&Text> = form.title.iter().collect();
    for block in &form.blocks {
        match block {
            Block::Text { text } | Block::Image { alt: text, .. } => texts.push(text),
            Block::Secret { label, .. } => texts.extend(label),
            Block::Qr { .. } | Block::Uri { .. } | Block::Codes { .. } => {}
        }
    }
    for field in &form.fields {
        texts.extend(field.label.iter().chain(&field.help));
        if let FieldKind::Select { options } = &field.kind {
            texts.extend(options.iter().map(|(_, text)| text));
        }
    }
    texts
}
