//! What the examples with media share: two peers in one process, and files that are played to one of them.

#![allow(dead_code, reason = "each example uses its part")]

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use peerage::media::{Capabilities, MediaKind};
use peerage::{
    Configuration, Endpoint, EndpointConfig, Event, Frame, PeerConnection, RtpTransceiver,
};
use peerage_media::files::{IvfHeader, IvfReader, OggOpusReader};
use tokio::time::{Instant, sleep_until};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The argument of this number, or a file of `examples/media`.
pub(crate) fn file(argument: usize, default: &str) -> PathBuf {
    std::env::args().nth(argument).map_or_else(|| sample(default), PathBuf::from)
}

/// A file of `examples/media`.
pub(crate) fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/media").join(name)
}

/// Two peers that know nothing of each other yet.
pub(crate) async fn two_peers() -> Result<(PeerConnection, PeerConnection)> {
    let here = Endpoint::bind(EndpointConfig::loopback()).await?;
    let there = Endpoint::bind(EndpointConfig::loopback()).await?;
    Ok((
        here.connect(Configuration::default()).await?,
        there.connect(Configuration::default()).await?,
    ))
}

/// Offer and answer, with all candidates inside, until both are connected.
pub(crate) async fn negotiate(offerer: &PeerConnection, answerer: &PeerConnection) -> Result<()> {
    offerer.set_local_description(None).await?;
    offerer.gathering_complete().await?;
    answerer.set_remote_description(offerer.local_description().ok_or("no offer")?).await?;
    answerer.set_local_description(None).await?;
    answerer.gathering_complete().await?;
    offerer.set_remote_description(answerer.local_description().ok_or("no answer")?).await?;
    tokio::try_join!(offerer.connected(), answerer.connected())?;
    Ok(())
}

/// The next transceiver on which the peer sends.
pub(crate) async fn next_track(pc: &PeerConnection) -> Result<RtpTransceiver> {
    let next = async {
        loop {
            match pc.next_event().await {
                Some(Event::Track { transceiver, .. }) => return Ok(transceiver),
                Some(_) => {}
                None => return Err("the connection closed".into()),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), next).await.map_err(|_| "no track within 10 s")?
}

/// Adds a track for an IVF file, under the codec of the file.
pub(crate) async fn add_video(pc: &PeerConnection, path: &Path) -> Result<RtpTransceiver> {
    let transceiver = pc.add_track(MediaKind::Video, "video", vec!["clip".to_owned()]).await?;
    use_codec_of(&transceiver, path).await?;
    Ok(transceiver)
}

/// Lets a transceiver send an IVF file as it is.
pub(crate) async fn use_codec_of(transceiver: &RtpTransceiver, path: &Path) -> Result<()> {
    let codec = match open(path)?.header().fourcc {
        IvfHeader::VP8 => "VP8",
        IvfHeader::VP9 => "VP9",
        IvfHeader::AV1 => "AV1",
        other => return Err(format!("{}: codec {other:?}", path.display()).into()),
    };
    use_codec(transceiver, codec).await
}

/// Lets a transceiver send one codec of video.
pub(crate) async fn use_codec(transceiver: &RtpTransceiver, codec: &str) -> Result<()> {
    let mut codecs = Capabilities::default().rtp_codecs(MediaKind::Video);
    codecs.retain(|have| have.is(codec) || have.is("rtx"));
    Ok(transceiver.set_codec_preferences(codecs).await?)
}

fn open(path: &Path) -> Result<IvfReader<BufReader<File>>> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(IvfReader::new(BufReader::new(file))?)
}

/// Plays an IVF file at its own pace, on one layer of a simulcast or the only one; how many frames it had.
pub(crate) async fn play_video(path: &Path, to: &RtpTransceiver, layer: usize) -> Result<u32> {
    let reader = open(path)?;
    let header = *reader.header();
    let per_second = f64::from(header.timebase_denominator) / f64::from(header.timebase_numerator);
    let (start, mut frames) = (Instant::now(), 0);
    for frame in reader {
        let frame = frame?;
        let seconds = frame.timestamp as f64 / per_second;
        sleep_until(start + Duration::from_secs_f64(seconds)).await;
        to.send_frame_on(layer, Frame::new(frame.data, (seconds * 90_000.0) as u32)).await?;
        frames += 1;
    }
    Ok(frames)
}

/// Plays an Ogg Opus file at its own pace.
pub(crate) async fn play_sound(path: &Path, to: &RtpTransceiver) -> Result<()> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let start = Instant::now();
    for packet in OggOpusReader::new(BufReader::new(file))? {
        let packet = packet?;
        sleep_until(start + Duration::from_micros(packet.timestamp * 1000 / 48)).await;
        to.send_frame(Frame::new(packet.data, packet.timestamp as u32)).await?;
    }
    Ok(())
}

/// Frames as they come, until none has come for a second.
pub(crate) async fn recv_until_quiet(from: &RtpTransceiver) -> Option<peerage::MediaFrame> {
    tokio::time::timeout(Duration::from_secs(1), from.recv_frame()).await.ok()?
}
