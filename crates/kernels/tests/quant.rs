//! Expansion of stored weights against what the `gguf` Python package makes of the same blocks.

use std::fs;
use std::path::Path;

use kernels::DType;
use kernels::quant::dequantize;

#[test]
fn bits_equal_those_of_the_gguf_package() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/quant");
    let mut seen = 0;
    for dtype in DType::all() {
        let Ok(blocks) = fs::read(golden.join(format!("{}.blocks", dtype.name()))) else { continue };
        let expected = fs::read(golden.join(format!("{}.f32", dtype.name()))).expect("blocks come with their values");
        let expected: Vec<f32> = expected.as_chunks().0.iter().copied().map(f32::from_le_bytes).collect();
        let mut ours = vec![0.0; expected.len()];
        dequantize(dtype, &blocks, &mut ours);
        for (i, (a, b)) in ours.iter().zip(&expected).enumerate() {
            let same = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            assert!(
                same,
                "{} block {} element {}: {a:e} should be {b:e}",
                dtype.name(),
                i / dtype.block_len(),
                i % dtype.block_len()
            );
        }
        seen += 1;
    }
    assert_eq!(seen, 12, "encodings with goldens");
}
