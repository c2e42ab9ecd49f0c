//! parse(write(x)) == x for every chunk, at any length, with its padding.

use crate::packet::abort::{ABORT, Abort};
use crate::packet::cause::{CauseCode, describe, write_cause};
use crate::packet::cookie::{COOKIE_ECHO, write_cookie_echo};
use crate::packet::data::{Data, FragmentFlags};
use crate::packet::error::OperationError;
use crate::packet::forward_tsn::ForwardTsn;
use crate::packet::header::{Checksum, CommonHeader, check, seal};
use crate::packet::heartbeat::Heartbeat;
use crate::packet::idata::IData;
use crate::packet::iforward_tsn::{IForwardTsn, SkippedMid};
use crate::packet::init::{Capabilities, Init};
use crate::packet::reconfig::{
    ReconfigParameter, ReconfigResult, parameters, write_outgoing_reset, write_response,
};
use crate::packet::sack::{GapBlock, Sack};
use crate::packet::shutdown::{parse_shutdown, write_shutdown};
use crate::packet::tlv::{Chunks, RawChunk};
use crate::serial::{Fsn, Mid, PayloadProtocolId, ReconfigSeq, Ssn, StreamId, Tsn};
use proptest::collection::vec;
use proptest::prelude::*;

/// The one chunk in `bytes`, whose padding must be right.
fn only(bytes: &[u8]) -> RawChunk<'_> {
    assert_eq!(bytes.len() % 4, 0);
    let mut chunks = Chunks::new(bytes);
    let chunk = chunks.next().unwrap().unwrap();
    assert!(chunks.next().is_none());
    chunk
}

