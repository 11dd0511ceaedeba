//! The live screen: one frame for each snapshot, written over the one before.

use super::{
    chart::{Chart, percentiles},
    format::{count, nanoseconds},
    locale::is_utf8,
    report::{QUANTILES, curve},
    snapshot::Snapshot,
};

#[derive(Debug)]
pub(crate) struct Screen {
    title: String,
    /// Answers a second, the last snapshots'.
    rates: Vec<f64>,
    is_utf8: bool,
}

impl Screen {
    pub(crate) fn new(title: String) -> Self {
        Self {
            title,
            rates: Vec::new(),
            is_utf8: is_utf8(),
        }
    }

    /// What a terminal of this size is sent.
    pub(crate) fn frame(&mut self, snapshot: &Snapshot, width: usize, height: usize) -> String {
        self.rates.push(snapshot.rate());
        let kept = self.rates.len().saturating_sub(HISTORY);
        self.rates.drain(..kept);
        // To the upper left; each line ends with the rest of it erased, the last one with all below.
        let mut frame = "\x1b[H".to_owned();
        for (number, line) in self.lines(snapshot, width, height).iter().enumerate() {
            if number >= height {
                break;
            }
            if number > 0 {
                frame += "\r\n";
            }
            frame.extend(line.chars().take(width));
            frame += "\x1b[K";
        }
        frame + "\x1b[J"
    }

    fn lines(&self, snapshot: &Snapshot, width: usize, height: usize) -> Vec<String> {
        let counts = &snapshot.counts;
        let phase = if snapshot.is_warm_up { "warm-up, " } else { "" };
        let quantile = |(part, name): &(f64, &str)| {
            format!(
                "{name} {}",
                nanoseconds(snapshot.latency.value_at_quantile(*part))
            )
        };
        let latencies: Vec<_> = QUANTILES.iter().map(quantile).collect();
        let mut lines = vec![
            self.title.clone(),
            format!(
                "{phase}{:.1} s {}",
                snapshot.elapsed.as_secs_f64(),
                self.bar(snapshot.done, width)
            ),
            String::new(),
            format!("answers/s {}", count(snapshot.rate().round() as u64)),
        ];
        lines.extend(self.history(width));
        lines.push(String::new());
        lines.push(format!(
            "answers {}   wrong {}   missing {}   default {}",
            count(counts.answers),
            count(counts.wrong),
            count(counts.all_missing()),
            count(counts.by_default),
        ));
        lines.push(latencies.join("   "));
        let left = height.saturating_sub(lines.len() + 1);
        lines.push(String::new());
        lines.extend(percentiles(
            &curve(&snapshot.latency),
            width,
            left.min(16),
            self.is_utf8,
        ));
        lines
    }

    /// How much is done.
    fn bar(&self, done: Option<f64>, width: usize) -> String {
        let Some(done) = done else {
            return String::new();
        };
        let cells = width.saturating_sub(30).min(50);
        let full = (done * cells as f64).round() as usize;
        let (on, off) = if self.is_utf8 {
            ("━", "╌")
        } else {
            ("#", ".")
        };
        format!(
            "{}{} {:.0} %",
            on.repeat(full.min(cells)),
            off.repeat(cells.saturating_sub(full)),
            done * 100.0
        )
    }

    /// Answers a second as they went, from 0 to the most.
    fn history(&self, width: usize) -> Vec<String> {
        let most = self.rates.iter().copied().fold(1.0, f64::max);
        let mut chart = Chart::new((HISTORY / 2).min(width), 3, self.is_utf8);
        let points = self.rates.iter().enumerate();
        chart.line(points.map(|(place, rate)| (place as f64 / HISTORY as f64, rate / most)));
        chart.rows()
    }
}

/// So many snapshots are shown.
const HISTORY: usize = 120;
