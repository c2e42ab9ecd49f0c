//! What a call sends: a device, what stands in for it, or a file.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use peerage::engine::sources;
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::devices::{DisplayMediaOptions, MediaDevices, MediaStreamConstraints};
use peerage::media_engine::player::{MediaPlayer, PlayerOptions};
use peerage::media_engine::track::{MediaStream, MediaStreamTrack};

use crate::options::CallArgs;
use crate::report::{Event, Report};

/// Tracks to be sent, and the players that they come of.
pub(super) struct Captured {
    pub(super) stream: MediaStream,
    _players: Vec<MediaPlayer>,
}

/// Opens what is to be sent.
pub(super) fn capture(args: &CallArgs, report: Report) -> Result<Captured> {
    let devices = MediaDevices::new();
    let stream = MediaStream::new([]);
    let mut players = Vec::new();
    let mut add = |track: MediaStreamTrack| {
        let (kind, label) = (track.kind().as_str(), track.label());
        report.event(&Event::Capturing { kind, label });
        stream.add_track(track.clone());
    };
    let mut play = |path: &str| -> Result<MediaStream> {
        let options = PlayerOptions::default().with_looped(true);
        let player = MediaPlayer::open(path, options, Arc::new(BuiltIn)).with_context(
            || "neither a file that can be played nor one of the words that --help lists",
        )?;
        let stream = player.stream().clone();
        players.push(player);
        Ok(stream)
    };
    let audio = MediaStreamConstraints { audio: Some(Default::default()), video: None };
    let video = MediaStreamConstraints { audio: None, video: Some(Default::default()) };
    let first = |stream: MediaStream| stream.tracks().into_iter().next();
    match &*args.video {
        "none" => {}
        "pattern" => add(pattern()?),
        "screen" => {
            if let Some(track) = first(devices.get_display_media(&DisplayMediaOptions::default())?)
            {
                add(track);
            }
        }
        "camera" => first(devices.get_user_media(&video)?).map_or((), &mut add),
        "auto" => match devices.get_user_media(&video) {
            Ok(stream) => first(stream).map_or((), &mut add),
            Err(error) => {
                report.warning(format_args!("a test picture is sent: {error}"));
                add(pattern()?);
            }
        },
        path => {
            let file = play(path)?;
            let track = file.video_tracks().into_iter().next();
            add(track.ok_or_else(|| anyhow!("{path} has no pictures"))?.into());
        }
    }
    match &*args.audio {
        "none" => {}
        "tone" => add(sources::tone(440.0)?.into()),
        "microphone" => first(devices.get_user_media(&audio)?).map_or((), &mut add),
        "auto" => match devices.get_user_media(&audio) {
            Ok(stream) => first(stream).map_or((), &mut add),
            Err(error) => {
                report.warning(format_args!("a tone is sent: {error}"));
                add(sources::tone(440.0)?.into());
            }
        },
        path => {
            let file = play(path)?;
            let track = file.audio_tracks().into_iter().next();
            add(track.ok_or_else(|| anyhow!("{path} has no sound"))?.into());
        }
    }
    Ok(Captured { stream, _players: players })
}

fn pattern() -> Result<MediaStreamTrack> {
    Ok(sources::numbered_pictures(640, 360, 30.0)?.into())
}
