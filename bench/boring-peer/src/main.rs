//! BoringSSL, the DTLS of Chromium and libwebrtc, behind a pipe and with virtual time.
//!
//! Arguments: `client|server MIN MAX GROUPS ecdsa|rsa MTU`, versions as `1.2` or `1.3`, groups in OpenSSL's notation.
//! A request on stdin is an operation (0 datagram, 1 poll, 2 send, 3 key update), the time in microseconds (8 bytes,
//! big-endian), and a payload after its length (4 bytes). The answer is 1 and a message, or 0 and: whether the handshake
//! is complete, the next timeout (8 bytes, all ones for none), the datagrams to send, the data received (each a list of
//! 4 bytes of count and entries with 4 bytes of length), the keying material and the peer's certificate.

use std::{
    cell::Cell,
    collections::VecDeque,
    io::{self, Read, Write},
};

use boring::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    ssl::{
        ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion,
    },
    x509::{X509, X509NameBuilder},
};
use boring_sys as ffi;
use foreign_types::{ForeignType, ForeignTypeRef};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

thread_local! {
    /// The time that BoringSSL sees, in microseconds.
    static CLOCK: Cell<u64> = const { Cell::new(0) };
}

const EPOCH: u64 = 1_700_000_000_000_000;

unsafe extern "C" fn current_time(_: *const ffi::SSL, out: *mut ffi::timeval) {
    let micros = EPOCH + CLOCK.get();
    // SAFETY: BoringSSL hands a valid pointer.
    unsafe {
        (*out).tv_sec = (micros / 1_000_000) as _;
        (*out).tv_usec = (micros % 1_000_000) as _;
    }
}

/// Datagrams in, datagrams out.
#[derive(Default)]
struct Datagrams {
    incoming: VecDeque<Vec<u8>>,
    outgoing: Vec<Vec<u8>>,
}

impl Read for Datagrams {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let datagram = self.incoming.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        buf[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl Write for Datagrams {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.outgoing.push(buf.to_vec());
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn certificate(kind: &str) -> Result<(X509, PKey<Private>)> {
    let key = if kind == "rsa" {
        PKey::from_rsa(Rsa::generate(2048)?)?
    } else {
        PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)?
    };
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "boring")?;
    let name = name.build();
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*BigNum::from_u32(7)?.to_asn1_integer()?)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_pubkey(&key)?;
    builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(30)?)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((builder.build(), key))
}

struct Peer {
    stream: SslStream<Datagrams>,
    connected: bool,
    received: Vec<Vec<u8>>,
}

impl Peer {
    fn new(arguments: &[String]) -> Result<Self> {
        let [role, min, max, groups, kind, mtu] = arguments else {
            return Err("usage: boring-peer client|server MIN MAX GROUPS ecdsa|rsa MTU".into());
        };
        let version =
            |text: &str| if text == "1.3" { SslVersion::DTLS1_3 } else { SslVersion::DTLS1_2 };
        let mut context = SslContext::builder(SslMethod::dtls())?;
        context.set_min_proto_version(Some(version(min)))?;
        context.set_max_proto_version(Some(version(max)))?;
        context.set_options(SslOptions::NO_QUERY_MTU);
        let (certificate, key) = certificate(kind)?;
        context.set_certificate(&certificate)?;
        context.set_private_key(&key)?;
        context.set_custom_verify_callback(
            SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
            |_| Ok(()),
        );
        context.set_tlsext_use_srtp(
            "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM",
        )?;
        context.set_curves_list(groups)?;
        let context = context.build();
        // SAFETY: the context is alive, and the callback has the right signature.
        unsafe { ffi::SSL_CTX_set_current_time_cb(context.as_ptr(), Some(current_time)) };
        let mut ssl = Ssl::new(&context)?;
        ssl.set_mtu(mtu.parse()?)?;
        // SAFETY: the endpoint is alive.
        unsafe {
            if role == "client" {
                ffi::SSL_set_connect_state(ssl.as_ptr());
            } else {
                ffi::SSL_set_accept_state(ssl.as_ptr());
            }
            ffi::DTLSv1_set_initial_timeout_duration(ssl.as_ptr(), 50);
        }
        let stream = SslStream::new(ssl, Datagrams::default())?;
        Ok(Self { stream, connected: false, received: Vec::new() })
    }

