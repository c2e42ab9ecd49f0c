//! Which codecs the two ends have in common, and under which payload types (RFC 9429 §5.2.1 and §5.3.1, RFC 3264 §6.1).
//!
//! Three steps: [`offer`] lists ours, [`answer`] takes of the peer's offer what is ours too, [`accept`] takes of the
//! peer's answer what was offered. Each end receives under the numbers of its own description and sends under those of
//! the other's.

mod h264;
mod h265;
mod preferences;
#[cfg(test)]
mod tests;
mod variant;

pub(crate) use preferences::{apply_preferences, check_preferences, dictionary_match};
pub(super) use variant::Variant;

use peerage_sdp::{Feedback, Text};

use super::capabilities::CodecCapability;
use super::codec::{CodecRole, MediaKind, RtpCodec, RtpCodecParameters};
use super::payload_types::{PayloadTypes, usable_with_rtcp_mux};

/// A codec that both ends have agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedCodec {
    /// The codec as our description has it: parameters that say what we receive, and the feedback both ends know.
    pub codec: RtpCodec,
    /// The payload type under which we receive it.
    pub receive: u8,
    /// The payload type under which we send it.
    pub send: u8,
    /// The peer's parameters: what it is able to receive.
    pub remote_fmtp: Option<Text>,
    /// Its retransmissions, if both ends want them.
    pub rtx: Option<RtxPayloadTypes>,
}

/// The payload types of retransmissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RtxPayloadTypes {
    /// Under which we receive them.
    pub receive: u8,
    /// Under which we send them.
    pub send: u8,
}

/// In which order the codecs of a description stand (RFC 9429 §5.2.2 and §5.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As in the offer that is answered, or in the last answer.
    Theirs,
    /// As in our preferences, which the application has set.
    Ours,
}

/// Whether two codecs are the same format: name, clock rate, channels, and those parameters that both ends must have
/// alike. Levels and what a receiver is capable of may differ. What `rtx` and `red` refer to is not looked at.
pub(crate) fn same_format(a: &RtpCodec, b: &RtpCodec) -> bool {
    let named_alike = a.kind == b.kind
        && a.is(&b.name)
        && a.clock_rate == b.clock_rate
        && a.channels.unwrap_or(1) == b.channels.unwrap_or(1);
    let number_or = |codec: &RtpCodec, name: &str, default| match codec.parameter(name) {
        None => Some(default),
        Some(text) => text.parse::<u32>().ok(),
    };
    // A number that is none is like no other.
    let same_number = |name: &str| {
        let number = number_or(a, name, 0);
        number.is_some() && number == number_or(b, name, 0)
    };
    named_alike
        && match &*a.name {
            name if name.eq_ignore_ascii_case("H264") => h264::same_format(a, b),
            name if name.eq_ignore_ascii_case("H265") => h265::same_format(a, b),
            // RTP payload format for VP9 (RFC 9628) §7: absent means profile 0.
            name if name.eq_ignore_ascii_case("VP9") => same_number("profile-id"),
            // AV1 RTP specification §7.2.1: absent means profile 0; level and tier are those of each receiver.
            name if name.eq_ignore_ascii_case("AV1") => same_number("profile"),
            _ => true,
        }
}

/// Our codec as an answer to theirs has it.
fn answer_format(ours: &RtpCodec, theirs: &RtpCodec) -> RtpCodec {
    let mut codec = match &*ours.name {
        name if name.eq_ignore_ascii_case("H264") => h264::answer(ours, theirs),
        name if name.eq_ignore_ascii_case("H265") => h265::answer(ours, theirs),
        _ => ours.clone(),
    };
    codec.rtcp_feedback = common_feedback(ours, theirs);
    codec
}

/// What both may send (RFC 4585 §4.2).
fn common_feedback(ours: &RtpCodec, theirs: &RtpCodec) -> Vec<Feedback> {
    let known = |feedback: &&Feedback| theirs.rtcp_feedback.contains(feedback);
    ours.rtcp_feedback.iter().filter(known).cloned().collect()
}

/// `rtx` for the codec under `apt` (RFC 4588 §8.1).
fn rtx_for(codec: &RtpCodec, apt: u8) -> RtpCodec {
    RtpCodec {
        name: peerage_sdp::Word::from_static("rtx"),
        fmtp: Text::new(&format!("apt={apt}")).ok(),
        rtcp_feedback: Vec::new(),
        channels: codec.channels.map(|_| 1),
        ..codec.clone()
    }
}

fn is_audio_red(codec: &RtpCodec) -> bool {
    codec.kind == MediaKind::Audio && codec.role() == CodecRole::Redundancy
}

/// The payload types within `red`: `111/111` (RFC 2198 §4).
fn red_blocks(codec: &RtpCodec) -> Option<Vec<u8>> {
    let text = codec.fmtp.as_deref()?;
    let blocks: Option<Vec<u8>> = text.trim().split('/').map(|block| block.parse().ok()).collect();
    blocks.filter(|blocks| (1..=32).contains(&blocks.len()))
}

fn red_fmtp(blocks: &[u8]) -> Option<Text> {
    let blocks: Vec<String> = blocks.iter().map(u8::to_string).collect();
    Text::new(&blocks.join("/")).ok()
}

