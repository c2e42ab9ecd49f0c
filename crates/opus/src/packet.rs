//! What packets say about themselves without being decoded (RFC 6716 §3).

use std::ffi::c_int;

use opusic_sys as sys;

use crate::{Bandwidth, Error, rate};

/// How long a packet sounds, in samples at 48 kHz: at most 5760, which are 120 ms.
///
/// # Errors
///
/// [`InvalidPacket`](Error::InvalidPacket) where it cannot be a packet. The lengths of its frames are not looked at.
pub fn samples(packet: &[u8]) -> Result<usize, Error> {
    count(packet, |data, length| {
        // SAFETY: the library reads at most `length` bytes, which are there.
        unsafe { sys::opus_packet_get_nb_samples(data, length, 48_000) }
    })
}

/// Frames in a packet.
///
/// # Errors
///
/// Like [`samples`].
pub fn frames(packet: &[u8]) -> Result<usize, Error> {
    count(packet, |data, length| {
        // SAFETY: the library reads at most `length` bytes, which are there.
        unsafe { sys::opus_packet_get_nb_frames(data, length) }
    })
}

/// Whether a packet has redundancy for the one before it (LBRR, RFC 6716 §4.2.4).
///
/// # Errors
///
/// Like [`samples`].
pub fn has_redundancy(packet: &[u8]) -> Result<bool, Error> {
    let flag = count(packet, |data, length| {
        // SAFETY: the library reads at most `length` bytes, which are there; the first, which it reads unseen, is.
        unsafe { sys::opus_packet_has_lbrr(data, length) }
    })?;
    Ok(flag != 0)
}

/// Channels of a packet, one or two.
///
/// # Errors
///
/// Like [`samples`].
pub fn channels(packet: &[u8]) -> Result<usize, Error> {
    count(packet, |data, _| {
        // SAFETY: the library reads the first byte, which is there.
        unsafe { sys::opus_packet_get_nb_channels(data) }
    })
}

/// The band of a packet.
///
/// # Errors
///
/// Like [`samples`].
pub fn bandwidth(packet: &[u8]) -> Result<Bandwidth, Error> {
    let code = count(packet, |data, _| {
        // SAFETY: the library reads the first byte, which is there.
        unsafe { sys::opus_packet_get_bandwidth(data) }
    })?;
    Bandwidth::of(code as c_int).ok_or(Error::InvalidPacket)
}

fn count(packet: &[u8], ask: impl FnOnce(*const u8, i32) -> c_int) -> Result<usize, Error> {
    let length = rate::length(packet)?;
    if packet.is_empty() {
        return Err(Error::InvalidPacket);
    }
    Error::check(ask(packet.as_ptr(), length))
}
