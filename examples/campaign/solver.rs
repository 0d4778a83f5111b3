//! The heat equation on a square plate with cold edges, by the explicit five-point scheme.

use dtask::Failure;
use ndarray::{Array2, s};
use std::fs;

/// A plate that cools down.
pub struct Plate {
    temperature: Array2<f64>,
    next: Array2<f64>,
    conductivity: f64,
}

impl Plate {
    /// A plate of that temperature.
    ///
    /// # Errors
    /// When it has no inside, or the scheme would not be stable.
    pub fn new(temperature: Array2<f64>, conductivity: f64) -> Result<Plate, Failure> {
        if temperature.nrows() < 3 || temperature.ncols() < 3 {
            return Err(Failure::new("a plate has at least 3 by 3 points"));
        }
        if !(0.0..=0.25).contains(&conductivity) {
            return Err(Failure::new(format!("the scheme is stable from 0 to 0.25, not at {conductivity}")));
        }
        Ok(Plate { next: temperature.clone(), temperature, conductivity })
    }

    /// Goes on by one step; the edges keep their temperature.
    pub fn step(&mut self) {
        let (rows, columns) = self.temperature.dim();
        for i in 1..rows - 1 {
            for j in 1..columns - 1 {
                let t = &self.temperature;
                let around = t[[i - 1, j]] + t[[i + 1, j]] + t[[i, j - 1]] + t[[i, j + 1]];
                self.next[[i, j]] = t[[i, j]] + self.conductivity * (around - 4.0 * t[[i, j]]);
            }
        }
        std::mem::swap(&mut self.temperature, &mut self.next);
    }

    /// The temperature at every point.
    pub fn into_temperature(self) -> Array2<f64> {
        self.temperature
    }

    /// The mean temperature of the inside.
    pub fn mean(&self) -> f64 {
        let (rows, columns) = self.temperature.dim();
        let inside = self.temperature.slice(s![1..rows - 1, 1..columns - 1]);
        inside.mean().unwrap_or(f64::NAN)
    }
}

/// `campaign mesh 32 mesh.csv`: a plate with a warm square in its middle.
pub fn mesh(size: &str, out: &str) -> Result<(), Failure> {
    let size: usize = size.parse()?;
    let warm = size / 4..size - size / 4;
    let rows = (0..size).map(|i| {
        let row: Vec<&str> =
            (0..size).map(|j| if warm.contains(&i) && warm.contains(&j) { "1.0" } else { "0.0" }).collect();
        row.join(",") + "\n"
    });
    Ok(fs::write(out, rows.collect::<String>())?)
}

/// `campaign solve mesh.csv 0.1 100 probe.csv`: the mean temperature after every tenth step.
pub fn solve(mesh: &str, conductivity: &str, steps: &str, out: &str) -> Result<(), Failure> {
    let mut plate = Plate::new(read(mesh)?, conductivity.parse()?)?;
    let mut lines = "step,mean\n".to_owned();
    for step in 0..=steps.parse::<u32>()? {
        if step % 10 == 0 {
            lines += &format!("{step},{:?}\n", plate.mean());
        }
        plate.step();
    }
    Ok(fs::write(out, lines)?)
}

/// A table of numbers, parted by commas or spaces; a first line of names is left out.
pub fn read(path: &str) -> Result<Array2<f64>, Failure> {
    let text = fs::read_to_string(path)?;
    let lines = text.lines().filter(|line| !line.starts_with(|c: char| c.is_alphabetic()));
    let (mut numbers, mut rows) = (Vec::new(), 0);
    for line in lines {
        for word in line.split([',', ' ']) {
            numbers.push(word.parse::<f64>()?);
        }
        rows += 1;
    }
    let columns = numbers.len().checked_div(rows).unwrap_or(0);
    Ok(Array2::from_shape_vec((rows, columns), numbers)?)
}
