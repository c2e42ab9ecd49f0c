//! Seeds of the target of peerage-media: small files of each kind. The first byte of each input chooses the reader.

use std::{io::Cursor, net::Ipv4Addr, time::Duration};

use peerage_media::files::{
    AnnexBWriter, IvfHeader, IvfWriter, ObuWriter, OggOpusWriter, OpusHead, PcapWriter,
    RtpDumpWriter, WavFormat, WavWriter,
};

use crate::Sink;

pub(crate) fn write(sink: &Sink) {
    let seed = |choice: u8, name: &str, file: &[u8]| {
        sink.seed("media_files", name, &[&[choice], file].concat());
    };
    const FITS: &str = "what is written here fits the format";

    let mut ivf = IvfWriter::new(Vec::new(), IvfHeader::new(IvfHeader::VP8, 64, 48)).expect(FITS);
    for time in 0..3 {
        ivf.write_frame(time, &[1; 20]).expect(FITS);
    }
    seed(0, "ivf", &ivf.finish().expect(FITS));

    for (choice, name, units) in [
        (1, "h264", [[0, 0, 0, 1, 0x67, 66], [0, 0, 0, 1, 0x65, 0x88], [0, 0, 0, 1, 0x41, 0x9A]]),
        (2, "h265", [[0, 0, 1, 0x42, 1, 1], [0, 0, 1, 0x26, 1, 0x80], [0, 0, 1, 2, 1, 0x80]]),
    ] {
        let mut writer = AnnexBWriter::new(Vec::new());
        units.iter().for_each(|unit| writer.write_frame(unit).expect(FITS));
        seed(choice, name, &writer.finish().expect(FITS));
    }

    let mut obu = ObuWriter::new(Vec::new());
    for _ in 0..2 {
        obu.write_frame(&[0x0A, 3, 0, 0, 0, 0x32, 4, 1, 2, 3, 4]).expect(FITS);
    }
    seed(3, "obu", &obu.finish().expect(FITS));
    seed(4, "obu_delimited", &[9, 8, 1, 0x10, 5, 0x30, 1, 2, 3, 4]);

    let mut ogg = OggOpusWriter::new(Vec::new(), &OpusHead::new(2), 1).expect(FITS);
    for _ in 0..60 {
        ogg.write_packet(&[0xFC, 1, 2]).expect(FITS);
    }
    seed(5, "ogg", &ogg.finish().expect(FITS));

    let mut dump =
        RtpDumpWriter::new(Vec::new(), Duration::ZERO, Ipv4Addr::LOCALHOST, 9).expect(FITS);
    dump.write_packet(Duration::ZERO, false, &[0x80; 12]).expect(FITS);
    dump.write_packet(Duration::from_millis(5), true, &[0x81; 8]).expect(FITS);
    seed(6, "rtpdump", &dump.finish().expect(FITS));

    let mut pcap = PcapWriter::new(Vec::new()).expect(FITS);
    let address = |ip: &str| std::net::SocketAddr::new(ip.parse().expect(FITS), 5000);
    for ip in ["192.0.2.1", "2001:db8::1"] {
        pcap.write_datagram(Duration::ZERO, address(ip), address(ip), &[0x80; 12]).expect(FITS);
    }
    seed(7, "pcap", &pcap.finish().expect(FITS));

    let mut wav = Cursor::new(Vec::new());
    let format = WavFormat { sample_rate: 8000, channels: 1 };
    let mut writer = WavWriter::new(&mut wav, format).expect(FITS);
    writer.write(&[1, 2, 3, 4]).expect(FITS);
    writer.finish().expect(FITS);
    seed(8, "wav", &wav.into_inner());
}
