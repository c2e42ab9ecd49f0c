//! `profile-level-id` of H.264 in SDP (RFC 6184 §8.1): what it stands for, when two mean the same, and which level an
//! offer and its answer agree on (§8.2.2).

use std::fmt;

use crate::payload::format::fmtp_parameter;

/// A set of coding tools. Several values of `profile_idc` and constraint flags may stand for the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Constrained Baseline.
    ConstrainedBaseline,
    /// Baseline.
    Baseline,
    /// Main.
    Main,
    /// Extended.
    Extended,
    /// High.
    High,
    /// Constrained High: High with constraint_set4 and 5 (ITU-T H.264 §A.2.4.2), which browsers offer as `640c`.
    ConstrainedHigh,
    /// High 10.
    High10,
    /// High 4:2:2.
    High422,
    /// High 4:4:4 Predictive.
    High444Predictive,
    /// High 10 Intra.
    High10Intra,
    /// High 4:2:2 Intra.
    High422Intra,
    /// High 4:4:4 Intra.
    High444Intra,
    /// CAVLC 4:4:4 Intra.
    Cavlc444Intra,
}

/// A level, in the order of what it asks of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Level(u8);

impl Level {
    /// Level 1, assumed where SDP names none.
    pub const L1: Self = Self(20);
    /// Level 1b, between 1 and 1.1.
    pub const L1B: Self = Self(21);
    /// Level 1.1.
    pub const L1_1: Self = Self(22);
    /// Level 3.1: 1280x720 at 30 frames per second.
    pub const L3_1: Self = Self(62);

    /// From `level_idc`, ten times the level; `None` for 1b (see [`L1B`](Self::L1B)) and for 0.
    pub fn from_idc(level_idc: u8) -> Option<Self> {
        // Doubled, so that 1b has a place.
        (10..=127).contains(&level_idc).then_some(Self(level_idc * 2))
    }

    /// `level_idc`, ten times the level; 11 for 1b.
    pub fn idc(self) -> u8 {
        self.0.div_ceil(2)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::L1B => write!(f, "1b"),
            other if other.idc() % 10 == 0 => write!(f, "{}", other.idc() / 10),
            other => write!(f, "{}.{}", other.idc() / 10, other.idc() % 10),
        }
    }
}

/// A `profile-level-id`: profile and default level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProfileLevelId {
    /// The coding tools.
    pub profile: Profile,
    /// The level.
    pub level: Level,
}

/// RFC 6184 table 5, as (profile_idc, mask, value, profile); constraint_set3 (bit 4) of the first four rows tells level
/// 1b and is left out. First match counts.
const PROFILES: [(u8, u8, u8, Profile); 16] = [
    (0x42, 0b0100_1111, 0b0100_0000, Profile::ConstrainedBaseline),
    (0x4D, 0b1000_1111, 0b1000_0000, Profile::ConstrainedBaseline),
    (0x58, 0b1100_1111, 0b1100_0000, Profile::ConstrainedBaseline),
    (0x42, 0b0100_1111, 0b0000_0000, Profile::Baseline),
    (0x58, 0b1100_1111, 0b1000_0000, Profile::Baseline),
    (0x4D, 0b1010_1111, 0b0000_0000, Profile::Main),
    (0x58, 0b1100_1111, 0b0000_0000, Profile::Extended),
    (0x64, 0b1111_1111, 0b0000_0000, Profile::High),
    (0x64, 0b1111_1111, 0b0000_1100, Profile::ConstrainedHigh),
    (0x6E, 0b1111_1111, 0b0000_0000, Profile::High10),
    (0x7A, 0b1111_1111, 0b0000_0000, Profile::High422),
    (0xF4, 0b1111_1111, 0b0000_0000, Profile::High444Predictive),
    (0x6E, 0b1111_1111, 0b0001_0000, Profile::High10Intra),
    (0x7A, 0b1111_1111, 0b0001_0000, Profile::High422Intra),
    (0xF4, 0b1111_1111, 0b0001_0000, Profile::High444Intra),
    (0x2C, 0b1111_1111, 0b0001_0000, Profile::Cavlc444Intra),
];

/// The value of constraint_set3 in `profile_iop`.
const CONSTRAINT_SET_3: u8 = 0x10;

impl ProfileLevelId {
    /// What is meant where SDP has no `profile-level-id`: Baseline at level 1 (RFC 6184 §8.1).
    pub const DEFAULT: Self = Self { profile: Profile::Baseline, level: Level::L1 };

