//! The serialised names, written down from the interface definitions of webrtc-stats.

use std::collections::BTreeSet;

use super::*;
use crate::media::MediaKind;
use crate::state::{DataChannelState, DtlsState};

#[track_caller]
fn check(stats: Stats, names: &[&str]) {
    let value = serde_json::to_value(&stats).unwrap();
    let object = value.as_object().unwrap();
    let ours: BTreeSet<&str> = object.keys().map(String::as_str).collect();
    let theirs: BTreeSet<&str> =
        ["id", "timestamp", "type"].into_iter().chain(names.iter().copied()).collect();
    assert_eq!(ours, theirs, "{}", stats.stats_type());
    assert_eq!(object["type"], stats.stats_type().name());
}

fn text() -> String {
    String::new()
}

#[test]
fn codecs_have_the_names_of_the_specification() {
    let stats = CodecStats::new(text(), 0.0, 0, text(), text()).filled();
    let names = ["payloadType", "transportId", "mimeType", "clockRate", "channels", "sdpFmtpLine"];
    check(Stats::Codec(stats), &names);
}

#[test]
fn streams_of_the_peer_have_the_names_of_the_specification() {
    let stats = InboundRtpStreamStats::new(text(), 0.0, 0, MediaKind::Video, text()).filled();
    let names = [
        "ssrc",
        "kind",
        "transportId",
        "codecId",
        "packetsReceived",
        "packetsReceivedWithEct1",
        "packetsReceivedWithCe",
        "packetsReportedAsLost",
        "packetsReportedAsLostButRecovered",
        "packetsLost",
        "jitter",
        "trackIdentifier",
        "mid",
        "remoteId",
        "framesDecoded",
        "keyFramesDecoded",
        "framesRendered",
        "framesDropped",
        "frameWidth",
        "frameHeight",
        "framesPerSecond",
        "qpSum",
        "totalDecodeTime",
        "totalInterFrameDelay",
        "totalSquaredInterFrameDelay",
        "pauseCount",
        "totalPausesDuration",
        "freezeCount",
        "totalFreezesDuration",
        "lastPacketReceivedTimestamp",
        "headerBytesReceived",
        "packetsDiscarded",
        "fecBytesReceived",
        "fecPacketsReceived",
        "fecPacketsDiscarded",
        "bytesReceived",
        "nackCount",
        "firCount",
        "pliCount",
        "totalProcessingDelay",
        "estimatedPlayoutTimestamp",
        "jitterBufferDelay",
        "jitterBufferTargetDelay",
        "jitterBufferEmittedCount",
        "jitterBufferMinimumDelay",
        "totalSamplesReceived",
        "concealedSamples",
        "silentConcealedSamples",
        "concealmentEvents",
        "insertedSamplesForDeceleration",
        "removedSamplesForAcceleration",
        "audioLevel",
        "totalAudioEnergy",
        "totalSamplesDuration",
        "framesReceived",
        "decoderImplementation",
        "playoutId",
        "powerEfficientDecoder",
        "framesAssembledFromMultiplePackets",
        "totalAssemblyTime",
        "retransmittedPacketsReceived",
        "retransmittedBytesReceived",
        "rtxSsrc",
        "fecSsrc",
        "totalCorruptionProbability",
        "totalSquaredCorruptionProbability",
        "corruptionMeasurements",
    ];
    check(Stats::InboundRtp(stats), &names);
}

#[test]
fn streams_of_ours_have_the_names_of_the_specification() {
    let stats = OutboundRtpStreamStats::new(text(), 0.0, 0, MediaKind::Video).filled();
    let names = [
        "ssrc",
        "kind",
        "transportId",
        "codecId",
        "packetsSent",
        "bytesSent",
        "mid",
        "mediaSourceId",
        "remoteId",
        "rid",
        "encodingIndex",
        "headerBytesSent",
        "retransmittedPacketsSent",
        "retransmittedBytesSent",
        "rtxSsrc",
        "targetBitrate",
        "totalEncodedBytesTarget",
        "frameWidth",
        "frameHeight",
        "framesPerSecond",
        "framesSent",
        "hugeFramesSent",
        "framesEncoded",
        "keyFramesEncoded",
        "qpSum",
        "psnrSum",
        "psnrMeasurements",
        "totalEncodeTime",
        "totalPacketSendDelay",
        "qualityLimitationReason",
        "qualityLimitationDurations",
        "qualityLimitationResolutionChanges",
        "nackCount",
        "firCount",
        "pliCount",
        "encoderImplementation",
        "powerEfficientEncoder",
        "active",
        "scalabilityMode",
        "packetsSentWithEct1",
    ];
    check(Stats::OutboundRtp(stats), &names);
}

#[test]
fn reports_of_receivers_have_the_names_of_the_specification() {
    let stats = RemoteInboundRtpStreamStats::new(text(), 0.0, 0, MediaKind::Audio).filled();
    let names = [
        "ssrc",
        "kind",
        "transportId",
        "codecId",
        "packetsReceived",
        "packetsReceivedWithEct1",
        "packetsReceivedWithCe",
        "packetsReportedAsLost",
        "packetsReportedAsLostButRecovered",
        "packetsLost",
        "jitter",
        "localId",
        "roundTripTime",
        "totalRoundTripTime",
        "fractionLost",
        "roundTripTimeMeasurements",
        "packetsWithBleachedEct1Marking",
    ];
    check(Stats::RemoteInboundRtp(stats), &names);
}

