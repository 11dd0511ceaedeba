//! Small plots as SVG within the page: lines over the last quarter of an hour, bars, and shares.

use super::{html::Html, units};
use crate::metrics::Histogram;

/// A line of a plot: the class that has its colour, its name, and its values; none where there is no value.
pub(super) struct Line<'a> {
    pub(super) class: &'static str,
    pub(super) name: &'a str,
    pub(super) values: Vec<Option<f64>>,
}

/// Writes a plot with its title and the last value of each line.
pub(super) fn lines(html: &mut Html, title: &str, unit: units::Unit, lines: &[Line<'_>]) {
    let values = || lines.iter().flat_map(|line| line.values.iter().flatten());
    let most = values().copied().fold(0.0, f64::max);
    html.markup("<figure><figcaption>");
    html.element("b", title);
    for line in lines {
        html.markup(" <span class=\"");
        html.markup(line.class);
        html.markup("\">");
        let last = line.values.last().copied().flatten();
        let last = last.map_or_else(|| "–".to_owned(), |value| unit.show(value));
        html.text(&format!("{} {last}", line.name));
        html.markup("</span>");
    }
    html.markup("</figcaption><svg viewBox=\"0 0 300 70\" preserveAspectRatio=\"none\" role=\"img\"><title>");
    html.text(&format!(
        "{title}, the last quarter of an hour, at most {}",
        unit.show(most)
    ));
    html.markup("</title><path class=\"axis\" d=\"M0 69.5H300M0 .5H300\"/>");
    for line in lines {
        html.markup("<path class=\"");
        html.markup(line.class);
        html.markup("\" d=\"");
        path(html, &line.values, most);
        html.markup("\"/>");
    }
    html.markup("</svg><small>");
    html.text(&unit.show(most));
    html.markup("</small></figure>");
}

/// The newest value is at the right edge; a gap is a gap.
fn path(html: &mut Html, values: &[Option<f64>], most: f64) {
    let mut is_drawn = false;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_drawn = false;
            continue;
        };
        let left = WIDTH - STEP * (values.len() - index - 1) as f64;
        let height = if most > 0.0 {
            value / most * HEIGHT
        } else {
            0.0
        };
        html.markup(if is_drawn { "L" } else { "M" });
        html.number(left);
        html.markup(" ");
        html.number(BOTTOM - height);
        // A value alone is a dot.
        html.markup(if is_drawn { "" } else { "h.1" });
        is_drawn = true;
    }
}

/// Writes how often there was which time, from short to long.
pub(super) fn bars(html: &mut Html, histogram: &Histogram) {
    let counts = histogram.buckets.iter().map(|(_, count)| *count);
    let counts: Vec<_> = counts.chain([histogram.above]).collect();
    let most = counts.iter().copied().max().unwrap_or_default().max(1) as f64;
    html.markup("<svg class=\"bars\" viewBox=\"0 0 68 16\" role=\"img\"><title>how often each time was, from short to long</title>");
    for (index, count) in counts.into_iter().enumerate() {
        // What is rare is seen as well.
        let height = if count == 0 {
            0.0
        } else {
            1.0 + count as f64 / most * 14.0
        };
        html.markup("<rect class=\"one\" width=\"3\" x=\"");
        html.number(index as f64 * 4.0);
        html.markup("\" y=\"");
        html.number(16.0 - height);
        html.markup("\" height=\"");
        html.number(height);
        html.markup("\"/>");
    }
    html.markup("</svg>");
}

/// Writes a part of a whole as a bar with its percentage.
pub(super) fn share(html: &mut Html, part: f64) {
    let percent = if part.is_finite() {
        part.clamp(0.0, 1.0) * 100.0
    } else {
        0.0
    };
    html.markup("<svg class=\"share\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"rest\" width=\"100\" height=\"10\"/><rect class=\"one\" height=\"10\" width=\"");
    html.number(percent);
    html.markup("\"/></svg> ");
    html.number(percent);
    html.markup(" %");
}

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 66.0;
const BOTTOM: f64 = 69.0;
/// Between two of the 90 points.
const STEP: f64 = 300.0 / 90.0;
