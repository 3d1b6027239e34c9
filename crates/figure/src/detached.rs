//! Arrays apart from the figure that holds them: as raw numbers, where JSON would be large and slow.

use std::cell::RefCell;

use crate::number::Element;

/// What [`detached`] does on this thread while it runs.
struct Sink {
    least: usize,
    prefix: String,
    arrays: Vec<Vec<u8>>,
}

thread_local! {
    static SINK: RefCell<Option<Sink>> = const { RefCell::new(None) };
}

/// Serialises something, with each array of more than `least` numbers as
/// `{"dims": ..., "shape": ..., "dtype": "f32", "ref": "PREFIX0"}` in place of its `data`. Gives the numbers of those
/// arrays as little-endian bytes, in the order of their references.
pub fn detached<R>(least: usize, prefix: &str, serialise: impl FnOnce() -> R) -> (R, Vec<Vec<u8>>) {
    let sink = Sink { least, prefix: prefix.to_owned(), arrays: Vec::new() };
    let outer = SINK.with(|slot| slot.replace(Some(sink)));
    let result = serialise();
    let sink = SINK.with(|slot| slot.replace(outer));
    (result, sink.map(|sink| sink.arrays).unwrap_or_default())
}

/// Takes an array's numbers, if [`detached`] wants them, and gives what refers to them.
pub(crate) fn take<T: Element>(data: &[T]) -> Option<String> {
    SINK.with(|slot| {
        let mut slot = slot.borrow_mut();
        let sink = slot.as_mut().filter(|sink| data.len() > sink.least)?;
        let mut bytes = Vec::with_capacity(size_of_val(data));
        data.iter().try_for_each(|x| x.add_bytes(&mut bytes))?;
        sink.arrays.push(bytes);
        Some(format!("{}{}", sink.prefix, sink.arrays.len() - 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, Dim};

    #[test]
    fn only_large_arrays_of_numbers_are_taken_and_only_while_it_runs() {
        let large = Array::matrix(Dim::Pos, Dim::K, 2, 2, vec![1.0_f32, f32::NAN, -2.5, 0.0]).unwrap();
        let small = Array::vector(Dim::Pos, vec![7_u32]);
        let words = Array::vector(Dim::Pos, vec![String::new(); 9]);
        let json = |value: &(Array<f32>, Array<u32>, Array<String>)| serde_json::to_value(value).unwrap();
        let all = (large, small, words);
        let (found, arrays) = detached(3, "a/", || json(&all));
        assert_eq!(found[0]["ref"], "a/0");
        assert_eq!((&found[0]["dtype"], &found[0]["data"]), (&"f32".into(), &serde_json::Value::Null));
        assert_eq!(found[1]["data"][0], 7);
        assert!(found[2]["data"].is_array());
        let expected: Vec<u8> = [1.0_f32, f32::NAN, -2.5, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(arrays, [expected]);
        assert!(json(&all)[0]["data"].is_array());
    }
}
