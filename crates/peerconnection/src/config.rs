//! `RTCConfiguration` (webrtc-pc §4.2) and the settings that only a library needs.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use peerage_congestion::{ControllerMaker, DataRate, GccConfig};
use peerage_crypto::{Certificate, CryptoProvider, KeyLog, NamedGroup};
use peerage_dtls::SrtpProtectionProfile;
use peerage_ice::{FamilyPolicy, MdnsMode, Timers};

use crate::error::Error;
use crate::ice_server::IceServer;
use crate::media::Capabilities;

/// More ICE servers than this are ignored (webrtc-pc §4.2.1 asks for at least 32).
pub const MAX_ICE_SERVERS: usize = 32;

/// `RTCIceTransportPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IceTransportPolicy {
    /// Any candidate may be used.
    #[default]
    All,
    /// Only relayed candidates may be used.
    Relay,
}

/// `RTCBundlePolicy` (RFC 8829 §4.1.1). Whatever it is, one bundle is offered and answered; it decides what there is with a
/// peer that does not bundle. Each transport is gathered for by itself until the answer comes: with [`Balanced`](Self::Balanced)
/// that costs a first offer of audio, video and data the checks of three servers in place of one.
///
/// A connection has [`MAX_TRANSPORTS`](crate::MAX_TRANSPORTS) at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BundlePolicy {
    /// The first m-section of audio, of video and of data has a transport of its own, and is to be had without a bundle.
    #[default]
    Balanced,
    /// Every m-section has, and is.
    MaxCompat,
    /// The first m-section has; all others are to be had in its bundle only.
    MaxBundle,
}

/// `RTCRtcpMuxPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RtcpMuxPolicy {
    /// RTP and RTCP share a transport.
    #[default]
    Require,
}

/// Whether the header extensions of RTP, and the contributing sources, are encrypted like the payload (cryptex, RFC 9335):
/// `RTCRtpHeaderEncryptionPolicy` of webrtc-extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderEncryption {
    /// They are not: nothing is said of it in descriptions.
    #[default]
    Disable,
    /// They are where the peer takes them so (`a=cryptex`).
    Negotiate,
    /// They must be: descriptions of peers that do not take them so are refused, and packets with headers in the clear are
    /// dropped.
    Require,
}

/// Which versions of DTLS are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DtlsVersions {
    /// DTLS 1.2 (RFC 6347).
    pub v1_2: bool,
    /// DTLS 1.3 (RFC 9147).
    pub v1_3: bool,
}

impl Default for DtlsVersions {
    fn default() -> Self {
        Self { v1_2: true, v1_3: true }
    }
}

/// Everything about a connection that is decided beforehand.
#[derive(Clone)]
#[non_exhaustive]
pub struct Configuration {
    /// STUN and TURN servers; those beyond [`MAX_ICE_SERVERS`] are ignored.
    pub ice_servers: Vec<IceServer>,
    /// Which candidates may be used.
    pub ice_transport_policy: IceTransportPolicy,
    /// How m-sections share transports.
    pub bundle_policy: BundlePolicy,
    /// Whether RTCP shares a transport with RTP.
    pub rtcp_mux_policy: RtcpMuxPolicy,
    /// Certificates to authenticate with: the first is used. Empty: one is generated, ECDSA P-256, valid 30 days
    /// around [`Configuration::wall_clock`].
    pub certificates: Vec<Arc<Certificate>>,
    /// Accepted and checked; candidates are not gathered ahead of time.
    pub ice_candidate_pool_size: u8,
    /// What the time is: the validity of certificates is measured by it.
    pub wall_clock: SystemTime,
    /// What the application never needs to touch.
    pub settings: Settings,
}

