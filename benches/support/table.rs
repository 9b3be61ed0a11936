//! Figures, as rows of a Markdown table.

use std::time::Duration;

/// Prints what machine it is: figures of two machines do not compare.
pub fn machine() {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    println!("{cores} cores, load {load} at the start\n");
}

/// Prints a table with a heading.
pub fn print<const N: usize>(columns: [&str; N], rows: &[[String; N]]) {
    let widths: [usize; N] = std::array::from_fn(|i| {
        let cells = rows.iter().map(|row| row[i].chars().count());
        cells.chain([columns[i].chars().count()]).max().unwrap_or(0)
    });
    let line = |cells: [&str; N]| {
        let padded: [String; N] = std::array::from_fn(|i| format!("{:<1$}", cells[i], widths[i]));
        println!("| {} |", padded.join(" | "));
    };
    line(columns);
    println!("|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"));
    for row in rows {
        line(std::array::from_fn(|i| row[i].as_str()));
    }
    println!();
}

/// The middle one.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// A time with as many digits as mean something.
pub fn seconds(time: Duration) -> String {
    match time.as_secs_f64() {
        s if s < 0.1 => format!("{:.1} ms", s * 1000.0),
        s => format!("{s:.2} s"),
    }
}