proptest! {
    #[test]
    fn data(flags in 0u8..16, tsn: u32, stream: u16, ssn: u16, ppid: u32, payload in vec(any::<u8>(), 0..40)) {
        let chunk = Data {
            flags: FragmentFlags(flags),
            tsn: Tsn(tsn),
            stream: StreamId(stream),
            ssn: Ssn(ssn),
            ppid: PayloadProtocolId(ppid),
            payload: &payload,
        };
        let mut bytes = Vec::new();
        chunk.write(&mut bytes);
        let raw = only(&bytes);
        prop_assert_eq!(Data::parse(raw.flags, raw.value).unwrap(), chunk);
    }

    #[test]
    fn i_data(flags in 0u8..16, tsn: u32, stream: u16, mid: u32, shared: u32, payload in vec(any::<u8>(), 0..40)) {
        let flags = FragmentFlags(flags);
        let chunk = IData {
            flags,
            tsn: Tsn(tsn),
            stream: StreamId(stream),
            mid: Mid(mid),
            ppid: PayloadProtocolId(if flags.begin() { shared } else { 0 }),
            fsn: Fsn(if flags.begin() { 0 } else { shared }),
            payload: &payload,
        };
        let mut bytes = Vec::new();
        chunk.write(&mut bytes);
        let raw = only(&bytes);
        prop_assert_eq!(IData::parse(raw.flags, raw.value).unwrap(), chunk);
    }

    #[test]
    fn init(
        tag in 1u32.., a_rwnd: u32, outbound in 1u16.., inbound in 1u16.., tsn: u32, bits in 0u8..16,
        cookie in proptest::option::of(vec(any::<u8>(), 0..50)),
    ) {
        let chunk = Init {
            ack: cookie.is_some(),
            initiate_tag: tag,
            a_rwnd,
            outbound_streams: outbound,
            inbound_streams: inbound,
            initial_tsn: Tsn(tsn),
            capabilities: Capabilities {
                partial_reliability: bits & 1 != 0,
                reconfig: bits & 2 != 0,
                interleaving: bits & 4 != 0,
                zero_checksum: bits & 8 != 0,
            },
            cookie: cookie.as_deref(),
            unrecognized: Vec::new(),
        };
        let mut bytes = Vec::new();
        chunk.write(&mut bytes);
        let raw = only(&bytes);
        prop_assert_eq!(Init::parse(chunk.ack, raw.value).unwrap(), chunk);
    }

    #[test]
    fn sack(tsn: u32, a_rwnd: u32, gaps in vec(any::<(u16, u16)>(), 0..20), duplicates in vec(any::<u32>(), 0..20)) {
        let gaps: Vec<GapBlock> = gaps.into_iter().map(|(start, end)| GapBlock { start, end }).collect();
        let duplicates: Vec<Tsn> = duplicates.into_iter().map(Tsn).collect();
        let mut bytes = Vec::new();
        Sack::write(&mut bytes, Tsn(tsn), a_rwnd, gaps.iter().copied(), &duplicates);
        let parsed = Sack::parse(only(&bytes).value).unwrap();
        prop_assert_eq!((parsed.cumulative_tsn, parsed.a_rwnd), (Tsn(tsn), a_rwnd));
        prop_assert_eq!(parsed.gaps().collect::<Vec<_>>(), gaps);
        prop_assert_eq!(parsed.duplicates().collect::<Vec<_>>(), duplicates);
    }

    #[test]
    fn forward_tsn(tsn: u32, streams in vec(any::<(u16, u16)>(), 0..20)) {
        let streams: Vec<_> = streams.into_iter().map(|(stream, ssn)| (StreamId(stream), Ssn(ssn))).collect();
        let mut bytes = Vec::new();
        ForwardTsn::write(&mut bytes, Tsn(tsn), streams.iter().copied());
        let parsed = ForwardTsn::parse(only(&bytes).value).unwrap();
        prop_assert_eq!(parsed.new_cumulative_tsn, Tsn(tsn));
        prop_assert_eq!(parsed.streams().collect::<Vec<_>>(), streams);
    }

    #[test]
    fn i_forward_tsn(tsn: u32, streams in vec(any::<(u16, bool, u32)>(), 0..20)) {
        let streams: Vec<_> = streams
            .into_iter()
            .map(|(stream, unordered, mid)| SkippedMid { stream: StreamId(stream), unordered, mid: Mid(mid) })
            .collect();
        let mut bytes = Vec::new();
        IForwardTsn::write(&mut bytes, Tsn(tsn), streams.iter().copied());
        let parsed = IForwardTsn::parse(only(&bytes).value).unwrap();
        prop_assert_eq!(parsed.new_cumulative_tsn, Tsn(tsn));
        prop_assert_eq!(parsed.streams().collect::<Vec<_>>(), streams);
    }

    #[test]
    fn reconfig(request: u32, answered: u32, tsn: u32, result: u32, streams in vec(any::<u16>(), 0..20)) {
        let streams: Vec<_> = streams.into_iter().map(StreamId).collect();
        let mut bytes = Vec::new();
        write_outgoing_reset(&mut bytes, ReconfigSeq(request), ReconfigSeq(answered), Tsn(tsn), &streams);
        let all: Vec<_> = parameters(only(&bytes).value).collect();
        prop_assert_eq!(all.len(), 1);
        let Ok(ReconfigParameter::OutgoingReset { request: r, response, last_tsn, streams: list }) = all[0] else {
            panic!("{all:?}");
        };
        prop_assert_eq!((r.0, response.0, last_tsn.0), (request, answered, tsn));
        prop_assert_eq!(list.iter().collect::<Vec<_>>(), streams);

        let mut bytes = Vec::new();
        write_response(&mut bytes, ReconfigSeq(request), ReconfigResult(result));
        let all: Vec<_> = parameters(only(&bytes).value).collect();
        let expected =
            ReconfigParameter::Response { response: ReconfigSeq(request), result: ReconfigResult(result) };
        prop_assert_eq!(all, vec![Ok(expected)]);
    }

    #[test]
    fn opaque_chunks(bytes in vec(any::<u8>(), 0..50), ack: bool) {
        let mut buf = Vec::new();
        Heartbeat { ack, info: &bytes }.write(&mut buf);
        prop_assert_eq!(Heartbeat::parse(ack, only(&buf).value).unwrap().info, &bytes[..]);
        let mut buf = Vec::new();
        write_cookie_echo(&mut buf, &bytes);
        let raw = only(&buf);
        prop_assert_eq!((raw.kind, raw.value), (COOKIE_ECHO, &bytes[..]));
    }

    #[test]
    fn shutdown(tsn: u32) {
        let mut bytes = Vec::new();
        write_shutdown(&mut bytes, Tsn(tsn));
        prop_assert_eq!(parse_shutdown(only(&bytes).value).unwrap(), Tsn(tsn));
    }

    #[test]
    fn causes(reason in "[a-z ]{0,40}") {
        let mut causes = Vec::new();
        write_cause(&mut causes, CauseCode::USER_INITIATED_ABORT, reason.as_bytes());
        let mut bytes = Vec::new();
        Abort { reflected_tag: true, causes: &causes }.write(&mut bytes);
        let raw = only(&bytes);
        prop_assert_eq!(raw.kind, ABORT);
        let abort = Abort::parse(raw.flags, raw.value);
        prop_assert!(abort.reflected_tag);
        let expected =
            if reason.is_empty() { "user-initiated abort".to_owned() } else { format!("user-initiated abort: {reason}") };
        prop_assert_eq!(describe(abort.causes), expected);
        let mut bytes = Vec::new();
        OperationError { causes: &causes }.write(&mut bytes);
        prop_assert_eq!(OperationError::parse(only(&bytes).value).causes, &causes[..]);
    }

    #[test]
    fn checksum_tells_any_flipped_bit(tag: u32, body in vec(any::<u8>(), 0..60), at: usize, bit in 0u8..8) {
        let mut packet = Vec::new();
        let header = CommonHeader { source_port: 5000, destination_port: 5001, verification_tag: tag };
        header.write(&mut packet);
        packet.extend_from_slice(&body);
        seal(&mut packet);
        prop_assert_eq!(CommonHeader::parse(&packet).unwrap(), header);
        prop_assert_eq!(check(&packet), Checksum::Correct);
        let at = at % packet.len();
        packet[at] ^= 1 << bit;
        prop_assert_ne!(check(&packet), Checksum::Correct);
    }

    #[test]
    fn nothing_panics(data in vec(any::<u8>(), 0..200)) {
        crate::fuzzing::packet(&data);
    }
}
