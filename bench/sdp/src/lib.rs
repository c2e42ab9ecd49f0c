//! SDP parsing beside `webrtc-sdp`; see `benches/sdp.rs`.
