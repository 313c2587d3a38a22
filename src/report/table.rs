//! Columns of text.

use std::fmt::Write as _;

/// Lines up rows: every column as wide as its widest cell, the last one as it is. Columns whose
/// cells are all numbers stand to the right.
#[must_use]
pub fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    rows.iter().map(|row| line(row, &widths)).collect()
}

/// One row in columns of these widths.
#[must_use]
pub fn line(row: &[String], widths: &[usize]) -> String {
    let mut out = String::new();
    for (column, cell) in row.iter().enumerate() {
        let width = widths.get(column).copied().unwrap_or(0);
        if column > 0 {
            out.push_str("  ");
        }
        let _ = if is_number(cell) { write!(out, "{cell:>width$}") } else { write!(out, "{cell:<width$}") };
    }
    out.truncate(out.trim_end().len());
    out
}

fn is_number(cell: &str) -> bool {
    cell.starts_with(|first: char| first.is_ascii_digit())
        && cell.chars().all(|one| one.is_ascii_digit() || ".%".contains(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["#", "endpoint", "status"], vec!["1", "a:80", "429"], vec!["10", "longer:443", "200"]];
        let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(columns(&rows), ["#   endpoint    status", " 1  a:80           429", "10  longer:443     200"]);
    }
}
