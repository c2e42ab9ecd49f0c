//! Putting the pieces of media of a picture's packets together, for all formats but AV1. Used by the frame assembler.

use bytes::{BufMut, Bytes, BytesMut};

use super::descriptor::{Lead, PayloadDescriptor};

/// The media of a picture's packets one after the other. A single piece is not copied.
pub(crate) fn join<'a>(
    prefix: &[u8],
    mut packets: impl Iterator<Item = (&'a Bytes, &'a PayloadDescriptor)> + Clone,
) -> Bytes {
    const START_CODE: [u8; 4] = [0, 0, 0, 1];
    let mut size = prefix.len();
    let mut pieces = 0;
    for (_, descriptor) in packets.clone() {
        for piece in &descriptor.media {
            pieces += 1;
            size += piece.len()
                + match piece.lead {
                    Lead::NalHeader(_, len) => START_CODE.len() + usize::from(len),
                    Lead::StartCode => START_CODE.len(),
                    Lead::None | Lead::Obu => 0,
                };
        }
    }
    if pieces == 1
        && prefix.is_empty()
        && let Some((payload, descriptor)) = packets.clone().next()
        && let [piece] = &descriptor.media[..]
        && piece.lead == Lead::None
    {
        return payload.slice(piece.range());
    }
    let mut out = BytesMut::with_capacity(size);
    out.put_slice(prefix);
    for (payload, descriptor) in packets.by_ref() {
        for piece in &descriptor.media {
            match piece.lead {
                Lead::NalHeader(header, len) => {
                    out.put_slice(&START_CODE);
                    out.put_slice(&header[..usize::from(len)]);
                }
                Lead::StartCode => out.put_slice(&START_CODE),
                Lead::None | Lead::Obu => {}
            }
            out.put_slice(&payload[piece.range()]);
        }
    }
    out.freeze()
}
