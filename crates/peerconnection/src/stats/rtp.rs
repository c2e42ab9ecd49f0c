//! RTP streams: what is received and sent here, and what the peer reports of it.

use std::collections::BTreeMap;

use super::dictionary::dictionary;
use super::states::QualityLimitationReason;
use crate::media::MediaKind;

dictionary! {
    /// `RTCInboundRtpStreamStats`: a stream of the peer. Its retransmissions count in it.
    ///
    /// Nothing is decoded or played here, so members that a decoder or a player would fill are `None`.
    InboundRtpStreamStats {
        /// The synchronisation source.
        ssrc: u32,
        /// Audio or video.
        kind: MediaKind,
        /// The id of the receiver's track.
        track_identifier: String,
        ;
        /// The [`TransportStats`](super::TransportStats).
        transport_id: String,
        /// The [`CodecStats`](super::CodecStats) of the last packet.
        codec_id: String,
        /// Packets that came, retransmissions included.
        packets_received: u64,
        /// Of those, marked ECT(1). `None` before the first that came with any mark: whether the socket tells them is not known
        /// until then.
        packets_received_with_ect1: u64,
        /// Of those, marked CE. `None` as above.
        packets_received_with_ce: u64,
        /// Packets that we report as lost by RFC 8888. `None`: not kept by stream.
        packets_reported_as_lost: u64,
        /// Of those, reported as received later. `None`: not kept by stream.
        packets_reported_as_lost_but_recovered: u64,
        /// Packets that did not come by themselves (RFC 3550 §6.4.1): those that RTX restored are among them.
        packets_lost: i64,
        /// Variation of the transit time, in seconds (RFC 3550 §6.4.1).
        jitter: f64,
        /// `mid` of the transceiver.
        mid: String,
        /// The [`RemoteOutboundRtpStreamStats`] of the same source.
        remote_id: String,
        /// Frames decoded. `None`: nobody says what is decoded here.
        frames_decoded: u32,
        /// Key frames decoded. `None`: nobody says what is decoded here.
        key_frames_decoded: u32,
        /// Frames shown. `None`: nobody says what is shown here.
        frames_rendered: u32,
        /// Frames of video that the application did not get: packets of theirs or of frames they refer to were lost, or
        /// they were not taken in time.
        frames_dropped: u32,
        /// Width of the last frame that told it.
        frame_width: u32,
        /// Height of the last frame that told it.
        frame_height: u32,
        /// Frames given to the application within the last second.
        frames_per_second: f64,
        /// Sum of quantizers. `None`: nobody says what is decoded here.
        qp_sum: u64,
        /// Seconds spent decoding. `None`: nobody says what is decoded here.
        total_decode_time: f64,
        /// Seconds between frames shown. `None`: nobody says what is shown here.
        total_inter_frame_delay: f64,
        /// Sum of the squares of those. `None`: nobody says what is shown here.
        total_squared_inter_frame_delay: f64,
        /// Pauses of the video. `None`: nobody says what is shown here.
        pause_count: u32,
        /// Seconds of pauses. `None`: nobody says what is shown here.
        total_pauses_duration: f64,
        /// Freezes of the video. `None`: nobody says what is shown here.
        freeze_count: u32,
        /// Seconds of freezes. `None`: nobody says what is shown here.
        total_freezes_duration: f64,
        /// When the last packet came, in milliseconds since 1970.
        last_packet_received_timestamp: f64,
        /// Bytes of RTP headers and padding.
        header_bytes_received: u64,
        /// Packets that came after they had been given up.
        packets_discarded: u64,
        /// Bytes of forward error correction. `None`: none is negotiated.
        fec_bytes_received: u64,
        /// Packets of forward error correction. `None`: none is negotiated.
        fec_packets_received: u64,
        /// Of those, of no use. `None`: none is negotiated.
        fec_packets_discarded: u64,
        /// Bytes of payload, retransmissions included.
        bytes_received: u64,
        /// NACK packets sent (RFC 4585 §6.2.1).
        nack_count: u32,
        /// Full intra requests sent (RFC 5104 §4.3.1): always 0, a picture loss indication does the same.
        fir_count: u32,
        /// Picture loss indications sent (RFC 4585 §6.3.1).
        pli_count: u32,
        /// Seconds from first packet to decoded frame. `None`: nobody says what is decoded here.
        total_processing_delay: f64,
        /// When what is played now was captured. `None`: nobody says what is played here.
        estimated_playout_timestamp: f64,
        /// Seconds from the first packet of each frame or sample until it left the jitter buffer, in total. Where nobody says what
        /// is played here, video only: until the frame was given out.
        jitter_buffer_delay: f64,
        /// Seconds of delay that a player aimed at. `None`: nobody says what is played here.
        jitter_buffer_target_delay: f64,
        /// Frames or samples that increased `jitter_buffer_delay`.
        jitter_buffer_emitted_count: u64,
        /// The least delay possible. `None`: nobody says what is played here.
        jitter_buffer_minimum_delay: f64,
        /// Samples received. `None`: nobody says what is decoded here.
        total_samples_received: u64,
        /// Samples made up. `None`: nobody says what is decoded here.
        concealed_samples: u64,
        /// Silent samples made up. `None`: nobody says what is decoded here.
        silent_concealed_samples: u64,
        /// How often samples were made up. `None`: nobody says what is decoded here.
        concealment_events: u64,
        /// Samples added to play slower. `None`: nobody says what is played here.
        inserted_samples_for_deceleration: u64,
        /// Samples left out to play faster. `None`: nobody says what is played here.
        removed_samples_for_acceleration: u64,
        /// Loudness of what is decoded. `None`: nobody says what is decoded here; see
        /// [`ContributingSource::audio_level`](crate::ContributingSource::audio_level).
        audio_level: f64,
        /// Energy of what is decoded. `None`: nobody says what is decoded here.
        total_audio_energy: f64,
        /// Seconds of what is decoded. `None`: nobody says what is decoded here.
        total_samples_duration: f64,
        /// Frames of video that came complete, those that could not have been decoded included.
        frames_received: u32,
        /// The decoder. `None`: nobody says what is decoded here.
        decoder_implementation: String,
        /// What plays the audio. `None`: nobody says what is played here.
        playout_id: String,
        /// Whether the decoder saves power. `None`: nobody says what is decoded here.
        power_efficient_decoder: bool,
        /// Frames of video given out that had several packets.
        frames_assembled_from_multiple_packets: u32,
        /// Seconds between the first and the last packet of those, in total.
        total_assembly_time: f64,
        /// Packets of the RTX stream that carry something, if there may be one. Those by which the sender probes the path
        /// are among them.
        retransmitted_packets_received: u64,
        /// Their bytes of payload.
        retransmitted_bytes_received: u64,
        /// The source of retransmissions, once one came.
        rtx_ssrc: u32,
        /// The source of forward error correction. `None`: none is negotiated.
        fec_ssrc: u32,
        /// Estimates of how corrupt pictures are. `None`: there are none.
        total_corruption_probability: f64,
        /// Sum of their squares. `None`: there are none.
        total_squared_corruption_probability: f64,
        /// Their number. `None`: there are none.
        corruption_measurements: u64,
    }
}

