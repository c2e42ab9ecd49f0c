//! Records a call: what comes from the other side goes into a WebM file, sound and pictures in step.
//!
//! `cargo run --features codecs --example record_call -- [call.webm]`: caller and recorder are in one process, and the caller
//! shows numbered pictures and plays a tone.

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use peerage::engine::sources;
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::player::{MediaFile, MediaFrame};
use peerage::media_engine::recorder::{Recorder, RecorderOptions};
use peerage::media_engine::track::MediaStream;
use peerage::media_engine::video::pattern::NumberedPicture;
use support::{Result, negotiate, next_track, two_peers};

#[tokio::main]
async fn main() -> Result<()> {
    let out = std::env::args().nth(1).map(PathBuf::from);
    let out = out.unwrap_or_else(|| std::env::temp_dir().join("call.webm"));
    let codecs = Arc::new(BuiltIn);

    let (caller, recorder) = two_peers().await?;
    let (camera, microphone) = (sources::numbered_pictures(640, 360, 30.0)?, sources::tone(440.0)?);
    let stream = MediaStream::new([camera.into(), microphone.into()]);
    let mut senders = Vec::new();
    for track in stream.tracks() {
        senders.push(caller.send_track(&track, &[&stream], codecs.clone()).await?);
    }
    negotiate(&caller, &recorder).await?;

    let call = MediaStream::new([]);
    let mut receivers = Vec::new();
    for _ in &senders {
        let receiver = next_track(&recorder).await?.receive_track(codecs.clone())?;
        call.add_track(receiver.track().clone());
        receivers.push(receiver);
    }
    let recording = Recorder::begin(&out, &call, RecorderOptions::default(), codecs)?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let summary = tokio::task::spawn_blocking(|| recording.finish()).await??;
    println!("{}: {} pictures in {:?}", out.display(), summary.pictures, summary.duration);
    caller.close().await;

    // What is in the file?
    let (mut pictures, mut loud) = (0, 0);
    for frame in MediaFile::open(&out, &BuiltIn)? {
        match frame? {
            MediaFrame::Video(frame) => {
                pictures += usize::from(NumberedPicture::read(&frame.picture).number.is_some());
            }
            MediaFrame::Audio(frame) => {
                loud += usize::from(frame.block.samples().iter().any(|sample| *sample > 0.1));
            }
        }
    }
    println!("read back: {pictures} numbered pictures, {} ms of sound", loud * 10);
    assert!(pictures > 30 && loud > 100, "the recording lacks something");
    Ok(())
}
