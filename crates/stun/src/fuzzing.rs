//! Bodies of fuzz targets.

mod turn_client;

pub use turn_client::turn_client;

use crate::{
    Attribute, ChannelData, Message, MessageBuilder, PasswordAlgorithms, SecurityFeatures, demux,
};

/// Parses a message, reads every attribute, and writes it again from what was read.
pub fn message(data: &[u8]) {
    let _ = demux::classify(data);
    let Ok(message) = Message::parse(data) else { return };
    if data.len() > 65_000 {
        return; // no room left for the FINGERPRINT that is appended below
    }
    let _ = message.verify_fingerprint();
    let _ =
        (message.error_code(), message.mapped_address(), message.priority(), message.username());
    let _ = message.unknown_required().count();
    let id = message.transaction_id();
    let mut buf = Vec::new();
    let mut builder = MessageBuilder::new(&mut buf, message.class(), message.method(), id);
    let mut written = Vec::new();
    for raw in message.attributes() {
        let Ok(attribute) = raw.decode(id) else { continue };
        match attribute {
            Attribute::Fingerprint(_)
            | Attribute::MessageIntegrity(_)
            | Attribute::MessageIntegritySha256(_) => continue,
            Attribute::PasswordAlgorithms(list) => drop(list.iter().count()),
            Attribute::UnknownAttributes(list) => drop(list.iter().count()),
            Attribute::Nonce(nonce) => drop(SecurityFeatures::from_nonce(nonce)),
            _ => {}
        }
        builder = builder.attribute(&attribute);
        written.push(attribute);
    }
    builder.fingerprint();
    let again = Message::parse(&buf).expect("what the builder wrote parses");
    again.verify_fingerprint().expect("the builder's fingerprint is right");
    let read: Vec<_> = again
        .attributes()
        .map(|raw| raw.decode(id).expect("what was read once can be read again"))
        .filter(|a| !matches!(a, Attribute::Fingerprint(_)))
        .collect();
    assert_eq!(read, written);
}

/// Parses ChannelData both ways, and the list inside PASSWORD-ALGORITHMS.
pub fn channel_data(data: &[u8]) {
    for stream in [false, true] {
        if let Ok((frame, taken)) = ChannelData::parse(data, stream) {
            assert!(taken <= data.len());
            let mut out = Vec::new();
            frame.write(stream, &mut out).expect("what was read can be written");
            assert_eq!(ChannelData::parse(&out, stream), Ok((frame, taken)));
        }
    }
    if let Some(list) = PasswordAlgorithms::new(data) {
        assert!(list.iter().count() <= data.len());
    }
}

#[cfg(test)]
#[path = "../../../fuzz/inputs.rs"]
mod inputs;

#[cfg(test)]
mod tests {
    use super::inputs;

    #[test]
    fn bodies_hold_on_noise() {
        let mut rng = peerage_crypto::Rng::from_seed(7);
        let mut bytes = [0u8; 256];
        for round in 0..20_000 {
            rng.fill(&mut bytes);
            let len = (round % bytes.len()) & !3;
            // Steer most inputs past the header checks.
            if round % 8 != 0 {
                bytes[0] &= 0x3F;
                bytes[2..8].copy_from_slice(&[
                    0,
                    len.saturating_sub(20) as u8,
                    0x21,
                    0x12,
                    0xA4,
                    0x42,
                ]);
                let mut at = 20;
                while at + 4 <= len {
                    let kinds = [0x00, 0x80, 0x80, 0x00];
                    bytes[at] = kinds[usize::from(bytes[at] & 3)];
                    bytes[at + 1] &= 0x2F;
                    bytes[at + 2] = 0;
                    bytes[at + 3] %= 24;
                    at += 4 + usize::from(bytes[at + 3]).next_multiple_of(4);
                }
            }
            super::message(&bytes[..len]);
            super::channel_data(&bytes[..len]);
        }
        super::message(&[]);
        super::channel_data(&[0x40, 0, 0, 1, 5, 0, 0, 0]);
    }

    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("stun_channel_data", super::channel_data);
        inputs::run("stun_message", super::message);
    }
}