dictionary! {
    /// `RTCOutboundRtpStreamStats`: a stream of ours, one for each layer of a simulcast. Its retransmissions count in it.
    ///
    /// Frames come encoded from the application: they count as encoded when they are handed in. What only an encoder knows is
    /// there once it was told by [`PeerConnection::set_encoder_statistics`](crate::PeerConnection::set_encoder_statistics).
    OutboundRtpStreamStats {
        /// The synchronisation source.
        ssrc: u32,
        /// Audio or video.
        kind: MediaKind,
        ;
        /// The [`TransportStats`](super::TransportStats).
        transport_id: String,
        /// The [`CodecStats`](super::CodecStats) of the last frame.
        codec_id: String,
        /// Packets sent, retransmissions included.
        packets_sent: u64,
        /// Bytes of payload sent, retransmissions included.
        bytes_sent: u64,
        /// `mid` of the transceiver.
        mid: String,
        /// The [`MediaSourceStats`](super::MediaSourceStats) of the track.
        media_source_id: String,
        /// The [`RemoteInboundRtpStreamStats`] of the same source.
        remote_id: String,
        /// `rid` of the layer; video only.
        rid: String,
        /// Index of the encoding; video only.
        encoding_index: u32,
        /// Bytes of RTP headers and padding.
        header_bytes_sent: u64,
        /// Packets that were sent again because the peer misses them.
        retransmitted_packets_sent: u64,
        /// Their bytes of payload.
        retransmitted_bytes_sent: u64,
        /// The source of retransmissions, if the peer wants them.
        rtx_ssrc: u32,
        /// Bits per second that the encoder may make; `None` while nothing may be sent.
        target_bitrate: f64,
        /// Bytes that frames should have had. `None`: the encoder does not tell it.
        total_encoded_bytes_target: u64,
        /// Width of the last frame that told it; video only.
        frame_width: u32,
        /// Height of the last frame that told it; video only.
        frame_height: u32,
        /// Frames handed in within the last second; video only.
        frames_per_second: f64,
        /// Frames whose last packet was sent; video only.
        frames_sent: u32,
        /// Frames sent that are far larger than the target. `None`: the encoder does not tell it.
        huge_frames_sent: u32,
        /// Frames handed in; video only.
        frames_encoded: u32,
        /// Of those, key frames; video only.
        key_frames_encoded: u32,
        /// Sum of quantizers. `None`: the encoder does not tell it.
        qp_sum: u64,
        /// Sum of signal-to-noise ratios by plane. `None`: the encoder does not tell it.
        psnr_sum: BTreeMap<String, f64>,
        /// Number of those. `None`: the encoder does not tell it.
        psnr_measurements: u64,
        /// Seconds spent encoding. `None`: the encoder does not tell it.
        total_encode_time: f64,
        /// Seconds between cutting a frame into packets and handing each over for the socket, in total.
        total_packet_send_delay: f64,
        /// What limits the picture: what the encoder tells, else `bandwidth` while the stream fills what it may send, or is left
        /// out, and the path carries less than it could use, else `none`; video only.
        quality_limitation_reason: QualityLimitationReason,
        /// Seconds by reason since the first packet; video only.
        quality_limitation_durations: BTreeMap<String, f64>,
        /// How often the size changed for that. `None`: the encoder does not tell it.
        quality_limitation_resolution_changes: u32,
        /// NACK packets that came (RFC 4585 §6.2.1).
        nack_count: u32,
        /// Full intra requests that came (RFC 5104 §4.3.1); video only.
        fir_count: u32,
        /// Picture loss indications that came (RFC 4585 §6.3.1); video only.
        pli_count: u32,
        /// The encoder. `None`: it does not tell it.
        encoder_implementation: String,
        /// Whether it saves power. `None`: the encoder does not tell it.
        power_efficient_encoder: bool,
        /// Whether the encoding is to be sent.
        active: bool,
        /// `scalabilityMode` of the encoding; video only.
        scalability_mode: String,
        /// Packets marked ECT(1). `None`: none are marked.
        packets_sent_with_ect1: u64,
    }
}

