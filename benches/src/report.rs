//! The report of a measurement: a heading, prose and tables, as Markdown for readers and JSON for programs.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::machine;

/// What was measured, in the order in which it is read.
#[derive(Clone, Debug, Default)]
pub struct Report {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Table(Table),
}

/// A table; its first column names the rows.
#[derive(Clone, Debug)]
pub struct Table {
    title: String,
    head: Vec<String>,
    rule: &'static str,
    rows: Vec<Vec<String>>,
}

impl Report {
    /// With a title, when and where it was measured, by which programs, and by which command.
    #[must_use]
    pub fn new(title: &str, programs: &[String], command: &str) -> Self {
        let mut report = Self::default();
        let machine = machine::description();
        let programs: String = programs
            .iter()
            .map(|program| format!("{program}.\n"))
            .collect();
        report.text(&format!(
            "# {title}, {}\n\n{machine}.\n{programs}`{command}`\n",
            machine::today()
        ));
        report
    }

    /// Adds prose.
    pub fn text(&mut self, text: &str) {
        self.parts
            .push(Part::Text(format!("{}\n", text.trim_end())));
    }

    /// Adds a table, unless it has no rows.
    pub fn table(&mut self, table: Table) {
        if !table.rows.is_empty() {
            self.parts.push(Part::Table(table));
        }
    }

    /// Adds all parts of another one.
    pub fn append(&mut self, other: Self) {
        self.parts.extend(other.parts);
    }

    /// Writes it into a directory as `DATE-NAME.md` and `.json`, and files that belong to it; the path without the
    /// ending.
    pub fn write(&self, folder: &Path, name: &str, files: &[(&str, &str)]) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}-{name}", machine::today()));
        let (page, tables) = (self.to_string(), self.json());
        for (ending, text) in [("md", page.as_str()), ("json", &tables)]
            .iter()
            .chain(files)
        {
            let file = path.with_extension(ending);
            fs::write(&file, text)?;
            eprintln!("written to {}", file.display());
        }
        Ok(path)
    }

    /// The tables as JSON, one a line.
    pub fn json(&self) -> String {
        let tables = self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Table(Table {
                title, head, rows, ..
            }) => Some(json!({ "title": title, "head": head, "rows": rows }).to_string()),
        });
        let (date, machine) = (
            Value::from(machine::today()),
            Value::from(machine::description()),
        );
        let tables: Vec<_> = tables.collect();
        format!(
            "{{\"date\":{date},\"machine\":{machine},\"tables\":[\n{}\n]}}\n",
            tables.join(",\n")
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, part) in self.parts.iter().enumerate() {
            let gap = if number == 0 { "" } else { "\n" };
            match part {
                Part::Text(text) => write!(f, "{gap}{text}")?,
                Part::Table(table) => write!(f, "{gap}{table}")?,
            }
        }
        Ok(())
    }
}

impl Table {
    /// Without rows. `title` is a line of Markdown, or nothing.
    pub fn new<T: Into<String>>(
        title: impl Into<String>,
        head: impl IntoIterator<Item = T>,
    ) -> Self {
        let head = head.into_iter().map(Into::into).collect();
        let rule = " ---: |";
        Self {
            title: title.into(),
            head,
            rule,
            rows: Vec::new(),
        }
    }

    /// The same for words, which begin at the left.
    pub fn of_words<T: Into<String>>(title: &str, head: impl IntoIterator<Item = T>) -> Self {
        let rule = " --- |";
        Self {
            rule,
            ..Self::new(title, head)
        }
    }

    /// Adds a row: its name, and a cell for each column.
    pub fn row<T: Into<String>>(
        &mut self,
        name: impl Into<String>,
        cells: impl IntoIterator<Item = T>,
    ) {
        let row = [name.into()]
            .into_iter()
            .chain(cells.into_iter().map(Into::into));
        self.rows.push(row.collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.title.is_empty() {
            write!(f, "{}\n\n", self.title)?;
        }
        writeln!(f, "| | {} |", self.head.join(" | "))?;
        writeln!(f, "| --- |{}", self.rule.repeat(self.head.len()))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

/// Where records are kept.
#[must_use]
pub fn records() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("record")
}

/// With so many decimals; nothing for what is no number.
#[must_use]
pub fn number(value: f64, decimals: usize) -> String {
    if value.is_finite() {
        format!("{value:.decimals$}")
    } else {
        String::new()
    }
}

/// Of an even number, the middle between two. NaN of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        length => f64::midpoint(values[(length - 1) / 2], values[length / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_the_same_as_a_page_and_as_data() {
        let mut table = Table::new("## Times", ["ns", "x"]);
        table.row("one", [number(1.25, 1), number(f64::NAN, 1)]);
        let mut report = Report::default();
        report.text("Some words.");
        report.table(table);
        report.table(Table::new("", ["no rows"]));
        let page =
            "Some words.\n\n## Times\n\n| | ns | x |\n| --- | ---: | ---: |\n| one | 1.2 |  |\n";
        assert_eq!(report.to_string(), page);
        let data: Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(data["tables"][0]["rows"][0], json!(["one", "1.2", ""]));
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0]), 2.5);
        assert!(median([]).is_nan());
    }
}
