//! Reads the published test vectors under `vectors/`: blocks of `name = value` lines, hex where bytes are meant.

/// One vector: its fields in order, the first of which is its name.
pub(crate) struct Vector {
    fields: Vec<(&'static str, &'static str)>,
}

impl Vector {
    pub(crate) fn name(&self) -> &'static str {
        self.text("name")
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|(name, _)| *name == field)
    }

    /// Panics if there is no such field: the vectors are ours, not a peer's.
    pub(crate) fn text(&self, field: &str) -> &'static str {
        match self.fields.iter().find(|(name, _)| *name == field) {
            Some((_, value)) => value,
            None => panic!("vector {:?} has no field {field}", self.fields.first()),
        }
    }

    pub(crate) fn bytes(&self, field: &str) -> Vec<u8> {
        let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        let text = self.text(field);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        assert!(rest.is_empty(), "{}: odd number of digits in {field}", self.name());
        pairs
            .iter()
            .map(|[high, low]| digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low))
            .collect::<Option<_>>()
            .unwrap_or_else(|| panic!("{}: {field} is not hex", self.name()))
    }
}

/// Splits a file into its vectors.
pub(crate) fn read(file: &'static str) -> Vec<Vector> {
    let mut vectors = Vec::new();
    let mut fields = Vec::new();
    for line in file.lines().map(str::trim).chain([""]) {
        if line.is_empty() && !fields.is_empty() {
            vectors.push(Vector { fields: std::mem::take(&mut fields) });
        } else if !line.is_empty() && !line.starts_with('#') {
            let (name, value) = line.split_once('=').expect("a line is `name = value`");
            fields.push((name.trim(), value.trim()));
        }
    }
    vectors
}
