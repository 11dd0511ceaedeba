//! Files become logical lines: comments go, continued lines are joined, here documents are collected, includes are followed.

use std::{path::Path, sync::Arc};

use super::{
    ParseError, Place,
    entry::{Line, Text, cut_comment, empty_block, here_document},
    include::{self, Included},
    text::{is_blank, trim, trim_end, trim_start},
};

/// The logical lines of a configuration so far.
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
    pub(super) warnings: Vec<(Place, String)>,
    included: Included,
}

/// The state within one file.
#[derive(Default)]
struct File {
    in_comment: bool,
    continued: Option<(String, Place)>,
    here: Option<Here>,
}

/// A here document that has not ended.
struct Here {
    key: String,
    tag: String,
    place: Place,
    lines: Vec<String>,
}

impl Lines {
    pub(super) fn new(directory: Option<&Path>) -> Self {
        Self {
            lines: Vec::new(),
            warnings: Vec::new(),
            included: Included::new(directory),
        }
    }

    pub(super) fn read_main(&mut self, path: &Path) -> Result<(), ParseError> {
        let name: Arc<str> = path.to_string_lossy().into();
        let place = Place {
            file: Arc::clone(&name),
            line: 1,
            column: 1,
        };
        let text = self
            .included
            .main(path)
            .map_err(|message| ParseError { place, message })?;
        self.read_bytes(&name, text)
    }

