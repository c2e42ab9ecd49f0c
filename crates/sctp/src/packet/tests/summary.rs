//! A packet in one line, for expectations that a person can read.

use crate::packet::abort::{ABORT, Abort};
use crate::packet::cause::describe;
use crate::packet::cookie::{COOKIE_ACK, COOKIE_ECHO};
use crate::packet::data::{DATA, Data};
use crate::packet::error::{ERROR, OperationError};
use crate::packet::forward_tsn::{FORWARD_TSN, ForwardTsn};
use crate::packet::header::{COMMON_HEADER_LENGTH, Checksum, CommonHeader, check};
use crate::packet::heartbeat::{HEARTBEAT, HEARTBEAT_ACK, Heartbeat};
use crate::packet::idata::{I_DATA, IData};
use crate::packet::iforward_tsn::{I_FORWARD_TSN, IForwardTsn};
use crate::packet::init::{INIT, INIT_ACK, Init};
use crate::packet::reconfig::{RE_CONFIG, ReconfigParameter, parameters};
use crate::packet::sack::{SACK, Sack};
use crate::packet::shutdown::{SHUTDOWN, SHUTDOWN_ACK, SHUTDOWN_COMPLETE, parse_shutdown};
use crate::packet::tlv::{Chunks, Malformed, RawChunk};

/// Checksum and chunks.
pub(super) fn summary(packet: &[u8]) -> String {
    let header = match CommonHeader::parse(packet) {
        Ok(header) => header,
        Err(Malformed(why)) => return format!("malformed: {why}"),
    };
    let checksum = match check(packet) {
        Checksum::Correct => "crc ok",
        Checksum::Zero => "crc zero",
        Checksum::Wrong => "crc wrong",
    };
    let chunks: Vec<String> = Chunks::new(&packet[COMMON_HEADER_LENGTH..])
        .map(|raw| raw.and_then(chunk).unwrap_or_else(|Malformed(why)| format!("malformed: {why}")))
        .collect();
    format!("tag {:08x}, {checksum}: {}", header.verification_tag, chunks.join("; "))
}

fn chunk(raw: RawChunk<'_>) -> Result<String, Malformed> {
    Ok(match raw.kind {
        DATA => {
            let c = Data::parse(raw.flags, raw.value)?;
            let (tsn, stream, ssn, ppid) = (c.tsn.0, c.stream.0, c.ssn.0, c.ppid.0);
            format!(
                "DATA {tsn:08x} {stream}/{ssn} ppid {ppid} flags {:x} {} bytes",
                c.flags.0,
                c.payload.len()
            )
        }
        I_DATA => {
            let c = IData::parse(raw.flags, raw.value)?;
            let (tsn, stream, mid, fsn, ppid) = (c.tsn.0, c.stream.0, c.mid.0, c.fsn.0, c.ppid.0);
            format!(
                "I-DATA {tsn:08x} {stream}/{mid}.{fsn} ppid {ppid} flags {:x} {} bytes",
                c.flags.0,
                c.payload.len()
            )
        }
        INIT | INIT_ACK => {
            let ack = raw.kind == INIT_ACK;
            let c = Init::parse(ack, raw.value)?;
            let k = c.capabilities;
            let mut text = format!(
                "{} tag {:08x} rwnd {} streams {}/{} tsn {:08x}",
                if ack { "INIT ACK" } else { "INIT" },
                c.initiate_tag,
                c.a_rwnd,
                c.outbound_streams,
                c.inbound_streams,
                c.initial_tsn.0
            );
            for (has, name) in [
                (k.partial_reliability, " +forward-tsn"),
                (k.reconfig, " +re-config"),
                (k.interleaving, " +i-data"),
                (k.zero_checksum, " +zero-checksum"),
            ] {
                text.push_str(if has { name } else { "" });
            }
            if let Some(cookie) = c.cookie {
                text.push_str(&format!(" cookie {} bytes", cookie.len()));
            }
            if !c.unrecognized.is_empty() {
                text.push_str(&format!(" {} to report", c.unrecognized.len()));
            }
            text
        }
        SACK => {
            let c = Sack::parse(raw.value)?;
            format!(
                "SACK {:08x} rwnd {} gaps {:?} duplicates {}",
                c.cumulative_tsn.0,
                c.a_rwnd,
                c.gaps().map(|gap| (gap.start, gap.end)).collect::<Vec<_>>(),
                c.duplicates().count()
            )
        }
        HEARTBEAT | HEARTBEAT_ACK => {
            let ack = raw.kind == HEARTBEAT_ACK;
            let c = Heartbeat::parse(ack, raw.value)?;
            format!("HEARTBEAT{} {} bytes", if ack { " ACK" } else { "" }, c.info.len())
        }
        ABORT => format!("ABORT {}", describe(Abort::parse(raw.flags, raw.value).causes)),
        ERROR => format!("ERROR {}", describe(OperationError::parse(raw.value).causes)),
        SHUTDOWN => format!("SHUTDOWN {:08x}", parse_shutdown(raw.value)?.0),
        SHUTDOWN_ACK => "SHUTDOWN ACK".to_owned(),
        SHUTDOWN_COMPLETE => "SHUTDOWN COMPLETE".to_owned(),
        COOKIE_ECHO => format!("COOKIE ECHO {} bytes", raw.value.len()),
        COOKIE_ACK => "COOKIE ACK".to_owned(),
        FORWARD_TSN => {
            let c = ForwardTsn::parse(raw.value)?;
            let streams: Vec<_> = c.streams().map(|(stream, ssn)| (stream.0, ssn.0)).collect();
            format!("FORWARD TSN {:08x} {streams:?}", c.new_cumulative_tsn.0)
        }
        I_FORWARD_TSN => {
            let c = IForwardTsn::parse(raw.value)?;
            let streams: Vec<_> = c.streams().map(|s| (s.stream.0, s.unordered, s.mid.0)).collect();
            format!("I-FORWARD-TSN {:08x} {streams:?}", c.new_cumulative_tsn.0)
        }
        RE_CONFIG => {
            let all: Vec<String> = parameters(raw.value)
                .map(|parameter| match parameter {
                    Err(Malformed(why)) => format!("malformed: {why}"),
                    Ok(ReconfigParameter::OutgoingReset {
                        request,
                        response,
                        last_tsn,
                        streams,
                    }) => format!(
                        "reset out {:08x} answers {:08x} last {:08x} {:?}",
                        request.0,
                        response.0,
                        last_tsn.0,
                        streams.iter().map(|id| id.0).collect::<Vec<_>>()
                    ),
                    Ok(ReconfigParameter::IncomingReset { request, streams }) => {
                        format!(
                            "reset in {:08x} {:?}",
                            request.0,
                            streams.iter().map(|id| id.0).collect::<Vec<_>>()
                        )
                    }
                    Ok(ReconfigParameter::TsnReset { request }) => {
                        format!("reset tsn {:08x}", request.0)
                    }
                    Ok(ReconfigParameter::Response { response, result }) => {
                        format!("answer {:08x} {}", response.0, result.0)
                    }
                    Ok(ReconfigParameter::AddOutgoing { request, count }) => {
                        format!("add out {:08x} {count}", request.0)
                    }
                    Ok(ReconfigParameter::AddIncoming { request, count }) => {
                        format!("add in {:08x} {count}", request.0)
                    }
                })
                .collect();
            format!("RE-CONFIG {}", all.join(", "))
        }
        kind => format!("unknown {kind} {} bytes", raw.value.len()),
    })
}
