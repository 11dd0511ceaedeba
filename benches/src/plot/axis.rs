//! Where a value is drawn, and which ones are marked.

/// What is drawn along one side, and how far it reaches.
#[derive(Clone, Debug)]
pub struct Axis {
    pub(super) label: String,
    is_log: bool,
    from: Option<f64>,
    to: Option<f64>,
}

impl Axis {
    /// From 0, unless there are values below, to a little above the largest value. The label names the
    /// unit.
    pub fn linear(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            is_log: false,
            from: None,
            to: None,
        }
    }

    /// From the smallest value to a little above the largest; what is not above 0 is left out.
    pub fn log(label: impl Into<String>) -> Self {
        Self {
            is_log: true,
            ..Self::linear(label)
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

    pub(super) fn range(&self, values: impl Iterator<Item = f64>) -> Range {
        let usable = values.filter(|value| value.is_finite() && (!self.is_log || *value > 0.0));
        let (least, most) = usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), v| {
            (least.min(v), most.max(v))
        });
        let least = match self.is_log {
            true => least,
            false => least.min(0.0),
        };
        let from = self.from.unwrap_or(least);
        let above = match self.is_log {
            true => most * 1.1,
            false => most + (most - from) * 0.04,
        };
        let to = self.to.unwrap_or(above);
        let (from, to) = match (from.is_finite() && to.is_finite(), to > from) {
            (true, true) => (from, to),
            // One value, or none: something has to be drawn.
            (true, false) => (from, from + from.abs().max(1.0)),
            (false, _) => (1.0, 2.0),
        };
        Range {
            is_log: self.is_log,
            from,
            to,
        }
    }
}

pub(super) struct Range {
    is_log: bool,
    from: f64,
    to: f64,
}

impl Range {
    /// 0 at one end, 1 at the other.
    pub(super) fn part(&self, value: f64) -> f64 {
        match self.is_log {
            true => (value / self.from).ln() / (self.to / self.from).ln(),
            false => (value - self.from) / (self.to - self.from),
        }
    }

    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        match self.is_log {
            true => self.log_ticks(),
            false => self.linear_ticks(),
        }
    }

    /// Four to eight round numbers.
    fn linear_ticks(&self) -> Vec<(f64, String)> {
        let rough = (self.to - self.from) / 8.0;
        let power = 10f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = steps
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let first = (self.from / step).ceil() as i64;
        let last = (self.to / step * (1.0 + 1e-9)).floor() as i64;
        (first..=last)
            .map(|n| n as f64 * step)
            .map(|value| (value, number(value, step)))
            .collect()
    }

    /// Powers of 10, with 2 and 5 between them where there are few.
    fn log_ticks(&self) -> Vec<(f64, String)> {
        let factors = match self.to / self.from > 1e3 {
            true => &[1.0][..],
            false => &[1.0, 2.0, 5.0],
        };
        let decades = self.from.log10().floor() as i32..=self.to.log10().ceil() as i32;
        let values = decades.flat_map(|decade| {
            let power = 10f64.powi(decade);
            factors.iter().map(move |factor| factor * power)
        });
        let within = self.from * (1.0 - 1e-9)..=self.to * (1.0 + 1e-9);
        values
            .filter(|value| within.contains(value))
            .map(|value| (value, number(value, value)))
            .collect()
    }
}

/// With as many decimals as a step has, and k or M for thousands and millions.
fn number(value: f64, step: f64) -> String {
    let (value, step, unit) = match step {
        1e6.. => (value / 1e6, step / 1e6, "M"),
        1e3.. => (value / 1e3, step / 1e3, "k"),
        _ => (value, step, ""),
    };
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    format!("{value:.decimals$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis, values: &[f64]) -> Vec<String> {
        let ticks = axis.range(values.iter().copied()).ticks();
        ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        let linear = || Axis::linear("");
        for (axis, values, expected) in [
            (linear(), &[3.0, 7.0][..], "0 1 2 3 4 5 6 7"),
            (
                linear().from(1.0),
                &[1.3],
                "1.00 1.05 1.10 1.15 1.20 1.25 1.30",
            ),
            (linear().to(2000.0), &[], "0 500 1000 1500 2000"),
            (linear(), &[9e6], "0M 2M 4M 6M 8M"),
            (Axis::log(""), &[1.0, 256.0], "1 2 5 10 20 50 100 200"),
            (
                Axis::log(""),
                &[0.0, 0.01, 20_000.0],
                "0.01 0.1 1 10 100 1k 10k",
            ),
        ] {
            assert_eq!(labels(axis, values).join(" "), expected);
        }
    }
}