dictionary! {
    /// `RTCRemoteInboundRtpStreamStats`: how the peer receives a stream of ours, by its receiver reports.
    RemoteInboundRtpStreamStats {
        /// The synchronisation source.
        ssrc: u32,
        /// Audio or video.
        kind: MediaKind,
        ;
        /// The [`TransportStats`](super::TransportStats).
        transport_id: String,
        /// The [`CodecStats`](super::CodecStats) under which it is sent.
        codec_id: String,
        /// Packets that came there: those expected less those lost.
        packets_received: u64,
        /// Packets that came marked ECT(1), by RFC 8888. `None`: the peer does not tell by stream.
        packets_received_with_ect1: u64,
        /// Packets that came marked CE, by RFC 8888. `None`: the peer does not tell by stream.
        packets_received_with_ce: u64,
        /// Packets reported as lost by RFC 8888. `None`: the peer does not tell by stream.
        packets_reported_as_lost: u64,
        /// Of those, reported as received later. `None`: the peer does not tell by stream.
        packets_reported_as_lost_but_recovered: u64,
        /// Packets lost, by the last report.
        packets_lost: i64,
        /// Variation of the transit time, in seconds, by the last report.
        jitter: f64,
        /// The [`OutboundRtpStreamStats`] of the same source.
        local_id: String,
        /// The round trip in seconds, by the last report that told it (RFC 3550 §6.4.1).
        round_trip_time: f64,
        /// Sum of all round trips, in seconds.
        total_round_trip_time: f64,
        /// The part of packets lost between the last two reports, from 0 to 1.
        fraction_lost: f64,
        /// Reports that told a round trip.
        round_trip_time_measurements: u64,
        /// Packets whose ECT(1) was lost on the way. `None`: none are marked.
        packets_with_bleached_ect1_marking: u64,
    }
}

dictionary! {
    /// `RTCRemoteOutboundRtpStreamStats`: how the peer sends a stream that is received here, by its sender reports.
    RemoteOutboundRtpStreamStats {
        /// The synchronisation source.
        ssrc: u32,
        /// Audio or video.
        kind: MediaKind,
        ;
        /// The [`TransportStats`](super::TransportStats).
        transport_id: String,
        /// The [`CodecStats`](super::CodecStats) of the last packet.
        codec_id: String,
        /// Packets sent, by the last report, without its wraps.
        packets_sent: u64,
        /// Bytes of payload sent, by the last report, without its wraps.
        bytes_sent: u64,
        /// The [`InboundRtpStreamStats`] of the same source.
        local_id: String,
        /// When the peer made the report by its own clock, in milliseconds since 1970.
        remote_timestamp: f64,
        /// Sender reports that came.
        reports_sent: u64,
        /// The round trip in seconds, by the last report that told it (RFC 3611 §4.5).
        round_trip_time: f64,
        /// Sum of all round trips, in seconds.
        total_round_trip_time: f64,
        /// Reports that told a round trip.
        round_trip_time_measurements: u64,
    }
}