    pub(super) fn read_text(&mut self, name: &Arc<str>, text: &str) -> Result<(), ParseError> {
        let mut file = File::default();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let line = line.strip_suffix('\n').unwrap_or(line);
            let place = Place {
                file: Arc::clone(name),
                line: index + 1,
                column: 1 + line.chars().take_while(|char| is_blank(*char)).count(),
            };
            if let Some(here) = &mut file.here {
                if here.is_end(line) {
                    let here = file.here.take();
                    self.lines.extend(here.map(|here| here.finish(line)));
                } else {
                    here.lines.push(line.to_owned());
                }
                continue;
            }
            self.line(&mut file, line.to_owned(), place)?;
        }
        if let Some(here) = file.here {
            let text = format!(
                "the here document of `{}` has no end `{}`: the option is lost",
                here.key, here.tag
            );
            self.warnings.push((here.place, text));
        }
        if let Some((_, place)) = file.continued {
            let text = "a backslash at the end of the file: the option is lost".to_owned();
            self.warnings.push((place, text));
        }
        Ok(())
    }

    fn read_bytes(&mut self, name: &Arc<str>, bytes: Vec<u8>) -> Result<(), ParseError> {
        let place = Place {
            file: Arc::clone(name),
            line: 1,
            column: 1,
        };
        if UTF_16.iter().any(|mark| bytes.starts_with(mark)) {
            let message =
                "the file is UTF-16, as its byte order mark says: save it as UTF-8".to_owned();
            return Err(ParseError { place, message });
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let text = "the file is not UTF-8: it is read as ISO 8859-1".to_owned();
                self.warnings.push((place, text));
                error.as_bytes().iter().copied().map(char::from).collect()
            }
        };
        self.read_text(name, text.strip_prefix('\u{feff}').unwrap_or(&text))
    }

    fn line(&mut self, file: &mut File, mut line: String, place: Place) -> Result<(), ParseError> {
        self.remove_c_comment(file, &mut line, &place);
        if file.in_comment {
            return Ok(());
        }
        if cut_comment(&mut line) {
            self.warn_if_quoted(&line, &place);
        }
        if line.ends_with('\\') && !line.ends_with("\\\\") {
            line.pop();
            let (text, _) = file.continued.get_or_insert((String::new(), place));
            text.push_str(trim_start(&line));
            return Ok(());
        }
        if let Some((open, close)) = empty_block(&line) {
            self.push(open, place.clone());
            self.push(close, place);
            return Ok(());
        }
        if let Some((key, tag)) = here_document(&line) {
            self.warn_if_quoted_tag(&key, &tag, &place);
            // Perl takes "0" for no key: what follows is read as usual.
            file.here = (key != "0").then_some(Here {
                key,
                tag,
                place,
                lines: Vec::new(),
            });
            return Ok(());
        }
        let is_false = |text: &str| text.is_empty() || text == "0";
        if let Some((mut text, place)) = file.continued.take_if(|(text, _)| !is_false(text)) {
            text.push_str(trim_start(&line));
            self.push(text, place);
            return Ok(());
        }
        if trim(&line).is_empty() {
            return Ok(());
        }
        if let Some(name) = include::name(&line) {
            return self.include(name, place);
        }
        self.warn_of_apache_include(&line, &place);
        self.push(line, place);
        Ok(())
    }

    fn push(&mut self, text: String, place: Place) {
        let text = Text::Plain(text);
        self.lines.push(Line { text, place });
    }

    fn include(&mut self, name: &str, place: Place) -> Result<(), ParseError> {
        match self.included.open(name) {
            Ok(Some((path, bytes))) => self.read_bytes(&path.into(), bytes),
            Ok(None) => {
                let text = format!("`{name}` is already included: left out");
                self.warnings.push((place, text));
                Ok(())
            }
            Err(message) => Err(ParseError { place, message }),
        }
    }

    /// Removes a comment on one line with the blanks around it, or notices the beginning or the end of a longer one.
    fn remove_c_comment(&mut self, file: &mut File, line: &mut String, place: &Place) {
        let one_line = line
            .find("/*")
            .zip(line.rfind("*/"))
            .filter(|(begin, end)| begin + 2 <= *end);
        if let Some((begin, end)) = one_line {
            let before = trim_end(line.get(..begin).unwrap_or_default());
            let after = trim_start(line.get(end + 2..).unwrap_or_default());
            *line = format!("{before}{after}");
        } else if trim_start(line).starts_with("/*") {
            file.in_comment = !trim_end(line).ends_with("*/");
        } else if let Some((_, after)) = line.rsplit_once("*/") {
            if !file.in_comment {
                let text = "a comment ends here that has not begun".to_owned();
                self.warnings.push((place.clone(), text));
            }
            file.in_comment = false;
            *line = after.to_owned();
        }
    }

    /// A `#` between quotes begins a comment as well.
    fn warn_if_quoted(&mut self, line: &str, place: &Place) {
        let quotes = line.replace("\\\"", "").matches('"').count();
        if quotes % 2 == 1 {
            let text = "`#` cuts the quoted value here: write `\\#`".to_owned();
            self.warnings.push((place.clone(), text));
        }
    }

    fn warn_if_quoted_tag(&mut self, key: &str, tag: &str, place: &Place) {
        if tag.starts_with(['"', '\'']) {
            let text = format!("the here document of `{key}` ends at {tag} with its quotes");
            self.warnings.push((place.clone(), text));
        }
    }

    fn warn_of_apache_include(&mut self, line: &str, place: &Place) {
        let mut words = line.split(is_blank).filter(|word| !word.is_empty());
        let word = words.next().unwrap_or_default();
        if ["include", "includeoptional"].contains(&word.to_ascii_lowercase().as_str()) {
            let text = format!("`{word}` includes nothing: write `<<include FILE>>`");
            self.warnings.push((place.clone(), text));
        }
    }
}

impl Here {
    fn is_end(&self, line: &str) -> bool {
        let rest = trim_start(line).strip_prefix(trim_start(&self.tag));
        let is_blank_tag = trim(&self.tag).is_empty();
        rest.is_some_and(|rest| trim(rest).is_empty()) && (!is_blank_tag || !line.is_empty())
    }

    /// The indentation of the end is removed from each line.
    fn finish(self, end: &str) -> Line {
        let indentation = end
            .get(..end.len() - trim_start(end).len())
            .unwrap_or_default();
        let strip = |line: &String| {
            line.strip_prefix(indentation)
                .unwrap_or(line.as_str())
                .to_owned()
        };
        let lines: Vec<_> = self.lines.iter().map(strip).collect();
        Line {
            text: Text::Here(self.key, lines.join("\n")),
            place: self.place,
        }
    }
}

/// What a file in UTF-16 begins with. Perl would read each second byte as a character.
const UTF_16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
