//! Line plots as SVG: a page of panels that share one legend.
//!
//! ```
//! use policy_benches::plot::{Axis, Plot, page};
//!
//! let plot = Plot::new("One server is lost", Axis::linear("time, s"), Axis::linear("load, x fair share"))
//!     .band(60.0, 120.0)
//!     .line("round robin", [(0.0, 1.0), (60.0, 1.5), (120.0, 1.0)])
//!     .line("hash", [(0.0, 1.1), (60.0, 1.7), (120.0, 1.1)]);
//! let svg = page("Two strategies", 1, &[plot])?;
//! assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{error::Error, ops::Range};

use plotters::{
    coord::ranged1d::{AsRangedCoord, ValueFormatter},
    prelude::*,
};

/// What is drawn along one side, and how far it reaches.
#[derive(Clone, Debug)]
pub struct Axis {
    label: String,
    is_log: bool,
    from: Option<f64>,
    to: Option<f64>,
}

impl Axis {
    /// From 0 to a little above the largest value. The label names the unit.
    pub fn linear(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            is_log: false,
            from: Some(0.0),
            to: None,
        }
    }

    /// From the smallest value to a little above the largest; what is not above 0 is left out.
    pub fn log(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            is_log: true,
            from: None,
            to: None,
        }
    }

    /// Begins here, whatever the values are.
    #[must_use]
    pub fn from(self, from: f64) -> Self {
        Self {
            from: Some(from),
            ..self
        }
    }

    /// Ends here, whatever the values are. What lies beyond is cut off.
    #[must_use]
    pub fn to(self, to: f64) -> Self {
        Self {
            to: Some(to),
            ..self
        }
    }

    fn shows(&self, value: f64) -> bool {
        value.is_finite() && (!self.is_log || value > 0.0)
    }

    fn range(&self, values: impl Iterator<Item = f64>) -> Range<f64> {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| self.shows(*value)) {
            (least, most) = (least.min(value), most.max(value));
        }
        let from = self.from.unwrap_or(least);
        let to = self
            .to
            .unwrap_or(if self.is_log { most * 1.1 } else { most * 1.04 });
        // One value, or none: something has to be drawn.
        let from = if from.is_finite() { from } else { 1.0 };
        from..if to > from {
            to
        } else {
            from + from.abs().max(1.0)
        }
    }
}

/// One panel: lines over two axes. A line has the same colour in all panels of a page, by its name.
#[derive(Clone, Debug)]
pub struct Plot {
    title: String,
    x: Axis,
    y: Axis,
    band: Option<(f64, f64)>,
    lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Plot {
    /// A panel without a line yet.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            x,
            y,
            band: None,
            lines: Vec::new(),
        }
    }

    /// Shades what lies between two places of the x axis.
    #[must_use]
    pub const fn band(mut self, from: f64, to: f64) -> Self {
        self.band = Some((from, to));
        self
    }

    /// Joins these points, in this order, leaving out those that the axes cannot show.
    #[must_use]
    pub fn line(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let points = points
            .into_iter()
            .filter(|(x, y)| self.x.shows(*x) && self.y.shows(*y));
        self.lines.push((name.into(), points.collect()));
        self
    }

    fn draw(&self, area: &Area<'_>, names: &[&str]) -> Result<(), Box<dyn Error>> {
        let points = || self.lines.iter().flat_map(|(_, points)| points);
        let x = self.x.range(points().map(|point| point.0));
        let y = self.y.range(points().map(|point| point.1));
        match (self.x.is_log, self.y.is_log) {
            (false, false) => self.chart(area, names, x, y),
            (false, true) => self.chart(area, names, x, y.log_scale()),
            (true, false) => self.chart(area, names, x.log_scale(), y),
            (true, true) => self.chart(area, names, x.log_scale(), y.log_scale()),
        }
    }

    fn chart<X, Y>(&self, area: &Area<'_>, names: &[&str], x: X, y: Y) -> Result<(), Box<dyn Error>>
    where
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let mut builder = ChartBuilder::on(area);
        builder.caption(&self.title, ("sans-serif", 13)).margin(8);
        builder.x_label_area_size(34).y_label_area_size(50);
        let mut chart = builder.build_cartesian_2d(x, y)?;
        if let Some((from, to)) = self.band {
            let y = chart.y_range();
            let band = Rectangle::new(
                [(from, y.start), (to, y.end)],
                RGBColor(241, 237, 228).filled(),
            );
            chart.draw_series([band])?;
        }
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(&self.x.label)
            .y_desc(&self.y.label)
            .light_line_style(TRANSPARENT);
        mesh.x_label_formatter(&number).y_label_formatter(&number);
        // On a logarithmic axis this many bring marks between the powers of 10.
        mesh.y_labels(12).draw()?;
        for (name, points) in &self.lines {
            let colour = colour(
                names
                    .iter()
                    .position(|known| known == name)
                    .unwrap_or_default(),
            );
            if let [point] = points[..] {
                chart.draw_series([Circle::new(point, 3, colour.filled())])?;
            }
            chart.draw_series(LineSeries::new(
                points.iter().copied(),
                colour.stroke_width(2),
            ))?;
        }
        Ok(())
    }
}

