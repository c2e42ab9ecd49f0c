//! H.264 parameters (RFC 6184 §8.1 and §8.2.2): profiles by their sub-profile, levels with the odd level 1b.

use crate::media::codec::RtpCodec;

/// `profile-level-id`: profile, constraints and level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProfileLevelId {
    profile_idc: u8,
    profile_iop: u8,
    level_idc: u8,
}

/// A sub-profile of RFC 6184 Table 5, or a combination that it does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    Extended,
    High,
    ConstrainedHigh,
    High10,
    High42,
    High44,
    High10Intra,
    High42Intra,
    High44Intra,
    Cavlc44Intra,
    Other(u8, u8),
}

/// The bit of the constraints that turns level 1.1 into level 1b.
const CONSTRAINT_SET3: u8 = 0x10;

/// A level in the order of what it demands: ten times its number, and 1b between 1 and 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Level(u16);

impl Level {
    const ONE_B: Level = Level(105);

    fn new(level_idc: u8) -> Self {
        Level(u16::from(level_idc) * 10)
    }
}

impl ProfileLevelId {
    /// Of six hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
        Some(Self { profile_idc: byte(0)?, profile_iop: byte(2)?, level_idc: byte(4)? })
    }

    /// Of a codec; `None` if it is malformed.
    pub(crate) fn of(codec: &RtpCodec) -> Option<Self> {
        match codec.parameter("profile-level-id") {
            Some(text) => Self::parse(text),
            // RFC 6184 §8.1: Baseline without constraints at level 1.
            None => Some(Self { profile_idc: 0x42, profile_iop: 0, level_idc: 10 }),
        }
    }

    fn marks_level_1b(self) -> bool {
        matches!(self.profile_idc, 0x42 | 0x4d | 0x58)
    }

    /// The sub-profile (RFC 6184 Table 5).
    pub(crate) fn profile(self) -> Profile {
        let mut iop = self.profile_iop;
        if self.marks_level_1b() && self.level_idc == 11 {
            // Here the bit belongs to the level.
            iop &= !CONSTRAINT_SET3;
        }
        match (self.profile_idc, iop) {
            (0x42, iop) if iop & 0x4f == 0x40 => Profile::ConstrainedBaseline,
            (0x4d, iop) if iop & 0x8f == 0x80 => Profile::ConstrainedBaseline,
            (0x58, iop) if iop & 0xcf == 0xc0 => Profile::ConstrainedBaseline,
            (0x42, iop) if iop & 0x4f == 0 => Profile::Baseline,
            (0x58, iop) if iop & 0xcf == 0x80 => Profile::Baseline,
            (0x4d, iop) if iop & 0xaf == 0 => Profile::Main,
            (0x58, iop) if iop & 0xcf == 0 => Profile::Extended,
            (0x64, 0) => Profile::High,
            // Not in the table: H.264 Annex A.2.4.2, which browsers use.
            (0x64, 0x0c) => Profile::ConstrainedHigh,
            (0x6e, 0) => Profile::High10,
            (0x7a, 0) => Profile::High42,
            (0xf4, 0) => Profile::High44,
            (0x6e, 0x10) => Profile::High10Intra,
            (0x7a, 0x10) => Profile::High42Intra,
            (0xf4, 0x10) => Profile::High44Intra,
            (0x2c, 0x10) => Profile::Cavlc44Intra,
            (idc, iop) => Profile::Other(idc, iop),
        }
    }

    /// The level (RFC 6184 §8.2.2).
    pub(crate) fn level(self) -> Level {
        match self.level_idc {
            11 if self.marks_level_1b() && self.profile_iop & CONSTRAINT_SET3 != 0 => Level::ONE_B,
            9 => Level::ONE_B,
            level_idc => Level::new(level_idc),
        }
    }

    /// The same profile at another level.
    fn at(self, level: Level) -> Self {
        let mut id = self;
        if id.marks_level_1b() {
            if id.level_idc == 11 {
                id.profile_iop &= !CONSTRAINT_SET3;
            }
            if level == Level::ONE_B {
                id.profile_iop |= CONSTRAINT_SET3;
                id.level_idc = 11;
                return id;
            }
        } else if level == Level::ONE_B {
            id.level_idc = 9;
            return id;
        }
        id.level_idc = (level.0 / 10) as u8;
        id
    }
}

impl std::fmt::Display for ProfileLevelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}", self.profile_idc, self.profile_iop, self.level_idc)
    }
}

/// The packetization mode; `None` if it is malformed.
pub(crate) fn packetization_mode(codec: &RtpCodec) -> Option<u32> {
    match codec.parameter("packetization-mode") {
        // RFC 6184 §8.1: absent means 0.
        None => Some(0),
        Some(text) => text.parse().ok(),
    }
}

/// Whether two formats differ in nothing but the level and what a receiver is capable of (RFC 6184 §8.2.2).
pub(crate) fn same_format(a: &RtpCodec, b: &RtpCodec) -> bool {
    let profile = |codec| ProfileLevelId::of(codec).map(ProfileLevelId::profile);
    let (mode, other) = (packetization_mode(a), packetization_mode(b));
    mode.is_some() && mode == other && profile(a).is_some() && profile(a) == profile(b)
}