#[test]
fn reports_of_senders_have_the_names_of_the_specification() {
    let stats = RemoteOutboundRtpStreamStats::new(text(), 0.0, 0, MediaKind::Audio).filled();
    let names = [
        "ssrc",
        "kind",
        "transportId",
        "codecId",
        "packetsSent",
        "bytesSent",
        "localId",
        "remoteTimestamp",
        "reportsSent",
        "roundTripTime",
        "totalRoundTripTime",
        "roundTripTimeMeasurements",
    ];
    check(Stats::RemoteOutboundRtp(stats), &names);
}

#[test]
fn tracks_have_the_names_of_the_specification() {
    let stats = MediaSourceStats::new(text(), 0.0, text(), MediaKind::Audio).filled();
    let names = [
        "trackIdentifier",
        "kind",
        "audioLevel",
        "totalAudioEnergy",
        "totalSamplesDuration",
        "echoReturnLoss",
        "echoReturnLossEnhancement",
        "width",
        "height",
        "frames",
        "framesPerSecond",
    ];
    check(Stats::MediaSource(stats), &names);
}

#[test]
fn what_plays_has_the_names_of_the_specification() {
    let stats = AudioPlayoutStats::new(text(), 0.0, MediaKind::Audio).filled();
    let names = [
        "kind",
        "synthesizedSamplesDuration",
        "synthesizedSamplesEvents",
        "totalSamplesDuration",
        "totalPlayoutDelay",
        "totalSamplesCount",
    ];
    check(Stats::MediaPlayout(stats), &names);
}

#[test]
fn the_connection_have_the_names_of_the_specification() {
    let stats = PeerConnectionStats::new(text(), 0.0).filled();
    let names = ["dataChannelsOpened", "dataChannelsClosed"];
    check(Stats::PeerConnection(stats), &names);
}

#[test]
fn data_channels_have_the_names_of_the_specification() {
    let stats = DataChannelStats::new(text(), 0.0, DataChannelState::Open).filled();
    let names = [
        "label",
        "protocol",
        "dataChannelIdentifier",
        "state",
        "messagesSent",
        "bytesSent",
        "messagesReceived",
        "bytesReceived",
    ];
    check(Stats::DataChannel(stats), &names);
}

#[test]
fn the_transport_have_the_names_of_the_specification() {
    let stats = TransportStats::new(text(), 0.0, DtlsState::New).filled();
    let names = [
        "packetsSent",
        "packetsReceived",
        "bytesSent",
        "bytesReceived",
        "iceRole",
        "iceLocalUsernameFragment",
        "dtlsState",
        "iceState",
        "selectedCandidatePairId",
        "localCertificateId",
        "remoteCertificateId",
        "tlsVersion",
        "dtlsCipher",
        "dtlsRole",
        "srtpCipher",
        "selectedCandidatePairChanges",
        "ccfbMessagesSent",
        "ccfbMessagesReceived",
    ];
    check(Stats::Transport(stats), &names);
}

#[test]
fn candidates_have_the_names_of_the_specification() {
    let stats = IceCandidateStats::new(text(), 0.0, text(), IceCandidateType::Host).filled();
    let names = [
        "transportId",
        "address",
        "port",
        "protocol",
        "candidateType",
        "priority",
        "url",
        "relayProtocol",
        "foundation",
        "relatedAddress",
        "relatedPort",
        "usernameFragment",
        "tcpType",
    ];
    check(Stats::LocalCandidate(stats), &names);
}

#[test]
fn candidate_pairs_have_the_names_of_the_specification() {
    let stats = IceCandidatePairStats::new(
        text(),
        0.0,
        text(),
        text(),
        text(),
        IceCandidatePairState::Frozen,
    )
    .filled();
    let names = [
        "transportId",
        "localCandidateId",
        "remoteCandidateId",
        "state",
        "nominated",
        "packetsSent",
        "packetsReceived",
        "bytesSent",
        "bytesReceived",
        "lastPacketSentTimestamp",
        "lastPacketReceivedTimestamp",
        "totalRoundTripTime",
        "currentRoundTripTime",
        "availableOutgoingBitrate",
        "availableIncomingBitrate",
        "requestsReceived",
        "requestsSent",
        "responsesReceived",
        "responsesSent",
        "consentRequestsSent",
        "packetsDiscardedOnSend",
        "bytesDiscardedOnSend",
    ];
    check(Stats::CandidatePair(stats), &names);
}

#[test]
fn certificates_have_the_names_of_the_specification() {
    let stats = CertificateStats::new(text(), 0.0, text(), text(), text()).filled();
    let names = ["fingerprint", "fingerprintAlgorithm", "base64Certificate", "issuerCertificateId"];
    check(Stats::Certificate(stats), &names);
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut report = StatsReport::default();
    let id = "candidate".to_owned();
    let stats =
        IceCandidateStats::new(id, 1.5, "transport".into(), IceCandidateType::ServerReflexive);
    report.insert(Stats::RemoteCandidate(stats));
    let expected = serde_json::json!({
        "candidate": {
            "id": "candidate",
            "type": "remote-candidate",
            "timestamp": 1.5,
            "transportId": "transport",
            "candidateType": "srflx",
        }
    });
    assert_eq!(serde_json::to_value(&report).unwrap(), expected);
}
