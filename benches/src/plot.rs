//! Line plots as SVG: a page of panels that share one legend.
//!
//! ```
//! use policy_benches::plot::{Axis, Plot, page};
//!
//! let plot = Plot::new("One server is lost", Axis::linear("time, s"), Axis::linear("load, x fair share"))
//!     .band(60.0, 120.0)
//!     .line("round robin", [(0.0, 1.0), (60.0, 1.5), (120.0, 1.0)])
//!     .line("hash", [(0.0, 1.1), (60.0, 1.7), (120.0, 1.1)]);
//! let svg = page("Two strategies", 1, &[plot]);
//! assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
//! ```

use std::fmt::{Display, Write};

mod axis;
pub use axis::Axis;

/// One panel: lines over two axes. A line has the same colour in all panels of a page, by its name.
#[derive(Clone, Debug)]
pub struct Plot {
    title: String,
    x: Axis,
    y: Axis,
    bands: Vec<(f64, f64)>,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

impl Plot {
    /// A panel without a line yet.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            x,
            y,
            bands: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Shades what lies between two places of the x axis.
    #[must_use]
    pub fn band(mut self, from: f64, to: f64) -> Self {
        self.bands.push((from, to));
        self
    }

    /// Joins these points, in this order. A single one is a dot.
    #[must_use]
    pub fn line(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        self.lines.push(Line {
            name: name.into(),
            points: points.into_iter().collect(),
        });
        self
    }
}

/// All panels on one page, row by row, under a title and one legend.
///
/// Colours can be told apart by those who see few of them; there are seven.
pub fn page(title: &str, columns: usize, plots: &[Plot]) -> String {
    let columns = columns.clamp(1, plots.len().max(1));
    let rows = plots.len().div_ceil(columns);
    let width = columns as f64 * PANEL.0;
    let height = HEAD + rows as f64 * PANEL.1;
    let mut names: Vec<&str> = Vec::new();
    for line in plots.iter().flat_map(|plot| &plot.lines) {
        if !names.contains(&line.name.as_str()) {
            names.push(&line.name);
        }
    }

    let mut svg = Svg(String::new());
    svg.put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#222\">"
    ));
    svg.put("<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>");
    svg.text(12.0, 20.0, "font-size=\"15\"", title);
    let mut left = 12.0;
    for (&name, colour) in names.iter().zip(COLOURS.iter().cycle()) {
        svg.put(format_args!(
            "<path d=\"M{left} 36h18\" stroke=\"{colour}\" stroke-width=\"3\"/>"
        ));
        svg.text(left + 23.0, 40.0, "", name);
        left += 45.0 + 6.5 * name.chars().count() as f64;
    }
    for (place, plot) in plots.iter().enumerate() {
        let (column, row) = (place % columns, place / columns);
        let at = (column as f64 * PANEL.0, HEAD + row as f64 * PANEL.1);
        svg.put(format_args!(
            "<g transform=\"translate({} {})\">",
            at.0 + LEFT,
            at.1 + TOP
        ));
        svg.panel(plot, &names, place);
        svg.put("</g>");
    }
    svg.put("</svg>");
    svg.0
}

struct Svg(String);

impl Svg {
    fn put(&mut self, element: impl Display) {
        writeln!(self.0, "{element}").expect("a string takes all");
    }

