//! A plot as SVG: latency over percentiles, a line for each measurement.

use std::{
    error::Error,
    fs::File,
    io::{self, Write},
    path::Path,
};

use plotters::prelude::*;

use super::{Fault, chart::nines, format::microseconds};
use crate::status::Status;

/// A name, and points of (quantile, microseconds).
pub(crate) type Line = (String, Vec<(f64, f64)>);

/// A file to draw into, created before there is anything to draw: what cannot be created is better told at once.
#[derive(Debug)]
pub(crate) struct Plot {
    file: File,
    name: String,
}

impl Plot {
    /// Creates the file; one that is there stays as it is until it is written over.
    pub(crate) fn create(path: &Path) -> Result<Self, Fault> {
        let name = path.display().to_string();
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        match options.open(path) {
            Ok(file) => Ok(Self { file, name }),
            Err(error) => Err((Status::CannotCreate, format!("{name}: {error}"))),
        }
    }

    /// Draws a line for each measurement.
    pub(crate) fn write(mut self, title: &str, lines: &[Line]) -> Result<(), Fault> {
        let svg = plot(title, lines).map_err(|error| error.to_string());
        let written = svg.and_then(|svg| self.fill(&svg).map_err(|error| error.to_string()));
        written.map_err(|error| (Status::Io, format!("{}: {error}", self.name)))
    }

    fn fill(&mut self, svg: &str) -> io::Result<()> {
        // A device or a pipe has no length.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.write_all(svg.as_bytes())
    }
}

fn plot(title: &str, lines: &[Line]) -> Result<String, Box<dyn Error>> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let low = points().map(|point| point.1).fold(f64::MAX, f64::min);
    let high = points().map(|point| point.1).fold(1.0, f64::max);
    let low = low.min(high).max(1.0);
    let decades = points().map(|point| nines(point.0)).fold(1.0, f64::max);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut builder = ChartBuilder::on(&area);
        builder.caption(title, ("sans-serif", 15)).margin(12);
        builder.x_label_area_size(36).y_label_area_size(64);
        let mut chart =
            builder.build_cartesian_2d(0.0..decades + 0.01, (low / 1.2..high * 1.2).log_scale())?;
        let mut mesh = chart.configure_mesh();
        mesh.x_desc("percentile").y_desc("latency");
        mesh.x_labels(decades as usize + 2)
            .y_labels(12)
            .light_line_style(TRANSPARENT);
        mesh.x_label_formatter(&percentile);
        mesh.y_label_formatter(&|latency| microseconds(*latency));
        mesh.draw()?;
        for (place, (name, points)) in lines.iter().enumerate() {
            let colour = COLOURS.get(place).copied().unwrap_or(BLACK);
            let points = points
                .iter()
                .map(|(part, latency)| (nines(*part), *latency));
            let series = LineSeries::new(points, colour.stroke_width(2));
            let drawn = chart.draw_series(series)?;
            drawn.label(name.as_str()).legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
            });
        }
        let mut legend = chart.configure_series_labels();
        legend
            .position(SeriesLabelPosition::UpperLeft)
            .border_style(BLACK.mix(0.2));
        legend.background_style(WHITE).draw()?;
        area.present()?;
    }
    Ok(svg)
}

/// The percentile with so many nines: 0, 90, 99, 99.9.
fn percentile(nines: &f64) -> String {
    let part = 100.0 - 100.0 * 10f64.powf(-nines);
    // As many digits as there are nines behind the point.
    let digits = (nines.floor() as usize).saturating_sub(2) + usize::from(nines.fract() > 0.01);
    format!("{part:.digits$}")
}

const SIZE: (u32, u32) = (760, 420);
/// Okabe and Ito's, which can be told apart by those who see few colours.
const COLOURS: [RGBColor; 2] = [RGBColor(0, 0x72, 0xb2), RGBColor(0xd5, 0x5e, 0)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_measurement_is_a_line_of_its_own_colour_with_its_name() {
        let line = |name: &str| {
            (
                name.to_owned(),
                vec![(0.0, 10.0), (0.9, 20.0), (0.999, 5e5)],
            )
        };
        let svg = plot("<t>", &[line("a&b"), line("c")]).unwrap();
        for part in [
            "&lt;t&gt;",
            "a&amp;b",
            "#0072B2",
            "#D55E00",
            "99.9",
            "percentile",
        ] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
    }

    #[test]
    fn a_measurement_without_an_answer_is_an_empty_plot() {
        let svg = plot("t", &[("a".to_owned(), Vec::new())]).unwrap();
        assert!(svg.starts_with("<svg") && !svg.contains("NaN") && !svg.contains("inf"));
    }
}
