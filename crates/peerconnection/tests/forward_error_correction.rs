//! Forward error correction between two connections in virtual time: packets are lost by chance, and frames come out
//! whole, once each, with retransmission and without.

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{Pair, config, frames, negotiate, vp8};
use peerage_peerconnection::media::{Capabilities, CodecCapability, MediaKind};
use peerage_peerconnection::stats::InboundRtpStreamStats;
use peerage_peerconnection::{Configuration, Frame, ReceiveMode, RtpStatistics, TransceiverHandle};

const FRAME_TIME: Duration = Duration::from_millis(33);

/// What an end may use.
#[derive(Clone, Copy)]
struct Options {
    codec: &'static str,
    /// NACK and RTX.
    repeats: bool,
    ulpfec: bool,
    flexfec: bool,
}

const ULPFEC: Options = Options { codec: "VP8", repeats: true, ulpfec: true, flexfec: false };
const FLEXFEC: Options = Options { codec: "VP8", repeats: true, ulpfec: false, flexfec: true };

fn configuration(options: Options) -> Configuration {
    let mut config = config();
    // The pace is not what is looked at.
    let congestion = &mut config.settings.congestion;
    congestion.min_bitrate = 5_000_000;
    congestion.start_bitrate = 5_000_000;
    congestion.max_bitrate = 5_000_000;
    let media: &mut Capabilities = &mut config.settings.media;
    if !options.ulpfec {
        media.disable_video_fec();
    }
    if options.flexfec {
        media.enable_flexfec();
    }
    let is_kept = |capability: &CodecCapability| {
        let protects = ["red", "ulpfec", "flexfec-03"];
        capability.codec.is(options.codec) || protects.iter().any(|name| capability.codec.is(name))
    };
    media.video.retain(is_kept);
    if !options.repeats {
        for capability in &mut media.video {
            capability.rtx = None;
            let is_nack = |feedback: &_| *feedback == peerage_sdp::Feedback::Nack;
            capability.codec.rtcp_feedback.retain(|feedback| !is_nack(feedback));
        }
    }
    config
}

struct Film {
    pair: Pair,
    video: TransceiverHandle,
    frames: u32,
}

impl Film {
    fn new(seed: u64, options: Options, latency: u64) -> Self {
        let (a, b) = (configuration(options), configuration(options));
        let mut pair = Pair::with(seed, a, b);
        pair.latency = Duration::from_millis(latency);
        let now = pair.now;
        let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
        negotiate(now, &mut pair.a, &mut pair.b);
        pair.connect();
        Self { pair, video, frames: 0 }
    }

    /// Loses so many of a thousand datagrams of RTP and RTCP from now on.
    fn lose(&mut self, per_mille: u64) {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        self.pair.filter = Box::new(move |_, data| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            !(128..192).contains(&data[0]) || (state >> 33) % 1_000 >= per_mille
        });
    }

    /// So many frames of ten packets, the first a keyframe.
    fn run(&mut self, count: u32) {
        for index in 0..count {
            let now = self.pair.now;
            let data = vp8(index == 0, 11_000, self.frames as u8);
            let frame = Frame::new(data, self.frames * 2970);
            self.pair.a.pc.send_frame(now, self.video, 0, &frame).unwrap();
            self.frames += 1;
            self.pair.run_for(FRAME_TIME);
        }
    }

    /// What is under way arrives, and what was lost comes again.
    fn settle(&mut self) {
        self.pair.filter = Box::new(|_, _| true);
        self.pair.run_for(Duration::from_secs(1));
    }

    fn sent(&self) -> RtpStatistics {
        self.pair.a.pc.statistics().rtp
    }

    fn received(&self) -> RtpStatistics {
        self.pair.b.pc.statistics().rtp
    }

    /// Timestamps of the frames that came out, counted from the first frame of all; checks that each came once, whole.
    #[track_caller]
    fn arrived(&self) -> BTreeSet<u32> {
        let frames = frames(&self.pair.b.events);
        let first = frames[0].frame.timestamp;
        let mut seen = BTreeSet::new();
        for frame in frames {
            let index = frame.frame.timestamp.wrapping_sub(first) / 2970;
            assert!(seen.insert(index), "frame {index} came twice");
            let keyframe = frame.frame.keyframe;
            assert_eq!(frame.frame.data, vp8(keyframe, 11_000, index as u8), "frame {index}");
        }
        seen
    }
}