/// A codec of ours, and how it was agreed on before.
type Entry<'a> = (&'a CodecCapability, Option<&'a NegotiatedCodec>);

/// The codecs of an offer with their payload types, each followed by its `rtx`.
///
/// What the most recent answer agreed on, `previous`, keeps its numbers and comes first, unless the application has set
/// preferences, whose order then counts (RFC 9429 §5.2.2).
pub(crate) fn offer(
    capabilities: &[CodecCapability],
    order: Order,
    previous: &[NegotiatedCodec],
    payload_types: &mut PayloadTypes,
) -> Vec<RtpCodecParameters> {
    let of_ours = |codec: &RtpCodec| {
        capabilities.iter().position(|capability| same_format(&capability.codec, codec))
    };
    // A format that was agreed on under several numbers keeps them all, as streams may be restricted to one of them.
    let mut entries: Vec<(usize, Entry<'_>)> = Vec::new();
    let mut placed = vec![false; capabilities.len()];
    for agreed in previous {
        if let Some(index) = of_ours(&agreed.codec) {
            placed[index] = true;
            entries.push((index, (&capabilities[index], Some(agreed))));
        }
    }
    for (index, capability) in capabilities.iter().enumerate().filter(|(i, _)| !placed[*i]) {
        entries.push((index, (capability, None)));
    }
    if order == Order::Ours {
        entries.sort_by_key(|(index, _)| *index);
    }
    let entries: Vec<Entry<'_>> = entries.into_iter().map(|(_, entry)| entry).collect();

    let mut assign = |(capability, agreed): Entry<'_>, codec: &RtpCodec| {
        let preferred = agreed.map_or(capability.payload_type, |agreed| agreed.receive);
        let payload_type = payload_types.assign(codec, preferred)?;
        let rtx = capability.rtx.and_then(|preferred| {
            let agreed = agreed.filter(|agreed| agreed.receive == payload_type);
            let preferred =
                agreed.and_then(|agreed| agreed.rtx).map_or(preferred, |rtx| rtx.receive);
            let codec = rtx_for(codec, payload_type);
            let payload_type = payload_types.assign(&codec, preferred)?;
            Some(RtpCodecParameters { payload_type, codec })
        });
        Some((payload_type, rtx))
    };
    // `red` names the payload type of what it carries, which may stand behind it.
    let mut numbered: Vec<Option<_>> = entries
        .iter()
        .map(|entry| match is_audio_red(&entry.0.codec) {
            true => None,
            false => assign(*entry, &entry.0.codec).map(|n| (entry.0.codec.clone(), n)),
        })
        .collect();
    for (index, entry) in entries.iter().enumerate() {
        let mut codec = entry.0.codec.clone();
        if !is_audio_red(&codec) {
            continue;
        }
        codec.fmtp = match entry.1 {
            Some(agreed) => agreed.codec.fmtp.clone(),
            None => {
                let carried = numbered.iter().flatten().find(|(other, _)| {
                    other.role() == CodecRole::Media
                        && other.clock_rate == codec.clock_rate
                        && other.channels == codec.channels
                });
                carried.and_then(|(_, (carried, _))| red_fmtp(&[*carried, *carried]))
            }
        };
        let known = |block: &u8| numbered.iter().flatten().any(|(_, (have, _))| have == block);
        if red_blocks(&codec).is_some_and(|blocks| blocks.iter().all(known)) {
            numbered[index] = assign(*entry, &codec).map(|n| (codec, n));
        }
    }
    let mut list: Vec<RtpCodecParameters> = Vec::with_capacity(numbered.len() * 2);
    for (codec, (payload_type, rtx)) in numbered.into_iter().flatten() {
        if list.iter().all(|have| have.payload_type != payload_type) {
            list.push(RtpCodecParameters { payload_type, codec });
            list.extend(rtx);
        }
    }
    list
}

