//! Scripts for the models of SRTP and SRTCP: a profile, options, and what is sent, repeated, changed and made up.

use crate::Sink;

/// Sends a packet and delivers it.
const SEND: u8 = 0;
/// Sends a packet that is lost at first.
const LOSE: u8 = 0x80;
const REPEAT: u8 = 2;
const CHANGE: u8 = 3;
const NOISE: u8 = 4;

/// Options of the model.
const CRYPTEX: u8 = 1;
const CLEAR_RTCP: u8 = 4;
const ELEMENTS: u8 = 8;
const KEY_IDENTIFIER: u8 = 16;

pub(crate) fn write(sink: &Sink) {
    for profile in 0..4 {
        let rtp = |op, first: u8, sequence: u16, body: &[u8]| {
            let [high, low] = sequence.to_be_bytes();
            [&[op, 7, first, high, low, body.len() as u8], body].concat()
        };
        let name = |what: &str| format!("{what}_{profile}");
        let seed = |what: &str, options: u8, steps: &[Vec<u8>]| {
            sink.seed("srtp_rtp", &name(what), &[&[profile, options], &*steps.concat()].concat());
        };
        let wrap = [65_533, 65_535, 65_534, 0, 2, 1].map(|at| rtp(SEND, 0, at, b"payload"));
        seed("wrap", 0, &wrap);
        let late =
            [rtp(LOSE, 0, 9, b"late"), rtp(SEND, 0, 10, b"next"), vec![REPEAT, 0, REPEAT, 0]];
        seed("late", KEY_IDENTIFIER, &late);
        let forged = [rtp(LOSE, 0, 9, b"text"), vec![CHANGE, 0, 0, 13, 1, 0, REPEAT, 0]];
        seed("forged", 0, &forged);
        let sources = [rtp(SEND, 2, 9, b"\0\0\0\x01\0\0\0\x02text")];
        seed("sources", CRYPTEX, &sources);
        let elements = [rtp(SEND, 0x10, 9, b"\xbe\xde\0\x02\x11ab\0\x32abctext")];
        seed("elements", ELEMENTS, &elements);
        seed("elements_and_cryptex", CRYPTEX | ELEMENTS, &elements);

        let rtcp = |op, body: &[u8]| [&[op, 7, 1, body.len() as u8], body].concat();
        let seed = |what: &str, options: u8, steps: &[Vec<u8>]| {
            sink.seed("srtp_rtcp", &name(what), &[&[profile, options], &*steps.concat()].concat());
        };
        let reports = [rtcp(SEND, b"report"), rtcp(LOSE, b"lost"), vec![REPEAT, 0, REPEAT, 1]];
        seed("encrypted", 0, &reports);
        seed("clear", CLEAR_RTCP, &reports);
        seed("key_identifier", KEY_IDENTIFIER, &reports);
        let forged = [rtcp(LOSE, b"report"), vec![CHANGE, 0, 0, 9, 1, 0, NOISE, 8], vec![0x80; 8]];
        seed("forged", 0, &forged);
    }
}
