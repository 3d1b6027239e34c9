//! Matrices too large to show cell by cell.

/// A matrix with fewer rows and columns: each cell is the value of largest size among those it covers,
/// so that a single strong cell is never lost. A cell is NaN only where all it covers are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pooled {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// How many rows and columns of the original each cell covers, the last ones perhaps fewer.
    pub(crate) factor: [usize; 2],
    pub(crate) data: Vec<f32>,
}

/// Pools `rows` by `columns` values, given by a function of row and column, to at most so many.
pub(crate) fn pool(
    [rows, columns]: [usize; 2],
    [most_rows, most_columns]: [usize; 2],
    value: impl Fn(usize, usize) -> f32,
) -> Pooled {
    let down = rows.div_ceil(most_rows.max(1)).max(1);
    let across = columns.div_ceil(most_columns.max(1)).max(1);
    let (new_rows, new_columns) = (rows.div_ceil(down), columns.div_ceil(across));
    let mut data = vec![f32::NAN; new_rows * new_columns];
    for row in 0..rows {
        for column in 0..columns {
            let seen = value(row, column);
            let kept = &mut data[row / down * new_columns + column / across];
            if kept.is_nan() || seen.abs() > kept.abs() {
                *kept = seen;
            }
        }
    }
    Pooled { rows: new_rows, columns: new_columns, factor: [down, across], data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_value_survives() {
        let value = |row: usize, column: usize| if (row, column) == (4, 6) { -9.0 } else { 1.0 };
        let pooled = pool([5, 7], [2, 3], value);
        assert_eq!((pooled.rows, pooled.columns, pooled.factor), (2, 3, [3, 3]));
        assert_eq!(pooled.data, [1.0, 1.0, 1.0, 1.0, 1.0, -9.0]);
        let some = pool([1, 4], [1, 2], |_, column| [f32::NAN, 0.0, f32::NAN, f32::NAN][column]);
        assert_eq!(some.data[0], 0.0);
        assert!(some.data[1].is_nan());
        assert!(pool([0, 0], [5, 5], |_, _| 0.0).data.is_empty());
    }
}
