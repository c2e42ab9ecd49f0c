//! What the application may set of encodings, and what it may not (webrtc-pc §5.1 addTransceiver, §5.2 setParameters;
//! scalability modes of webrtc-svc §6).

use super::RtpEncodingParameters;
use super::table::{MAX_ENCODINGS, is_rid, no_rid};
use crate::error::Error;
use crate::media::{CodecCapability, MediaKind, RtpCodec, dictionary_match};

/// "addTransceiver sendEncodings validation steps" of webrtc-pc §5.1; `capabilities` are the codecs of the kind.
pub(crate) fn checked_send_encodings(
    kind: MediaKind,
    capabilities: &[RtpCodec],
    mut encodings: Vec<RtpEncodingParameters>,
) -> Result<Vec<RtpEncodingParameters>, Error> {
    let fail = |reason: String| Err(Error::Type { argument: "init.send_encodings", reason });
    if encodings.is_empty() {
        encodings.push(RtpEncodingParameters::default());
    }
    if encodings.len() > MAX_ENCODINGS {
        return fail(format!("there are more than {MAX_ENCODINGS} layers"));
    }
    for (index, encoding) in encodings.iter().enumerate() {
        let rid = &encoding.rid;
        // Without simulcast there need be none.
        if !is_rid(rid) && (!rid.is_empty() || encodings.len() > 1) {
            return fail(no_rid(rid));
        }
        if encodings[..index].iter().any(|other| other.rid == *rid) {
            return fail(format!("rid {rid:?} stands there twice"));
        }
        if let Some(codec) = &encoding.codec
            && !capabilities.iter().any(|ours| dictionary_match(ours, codec, false))
        {
            let name = codec.mime_type();
            return Err(Error::Operation(format!("encoding {index}: {name} cannot be sent")));
        }
    }
    drop_what_is_of_video(kind, &mut encodings);
    for (index, encoding) in encodings.iter().enumerate() {
        check_numbers(index, encoding)?;
        if encoding.max_framerate == Some(0.0) {
            return Err(out_of_range("max_framerate", index, "0 can be set later only"));
        }
        check_scalability_mode(index, encoding)?;
    }
    match kind {
        // Audio has one layer (maxN).
        MediaKind::Audio => encodings.truncate(1),
        MediaKind::Video => {
            let unscaled = encodings.iter().all(|e| e.scale_resolution_down_by.is_none());
            let count = encodings.len();
            for (index, encoding) in encodings.iter_mut().enumerate() {
                // Where no layer says how it is scaled, each has twice the width of the one before.
                let default = if unscaled { f64::from(1u32 << (count - 1 - index)) } else { 1.0 };
                encoding.scale_resolution_down_by.get_or_insert(default);
            }
        }
    }
    if let [encoding] = &mut encodings[..] {
        encoding.rid.clear();
    }
    Ok(encodings)
}

/// "setParameters validation steps" of webrtc-pc §5.2: what may take the place of `old`. `choosable` are the codecs that were
/// agreed on, or those of the kind before that.
pub(crate) fn checked_parameters(
    kind: MediaKind,
    choosable: &[RtpCodec],
    old: &[RtpEncodingParameters],
    mut encodings: Vec<RtpEncodingParameters>,
) -> Result<Vec<RtpEncodingParameters>, Error> {
    let fail = |reason: String| Err(Error::Parameters(reason));
    if encodings.len() != old.len() {
        let (new, old) = (encodings.len(), old.len());
        return fail(format!("there are {old} encodings, not {new}"));
    }
    for (index, (new, old)) in encodings.iter().zip(old).enumerate() {
        if new.rid != old.rid {
            return fail(format!(
                "the rid of encoding {index} is {:?}, not {:?}",
                old.rid, new.rid
            ));
        }
        if let Some(codec) = &new.codec
            && !choosable.iter().any(|known| dictionary_match(known, codec, true))
        {
            let name = codec.mime_type();
            return fail(format!("{name} of encoding {index} is not among the codecs agreed on"));
        }
    }
    drop_what_is_of_video(kind, &mut encodings);
    for (index, encoding) in encodings.iter_mut().enumerate() {
        if kind == MediaKind::Video {
            encoding.scale_resolution_down_by.get_or_insert(1.0);
        }
        check_numbers(index, encoding)?;
        check_scalability_mode(index, encoding)?;
    }
    Ok(encodings)
}