/// The codecs of an answer: those of the peer's offer that we have too. Formats that were not offered are not added,
/// though RFC 3264 §6.1 allows it: no browser could use them before the next offer.
pub(crate) fn answer(
    capabilities: &[CodecCapability],
    order: Order,
    theirs: &[RtpCodecParameters],
    payload_types: &mut PayloadTypes,
) -> Vec<NegotiatedCodec> {
    // With the index among ours, by which they are put in order.
    let mut common: Vec<(usize, NegotiatedCodec)> = Vec::new();
    let of_ours = |codec: &RtpCodec| {
        capabilities.iter().enumerate().find(|(_, ours)| same_format(&ours.codec, codec))
    };
    // Those that `red` may carry come first, so that it can name them.
    let (reds, plain): (Vec<_>, Vec<_>) = theirs
        .iter()
        .filter(|theirs| {
            usable_with_rtcp_mux(theirs.payload_type)
                && theirs.codec.role() != CodecRole::Retransmission
        })
        .partition(|theirs| is_audio_red(&theirs.codec));
    for offered in plain.into_iter().chain(reds) {
        let Some((index, ours)) = of_ours(&offered.codec) else { continue };
        let mut codec = answer_format(&ours.codec, &offered.codec);
        if is_audio_red(&codec) {
            let blocks = red_blocks(&offered.codec).and_then(|blocks| {
                let receive = |block: &u8| {
                    common.iter().find(|(_, c)| c.send == *block).map(|(_, c)| c.receive)
                };
                blocks.iter().map(receive).collect::<Option<Vec<u8>>>()
            });
            let Some(blocks) = blocks else { continue };
            codec.fmtp = red_fmtp(&blocks);
        }
        let Some(receive) = payload_types.adopt(&codec, offered.payload_type) else { continue };
        if common.iter().any(|(_, have)| have.receive == receive) {
            continue;
        }
        let rtx = ours.rtx.and_then(|_| {
            let rtx = find_rtx(theirs, offered)?;
            let receive = payload_types.adopt(&rtx_for(&codec, receive), rtx)?;
            Some(RtxPayloadTypes { receive, send: rtx })
        });
        let send = offered.payload_type;
        let remote_fmtp = offered.codec.fmtp.clone();
        common.push((index, NegotiatedCodec { codec, receive, send, remote_fmtp, rtx }));
    }
    match order {
        Order::Ours => common.sort_by_key(|(index, _)| *index),
        Order::Theirs => common.sort_by_key(|(_, codec)| {
            theirs.iter().position(|theirs| theirs.payload_type == codec.send)
        }),
    }
    common.into_iter().map(|(_, codec)| codec).collect()
}

/// The codecs of the peer's answer that were offered, in the order of the answer, which says what the peer prefers to
/// receive.
pub(crate) fn accept(
    offered: &[RtpCodecParameters],
    theirs: &[RtpCodecParameters],
) -> Vec<NegotiatedCodec> {
    let mut common: Vec<NegotiatedCodec> = Vec::new();
    let primary = |codec: &&RtpCodecParameters| {
        usable_with_rtcp_mux(codec.payload_type) && codec.codec.role() != CodecRole::Retransmission
    };
    for answered in theirs.iter().filter(primary) {
        let matches = |ours: &&RtpCodecParameters| same_format(&ours.codec, &answered.codec);
        // An answerer may number codecs anew, so that the number decides only between equals (RFC 3264 §6.1).
        let ours = offered
            .iter()
            .find(|ours| ours.payload_type == answered.payload_type && matches(ours))
            .or_else(|| offered.iter().filter(primary).find(matches));
        let Some(ours) = ours else { continue };
        if common.iter().any(|have| have.receive == ours.payload_type) {
            continue;
        }
        if is_audio_red(&ours.codec) {
            let carried = |blocks: Vec<u8>| {
                let one = |block: &u8| theirs.iter().any(|codec| codec.payload_type == *block);
                blocks.iter().all(one)
            };
            if !red_blocks(&answered.codec).is_some_and(carried) {
                continue;
            }
        }
        let rtx = find_rtx(offered, ours).zip(find_rtx(theirs, answered));
        let rtx = rtx.map(|(receive, send)| RtxPayloadTypes { receive, send });
        let mut codec = ours.codec.clone();
        codec.rtcp_feedback = common_feedback(&ours.codec, &answered.codec);
        common.push(NegotiatedCodec {
            codec,
            receive: ours.payload_type,
            send: answered.payload_type,
            remote_fmtp: answered.codec.fmtp.clone(),
            rtx,
        });
    }
    common
}

/// The payload type of the `rtx` that repeats `primary`.
fn find_rtx(list: &[RtpCodecParameters], primary: &RtpCodecParameters) -> Option<u8> {
    let rtx = list.iter().find(|codec| {
        codec.codec.apt() == Some(primary.payload_type)
            && codec.codec.clock_rate == primary.codec.clock_rate
            && usable_with_rtcp_mux(codec.payload_type)
    });
    rtx.map(|rtx| rtx.payload_type)
}

/// Whether anything but helpers is among the codecs of both.
pub(crate) fn has_common_codec(ours: &[CodecCapability], theirs: &[RtpCodecParameters]) -> bool {
    let known = |codec: &RtpCodec| ours.iter().any(|ours| same_format(&ours.codec, codec));
    theirs.iter().any(|theirs| theirs.codec.role() == CodecRole::Media && known(&theirs.codec))
}

/// Whether there is anything but helpers among them: a section without is of no use.
pub(crate) fn carries_media(codecs: &[NegotiatedCodec]) -> bool {
    codecs.iter().any(|negotiated| negotiated.codec.role() == CodecRole::Media)
}

/// Negotiated codecs as our description lists them, each followed by its `rtx`.
pub(crate) fn parameters(codecs: &[NegotiatedCodec]) -> Vec<RtpCodecParameters> {
    let mut list = Vec::with_capacity(codecs.len() * 2);
    for negotiated in codecs {
        list.push(RtpCodecParameters {
            payload_type: negotiated.receive,
            codec: negotiated.codec.clone(),
        });
        list.extend(negotiated.rtx.map(|rtx| RtpCodecParameters {
            payload_type: rtx.receive,
            codec: rtx_for(&negotiated.codec, negotiated.receive),
        }));
    }
    list
}
