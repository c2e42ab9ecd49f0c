//! Runs a fuzz body over its target's seeds and regressions, as an ordinary test: each crate's `fuzzing` module includes
//! this file in its tests.

use std::path::Path;

/// Gives every seed and every regression of a target to its body; a panic names the input.
pub(crate) fn run(target: &str, body: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut count = 0;
    for folder in ["seeds", "regressions"] {
        // A target without regressions has no folder of them.
        let Ok(entries) = std::fs::read_dir(fuzz.join(folder).join(target)) else { continue };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            let data = std::fs::read(&path).expect("a readable input");
            println!("{}", path.display());
            body(&data);
            count += 1;
        }
    }
    assert!(count > 0, "there are no seeds for {target} under {}", fuzz.display());
}
