//! Text within HTML.

use std::fmt::Write;

/// The text of a page on its way. All that is not written here in the program is escaped.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds what the program itself has written.
    pub(super) fn markup(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    /// Adds a text from anywhere, for the content of an element or the value of an attribute in quotes.
    pub(super) fn text(&mut self, text: &str) {
        for char in text.chars() {
            match char {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                char if char.is_control() => self.0.push('?'),
                char => self.0.push(char),
            }
        }
    }

    /// Adds an element with a text from anywhere.
    pub(super) fn element(&mut self, name: &'static str, text: &str) {
        self.markup("<");
        self.markup(name);
        self.markup(">");
        self.text(text);
        self.markup("</");
        self.markup(name.split(' ').next().unwrap_or_default());
        self.markup(">");
    }

    /// Adds a number, which needs no escape.
    pub(super) fn number(&mut self, number: f64) {
        // A string takes all.
        _ = write!(self.0, "{number:.1}");
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        let mut html = Html::default();
        html.element("td class=\"x\"", "<script>alert('a&b')</script>\"\n\u{0}");
        let expected =
            "<td class=\"x\">&lt;script&gt;alert(&#39;a&amp;b&#39;)&lt;/script&gt;&quot;??</td>";
        assert_eq!(html.into_string(), expected);
    }
}