impl Configuration {
    /// The defaults of the W3C dictionary; `wall_clock` tells the validity of certificates.
    pub fn new(wall_clock: SystemTime) -> Self {
        Self {
            ice_servers: Vec::new(),
            ice_transport_policy: IceTransportPolicy::default(),
            bundle_policy: BundlePolicy::default(),
            rtcp_mux_policy: RtcpMuxPolicy::default(),
            certificates: Vec::new(),
            ice_candidate_pool_size: 0,
            wall_clock,
            settings: Settings::default(),
        }
    }

    /// Adds an ICE server that needs no credentials.
    #[must_use]
    pub fn ice_server(mut self, url: impl Into<String>) -> Self {
        self.ice_servers.push(IceServer::new(url));
        self
    }

    /// Adds a certificate.
    #[must_use]
    pub fn certificate(mut self, certificate: Arc<Certificate>) -> Self {
        self.certificates.push(certificate);
        self
    }

    /// Whether `self` may replace `old` on a living connection (webrtc-pc "set the configuration", step 3).
    pub(crate) fn check_replacement(&self, old: &Self, negotiated: bool) -> Result<(), Error> {
        let same_certificates = self.certificates.len() == old.certificates.len()
            && self
                .certificates
                .iter()
                .zip(&old.certificates)
                .all(|(new, old)| Arc::ptr_eq(new, old));
        let unchanged = [
            ("certificates", same_certificates),
            ("bundle_policy", self.bundle_policy == old.bundle_policy),
            ("rtcp_mux_policy", self.rtcp_mux_policy == old.rtcp_mux_policy),
            (
                "ice_candidate_pool_size",
                !negotiated || self.ice_candidate_pool_size == old.ice_candidate_pool_size,
            ),
        ];
        match unchanged.into_iter().find(|(_, same)| !same) {
            Some((field, _)) => Err(Error::InvalidModification { field }),
            None => Ok(()),
        }
    }
}

impl Default for Configuration {
    /// The defaults with the Unix epoch as wall clock: for callers whose driver sets the clock itself, as the `peerage`
    /// crate does.
    fn default() -> Self {
        Self::new(SystemTime::UNIX_EPOCH)
    }
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration")
            .field("ice_servers", &self.ice_servers)
            .field("ice_transport_policy", &self.ice_transport_policy)
            .field("bundle_policy", &self.bundle_policy)
            .field("certificates", &self.certificates.len())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Settings beneath the W3C API. The defaults suit the open Internet.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Largest UDP payload to send, in bytes, 576 to 65,507. The default, 1,200, fits any path WebRTC meets.
    pub mtu: usize,
    /// How `.local` names are used.
    pub mdns: MdnsMode,
    /// Whether to answer checks only, as a server with a public address may (RFC 8445 §2.5).
    pub ice_lite: bool,
    /// Whether candidates on loopback addresses are used: for tests on one machine.
    pub ice_loopback: bool,
    /// Which address families are used, and which comes first.
    pub ice_families: FamilyPolicy,
    /// ICE timers.
    pub ice_timers: Timers,
    /// DTLS.
    pub dtls: DtlsSettings,
    /// SCTP and data channels.
    pub sctp: SctpSettings,
    /// How much media may be sent.
    pub congestion: CongestionSettings,
    /// The codecs and header extensions that are negotiated.
    pub media: Capabilities,
    /// Whether header extensions are encrypted.
    pub header_encryption: HeaderEncryption,
    /// Receives the secrets of the session, for packet analysers. Gives away everything: for debugging alone.
    pub key_log: Option<Arc<dyn KeyLog>>,
    /// How many datagrams one `poll_transmit` may batch for UDP segmentation offload, 1 to 64.
    pub max_gso_segments: usize,
    /// Supplier of the cryptographic primitives; `None` takes OpenSSL.
    pub provider: Option<Arc<dyn CryptoProvider>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mtu: 1200,
            mdns: MdnsMode::default(),
            ice_lite: false,
            ice_loopback: false,
            ice_families: FamilyPolicy::default(),
            ice_timers: Timers::default(),
            dtls: DtlsSettings::default(),
            sctp: SctpSettings::default(),
            congestion: CongestionSettings::default(),
            media: Capabilities::default(),
            header_encryption: HeaderEncryption::default(),
            key_log: None,
            max_gso_segments: 1,
            provider: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("mtu", &self.mtu)
            .field("mdns", &self.mdns)
            .field("ice_lite", &self.ice_lite)
            .field("ice_timers", &self.ice_timers)
            .field("dtls", &self.dtls)
            .field("sctp", &self.sctp)
            .field("congestion", &self.congestion)
            .field("header_encryption", &self.header_encryption)
            .field("key_log", &self.key_log.is_some())
            .field("max_gso_segments", &self.max_gso_segments)
            .finish_non_exhaustive()
    }
}