    /// From six hexadecimal digits, as in SDP. `None` for other text and for combinations that table 5 does not have.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 6 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let value = u32::from_str_radix(text, 16).ok()?;
        Self::from_bytes([(value >> 16) as u8, (value >> 8) as u8, value as u8])
    }

    /// From `profile_idc`, the constraint flags and `level_idc`: the three bytes after the header of a sequence
    /// parameter set.
    pub fn from_bytes([profile_idc, profile_iop, level_idc]: [u8; 3]) -> Option<Self> {
        let &(.., profile) = PROFILES
            .iter()
            .find(|(idc, mask, value, _)| *idc == profile_idc && profile_iop & mask == *value)?;
        let signals_1b_by_flag = matches!(profile_idc, 0x42 | 0x4D | 0x58);
        let level = match level_idc {
            // RFC 6184 §8.2.2: how level 1b is told depends on the profile.
            11 if signals_1b_by_flag && profile_iop & CONSTRAINT_SET_3 != 0 => Level::L1B,
            9 if !signals_1b_by_flag => Level::L1B,
            idc => Level::from_idc(idc)?,
        };
        Some(Self { profile, level })
    }

    /// From the parameters of an `a=fmtp` line; the default where the parameter is missing, `None` where it is wrong.
    pub fn from_fmtp(fmtp: &str) -> Option<Self> {
        fmtp_parameter(fmtp, "profile-level-id").map_or(Some(Self::DEFAULT), Self::parse)
    }

    /// The three bytes, in the form that browsers use.
    pub fn to_bytes(self) -> [u8; 3] {
        let (idc, mut iop) = match self.profile {
            Profile::ConstrainedBaseline => (0x42, 0xE0),
            Profile::Baseline => (0x42, 0x00),
            Profile::Main => (0x4D, 0x00),
            Profile::Extended => (0x58, 0x00),
            Profile::High => (0x64, 0x00),
            Profile::ConstrainedHigh => (0x64, 0x0C),
            Profile::High10 => (0x6E, 0x00),
            Profile::High422 => (0x7A, 0x00),
            Profile::High444Predictive => (0xF4, 0x00),
            Profile::High10Intra => (0x6E, 0x10),
            Profile::High422Intra => (0x7A, 0x10),
            Profile::High444Intra => (0xF4, 0x10),
            Profile::Cavlc444Intra => (0x2C, 0x10),
        };
        let mut level = self.level.idc();
        if self.level == Level::L1B {
            if matches!(idc, 0x42 | 0x4D | 0x58) {
                iop |= CONSTRAINT_SET_3;
            } else {
                level = 9;
            }
        }
        [idc, iop, level]
    }
}

impl fmt::Display for ProfileLevelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [idc, iop, level] = self.to_bytes();
        write!(f, "{idc:02x}{iop:02x}{level:02x}")
    }
}

/// What an offer and an answer agree on for one payload type (RFC 6184 §8.2.2), from the local and the remote
/// `a=fmtp` parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelNegotiation {
    /// The profile both have.
    pub profile: Profile,
    /// The highest level we may send.
    pub send: Level,
    /// The highest level we will receive.
    pub receive: Level,
}

impl LevelNegotiation {
    /// `None` where the two are different configurations: profile or `packetization-mode` differ, or a parameter is
    /// malformed. The level never makes a difference.
    pub fn negotiate(local_fmtp: &str, remote_fmtp: &str) -> Option<Self> {
        let mode = |fmtp| fmtp_parameter(fmtp, "packetization-mode").unwrap_or("0");
        let local = ProfileLevelId::from_fmtp(local_fmtp)?;
        let remote = ProfileLevelId::from_fmtp(remote_fmtp)?;
        if local.profile != remote.profile || mode(local_fmtp) != mode(remote_fmtp) {
            return None;
        }
        let asymmetry = |fmtp| {
            fmtp_parameter(fmtp, "level-asymmetry-allowed").is_some_and(|value| value == "1")
        };
        let (send, receive) = if asymmetry(local_fmtp) && asymmetry(remote_fmtp) {
            (receivable(remote_fmtp, remote)?, receivable(local_fmtp, local)?)
        } else {
            let common = local.level.min(remote.level);
            (common, common)
        };
        Some(Self { profile: local.profile, send, receive })
    }