/// All panels on one page, row by row, under a title and one legend.
pub fn page(title: &str, columns: usize, plots: &[Plot]) -> Result<String, Box<dyn Error>> {
    let columns = columns.clamp(1, plots.len().max(1));
    let rows = plots.len().div_ceil(columns);
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in plots.iter().flat_map(|plot| &plot.lines) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut svg = String::new();
    {
        let size = (columns as u32 * PANEL.0, HEAD + rows as u32 * PANEL.1);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        area.draw(&Text::new(title, (12, 8), ("sans-serif", 15)))?;
        let mut left = 12;
        for (place, name) in names.iter().enumerate() {
            let line =
                PathElement::new([(left, 38), (left + 18, 38)], colour(place).stroke_width(3));
            area.draw(&line)?;
            area.draw(&Text::new(*name, (left + 23, 32), ("sans-serif", 12)))?;
            left += 45 + 7 * name.chars().count() as i32;
        }
        let (_, panels) = area.split_vertically(HEAD);
        for (plot, area) in plots.iter().zip(panels.split_evenly((rows, columns))) {
            plot.draw(&area, &names)?;
        }
        area.present()?;
    }
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// In steps of which three digits tell enough, with k and M for thousands and millions.
fn number(value: &f64) -> String {
    match value.abs() {
        1e6.. => format!("{}M", value / 1e6),
        1e3.. => format!("{}k", value / 1e3),
        _ => format!("{}", (value * 1e3).round() / 1e3),
    }
}

/// Okabe and Ito's, which can be told apart by those who see few colours; without yellow, which is too light for a line.
fn colour(place: usize) -> RGBColor {
    const COLOURS: [u32; 7] = [
        0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0x56b4e9, 0xe69f00, 0,
    ];
    let [_, red, green, blue] = COLOURS[place % COLOURS.len()].to_be_bytes();
    RGBColor(red, green, blue)
}

/// Width and height of a panel, and the height of the title and the legend.
const PANEL: (u32, u32) = (430, 240);
const HEAD: u32 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_cannot_be_drawn_are_left_out() {
        let points = [
            (0.0, 1.0),
            (1.0, 0.0),
            (2.0, 10.0),
            (3.0, f64::NAN),
            (4.0, 5.0),
        ];
        let plot = Plot::new("<&>", Axis::linear("x"), Axis::log("y")).line("a", points);
        let nothing = Plot::new("nothing", Axis::linear("x"), Axis::log("y"));
        let svg = page("t", 3, &[plot, nothing]).unwrap();
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
        let svg = page("t", 2, &panels).unwrap();
        assert_eq!(svg.matches("stroke=\"#0072B2\"").count(), 3); // the legend, and twice
        assert_eq!(svg.matches("stroke=\"#D55E00\"").count(), 2);
    }
}