/// 5 % of losses are seen first, for three seconds; then three hundred frames. How many of these came out, and by what.
fn film(seed: u64, options: Options, latency: u64) -> (usize, Film) {
    let mut film = Film::new(seed, options, latency);
    film.run(10);
    film.lose(50);
    film.run(90);
    film.run(300);
    film.settle();
    let arrived = film.arrived().range(100..).count();
    (arrived, film)
}

fn inbound(film: &Film) -> InboundRtpStreamStats {
    let now = film.pair.now;
    let report = film.pair.b.pc.get_stats(now);
    report.inbound_rtp().next().unwrap().clone()
}

#[test]
fn losses_are_repaired_without_any_retransmission() {
    let none = Options { repeats: false, ulpfec: false, ..ULPFEC };
    let (without, _) = film(1, none, 50);
    for options in [Options { repeats: false, ..ULPFEC }, Options { repeats: false, ..FLEXFEC }] {
        let (with, film) = film(1, options, 50);
        assert!(film.received().packets_recovered > 30, "{:?}", film.received());
        assert_eq!(film.sent().retransmissions_sent, 0);
        assert!(with > 2 * without, "{with} frames of 300, {without} without");
    }
}

#[test]
fn with_both_fewer_are_asked_for_and_none_is_missing() {
    let (all, plain) = film(2, Options { ulpfec: false, ..ULPFEC }, 100);
    assert_eq!(all, 300);
    for options in [ULPFEC, FLEXFEC] {
        let (all, film) = film(2, options, 100);
        assert_eq!(all, 300);
        assert!(film.received().packets_recovered > 40, "{:?}", film.received());
        let (fewer, many) = (film.sent().retransmissions_sent, plain.sent().retransmissions_sent);
        assert!(4 * fewer < 3 * many, "{fewer} sent again, {many} without");
        let requests = |film: &Film| film.received().keyframe_requests_sent;
        assert!(requests(&film) <= requests(&plain), "{} {}", requests(&film), requests(&plain));
    }
}

#[test]
fn nothing_is_protected_where_nothing_is_lost_or_a_retransmission_is_as_quick() {
    for options in [ULPFEC, FLEXFEC] {
        let mut quiet = Film::new(3, options, 100);
        quiet.run(100);
        quiet.settle();
        assert_eq!(quiet.sent().fec_packets_sent, 0);
        assert_eq!(quiet.arrived().len(), 100);
        let (all, near) = film(3, options, 5);
        assert_eq!(all, 300);
        assert_eq!(near.sent().fec_packets_sent, 0);
    }
}

#[test]
fn what_is_added_keeps_to_its_share_and_is_counted_at_the_other_end() {
    for options in [ULPFEC, FLEXFEC] {
        let (_, film) = film(4, options, 100);
        let (sent, packets) = (film.sent().fec_packets_sent, film.sent().packets_sent);
        // Four times the loss at most, and half as much again for keyframes.
        assert!(sent * 100 > packets && sent * 100 < packets * 28, "{sent} of {packets}");
        let stats = inbound(&film);
        let came = stats.fec_packets_received.unwrap();
        assert!(came * 100 >= sent * 85 && came <= sent, "{came} of {sent}");
        assert!(stats.fec_bytes_received.unwrap() > came * 1_000);
        let discarded = stats.fec_packets_discarded.unwrap();
        assert!(discarded > 0 && discarded < came, "{discarded} of {came}");
        assert_eq!(stats.fec_ssrc.is_some(), options.flexfec);
        assert!(stats.packets_lost.unwrap() > 100, "what was recovered did not come by itself");
    }
}

