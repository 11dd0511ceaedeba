//! The page as HTML.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Local};

use super::{
    history::{History, Point},
    html::Html,
    plot::{self, Line},
    units::{self, Unit},
};
use crate::metrics::section::{Cell, Section};

/// What the page shows.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: Option<&'a str>,
    /// Why it takes no new work.
    pub(crate) not_ready: Option<String>,
    pub(crate) start: SystemTime,
    pub(crate) clients: usize,
    pub(crate) max_clients: usize,
    pub(crate) log_lines_lost: u64,
    pub(crate) history: &'a History,
    pub(crate) sections: Vec<Section>,
    pub(crate) changes: Vec<(SystemTime, String)>,
}

impl Page<'_> {
    pub(crate) fn render(&self, now: SystemTime) -> String {
        let mut html = Html::default();
        html.markup("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">");
        html.markup("<meta http-equiv=\"refresh\" content=\"10\">");
        html.markup("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
        html.element("title", &self.title());
        html.markup("<style>");
        html.markup(STYLE);
        html.markup("</style></head><body>");
        self.head(&mut html, now);
        self.plots(&mut html);
        for section in &self.sections {
            table(&mut html, section, now);
        }
        self.changes(&mut html, now);
        html.markup(FOOT);
        html.into_string()
    }

    /// In a row of tabs the state is seen.
    fn title(&self) -> String {
        match &self.not_ready {
            None => self.name.to_owned(),
            Some(why) => format!("! {}: {why}", self.name),
        }
    }

    fn head(&self, html: &mut Html, now: SystemTime) {
        html.markup("<header>");
        html.element("h1", self.name);
        html.element("span class=\"dim\"", self.version.unwrap_or_default());
        match &self.not_ready {
            None => html.element("span class=\"good\"", "ready"),
            Some(why) => html.element("span class=\"bad\"", &format!("not ready: {why}")),
        }
        html.markup("</header><p>since ");
        since(html, self.start, now);
        html.text(&format!(
            " · clients: {} of {}",
            self.clients, self.max_clients
        ));
        if self.log_lines_lost > 0 {
            html.markup(" · ");
            let text = format!("log lines lost: {}", self.log_lines_lost);
            html.element("span class=\"bad\"", &text);
        }
        html.markup("</p>");
    }

    fn plots(&self, html: &mut Html) {
        let points = self.history.points();
        let values = |value: fn(&Point) -> Option<f64>| points.iter().map(value).collect();
        html.markup("<div class=\"plots\">");
        let requests = Line {
            class: "one",
            name: "now",
            values: values(|point| Some(point.requests)),
        };
        plot::lines(html, "Requests", Unit::PerSecond, &[requests]);
        let times = [
            Line {
                class: "one",
                name: "half",
                values: values(|point| point.half),
            },
            Line {
                class: "two",
                name: "99 %",
                values: values(|point| point.slowest),
            },
        ];
        plot::lines(html, "Time", Unit::Seconds, &times);
        let errors = Line {
            class: "red",
            name: "now",
            values: values(|point| Some(point.errors)),
        };
        plot::lines(html, "Errors", Unit::PerSecond, &[errors]);
        html.markup("</div>");
    }

    fn changes(&self, html: &mut Html, now: SystemTime) {
        let mut section = Section::new("Last changes", ["When", "What"]);
        for (time, text) in &self.changes {
            section.row([Cell::Since(*time), Cell::text(text)]);
        }
        if self.changes.is_empty() {
            section.row([Cell::Since(self.start), Cell::text("started")]);
        }
        table(html, &section, now);
    }
}

fn table(html: &mut Html, section: &Section, now: SystemTime) {
    html.element("h2", &section.title);
    html.markup("<div class=\"wide\"><table><thead><tr>");
    let first = section.rows.first();
    for (index, column) in section.columns.iter().enumerate() {
        let is_number = first
            .and_then(|row| row.get(index))
            .is_some_and(|cell| matches!(cell, Cell::Number(_)));
        let name = if is_number {
            "th class=\"number\""
        } else {
            "th"
        };
        html.element(name, column);
    }
    html.markup("</tr></thead><tbody>");
    for row in &section.rows {
        html.markup("<tr>");
        for each in row {
            cell(html, each, now);
        }
        html.markup("</tr>");
    }
    html.markup("</tbody></table></div>");
}

fn cell(html: &mut Html, cell: &Cell, now: SystemTime) {
    match cell {
        Cell::Text(text) => return html.element("td class=\"text\"", text),
        Cell::State(true, text) => return html.element("td class=\"good\"", text),
        Cell::State(false, text) => return html.element("td class=\"bad\"", text),
        Cell::Number(number) => return html.element("td class=\"number\"", &number.to_string()),
        Cell::Share(_) | Cell::Since(_) | Cell::Durations(_) => html.markup("<td>"),
    }
    match cell {
        Cell::Share(part) => plot::share(html, *part),
        Cell::Since(time) => since(html, *time, now),
        Cell::Durations(histogram) => {
            let times = [0.5, 0.99].map(|part| histogram.quantile(part));
            if let [Some(half), Some(slowest)] = times.map(|time| time.map(units::seconds)) {
                plot::bars(html, histogram);
                html.text(&format!(" {half}, {slowest}"));
            } else {
                html.text("–");
            }
        }
        _ => {}
    }
    html.markup("</td>");
}

/// A point in time, and how long ago that was.
fn since(html: &mut Html, time: SystemTime, now: SystemTime) {
    let local: DateTime<Local> = time.into();
    let age = now.duration_since(time).unwrap_or(Duration::ZERO);
    let format = if age < DAY {
        "%H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M"
    };
    html.text(&local.format(format).to_string());
    html.markup(" ");
    html.element("span class=\"dim\"", &format!("({})", units::age(age)));
}

/// Before that a time of day needs its date.
const DAY: Duration = Duration::from_secs(86_400);
const STYLE: &str = include_str!("style.css");
const FOOT: &str = "<footer><a href=\"/metrics\">metrics</a> · <a href=\"/healthz\">healthz</a> · \
    <a href=\"/readyz\">readyz</a> · this page is read again every 10 s</footer></body></html>\n";
/// The page's own style is all that a browser may use: no script, nothing from elsewhere, not within another page.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'sha256-aSEjCYofx2T/OB8xO9pNINCtWjC/iLWpVP4lIKFrQKs='; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests;