    fn timeout(&self) -> Option<u64> {
        let mut left = ffi::timeval { tv_sec: 0, tv_usec: 0 };
        // SAFETY: the endpoint is alive, and so is `left`.
        let any = unsafe { ffi::DTLSv1_get_timeout(self.stream.ssl().as_ptr(), &mut left) };
        (any == 1).then(|| CLOCK.get() + left.tv_sec as u64 * 1_000_000 + left.tv_usec as u64)
    }

    fn progress(&mut self) -> Result<()> {
        let waits = |error: &boring::ssl::Error| {
            matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE)
        };
        if !self.connected {
            match self.stream.do_handshake() {
                Ok(()) => self.connected = true,
                Err(error) if waits(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        while self.connected {
            let mut buf = [0; 1 << 14];
            match self.stream.ssl_read(&mut buf) {
                Ok(length) => self.received.push(buf[..length].to_vec()),
                Err(error) if waits(&error) || error.code() == ErrorCode::ZERO_RETURN => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn handle(&mut self, operation: u8, payload: Vec<u8>) -> Result<()> {
        match operation {
            0 => self.stream.get_mut().incoming.push_back(payload),
            1 => {
                if self.timeout().is_some_and(|at| at <= CLOCK.get()) {
                    // SAFETY: the endpoint is alive.
                    let outcome = unsafe { ffi::DTLSv1_handle_timeout(self.stream.ssl().as_ptr()) };
                    if outcome < 0 {
                        return Err("too many timeouts".into());
                    }
                }
            }
            2 => {
                self.stream.ssl_write(&payload)?;
            }
            _ => {
                let request = i32::from(payload == [1]);
                // SAFETY: the endpoint is alive.
                if unsafe { ffi::SSL_key_update(self.stream.ssl().as_ptr(), request) } != 1 {
                    return Err("SSL_key_update".into());
                }
            }
        }
        self.progress()
    }

    fn keying_material(&self) -> Option<Vec<u8>> {
        if !self.connected {
            return None;
        }
        let ssl = self.stream.ssl();
        let length = match ssl.selected_srtp_profile()?.name() {
            "SRTP_AES128_CM_SHA1_80" => 60,
            "SRTP_AEAD_AES_128_GCM" => 56,
            _ => 88,
        };
        let mut out = vec![0; length];
        ssl.export_keying_material(&mut out, "EXTRACTOR-dtls_srtp", None).ok()?;
        Some(out)
    }

    fn answer(&mut self) -> Vec<u8> {
        let mut out = vec![0, u8::from(self.connected)];
        out.extend(self.timeout().unwrap_or(u64::MAX).to_be_bytes());
        let put = |out: &mut Vec<u8>, bytes: &[u8]| {
            out.extend((bytes.len() as u32).to_be_bytes());
            out.extend(bytes);
        };
        let outgoing = std::mem::take(&mut self.stream.get_mut().outgoing);
        for list in [outgoing, std::mem::take(&mut self.received)] {
            out.extend((list.len() as u32).to_be_bytes());
            list.iter().for_each(|entry| put(&mut out, entry));
        }
        put(&mut out, &self.keying_material().unwrap_or_default());
        let certificate = self.stream.ssl().peer_certificate();
        put(&mut out, &certificate.and_then(|it| it.to_der().ok()).unwrap_or_default());
        out
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut peer = Peer::new(&arguments)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut header = [0; 13];
    while input.read_exact(&mut header).is_ok() {
        CLOCK.set(u64::from_be_bytes(header[1..9].try_into()?));
        let mut payload = vec![0; u32::from_be_bytes(header[9..].try_into()?) as usize];
        input.read_exact(&mut payload)?;
        let answer = match peer.handle(header[0], payload) {
            Ok(()) => peer.answer(),
            Err(error) => {
                let text = error.to_string();
                let mut out = vec![1];
                out.extend((text.len() as u32).to_be_bytes());
                out.extend(text.as_bytes());
                out
            }
        };
        output.write_all(&answer)?;
        output.flush()?;
    }
    Ok(())
}
