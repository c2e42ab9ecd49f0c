//! The media half of an echo: every frame that comes in goes back on the transceiver it came on.

use std::collections::HashSet;

use anyhow::Result;
use peerage::media::MediaKind;
use peerage::{Frame, PeerConnection, RtpTransceiver, TransceiverDirection, TransceiverHandle};

use crate::report::{Event, Report};

/// What a connection mirrors.
#[derive(Default)]
pub(crate) struct Mirror {
    transceivers: HashSet<TransceiverHandle>,
}

impl Mirror {
    /// Agrees to send on every section of media that the peer has offered. Between the offer and the answer to it.
    pub(crate) async fn prepare(pc: &PeerConnection) -> Result<()> {
        for transceiver in pc.transceivers().await? {
            let track = match transceiver.kind() {
                MediaKind::Audio => "mirrored-sound",
                MediaKind::Video => "mirrored-picture",
            };
            transceiver.set_direction(TransceiverDirection::SendRecv).await?;
            transceiver.replace_track(Some(track.to_owned())).await?;
            // One stream, so that sound and picture stay together.
            transceiver.set_streams(vec!["mirror".to_owned()]).await?;
        }
        Ok(())
    }

    /// Begins with a transceiver; it goes on until the connection ends.
    pub(crate) fn reflect(
        &mut self,
        transceiver: &RtpTransceiver,
        connection: u64,
        report: Report,
    ) {
        if !self.transceivers.insert(transceiver.handle()) {
            return;
        }
        let kind = transceiver.kind().as_str();
        report.event(&Event::Track { connection, kind });
        let transceiver = transceiver.clone();
        tokio::spawn(async move {
            let (mut frames, mut bytes) = (0, 0);
            let mut refused = None;
            while let Some(received) = transceiver.recv_frame().await {
                let frame = Frame::from(received);
                let size = frame.data.len() as u64;
                match transceiver.send_frame(frame).await {
                    Ok(()) => {
                        frames += 1;
                        bytes += size;
                    }
                    // A peer that only sends has no section for what would go back; told once.
                    Err(error) => {
                        if refused.replace(error).is_none()
                            && let Some(error) = &refused
                        {
                            report.warning(format_args!(
                                "connection {connection}: {kind} does not go back: {error}"
                            ));
                        }
                    }
                }
            }
            report.event(&Event::Mirrored { connection, kind, frames, bytes });
        });
    }
}
