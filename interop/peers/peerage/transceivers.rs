//! Transceivers that only receive, or that send several layers.

use anyhow::{Context, Result, ensure};
use peerage::media::{Capabilities, MediaKind, RtpCodec};
use peerage::{PeerConnection, RtpEncodingParameters, TransceiverInit};
use serde_json::Value;

use crate::text;

/// A codec alone, with what belongs to it.
fn preferences(kind: MediaKind, codec: &str) -> Result<Vec<RtpCodec>> {
    let all = Capabilities::default().rtp_codecs(kind);
    let wanted: Vec<RtpCodec> = all
        .into_iter()
        .filter(|have| have.is(codec) || have.is("rtx") || (codec == "red" && have.is("opus")))
        .collect();
    ensure!(wanted.iter().any(|have| have.is(codec)), "there is no codec {codec}");
    Ok(wanted)
}

/// `receive_media`: a transceiver of each kind that is named, that receives only.
pub(crate) async fn receive(pc: &PeerConnection, fields: &Value) -> Result<()> {
    for (kind, name) in [(MediaKind::Audio, "audio"), (MediaKind::Video, "video")] {
        let Some(codec) = fields[name].as_str() else { continue };
        let transceiver = pc.add_transceiver(kind, TransceiverInit::recv_only()).await?;
        transceiver.set_codec_preferences(preferences(kind, codec)?).await?;
    }
    Ok(())
}

/// `receive_layers`: a track of video, beside which a layer for each of `rids` is to come in.
pub(crate) async fn receive_layers(pc: &PeerConnection, fields: &Value) -> Result<()> {
    let rids = fields["rids"].as_array().context("`receive_layers` lacks `rids`")?;
    let init = TransceiverInit {
        track: Some("layer".to_owned()),
        streams: vec!["layers".to_owned()],
        receive_encodings: rids.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        ..TransceiverInit::default()
    };
    let transceiver = pc.add_transceiver(MediaKind::Video, init).await?;
    transceiver
        .set_codec_preferences(preferences(MediaKind::Video, text(fields, "video")?)?)
        .await?;
    Ok(())
}

/// `simulcast`: a track of video that is sent in a layer for each of `rids`, scaled down by `scales` where that is there.
pub(crate) async fn simulcast(pc: &PeerConnection, fields: &Value) -> Result<()> {
    let rids = fields["rids"].as_array().context("`simulcast` lacks `rids`")?;
    let layers = rids.iter().filter_map(Value::as_str).enumerate().map(|(index, rid)| {
        let mut layer = RtpEncodingParameters::new(rid);
        layer.scale_resolution_down_by = fields["scales"][index].as_f64();
        layer
    });
    let init = TransceiverInit {
        track: Some("layers".to_owned()),
        streams: vec!["layers".to_owned()],
        send_encodings: layers.collect(),
        ..TransceiverInit::send_only()
    };
    let transceiver = pc.add_transceiver(MediaKind::Video, init).await?;
    transceiver
        .set_codec_preferences(preferences(MediaKind::Video, text(fields, "video")?)?)
        .await?;
    Ok(())
}