fn drop_what_is_of_video(kind: MediaKind, encodings: &mut [RtpEncodingParameters]) {
    if kind == MediaKind::Audio {
        for encoding in encodings {
            encoding.scale_resolution_down_by = None;
            encoding.max_framerate = None;
        }
    }
}

fn out_of_range(argument: &'static str, index: usize, reason: &str) -> Error {
    Error::Range { argument, reason: format!("encoding {index}: {reason}") }
}

fn check_numbers(index: usize, encoding: &RtpEncodingParameters) -> Result<(), Error> {
    // Written so that what is no number fails.
    if encoding.scale_resolution_down_by.is_some_and(|scale| !(scale >= 1.0 && scale.is_finite())) {
        return Err(out_of_range("scale_resolution_down_by", index, "it is less than 1"));
    }
    if encoding.max_framerate.is_some_and(|rate| !(rate >= 0.0 && rate.is_finite())) {
        return Err(out_of_range("max_framerate", index, "it is less than 0"));
    }
    Ok(())
}

/// webrtc-svc §4.1: a mode that there is, and that the codec of the encoding has if one was chosen.
fn check_scalability_mode(index: usize, encoding: &RtpEncodingParameters) -> Result<(), Error> {
    let Some(mode) = &encoding.scalability_mode else { return Ok(()) };
    let fail = |reason: String| Err(Error::Operation(format!("encoding {index}: {reason}")));
    let Some(spatial) = spatial_layers(mode) else {
        return fail(format!("there is no scalability mode {mode:?} (webrtc-svc §6)"));
    };
    match &encoding.codec {
        // RFC 7741 and RFC 6184 know layers in time only.
        Some(codec) if spatial > 1 && (codec.is("VP8") || codec.is("H264")) => {
            fail(format!("{} has no spatial layers, as {mode} has", codec.mime_type()))
        }
        _ => Ok(()),
    }
}

/// webrtc-svc §4: modes that whoever encodes can make. `choosable` are the codecs that may be used where an encoding names none.
pub(crate) fn check_made_modes(
    encodings: &[RtpEncodingParameters],
    choosable: &[RtpCodec],
    capabilities: &[CodecCapability],
) -> Result<(), Error> {
    let made = |codec: &RtpCodec| {
        let known = capabilities.iter().find(|known| known.codec.is(&codec.name));
        known.and_then(|known| known.scalability_modes.as_deref())
    };
    for (index, encoding) in encodings.iter().enumerate() {
        let Some(mode) = &encoding.scalability_mode else { continue };
        let codecs = encoding.codec.as_ref().map_or(choosable, std::slice::from_ref);
        let all: Vec<_> =
            codecs.iter().filter_map(|codec| made(codec).map(|modes| (codec, modes))).collect();
        if all.is_empty() || all.iter().any(|(_, modes)| modes.contains(mode)) {
            continue;
        }
        let mut each = Vec::new();
        for (codec, modes) in all {
            let one = format!("{} as {}", codec.mime_type(), modes.join(", "));
            if !each.contains(&one) {
                each.push(one);
            }
        }
        return Err(Error::Operation(format!(
            "encoding {index}: there is no encoder for scalability mode {mode}; there are those for {}",
            each.join("; ")
        )));
    }
    Ok(())
}

