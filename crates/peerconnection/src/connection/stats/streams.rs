//! RTP streams of both ends, what the peer reports of them, their codecs and tracks.

use std::collections::BTreeMap;
use std::time::Duration;

use peerage_rtp::NtpTime;

use super::{Gathering, StatsSelector, clip};
use crate::media::{CodecRole, MediaKind, NegotiatedCodec};
use crate::playback::{CaptureStatistics, PlaybackStatistics, PlayedMedium};
use crate::rtp::{Inbound, Outbound};
use crate::stats::{
    AudioPlayoutStats, CodecStats, InboundRtpStreamStats, MediaSourceStats, OutboundRtpStreamStats,
    RemoteInboundRtpStreamStats, RemoteOutboundRtpStreamStats, Stats, StatsType,
};
use crate::transceiver::Transceiver;

/// What belongs to pictures only.
fn of_video<T>(kind: MediaKind, value: T) -> Option<T> {
    (kind == MediaKind::Video).then_some(value)
}

fn seconds(duration: Duration) -> Option<f64> {
    Some(duration.as_secs_f64())
}

/// A sender's clock in milliseconds since 1970; its seconds wrap in 2036 (RFC 5905 §6).
fn unix_milliseconds(time: NtpTime) -> f64 {
    let (seconds, fraction) = (time.0 >> 32, time.0 & 0xFFFF_FFFF);
    let era = if seconds < NtpTime::UNIX_EPOCH_SECONDS { 1 << 32 } else { 0 };
    let seconds = seconds + era - NtpTime::UNIX_EPOCH_SECONDS;
    seconds as f64 * 1e3 + fraction as f64 * 1e3 / f64::from(u32::MAX)
}

/// Adds what whoever decodes and plays a stream has counted of it.
fn add_played(stats: &mut InboundRtpStreamStats, played: &PlaybackStatistics) {
    let held = played.jitter_buffer;
    stats.jitter_buffer_delay = seconds(held.delay);
    stats.jitter_buffer_target_delay = seconds(held.target_delay);
    stats.jitter_buffer_minimum_delay = seconds(held.minimum_delay);
    stats.jitter_buffer_emitted_count = Some(held.emitted);
    stats.total_processing_delay = seconds(played.total_processing_delay);
    stats.estimated_playout_timestamp = played.playout_time.map(unix_milliseconds);
    match &played.medium {
        PlayedMedium::Sound(sound) if stats.kind == MediaKind::Audio => {
            stats.total_samples_received = Some(sound.samples_received);
            stats.total_samples_duration = seconds(sound.samples_duration);
            stats.concealed_samples = Some(sound.concealed_samples);
            stats.silent_concealed_samples = Some(sound.silent_concealed_samples);
            stats.concealment_events = Some(sound.concealment_events);
            stats.inserted_samples_for_deceleration = Some(sound.inserted_samples_for_deceleration);
            stats.removed_samples_for_acceleration = Some(sound.removed_samples_for_acceleration);
            stats.audio_level = Some(sound.audio_level);
            stats.total_audio_energy = Some(sound.total_audio_energy);
            let discarded = stats.packets_discarded.unwrap_or(0);
            stats.packets_discarded = Some(discarded + sound.packets_discarded);
        }
        PlayedMedium::Pictures(pictures) if stats.kind == MediaKind::Video => {
            stats.frames_decoded = Some(clip(pictures.frames_decoded));
            stats.key_frames_decoded = Some(clip(pictures.key_frames_decoded));
            stats.frames_rendered = Some(clip(pictures.frames_rendered));
            let dropped = u64::from(stats.frames_dropped.unwrap_or(0));
            stats.frames_dropped = Some(clip(dropped + pictures.frames_dropped));
            if let Some((width, height)) = pictures.dimensions {
                (stats.frame_width, stats.frame_height) = (Some(width), Some(height));
            }
            stats.frames_per_second = Some(pictures.frames_per_second);
            stats.qp_sum = pictures.qp_sum;
            stats.total_decode_time = seconds(pictures.total_decode_time);
            stats.total_inter_frame_delay = seconds(pictures.total_inter_frame_delay);
            stats.total_squared_inter_frame_delay = Some(pictures.total_squared_inter_frame_delay);
            stats.pause_count = Some(clip(pictures.pauses));
            stats.total_pauses_duration = seconds(pictures.pauses_duration);
            stats.freeze_count = Some(clip(pictures.freezes));
            stats.total_freezes_duration = seconds(pictures.freezes_duration);
            stats.decoder_implementation = pictures.decoder_implementation.clone();
            stats.power_efficient_decoder = Some(pictures.power_efficient);
        }
        _ => {}
    }
}