    /// What to put into `profile-level-id` of an answer: never above the offered level where asymmetry is not allowed.
    pub fn answer_level(local_fmtp: &str, offered_fmtp: &str) -> Option<ProfileLevelId> {
        let agreed = Self::negotiate(local_fmtp, offered_fmtp)?;
        let default = ProfileLevelId::from_fmtp(local_fmtp)?;
        Some(ProfileLevelId { profile: agreed.profile, level: agreed.receive.min(default.level) })
    }
}

/// The highest level a description's author receives: `max-recv-level` (RFC 6184 §8.1) or the default level.
fn receivable(fmtp: &str, id: ProfileLevelId) -> Option<Level> {
    let Some(text) = fmtp_parameter(fmtp, "max-recv-level") else { return Some(id.level) };
    if text.len() != 4 {
        return None;
    }
    let value = u16::from_str_radix(text, 16).ok()?;
    let [iop, idc] = value.to_be_bytes();
    let level = match (idc, iop & CONSTRAINT_SET_3 != 0) {
        (11, true) | (9, false) => Level::L1B,
        _ => Level::from_idc(idc)?,
    };
    Some(level.max(id.level))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> (Profile, String) {
        let id = ProfileLevelId::parse(text).unwrap();
        (id.profile, id.level.to_string())
    }

    #[test]
    fn equal_profiles_are_recognised_in_each_spelling() {
        assert_eq!(id("42e01f"), (Profile::ConstrainedBaseline, "3.1".into()));
        assert_eq!(id("42C02A"), (Profile::ConstrainedBaseline, "4.2".into()));
        assert_eq!(id("4de01f").0, Profile::ConstrainedBaseline);
        assert_eq!(id("58f01f").0, Profile::ConstrainedBaseline);
        assert_eq!(id("42001f").0, Profile::Baseline);
        assert_eq!(id("58a01f").0, Profile::Baseline);
        assert_eq!(id("4d0032"), (Profile::Main, "5".into()));
        assert_eq!(id("64001f").0, Profile::High);
        assert_eq!(id("640c1f").0, Profile::ConstrainedHigh);
        assert_eq!(id("f4001f").0, Profile::High444Predictive);
        assert_eq!(id("42f00b"), (Profile::ConstrainedBaseline, "1b".into()));
        assert_eq!(id("42e00b"), (Profile::ConstrainedBaseline, "1.1".into()));
        assert_eq!(id("640009"), (Profile::High, "1b".into()));
        for wrong in ["", "42e0", "42e01g", "+2e01f", "42e01f0", "00001f", "42e000", "640f1f"] {
            assert_eq!(ProfileLevelId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn level_1b_stands_between_1_and_1_1() {
        assert!(Level::L1 < Level::L1B && Level::L1B < Level::L1_1);
        for text in ["42f00b", "640009", "42e01f", "640c34", "2c100a", "580015"] {
            assert_eq!(ProfileLevelId::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn levels_are_negotiated() {
        let negotiate = |a, b| LevelNegotiation::negotiate(a, b).map(|n| (n.send, n.receive));
        let level = |idc| Level::from_idc(idc).unwrap();
        // Symmetric: the lower of both.
        assert_eq!(
            negotiate("profile-level-id=42e01f", "profile-level-id=42e015"),
            Some((level(21), level(21)))
        );
        // Asymmetric: each its own.
        assert_eq!(
            negotiate(
                "profile-level-id=42e01f;level-asymmetry-allowed=1",
                "level-asymmetry-allowed=1;profile-level-id=42e034;max-recv-level=e033"
            ),
            Some((level(52), level(31)))
        );
        assert_eq!(
            negotiate(
                "profile-level-id=42e01f;level-asymmetry-allowed=1;max-recv-level=e033",
                "level-asymmetry-allowed=1;profile-level-id=42e015"
            ),
            Some((level(21), level(51)))
        );
        // Other profile, other mode, malformed: no common configuration.
        assert_eq!(negotiate("profile-level-id=42e01f", "profile-level-id=64001f"), None);
        assert_eq!(negotiate("packetization-mode=1", "packetization-mode=0"), None);
        assert_eq!(negotiate("profile-level-id=42e01f", "profile-level-id=x"), None);
        assert_eq!(negotiate("", "packetization-mode=0"), Some((Level::L1, Level::L1)));
        let answer =
            LevelNegotiation::answer_level("profile-level-id=42e01f", "profile-level-id=42e00d");
        assert_eq!(answer.unwrap().to_string(), "42e00d");
    }
}