/// DTLS settings.
#[derive(Clone, Debug, Default)]
pub struct DtlsSettings {
    /// Versions spoken.
    pub versions: DtlsVersions,
    /// Key exchange groups, best first; empty takes the default of peerage-dtls.
    pub groups: Vec<NamedGroup>,
    /// SRTP profiles, best first; empty takes the default of peerage-dtls, AES-GCM before AES-CM with HMAC-SHA1.
    pub srtp_profiles: Vec<SrtpProtectionProfile>,
    /// First retransmission timeout of a flight; `None` takes the default of peerage-dtls.
    pub retransmission_timeout: Option<Duration>,
    /// How long a handshake may take before it fails; `None` takes the default of peerage-dtls.
    pub handshake_timeout: Option<Duration>,
}

/// Bounds of the bitrate of all media that is sent together, in bits a second, headers included, and who decides on it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CongestionSettings {
    /// It never falls below this, unless the peer asks for less.
    pub min_bitrate: u64,
    /// It begins here. Where the peer tells nothing of what arrives, it stays here unless much is lost.
    pub start_bitrate: u64,
    /// It never rises above this.
    pub max_bitrate: u64,
    /// Makes the controller of each transport that sends to a peer which reports on single packets. The default is Google
    /// congestion control; see [`congestion::Controller`](crate::congestion::Controller).
    pub controller: ControllerMaker,
}

impl Default for CongestionSettings {
    /// 30 kbit/s, 300 kbit/s, 100 Mbit/s.
    fn default() -> Self {
        Self {
            min_bitrate: 30_000,
            start_bitrate: 300_000,
            max_bitrate: 100_000_000,
            controller: ControllerMaker::default(),
        }
    }
}

impl CongestionSettings {
    /// For the controller.
    ///
    /// # Errors
    /// `TypeError` if they are not in order.
    pub(crate) fn bounds(&self) -> Result<GccConfig, Error> {
        let config = GccConfig {
            min_rate: DataRate::from_bps(self.min_bitrate),
            start_rate: DataRate::from_bps(self.start_bitrate),
            max_rate: DataRate::from_bps(self.max_bitrate),
        };
        config.validate().map_err(|error| Error::Type {
            argument: "settings.congestion",
            reason: error.to_string(),
        })?;
        Ok(config)
    }
}

/// SCTP and data channel settings.
#[derive(Clone, Debug)]
pub struct SctpSettings {
    /// Offer message interleaving, I-DATA (RFC 8260).
    pub interleaving: bool,
    /// Offer zero checksums, which DTLS beneath makes safe (RFC 9653).
    pub zero_checksum: bool,
    /// Largest message to accept, in bytes; what the SDP announces (RFC 8841 §6).
    pub max_message_size: usize,
    /// Receive window, in bytes.
    pub receive_window: usize,
    /// Bytes that may wait for transmission, all channels together.
    pub send_buffer: usize,
    /// Data channels that may exist at once, those of the peer included.
    pub max_data_channels: usize,
}

impl Default for SctpSettings {
    fn default() -> Self {
        Self {
            interleaving: true,
            zero_checksum: true,
            max_message_size: 262_144,
            receive_window: 5 * 1024 * 1024,
            send_buffer: 16 * 1024 * 1024,
            max_data_channels: 1024,
        }
    }
}