impl Gathering<'_> {
    pub(super) fn streams(&mut self) {
        let (pc, now) = (self.pc, self.now);
        let transports = || pc.transports.iter().map(|transport| &transport.rtp);
        let outbound: Vec<Outbound<'_>> = transports().flat_map(|rtp| rtp.outbound(now)).collect();
        for transceiver in pc.transceivers.iter() {
            self.media_source(transceiver, &outbound);
        }
        for stream in &outbound {
            if let Some(transceiver) = pc.transceivers.get(stream.transceiver) {
                self.outbound(transceiver, stream);
            }
        }
        for stream in transports().flat_map(|rtp| rtp.inbound(now)) {
            if let Some(transceiver) = pc.transceivers.get(stream.transceiver) {
                self.inbound(transceiver, &stream);
            }
        }
    }

    fn transport_id(&self, transceiver: &Transceiver) -> String {
        self.ids.transport(self.pc.transports[transceiver.transport].id)
    }

    fn media_source_id(&self, transceiver: &Transceiver) -> Option<String> {
        let track = transceiver.sender.track.as_ref()?;
        Some(self.ids.of(StatsType::MediaSource, (transceiver.kind, track)))
    }

    fn media_source(&mut self, transceiver: &Transceiver, outbound: &[Outbound<'_>]) {
        let Some(id) = self.media_source_id(transceiver) else { return };
        let Some(track) = transceiver.sender.track.clone() else { return };
        let kind = transceiver.kind;
        let mut stats = MediaSourceStats::new(id, self.timestamp, track, kind);
        if kind == MediaKind::Video {
            let layers = || outbound.iter().filter(|s| s.transceiver == transceiver.handle);
            let largest = layers().filter_map(|s| s.counters.dimensions).max();
            stats.width = largest.map(|(width, _)| width.into());
            stats.height = largest.map(|(_, height)| height.into());
            let most = layers().max_by_key(|s| s.counters.frames_encoded);
            stats.frames = most.map(|s| s.counters.frames_encoded);
            stats.frames_per_second = most.map(|s| s.frames_per_second as f64);
        }
        match transceiver.sender.capture.as_ref().and_then(|capture| capture.statistics()) {
            Some(CaptureStatistics::Sound {
                audio_level,
                total_audio_energy,
                samples_duration,
            }) if kind == MediaKind::Audio => {
                stats.audio_level = Some(audio_level);
                stats.total_audio_energy = Some(total_audio_energy);
                stats.total_samples_duration = seconds(samples_duration);
            }
            Some(CaptureStatistics::Pictures { dimensions, frames, frames_per_second })
                if kind == MediaKind::Video =>
            {
                (stats.width, stats.height) = (Some(dimensions.0), Some(dimensions.1));
                stats.frames = Some(clip(frames));
                stats.frames_per_second = Some(frames_per_second);
            }
            _ => {}
        }
        self.report.insert(Stats::MediaSource(stats));
    }

    /// The id of the codec a stream is in; the first that asks makes its dictionary.
    fn codec(
        &mut self,
        transceiver: &Transceiver,
        payload_type: Option<u8>,
        number: impl Fn(&NegotiatedCodec) -> u8,
        is_sent: bool,
    ) -> Option<String> {
        let payload_type = payload_type?;
        let codecs = &transceiver.agreed.as_ref()?.codecs;
        let agreed = codecs.iter().find(|codec| number(codec) == payload_type)?;
        let codec = &agreed.codec;
        let fmtp = if is_sent { &agreed.remote_fmtp } else { &codec.fmtp };
        let mime_type = codec.mime_type();
        // One for both ways unless the parameters differ (webrtc-stats, RTCCodecStats).
        let transport = self.transport_id(transceiver);
        let id = self.ids.of(StatsType::Codec, (payload_type, &mime_type, fmtp, &transport));
        self.report.insert(Stats::Codec(CodecStats {
            clock_rate: Some(codec.clock_rate),
            channels: codec.channels.map(u32::from),
            sdp_fmtp_line: fmtp.as_ref().map(|fmtp| fmtp.to_string()),
            ..CodecStats::new(id.clone(), self.timestamp, payload_type.into(), transport, mime_type)
        }));
        Some(id)
    }

    fn inbound(&mut self, transceiver: &Transceiver, stream: &Inbound<'_>) {
        let (kind, ssrc, counters) = (transceiver.kind, stream.ssrc, stream.counters);
        let key = (self.pc.transports[transceiver.transport].id, stream.serial);
        let id = self.ids.of(StatsType::InboundRtp, key);
        let remote_id = self.ids.of(StatsType::RemoteOutboundRtp, key);
        let codec_id = self.codec(transceiver, stream.payload_type, |codec| codec.receive, false);
        let transport_id = Some(self.transport_id(transceiver));
        if let Some((arrived, info)) = stream.sender_report {
            let trips = stream.round_trips;
            let at = self.pc.milliseconds(arrived);
            self.report.insert(Stats::RemoteOutboundRtp(RemoteOutboundRtpStreamStats {
                transport_id: transport_id.clone(),
                codec_id: codec_id.clone(),
                packets_sent: Some(stream.sender_counts.0),
                bytes_sent: Some(stream.sender_counts.1),
                local_id: Some(id.clone()),
                remote_timestamp: Some(unix_milliseconds(NtpTime(info.ntp))),
                reports_sent: Some(stream.sender_reports),
                round_trip_time: trips.last.and_then(seconds),
                total_round_trip_time: seconds(trips.total),
                round_trip_time_measurements: Some(trips.count),
                ..RemoteOutboundRtpStreamStats::new(remote_id.clone(), at, ssrc, kind)
            }));
        }
        // Where packets are given out, nobody makes frames of them.
        let of_frames = |count: u32| (!stream.gives_packets).then_some(count);
        let (width, height) = counters.dimensions.unzip();
        let rtx = |value: u64| stream.has_rtx.then_some(value);
        let protects =
            |codec: &NegotiatedCodec| codec.codec.role() == CodecRole::ForwardErrorCorrection;
        let agreed = transceiver.agreed.as_ref();
        let has_fec = agreed.is_some_and(|agreed| agreed.codecs.iter().any(protects));
        let fec = |value: u64| has_fec.then_some(value);
        let marks = counters.marks.told();
        let track = transceiver.receiver.track.clone();
        self.roots.push((StatsSelector::Receiver(transceiver.handle), id.clone()));
        let mut stats = InboundRtpStreamStats {
            transport_id,
            codec_id,
            packets_received: Some(stream.packets),
            packets_received_with_ect1: marks.map(|(ect1, _)| ect1),
            packets_received_with_ce: marks.map(|(_, ce)| ce),
            packets_lost: Some(stream.packets_lost),
            jitter: seconds(stream.jitter),
            mid: transceiver.mid.as_ref().map(|mid| mid.to_string()),
            remote_id: stream.sender_report.map(|_| remote_id),
            frames_dropped: of_video(kind, clip(stream.frames_dropped)).and_then(of_frames),
            frame_width: width.map(u32::from),
            frame_height: height.map(u32::from),
            frames_per_second: of_video(kind, stream.frames_per_second as f64),
            last_packet_received_timestamp: stream.last_packet.map(|at| self.pc.milliseconds(at)),
            header_bytes_received: Some(stream.header_bytes),
            packets_discarded: Some(stream.packets_discarded),
            fec_bytes_received: fec(stream.fec.bytes),
            fec_packets_received: fec(stream.fec.packets),
            fec_packets_discarded: fec(stream.fec.discarded),
            fec_ssrc: stream.fec.ssrc,
            bytes_received: Some(stream.bytes),
            nack_count: Some(counters.nacks),
            fir_count: of_video(kind, counters.full_intra_requests),
            pli_count: of_video(kind, counters.picture_losses),
            jitter_buffer_delay: of_video(kind, counters.waiting_time.as_secs_f64()),
            jitter_buffer_emitted_count: of_video(kind, counters.frames_given_out),
            frames_received: of_video(kind, clip(stream.frames_received)).and_then(of_frames),
            frames_assembled_from_multiple_packets: of_video(
                kind,
                counters.frames_of_several_packets,
            ),
            total_assembly_time: of_video(kind, counters.assembly_time.as_secs_f64()),
            retransmitted_packets_received: rtx(counters.retransmitted_packets),
            retransmitted_bytes_received: rtx(counters.retransmitted_bytes),
            rtx_ssrc: counters.rtx_ssrc.filter(|_| stream.has_rtx),
            ..InboundRtpStreamStats::new(id, self.timestamp, ssrc, kind, track)
        };
        let played = transceiver.receiver.playback.as_ref().and_then(|by| by.statistics());
        if let Some(played) = played.filter(|played| played.ssrc == ssrc) {
            add_played(&mut stats, &played);
            stats.playout_id = self.playout().filter(|_| kind == MediaKind::Audio);
        }
        self.report.insert(Stats::InboundRtp(stats));
    }

    /// The id of what plays all sound; the first that asks makes its dictionary.
    fn playout(&mut self) -> Option<String> {
        let played = self.pc.playout.as_ref()?.statistics();
        let id = self.ids.of(StatsType::MediaPlayout, ());
        self.report.insert(Stats::MediaPlayout(AudioPlayoutStats {
            synthesized_samples_duration: seconds(played.synthesized_duration),
            synthesized_samples_events: Some(clip(played.synthesized_events)),
            total_samples_duration: seconds(played.samples_duration),
            total_playout_delay: seconds(played.total_playout_delay),
            total_samples_count: Some(played.samples_count),
            ..AudioPlayoutStats::new(id.clone(), self.timestamp, MediaKind::Audio)
        }));
        Some(id)
    }

    fn outbound(&mut self, transceiver: &Transceiver, stream: &Outbound<'_>) {
        let (kind, ssrc, counters) = (transceiver.kind, stream.ssrc, stream.counters);
        // A source belongs to one encoding for the life of its transceiver, and no other stream gets it.
        let key = (stream.transceiver, stream.ssrc);
        let id = self.ids.of(StatsType::OutboundRtp, key);
        let codec_id = self.codec(transceiver, stream.payload_type, |codec| codec.send, true);
        let transport_id = Some(self.transport_id(transceiver));
        let remote_id = self.ids.of(StatsType::RemoteInboundRtp, key);
        if let Some((arrived, block)) = counters.report {
            let trips = counters.round_trips;
            let at = self.pc.milliseconds(arrived);
            let lost = i64::from(block.cumulative_lost);
            // RFC 3550 App. A.3, as seen from here.
            let expected = i64::from(block.extended_highest_sequence_number)
                - i64::from(stream.first_sequence)
                + 1;
            self.report.insert(Stats::RemoteInboundRtp(RemoteInboundRtpStreamStats {
                transport_id: transport_id.clone(),
                codec_id: codec_id.clone(),
                packets_received: Some((expected - lost).try_into().unwrap_or(0)),
                packets_lost: Some(lost),
                packets_received_with_ect1: stream.reports.map(|reports| reports.ect1),
                packets_received_with_ce: stream.reports.map(|reports| reports.ce),
                packets_reported_as_lost: stream.reports.map(|reports| reports.lost),
                packets_reported_as_lost_but_recovered: stream
                    .reports
                    .map(|reports| reports.recovered),
                jitter: stream.clock_rate.map(|rate| f64::from(block.jitter) / f64::from(rate)),
                local_id: Some(id.clone()),
                round_trip_time: trips.last.and_then(seconds),
                total_round_trip_time: seconds(trips.total),
                fraction_lost: Some(f64::from(block.fraction_lost) / 256.0),
                round_trip_time_measurements: Some(trips.count),
                ..RemoteInboundRtpStreamStats::new(remote_id.clone(), at, ssrc, kind)
            }));
        }
        let encoding = transceiver.sender.encodings.get(stream.encoding);
        let target = self.pc.target_bitrate(stream.transceiver, stream.encoding);
        let (width, height) = counters.dimensions.unzip();
        let durations = counters.quality.durations(self.now);
        let durations =
            durations.map(|(reason, duration)| (reason.to_string(), duration.as_secs_f64()));
        let encoder = counters.encoder.as_deref();
        self.roots.push((StatsSelector::Sender(transceiver.handle), id.clone()));
        self.report.insert(Stats::OutboundRtp(OutboundRtpStreamStats {
            transport_id,
            codec_id,
            packets_sent: Some(counters.packets),
            bytes_sent: Some(counters.bytes),
            mid: transceiver.mid.as_ref().map(|mid| mid.to_string()),
            media_source_id: self.media_source_id(transceiver),
            remote_id: counters.report.map(|_| remote_id),
            rid: encoding
                .map(|encoding| encoding.rid.clone())
                .filter(|rid| kind == MediaKind::Video && !rid.is_empty()),
            encoding_index: of_video(kind, stream.encoding as u32),
            header_bytes_sent: Some(counters.header_bytes),
            retransmitted_packets_sent: Some(counters.retransmitted_packets),
            retransmitted_bytes_sent: Some(counters.retransmitted_bytes),
            rtx_ssrc: stream.rtx_ssrc,
            target_bitrate: target.map(|rate| rate as f64),
            frame_width: width.map(u32::from),
            frame_height: height.map(u32::from),
            frames_per_second: of_video(kind, stream.frames_per_second as f64),
            frames_sent: of_video(kind, counters.frames_sent),
            frames_encoded: of_video(kind, counters.frames_encoded),
            key_frames_encoded: of_video(kind, counters.key_frames_encoded),
            total_packet_send_delay: seconds(counters.send_delay),
            quality_limitation_reason: of_video(kind, counters.quality.reason()),
            quality_limitation_durations: of_video(kind, BTreeMap::from(durations)),
            nack_count: Some(counters.nacks),
            fir_count: of_video(kind, counters.full_intra_requests),
            pli_count: of_video(kind, counters.picture_losses),
            active: encoding.map(|encoding| encoding.active && transceiver.is_sending()),
            qp_sum: encoder.and_then(|encoder| encoder.quantizer_sum),
            total_encode_time: encoder.and_then(|encoder| seconds(encoder.encode_time)),
            total_encoded_bytes_target: encoder.map(|encoder| encoder.target_bytes),
            quality_limitation_resolution_changes: encoder
                .map(|encoder| encoder.resolution_changes)
                .filter(|_| kind == MediaKind::Video),
            encoder_implementation: encoder.and_then(|encoder| encoder.implementation.clone()),
            power_efficient_encoder: encoder.map(|encoder| encoder.power_efficient),
            scalability_mode: encoder
                .and_then(|encoder| encoder.scalability_mode.clone())
                .or_else(|| encoding.and_then(|encoding| encoding.scalability_mode.clone()))
                .filter(|_| kind == MediaKind::Video),
            ..OutboundRtpStreamStats::new(id, self.timestamp, ssrc, kind)
        }));
    }
}