/// How many spatial layers a mode has: `L` (one depends on the next) or `S` (none does) with 1 to 3 of them, `T` with 1 to 3
/// temporal ones, `h` for a ratio of 1.5 between sizes, `_KEY` where they depend on each other at keyframes only, and
/// `_KEY_SHIFT`.
fn spatial_layers(mode: &str) -> Option<u8> {
    let [kind @ (b'L' | b'S'), spatial @ b'1'..=b'3', b'T', temporal @ b'1'..=b'3', rest @ ..] =
        mode.as_bytes()
    else {
        return None;
    };
    let several = *spatial > b'1';
    let known = match rest {
        b"" => *kind == b'L' || several,
        b"h" => several,
        b"_KEY" => *kind == b'L' && several,
        b"_KEY_SHIFT" => *kind == b'L' && several && *temporal > b'1',
        _ => false,
    };
    known.then_some(*spatial - b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Capabilities;

    fn codecs(kind: MediaKind) -> Vec<RtpCodec> {
        Capabilities::default().rtp_codecs(kind)
    }

    fn codec(name: &str) -> Option<RtpCodec> {
        codecs(MediaKind::Video).into_iter().find(|codec| codec.is(name))
    }

    fn with(change: impl FnOnce(&mut RtpEncodingParameters)) -> Vec<RtpEncodingParameters> {
        let mut encoding = RtpEncodingParameters::default();
        change(&mut encoding);
        vec![encoding]
    }

    fn added(
        kind: MediaKind,
        encodings: Vec<RtpEncodingParameters>,
    ) -> Result<RtpEncodingParameters, &'static str> {
        checked_send_encodings(kind, &codecs(kind), encodings)
            .map(|mut encodings| encodings.remove(0))
            .map_err(|error| error.name())
    }

    fn set(
        kind: MediaKind,
        encodings: Vec<RtpEncodingParameters>,
    ) -> Result<RtpEncodingParameters, &'static str> {
        let old = [RtpEncodingParameters::default()];
        checked_parameters(kind, &codecs(kind), &old, encodings)
            .map(|mut encodings| encodings.remove(0))
            .map_err(|error| error.name())
    }

    #[test]
    fn numbers_have_their_ranges() {
        for check in [added, set] {
            for scale in [0.5, -1.0, f64::NAN, f64::INFINITY] {
                let encodings = with(|e| e.scale_resolution_down_by = Some(scale));
                assert_eq!(check(MediaKind::Video, encodings.clone()), Err("RangeError"));
                let audio = check(MediaKind::Audio, encodings).unwrap();
                assert_eq!(audio.scale_resolution_down_by, None, "of no concern to audio");
            }
            for rate in [-1.0, f64::NAN] {
                let encodings = with(|e| e.max_framerate = Some(rate));
                assert_eq!(check(MediaKind::Video, encodings.clone()), Err("RangeError"));
                assert_eq!(check(MediaKind::Audio, encodings).unwrap().max_framerate, None);
            }
            let plain = check(MediaKind::Video, with(|_| {})).unwrap();
            assert_eq!(plain.scale_resolution_down_by, Some(1.0));
        }
        let frozen = with(|e| e.max_framerate = Some(0.0));
        assert_eq!(added(MediaKind::Video, frozen.clone()), Err("RangeError"));
        assert_eq!(set(MediaKind::Video, frozen).unwrap().max_framerate, Some(0.0));
    }

    #[test]
    fn layers_are_scaled_by_twos_unless_one_says_otherwise() {
        let scales = |encodings: Vec<RtpEncodingParameters>| -> Vec<f64> {
            let video = codecs(MediaKind::Video);
            let checked = checked_send_encodings(MediaKind::Video, &video, encodings).unwrap();
            checked.iter().map(|encoding| encoding.scale_resolution_down_by.unwrap()).collect()
        };
        let mut layers: Vec<_> = ["q", "h", "f"].map(RtpEncodingParameters::new).into();
        assert_eq!(scales(layers.clone()), [4.0, 2.0, 1.0]);
        layers[1].scale_resolution_down_by = Some(3.0);
        assert_eq!(scales(layers), [1.0, 3.0, 1.0]);
    }

    #[test]
    fn one_encoding_has_no_rid() {
        let alone = added(MediaKind::Video, vec![RtpEncodingParameters::new("x")]).unwrap();
        assert_eq!(alone.rid, "");
    }

    #[test]
    fn codecs_must_be_there() {
        let mut foreign = codec("VP8").unwrap();
        foreign.clock_rate = 8_000;
        let encodings = with(|e| e.codec = Some(foreign));
        assert_eq!(added(MediaKind::Video, encodings.clone()), Err("OperationError"));
        assert_eq!(set(MediaKind::Video, encodings), Err("InvalidModificationError"));
        let encodings = with(|e| e.codec = codec("VP8"));
        assert!(added(MediaKind::Video, encodings.clone()).is_ok());
        assert!(set(MediaKind::Video, encodings).is_ok());
    }

    #[test]
    fn modes_that_there_are_are_known() {
        for (mode, layers) in [
            ("L1T1", Some(1)),
            ("L1T3", Some(1)),
            ("L3T3", Some(3)),
            ("L2T1h", Some(2)),
            ("S3T3h", Some(3)),
            ("L2T2_KEY", Some(2)),
            ("L3T2_KEY_SHIFT", Some(3)),
            ("", None),
            ("L1T0", None),
            ("L4T1", None),
            ("S1T1", None),
            ("L1T1h", None),
            ("L2T1_KEY_SHIFT", None),
            ("S2T2_KEY", None),
            ("L2T2_key", None),
        ] {
            assert_eq!(spatial_layers(mode), layers, "{mode}");
        }
        let mode = |mode: &str, name: &str| {
            with(|e| (e.scalability_mode, e.codec) = (Some(mode.to_owned()), codec(name)))
        };
        for check in [added, set] {
            assert_eq!(check(MediaKind::Video, mode("L9T9", "none")), Err("OperationError"));
            assert_eq!(check(MediaKind::Video, mode("L2T1", "VP8")), Err("OperationError"));
            assert!(check(MediaKind::Video, mode("L1T3", "VP8")).is_ok());
            assert!(check(MediaKind::Video, mode("L2T1", "VP9")).is_ok());
            assert!(check(MediaKind::Video, mode("L2T1", "none")).is_ok());
        }
    }

    #[test]
    fn modes_that_nobody_makes_are_refused_with_those_that_are() {
        let video = codecs(MediaKind::Video);
        let mut all = Capabilities::default().video;
        let check = |all: &[CodecCapability], mode: &str, name: &str| {
            let encodings =
                with(|e| (e.scalability_mode, e.codec) = (Some(mode.to_owned()), codec(name)));
            check_made_modes(&encodings, &video, all).map_err(|error| {
                assert_eq!(error.name(), "OperationError");
                error.to_string()
            })
        };
        assert!(check(&all, "S3T3", "none").is_ok(), "the application's encoder is not known");
        for capability in &mut all {
            capability.scalability_modes = match &*capability.codec.name {
                "VP8" => Some(vec!["L1T1".to_owned(), "L1T2".to_owned()]),
                "VP9" => Some(vec!["L1T1".to_owned(), "L2T1_KEY".to_owned()]),
                _ => None,
            };
        }
        assert!(check(&all, "L2T1_KEY", "none").is_ok() && check(&all, "L1T2", "VP8").is_ok());
        let error = check(&all, "S2T1", "VP9").unwrap_err();
        assert!(error.ends_with("video/VP9 as L1T1, L2T1_KEY"), "{error}");
        assert!(check(&all, "L2T1_KEY", "VP8").is_err());
        let error = check(&all, "L2T1", "none").unwrap_err();
        assert!(error.contains("VP8 as L1T1, L1T2; video/VP9 as L1T1, L2T1_KEY"), "{error}");
    }

    #[test]
    fn what_may_not_change_does_not() {
        let layers: Vec<_> = ["q", "h"].map(RtpEncodingParameters::new).into();
        let change = |encodings: Vec<RtpEncodingParameters>| {
            let video = codecs(MediaKind::Video);
            checked_parameters(MediaKind::Video, &video, &layers, encodings)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        assert!(change(layers.clone()).is_ok());
        let error = change(layers[..1].to_vec()).unwrap_err();
        assert!(error.contains("2 encodings"), "{error}");
        let mut turned = layers.clone();
        turned.reverse();
        let error = change(turned).unwrap_err();
        assert!(error.contains("rid"), "{error}");
    }
}
