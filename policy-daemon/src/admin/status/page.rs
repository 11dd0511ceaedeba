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
mod tests {
    use std::time::{Instant, UNIX_EPOCH};

    use super::*;
    use crate::{admin::Sample, metrics::Histogram};

    #[test]
    fn the_policy_names_the_style_of_the_page() {
        use sha2::{Digest, Sha256};
        let hash = base64(&Sha256::digest(STYLE));
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "{hash}");
    }

    #[test]
    fn a_page_has_each_part_once_and_nothing_from_elsewhere() {
        let page = rendered();
        for part in [
            "<title>! a&lt;b: every service is down</title>",
            "<h1>a&lt;b</h1>",
            "<span class=\"bad\">not ready: every service is down</span>",
            "clients: 3 of 100",
            "<span class=\"bad\">log lines lost: 7</span>",
            "<h2>Services &amp; more</h2>",
            "<th>Name</th><th>State</th><th class=\"number\">Answered</th>",
            "<td class=\"text\">&lt;script&gt;x&lt;/script&gt;</td>",
            "<td class=\"bad\">down: &quot;refused&quot;</td>",
            "<td class=\"number\">12</td>",
            "25.0 %",
            " 1 ms, 100 ms</td>",
            "<span class=\"dim\">(1 h 1 min)</span>",
            "<h2>Last changes</h2>",
            "<td class=\"text\">&#39;a&#39; is down</td>",
            "<b>Requests</b> <span class=\"one\">now 2.0/s</span>",
            "<span class=\"two\">99 % 100 ms</span>",
            "<b>Errors</b> <span class=\"red\">now 0.5/s</span>",
            "content=\"10\"",
        ] {
            assert_eq!(page.matches(part).count(), 1, "{part}\n{page}");
        }
        for foreign in [
            "<script", "http:", "https:", "src=", "url(", "style=", "@import", "onload",
        ] {
            assert!(!page.contains(foreign), "{foreign}\n{page}");
        }
    }

    /// Each element that begins has its end, in order.
    #[test]
    fn a_page_is_well_formed() {
        let page = rendered();
        let mut open = Vec::new();
        for part in page.split('<').skip(1) {
            let (tag, _) = part.split_once('>').unwrap();
            let name = tag.split(' ').next().unwrap();
            match name.strip_prefix('/') {
                Some(end) => assert_eq!(open.pop(), Some(end), "{tag}"),
                None if tag.ends_with('/') || ["!DOCTYPE", "meta"].contains(&name) => {}
                None => open.push(name),
            }
        }
        assert_eq!(open, [""; 0]);
    }

    #[test]
    fn a_page_without_anything_is_whole() {
        let (history, start) = (History::default(), UNIX_EPOCH);
        let page = Page {
            name: "a",
            version: None,
            not_ready: None,
            start,
            clients: 0,
            max_clients: 1,
            log_lines_lost: 0,
            history: &history,
            sections: Vec::new(),
            changes: Vec::new(),
        };
        let page = page.render(start);
        for part in [
            "<span class=\"good\">ready</span>",
            "now –",
            "<td class=\"text\">started</td>",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
    }

    fn rendered() -> String {
        let (history, begin) = (History::default(), Instant::now());
        let took = |fast, slow| Histogram {
            sum: 0.0,
            buckets: vec![(0.001, fast), (0.1, slow)],
            above: 0,
        };
        history.add(begin, Sample::new(100, 1, took(99, 1)));
        let end = begin + Duration::from_secs(10);
        history.add(end, Sample::new(120, 6, took(118, 2)));
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut section = Section::new(
            "Services & more",
            ["Name", "State", "Answered", "Share", "Time", "Since"],
        );
        section.row([
            Cell::text("<script>x</script>"),
            Cell::bad("down: \"refused\""),
            Cell::Number(12),
            Cell::Share(0.25),
            Cell::Durations(took(10, 1)),
            Cell::Since(now - Duration::from_secs(3700)),
        ]);
        let page = Page {
            name: "a<b",
            version: Some("1.2"),
            not_ready: Some("every service is down".to_owned()),
            start: now - Duration::from_secs(5),
            clients: 3,
            max_clients: 100,
            log_lines_lost: 7,
            history: &history,
            sections: vec![section],
            changes: vec![(now, "'a' is down".to_owned())],
        };
        page.render(now)
    }

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let mut bits = 0_u32;
            for index in 0..3 {
                bits = bits << 8 | u32::from(three.get(index).copied().unwrap_or_default());
            }
            for digit in 0..4 {
                let is_there = digit <= three.len();
                let value = (bits >> (18 - 6 * digit)) & 63;
                text.push(if is_there {
                    char::from(DIGITS[value as usize])
                } else {
                    '='
                });
            }
        }
        text
    }
}
