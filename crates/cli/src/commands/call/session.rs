//! What comes in a call: shown, played and recorded, until the call ends in whatever way.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use peerage::RtpTransceiver;
use peerage::engine::TrackReceiver;
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::devices::{DeviceError, MediaDevices, Output};
use peerage::media_engine::recorder::{Recorder, RecorderOptions};
use peerage::media_engine::track::{MediaStream, MediaStreamTrack};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::options::CallArgs;
use crate::peer::{self, Peer};
use crate::report::{Event, Report};

/// How long the other track may come after the first before a recording begins with what is there.
const TOGETHER: Duration = Duration::from_secs(2);

/// What has come in one call, and where it goes.
pub(super) struct Session {
    connection: u64,
    report: Report,
    window: bool,
    speaker: bool,
    /// Where it is recorded, if it is.
    file: Option<PathBuf>,
    devices: MediaDevices,
    theirs: MediaStream,
    receivers: Vec<TrackReceiver>,
    outputs: Vec<Box<dyn Output>>,
    recorder: Option<Recorder>,
    /// When a recording begins with what there is.
    due: Option<Instant>,
}

impl Session {
    pub(super) fn new(args: &CallArgs, connection: u64, report: Report) -> Self {
        Self {
            connection,
            report,
            window: args.window,
            speaker: args.speaker,
            // The next call must not overwrite it.
            file: args.record.as_ref().map(|path| peer::numbered(path, connection)),
            devices: MediaDevices::new(),
            theirs: MediaStream::new([]),
            receivers: Vec::new(),
            outputs: Vec::new(),
            recorder: None,
            due: None,
        }
    }

    /// Whether anything came.
    pub(super) fn is_empty(&self) -> bool {
        self.receivers.is_empty()
    }

    /// Takes what comes, until the time is over, `hang_up` is told, or the other side hangs up.
    ///
    /// May be dropped at any time; [`finish`](Self::finish) completes what was begun.
    pub(super) async fn talk(
        &mut self,
        peer: &Peer,
        mut tracks: mpsc::Receiver<RtpTransceiver>,
        duration: Option<Duration>,
        hang_up: &Notify,
    ) -> Result<()> {
        peer.connected().await?;
        // What no clock can tell is as good as no end.
        let end = duration.and_then(|duration| Instant::now().checked_add(duration));
        let end = end.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400 * 365));
        loop {
            // A recording has both kinds, or what has come when the second is overdue.
            let now = Instant::now();
            if self.receivers.len() >= 2 || self.due.is_some_and(|due| due <= now) {
                self.record()?;
            }
            let waiting = self.recorder.is_none() && self.file.is_some();
            let until = self.due.filter(|_| waiting).map_or(end, |due| due.min(end));
            let track = tokio::select! {
                track = timeout_at(until, tracks.recv()) => track,
                () = hang_up.notified() => return Ok(()),
            };
            match track {
                Ok(Some(transceiver)) => self.take(&transceiver)?,
                // Hung up.
                Ok(None) => return Ok(()),
                Err(_) if Instant::now() >= end => return Ok(()),
                Err(_) => {}
            }
        }
    }

    fn take(&mut self, transceiver: &RtpTransceiver) -> Result<()> {
        let receiver = transceiver.receive_track(Arc::new(BuiltIn))?;
        let (connection, kind) = (self.connection, receiver.track().kind().as_str());
        self.report.event(&Event::Receiving { connection, kind });
        self.theirs.add_track(receiver.track().clone());
        match tokio::task::block_in_place(|| self.output(receiver.track())) {
            Ok(output) => self.outputs.extend(output),
            // Whoever calls can still be seen in a recording, and see us.
            Err(error) => self
                .report
                .warning(format_args!("connection {connection}: {kind} is not played: {error}")),
        }
        self.receivers.push(receiver);
        self.due.get_or_insert_with(|| Instant::now() + TOGETHER);
        Ok(())
    }

    /// The window or the speaker for a track, where one is wanted.
    fn output(&self, track: &MediaStreamTrack) -> Result<Option<Box<dyn Output>>, DeviceError> {
        match track {
            MediaStreamTrack::Video(track) if self.window => {
                self.devices.show(track, "peerage call").map(Some)
            }
            MediaStreamTrack::Audio(track) if self.speaker => {
                self.devices.play(track, None).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Begins the recording, if there is to be one.
    fn record(&mut self) -> Result<()> {
        if let (None, Some(path)) = (&self.recorder, &self.file) {
            let options = RecorderOptions::default();
            let recorder = Recorder::begin(path, &self.theirs, options, Arc::new(BuiltIn));
            self.recorder = Some(recorder?);
        }
        Ok(())
    }

    /// Completes the recording and tells what came.
    pub(super) fn finish(mut self) -> Result<()> {
        let connection = self.connection;
        let played = |video: bool| {
            let of = self.receivers.iter().filter(|one| one.track().as_video().is_some() == video);
            of.map(|one| one.statistics().played).sum::<u64>()
        };
        let (pictures, sound) = (played(true), played(false) as f64 / 100.0);
        let recorded = match (&self.file, self.recorder.take()) {
            (Some(path), Some(recorder)) => {
                let summary = tokio::task::block_in_place(|| recorder.finish());
                summary.with_context(|| format!("{} is not complete", path.display())).map(
                    |summary| {
                        self.report.event(&Event::Recorded {
                            file: &path.display().to_string(),
                            pictures: summary.pictures,
                            seconds: summary.duration.as_secs_f64(),
                        });
                    },
                )
            }
            _ => Ok(()),
        };
        self.report.event(&Event::Called { connection, pictures, sound });
        recorded
    }
}
