//! Extraction from an opened network, held against what it was trained for where that is known.

use extract::{Extraction, Spliced, extract};
use lab::finite::{Asked, Labels};
use methods::Tick;
use methods::finite::Finite;

use store::ModelFile;

use crate::Result;

/// The program in a network, under the edits that are in force. What is right is known if its folder says what it was
/// asked, and it was told the right answers.
pub fn extracted(file: &ModelFile, finite: &Finite<'_>, seed: u64, tick: Tick<'_>) -> Result<Extraction> {
    let asked = Asked::of(file)?.filter(|asked| asked.labels == Labels::Right);
    let task = asked.map(|asked| asked.ask.task()).transpose()?;
    let known = task.as_ref().map(|task| |input: &[u32]| task.answer(input));
    let known = known.as_ref().map(|known| known as &dyn Fn(&[u32]) -> u32);
    Ok(extract(finite, known, seed, tick)?)
}

/// The network with the program in it, if there is one, held against what it was before; the times are still missing.
pub fn spliced(finite: &Finite<'_>, extraction: &Extraction, tick: Tick<'_>) -> Result<Option<Spliced>> {
    let (Some(program), Some(splice), Some(table)) = (extraction.believed(), &extraction.splice, &extraction.table)
    else {
        return Ok(None);
    };
    Ok(Some(splice.measured(program, finite, table, extraction.right.as_deref(), tick)?))
}