    fn text(&mut self, x: f64, y: f64, attributes: &str, text: &str) {
        let text = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{text}</text>"
        ));
    }

    /// With its origin at the top left corner of what the axes enclose.
    fn panel(&mut self, plot: &Plot, names: &[&str], place: usize) {
        let (wide, high) = (PANEL.0 - LEFT - RIGHT, PANEL.1 - TOP - BOTTOM);
        let points = || plot.lines.iter().flat_map(|line| line.points.iter());
        let ranges = [
            plot.x.range(points().map(|point| point.0)),
            plot.y.range(points().map(|point| point.1)),
        ];
        let x = |value| ranges[0].part(value) * wide;
        let y = |value| high - ranges[1].part(value) * high;

        for &(from, to) in &plot.bands {
            let (from, to) = (x(from).clamp(0.0, wide), x(to).clamp(0.0, wide));
            self.put(format_args!(
                "<rect x=\"{from:.1}\" width=\"{:.1}\" height=\"{high}\" fill=\"#f1ede4\"/>",
                to - from
            ));
        }
        for (value, label) in ranges[0].ticks() {
            let at = x(value);
            self.put(format_args!(
                "<path d=\"M{at:.1} 0v{high}\" stroke=\"#e4e4e4\"/>"
            ));
            self.text(at, high + 14.0, "text-anchor=\"middle\"", &label);
        }
        for (value, label) in ranges[1].ticks() {
            let at = y(value);
            self.put(format_args!(
                "<path d=\"M0 {at:.1}h{wide}\" stroke=\"#e4e4e4\"/>"
            ));
            self.text(-5.0, at + 4.0, "text-anchor=\"end\"", &label);
        }
        self.text(0.0, -8.0, "font-weight=\"bold\"", &plot.title);
        let middle = "text-anchor=\"middle\" fill=\"#555\"";
        self.text(wide / 2.0, high + 29.0, middle, &plot.x.label);
        let turned = format!("{middle} transform=\"rotate(-90)\"");
        self.text(-high / 2.0, 13.0 - LEFT, &turned, &plot.y.label);

        self.put(format_args!(
            "<clipPath id=\"p{place}\"><rect x=\"-3\" y=\"-3\" width=\"{}\" height=\"{}\"/></clipPath>\
             <g clip-path=\"url(#p{place})\" fill=\"none\" stroke-width=\"1.5\" stroke-linejoin=\"round\">",
            wide + 6.0,
            high + 6.0
        ));
        for line in &plot.lines {
            let at = names.iter().position(|name| *name == line.name);
            let colour = COLOURS[at.unwrap_or_default() % COLOURS.len()];
            let mut path = String::new();
            let mut pen = 'M';
            for point in &line.points {
                let (x, y) = (x(point.0), y(point.1));
                // Such as 0 on a logarithmic axis: the line is broken there.
                if !(x.is_finite() && y.is_finite()) {
                    pen = 'M';
                    continue;
                }
                write!(path, "{pen}{x:.1} {y:.1}").expect("a string takes all");
                pen = 'L';
            }
            if line.points.len() == 1 {
                path += "h.01";
            }
            let cap = match line.points.len() {
                1 => "stroke-linecap=\"round\" stroke-width=\"6\"",
                _ => "",
            };
            self.put(format_args!(
                "<path d=\"{path}\" stroke=\"{colour}\" {cap}/>"
            ));
        }
        self.put("</g>");
        self.put(format_args!(
            "<path d=\"M0 0v{high}h{wide}\" fill=\"none\" stroke=\"#222\"/>"
        ));
    }
}

/// Width and height.
const PANEL: (f64, f64) = (430.0, 240.0);
const HEAD: f64 = 50.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 40.0;

/// Okabe and Ito's, without yellow, which is too light for a line.
const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_cannot_be_drawn_break_the_line_only() {
        let points = [
            (0.0, 1.0),
            (1.0, 0.0),
            (2.0, 10.0),
            (3.0, f64::NAN),
            (4.0, 5.0),
        ];
        let plot = Plot::new("<&>", Axis::linear("x"), Axis::log("y")).line("a", points);
        let svg = page(
            "t",
            3,
            &[
                plot,
                Plot::new("nothing", Axis::linear("x"), Axis::log("y")),
            ],
        );
        assert!(svg.contains("&lt;&amp;&gt;"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn a_line_has_one_colour_in_all_panels() {
        let plot = || Plot::new("", Axis::linear("x"), Axis::linear("y"));
        let points = [(0.0, 1.0), (1.0, 2.0)];
        let panels = [
            plot().line("a", points),
            plot().line("b", points).line("a", points),
        ];
        let svg = page("t", 2, &panels);
        assert_eq!(svg.matches(COLOURS[0]).count(), 3); // the legend, and twice
        assert_eq!(svg.matches(COLOURS[1]).count(), 2);
    }
}
