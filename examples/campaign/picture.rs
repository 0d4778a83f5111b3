//! Pictures without a plotting library: fields as PGM, curves as SVG.

use super::solver::read;
use dtask::Failure;
use std::fmt::Write;
use std::fs;

/// `campaign picture field.txt field.pgm`: light is warm.
pub fn picture(field: &str, out: &str) -> Result<(), Failure> {
    let field = read(field)?;
    let warmest = field.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut bytes = format!("P5\n{} {}\n255\n", field.ncols(), field.nrows()).into_bytes();
    bytes.extend(field.iter().map(|t| (t / warmest * 255.0).clamp(0.0, 255.0) as u8));
    Ok(fs::write(out, bytes)?)
}

/// `campaign curves curves.svg a.csv b.csv`: one curve for each table of two columns.
pub fn curves(out: &str, series: &[&str]) -> Result<(), Failure> {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 360.0;
    let tables = series.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
    let greatest = |column: usize| {
        let all = tables.iter().flat_map(move |table| table.column(column).to_vec());
        all.fold(f64::MIN_POSITIVE, f64::max)
    };
    let (last, highest) = (greatest(0), greatest(1));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-10 -10 {} {}\">\n\
         <path d=\"M0 0V{HEIGHT}H{WIDTH}\" fill=\"none\" stroke=\"black\"/>\n",
        WIDTH + 20.0,
        HEIGHT + 20.0
    );
    for (number, table) in tables.iter().enumerate() {
        let hue = number * 360 / tables.len();
        let points: Vec<String> = table
            .outer_iter()
            .map(|row| format!("{:.2},{:.2}", row[0] / last * WIDTH, HEIGHT - row[1] / highest * HEIGHT))
            .collect();
        writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"hsl({hue} 70% 45%)\" points=\"{}\"/>",
            points.join(" ")
        )?;
    }
    svg += "</svg>\n";
    Ok(fs::write(out, svg)?)
}