/// Our parameters as the answer to an offer has them: the profile as the offer spells it, and our level, but not above
/// that of the offer unless both ends allow asymmetry (RFC 6184 §8.2.2).
pub(crate) fn answer(ours: &RtpCodec, theirs: &RtpCodec) -> RtpCodec {
    let (Some(our_id), Some(their_id)) = (ProfileLevelId::of(ours), ProfileLevelId::of(theirs))
    else {
        return ours.clone();
    };
    let asymmetric = |codec: &RtpCodec| codec.parameter("level-asymmetry-allowed") == Some("1");
    let level = match asymmetric(ours) && asymmetric(theirs) {
        true => our_id.level(),
        false => our_id.level().min(their_id.level()),
    };
    ours.clone().with_parameter("profile-level-id", &their_id.at(level).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_sdp::{Text, Word};

    fn id(text: &str) -> ProfileLevelId {
        ProfileLevelId::parse(text).unwrap()
    }

    fn codec(fmtp: &str) -> RtpCodec {
        let codec = RtpCodec::video(Word::from_static("H264"));
        if fmtp.is_empty() { codec } else { codec.with_fmtp(Text::new(fmtp).unwrap()) }
    }

    #[test]
    fn profiles_are_those_of_the_table() {
        use Profile::*;
        // RFC 6184 Table 5, each row with the free bits both ways.
        for (text, profile) in [
            ("42401f", ConstrainedBaseline),
            ("42e01f", ConstrainedBaseline),
            ("42c01f", ConstrainedBaseline),
            ("4d801f", ConstrainedBaseline),
            ("4de01f", ConstrainedBaseline),
            ("58c01f", ConstrainedBaseline),
            ("58f00b", ConstrainedBaseline),
            ("42001f", Baseline),
            ("42a01f", Baseline),
            ("58801f", Baseline),
            ("58a01f", Baseline),
            ("4d001f", Main),
            ("4d401f", Main),
            ("58001f", Extended),
            ("58301f", Extended),
            ("640c1f", ConstrainedHigh),
            ("64001f", High),
            ("6e001f", High10),
            ("7a001f", High42),
            ("f4001f", High44),
            ("6e101f", High10Intra),
            ("7a101f", High42Intra),
            ("f4101f", High44Intra),
            ("2c101f", Cavlc44Intra),
            ("58011f", Other(0x58, 0x01)),
            ("42011f", Other(0x42, 0x01)),
            ("64401f", Other(0x64, 0x40)),
            ("53001f", Other(0x53, 0x00)),
        ] {
            assert_eq!(id(text).profile(), profile, "{text}");
        }
    }

    #[test]
    fn level_1b_lies_between_1_and_1_1() {
        let one_b = id("42f00b").level();
        assert_eq!(one_b, Level::ONE_B);
        assert_eq!(id("42f00b").profile(), Profile::ConstrainedBaseline);
        assert_eq!(id("640009").level(), Level::ONE_B);
        assert!(id("42e00a").level() < one_b && one_b < id("42e00b").level());
        // In High, the bit is no level.
        assert!(id("64100b").level() > one_b);
    }

    #[test]
    fn a_level_is_spelt_as_its_profile_wants() {
        assert_eq!(id("42e01f").at(Level::ONE_B).to_string(), "42f00b");
        assert_eq!(id("42f00b").at(Level::new(31)).to_string(), "42e01f");
        assert_eq!(id("64001f").at(Level::ONE_B).to_string(), "640009");
        for text in ["42e01f", "42f00b", "640009", "640c33", "4d0028"] {
            assert_eq!(id(text).at(id(text).level()).to_string(), text);
        }
    }

    #[test]
    fn formats_differ_by_profile_and_mode_only() {
        let same = |a, b| {
            assert_eq!(same_format(&codec(a), &codec(b)), same_format(&codec(b), &codec(a)));
            same_format(&codec(a), &codec(b))
        };
        assert!(same("profile-level-id=42e01f", "profile-level-id=42E034"));
        assert!(same("profile-level-id=42e01f", "profile-level-id=4de01f;packetization-mode=0"));
        assert!(same("", "profile-level-id=42000a"));
        assert!(!same("profile-level-id=42e01f", "profile-level-id=42001f"));
        assert!(!same("profile-level-id=42e01f", "profile-level-id=42e01f;packetization-mode=1"));
        assert!(!same("profile-level-id=42e01", "profile-level-id=42e01"));
        assert!(!same("profile-level-id=+2e01f", "profile-level-id=+2e01f"));
        assert!(!same("packetization-mode=x", "packetization-mode=x"));
    }

    #[test]
    fn answers_lower_the_level_unless_both_allow_asymmetry() {
        for (ours, theirs, expected) in [
            ("42e01f", "42e01f", "42e01f"),
            ("42e01f", "42e034", "42e01f"),
            ("42e034", "42e01f", "42e01f"),
            ("42e034", "42f00b", "42f00b"),
            // The profile as the offer spells it.
            ("42e034", "4de01f", "4de01f"),
        ] {
            let answered = answer(
                &codec(&format!("level-asymmetry-allowed=1;profile-level-id={ours}")),
                &codec(&format!("profile-level-id={theirs}")),
            );
            assert_eq!(answered.parameter("profile-level-id"), Some(expected), "{ours} {theirs}");
        }
        let asymmetric = |id| codec(&format!("level-asymmetry-allowed=1;profile-level-id={id}"));
        let answered = answer(&asymmetric("42e034"), &asymmetric("42e01f"));
        let expected = "level-asymmetry-allowed=1;profile-level-id=42e034";
        assert_eq!(answered.fmtp.as_deref(), Some(expected));
        // Nothing said is Baseline at level 1.
        let answered = answer(&asymmetric("42001f"), &codec(""));
        assert_eq!(answered.parameter("profile-level-id"), Some("42000a"));
    }
}
