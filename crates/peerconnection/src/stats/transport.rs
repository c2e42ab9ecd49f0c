//! The transport beneath everything: ICE, DTLS and SRTP.

use super::dictionary::dictionary;
use super::states::{DtlsRole, IceRole};
use crate::state::{DtlsState, IceConnectionState};

dictionary! {
    /// `RTCTransportStats`: a transport, the one of the bundle or one of several.
    TransportStats {
        /// State of DTLS.
        dtls_state: DtlsState,
        ;
        /// Datagrams sent, those of ICE not counted.
        packets_sent: u64,
        /// Datagrams received, those of ICE not counted.
        packets_received: u64,
        /// Bytes of UDP payload in those sent.
        bytes_sent: u64,
        /// Bytes of UDP payload in those received.
        bytes_received: u64,
        /// Who nominates.
        ice_role: IceRole,
        /// Our ufrag.
        ice_local_username_fragment: String,
        /// State of ICE.
        ice_state: IceConnectionState,
        /// The [`IceCandidatePairStats`](super::IceCandidatePairStats) over which data go.
        selected_candidate_pair_id: String,
        /// Our [`CertificateStats`](super::CertificateStats), once DTLS is negotiated.
        local_certificate_id: String,
        /// The peer's [`CertificateStats`](super::CertificateStats), once it has shown it.
        remote_certificate_id: String,
        /// The version as four hexadecimal digits: `FEFC` is DTLS 1.3, `FEFD` DTLS 1.2.
        tls_version: String,
        /// The cipher suite by its IANA name.
        dtls_cipher: String,
        /// Who began the handshake.
        dtls_role: DtlsRole,
        /// The SRTP protection profile by its IANA name.
        srtp_cipher: String,
        /// How often the selected pair changed.
        selected_candidate_pair_changes: u32,
        /// Feedback packets of RFC 8888 sent; `None` before the first.
        ccfb_messages_sent: u32,
        /// Feedback packets of RFC 8888 received; `None` before the first.
        ccfb_messages_received: u32,
    }
}