#[test]
fn without_numbers_of_frames_parity_goes_by_a_source_of_its_own_or_not_at_all() {
    let h264 = |keyframe: bool, seed: u8| {
        let mut data = match keyframe {
            true => vec![0, 0, 0, 1, 0x67, 0x42, 0, 0x1f, 0, 0, 0, 1, 0x68, 0xce, 0, 0, 0, 1, 0x65],
            false => vec![0, 0, 0, 1, 0x41],
        };
        data.resize(11_000, seed | 1);
        data
    };
    let options = Options { codec: "H264", ..ULPFEC };
    for (options, protected) in
        [(options, false), (Options { ulpfec: false, flexfec: true, ..options }, true)]
    {
        let mut film = Film::new(5, options, 100);
        film.lose(50);
        for index in 0..200u32 {
            if index == 190 {
                // Nothing tells of the end of the last frame when it is lost.
                film.pair.filter = Box::new(|_, _| true);
            }
            let now = film.pair.now;
            let frame = Frame::new(h264(index == 0, index as u8), index * 2970);
            film.pair.a.pc.send_frame(now, film.video, 0, &frame).unwrap();
            film.pair.run_for(FRAME_TIME);
        }
        film.settle();
        assert_eq!(frames(&film.pair.b.events).len(), 200);
        assert_eq!(film.sent().fec_packets_sent > 0, protected);
        assert_eq!(film.received().packets_recovered > 20, protected);
    }
}

#[test]
fn packets_come_out_without_a_gap_and_without_red() {
    for options in [ULPFEC, FLEXFEC] {
        let mut film = Film::new(6, options, 100);
        let theirs = film.pair.b.pc.transceivers().next().unwrap().handle;
        film.pair.b.pc.set_receive_mode(film.pair.now, theirs, ReceiveMode::Packets).unwrap();
        film.lose(50);
        let mut numbers = BTreeSet::new();
        let mut empty = 0;
        for _ in 0..150 {
            film.run(1);
        }
        film.settle();
        while let Some(packet) = film.pair.b.pc.poll_rtp() {
            assert!(numbers.insert(packet.sequence), "{} came twice", packet.sequence);
            assert_eq!(packet.format, peerage_rtp::payload::PayloadFormat::Vp8);
            empty += u32::from(packet.payload.is_empty());
        }
        let (first, last) = (numbers.first().unwrap(), numbers.last().unwrap());
        let missing = (last - first + 1) as usize - numbers.len();
        // Parity that is lost is not sent again.
        let lost = film.sent().fec_packets_sent - inbound(&film).fec_packets_received.unwrap();
        let lost = if options.ulpfec { lost as usize } else { 0 };
        assert!(missing <= lost, "{missing} of {}, {lost} lost", numbers.len());
        assert_eq!(empty > 0, options.ulpfec, "{empty}");
        assert!(film.received().packets_recovered > 10);
    }
}

#[test]
fn preferences_may_leave_it_out() {
    let offer = |change: &dyn Fn(&mut Film)| {
        let mut film = Film::new(7, Options { flexfec: true, ..ULPFEC }, 5);
        change(&mut film);
        let now = film.pair.now;
        film.pair.a.pc.create_offer(now, Default::default()).unwrap().sdp
    };
    let all = offer(&|_| {});
    for line in
        ["red/90000", "ulpfec/90000", "flexfec-03/90000", "ssrc-group:FEC-FR", "ssrc-group:FID"]
    {
        assert!(all.contains(line), "{line}\n{all}");
    }
    let few = offer(&|film| {
        let capabilities = configuration(Options { flexfec: true, ..ULPFEC }).settings.media;
        let mut codecs = capabilities.rtp_codecs(MediaKind::Video);
        codecs.retain(|codec| codec.is("VP8") || codec.is("rtx"));
        let now = film.pair.now;
        film.pair.a.pc.set_codec_preferences(now, film.video, &codecs).unwrap();
    });
    for line in ["red/90000", "ulpfec/90000", "flexfec-03/90000", "FEC-FR"] {
        assert!(!few.contains(line), "{line}\n{few}");
    }
}

#[test]
fn a_share_of_the_target_is_kept_for_parity() {
    let target = |options| {
        let mut film = Film::new(8, options, 100);
        film.lose(80);
        film.run(200);
        let estimate = film.pair.a.pc.estimate().unwrap().available_outgoing_bitrate;
        let target = film.pair.a.pc.target_bitrate(film.video, 0).unwrap();
        target as f64 / estimate as f64
    };
    let (with, without) = (target(FLEXFEC), target(Options { flexfec: false, ..FLEXFEC }));
    assert!(with < without - 0.02, "{with:.3} of the estimate, {without:.3} without");
}
