//! Cutting a frame into payloads of nearly equal size: equal sizes cost nothing and make forward error correction,
//! pacing and loss cheaper than full packets followed by a crumb.

/// One piece of a frame.
pub(crate) struct Fragment<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) is_first: bool,
    pub(crate) is_last: bool,
}

/// Cuts `data` (not empty) into the fewest pieces of at most `max` (not 0) bytes, sizes differing by one at most.
pub(crate) fn fragments(data: &[u8], max: usize) -> impl Iterator<Item = Fragment<'_>> {
    let count = data.len().div_ceil(max);
    let (size, longer) = (data.len() / count.max(1), data.len() % count.max(1));
    let mut rest = data;
    (0..count).map(move |index| {
        let (bytes, tail) = rest.split_at(size + usize::from(index < longer));
        rest = tail;
        Fragment { bytes, is_first: index == 0, is_last: index + 1 == count }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_few_and_even() {
        for len in 1..200usize {
            for max in 1..40 {
                let data: Vec<u8> = (0..len as u8).collect();
                let pieces: Vec<_> = fragments(&data, max).collect();
                assert_eq!(pieces.len(), len.div_ceil(max));
                let sizes = pieces.iter().map(|p| p.bytes.len());
                assert!(sizes.clone().max().unwrap() <= max);
                assert!(sizes.clone().max().unwrap() - sizes.min().unwrap() <= 1);
                assert!(pieces[0].is_first && pieces.last().unwrap().is_last);
                assert_eq!(pieces.concat_bytes(), data);
            }
        }
    }

    trait Concat {
        fn concat_bytes(&self) -> Vec<u8>;
    }

    impl Concat for Vec<Fragment<'_>> {
        fn concat_bytes(&self) -> Vec<u8> {
            self.iter().flat_map(|p| p.bytes).copied().collect()
        }
    }
}
