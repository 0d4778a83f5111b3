//! The table: what, how much, beside what, how far it may be from it.

use super::Rounds;

/// Ends a line whose figure is on the wrong side of its limit.
pub const MISSED: &str = "MISSED";

/// One line of a table.
#[derive(Default)]
pub struct Row {
    what: String,
    figure: String,
    beside: String,
    ratio: String,
    limit: String,
    mark: &'static str,
}

/// The head of a table.
pub fn head() {
    let mut row = Row::new("", "dtask".into()).beside("beside".into());
    row.ratio = "ratio (of rounds)".into();
    row.limit = "limit, aim".into();
    row.print();
}

impl Row {
    /// A figure of dtask.
    pub fn new(what: &str, figure: String) -> Self {
        Row { what: what.into(), figure, ..Row::default() }
    }

    /// What it is held against, measured in the same run.
    pub fn beside(mut self, beside: String) -> Self {
        self.beside = beside;
        self
    }

    /// The figure beside the other, round by round.
    pub fn ratio(mut self, ratios: &Rounds) -> Self {
        let (least, greatest) = ratios.range();
        self.ratio = match ratios.0.len() {
            1 => format!("{least:.2}"),
            _ => format!("{:.2} ({least:.2} to {greatest:.2})", ratios.median()),
        };
        self
    }

    /// The limit that `value` must not be below, and the aim.
    pub fn at_least(mut self, value: f64, limit: f64, aim: f64) -> Self {
        self.limit = format!("≥ {limit}, {aim}");
        // a measurement that is missing, `NaN`, is below every limit
        self.mark = match value {
            value if value >= aim => "aim reached",
            value if value >= limit => "ok",
            _ => MISSED,
        };
        self
    }

    /// The limit that `value` must be below, and the aim; `unit` is that of the value.
    pub fn below(mut self, value: f64, limit: f64, aim: f64, unit: &str) -> Self {
        self.limit = format!("< {limit}, {aim}{unit}");
        self.mark = match value {
            value if value <= aim => "aim reached",
            value if value < limit => "ok",
            _ => MISSED,
        };
        self
    }

    /// The line.
    pub fn line(self) -> String {
        let Row { what, figure, beside, ratio, limit, mark } = self;
        let line = format!("{what:<50} {figure:>19}  {beside:<38} {ratio:<21} {limit:<16} {mark}");
        line.trim_end().to_owned()
    }

    /// Prints the line.
    pub fn print(self) {
        println!("{}", self.line());
    }
}

/// A duration in the unit that suits it.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

/// A rate, with its thousands apart.
pub fn rate(per_second: f64) -> String {
    let digits = format!("{per_second:.0}");
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    format!("{}/s", groups.join(","))
}
