//! A plot in text: latency over percentiles, or any other points on two axes that are given.

/// What is drawn, from 0 to 1 on both axes.
pub(crate) struct Chart {
    width: usize,
    height: usize,
    /// A set of dots for each cell, two wide and four high, row by row.
    cells: Vec<u8>,
    is_utf8: bool,
}

impl Chart {
    /// So many columns and rows; dots of Braille where the terminal knows UTF-8.
    pub(crate) fn new(width: usize, height: usize, is_utf8: bool) -> Self {
        Self {
            width,
            height,
            cells: vec![0; width * height],
            is_utf8,
        }
    }

    /// Joins these points. What is not between 0 and 1 is drawn at the edge.
    pub(crate) fn line(&mut self, points: impl IntoIterator<Item = (f64, f64)>) {
        let (columns, rows) = (
            (self.width * 2) as f64 - 1.0,
            (self.height * 4) as f64 - 1.0,
        );
        let place = |(x, y): (f64, f64)| {
            (
                x.clamp(0.0, 1.0) * columns,
                (1.0 - y.clamp(0.0, 1.0)) * rows,
            )
        };
        let mut last = None;
        for point in points
            .into_iter()
            .filter(|(x, y)| x.is_finite() && y.is_finite())
        {
            let to = place(point);
            let from = last.replace(to).unwrap_or(to);
            let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil();
            for step in 0..=steps as usize {
                let part = step as f64 / steps.max(1.0);
                self.dot(
                    (from.0 + (to.0 - from.0) * part).round() as usize,
                    (from.1 + (to.1 - from.1) * part).round() as usize,
                );
            }
        }
    }

    /// The rows, from above.
    pub(crate) fn rows(&self) -> Vec<String> {
        let rows = self.cells.chunks(self.width.max(1));
        let cell = |dots: &u8| match (dots, self.is_utf8) {
            (0, _) => ' ',
            (dots, true) => char::from_u32(BRAILLE + u32::from(*dots)).unwrap_or('*'),
            (_, false) => '*',
        };
        rows.map(|row| row.iter().map(cell).collect()).collect()
    }

    fn dot(&mut self, x: usize, y: usize) {
        let dot = match (x % 2, y % 4) {
            (0, 3) => 0x40,
            (_, 3) => 0x80,
            (0, row) => 1 << row,
            (_, row) => 8 << row,
        };
        if let Some(cell) = self.cells.get_mut(y / 4 * self.width + x / 2) {
            *cell |= dot;
        }
    }
}

/// Latencies in microseconds over percentiles, both as logarithms, with labels at the sides. The curve's first numbers are
/// quantiles from 0 to 1.
pub(crate) fn percentiles(
    curve: &[(f64, f64)],
    width: usize,
    height: usize,
    is_utf8: bool,
) -> Vec<String> {
    const LABEL: usize = 8;
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else {
        return Vec::new();
    };
    let (columns, rows) = (width.saturating_sub(LABEL + 2), height.saturating_sub(2));
    if columns < 10 || rows < 2 {
        return Vec::new();
    }
    let log = |latency: f64| latency.max(0.001).log10();
    let (low, high) = (log(first.1), log(last.1));
    let high = high.max(low + 0.01);
    let decades = curve
        .iter()
        .map(|(part, _)| nines(*part))
        .fold(1.0, f64::max);
    let mut chart = Chart::new(columns, rows, is_utf8);
    let points = curve.iter();
    chart.line(
        points
            .map(|(part, latency)| (nines(*part) / decades, (log(*latency) - low) / (high - low))),
    );
    let mut lines = Vec::new();
    for (number, row) in chart.rows().into_iter().enumerate() {
        let part = 1.0 - number as f64 / (rows - 1) as f64;
        let is_labelled = number == 0 || number == rows / 2 || number == rows - 1;
        let label = if is_labelled {
            super::format::microseconds(10f64.powf(low + (high - low) * part))
        } else {
            String::new()
        };
        let edge = if is_utf8 { '│' } else { '|' };
        lines.push(format!("{label:>LABEL$} {edge}{}", row.trim_end()));
    }
    let (corner, edge) = if is_utf8 { ("└", "─") } else { ("+", "-") };
    lines.push(format!("{:LABEL$} {corner}{}", "", edge.repeat(columns)));
    let mut axis = String::new();
    for (part, name) in AXIS {
        let place = LABEL + 2 + (nines(*part) / decades * (columns - 1) as f64) as usize;
        let begin = place.saturating_sub(name.len() / 2);
        let begin = begin.min(width.saturating_sub(name.len()));
        if nines(*part) <= decades && begin > axis.len() {
            axis = format!("{axis:begin$}{name}");
        }
    }
    lines.push(axis);
    lines
}

/// The place of a quantile on the axis: the nines that it has. The last one, 1, is where the curve's last but one is.
pub(crate) fn nines(part: f64) -> f64 {
    -(1.0 - part).max(1e-9).log10()
}

/// The first dot pattern, without a dot.
const BRAILLE: u32 = 0x2800;
const AXIS: &[(f64, &str)] = &[
    (0.0, "0"),
    (0.5, "p50"),
    (0.9, "p90"),
    (0.99, "p99"),
    (0.999, "p99.9"),
    (0.9999, "p99.99"),
    (0.99999, "p99.999"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_from_corner_to_corner() {
        let mut chart = Chart::new(3, 2, true);
        chart.line([(0.0, 0.0), (1.0, 1.0)]);
        assert_eq!(chart.rows(), [" ⢀⠎", "⡰⠁ "]);
    }

    #[test]
    fn a_plot_has_labels_at_its_sides_and_no_dots_without_utf_8() {
        let curve = [(0.0, 10.0), (0.5, 20.0), (0.9, 30.0), (0.99, 1000.0)];
        let plot = percentiles(&curve, 50, 8, false);
        assert_eq!(plot.len(), 8);
        assert!(plot[0].starts_with(" 1.00 ms |"), "{plot:#?}");
        assert!(plot[5].starts_with(" 10.0 us |*"), "{plot:#?}");
        assert_eq!(
            plot[7].split_whitespace().collect::<Vec<_>>(),
            ["0", "p50", "p90", "p99"]
        );
        assert!(
            plot.iter().all(|line| line.is_ascii() && line.len() <= 50),
            "{plot:#?}"
        );
    }

    #[test]
    fn what_is_too_small_for_a_plot_has_none() {
        assert!(percentiles(&[], 80, 20, true).is_empty());
        assert!(percentiles(&[(0.0, 1.0)], 10, 20, true).is_empty());
        assert!(percentiles(&[(0.0, 1.0)], 80, 3, true).is_empty());
        assert_eq!(percentiles(&[(0.0, 1.0)], 80, 4, true).len(), 4);
    }
}
