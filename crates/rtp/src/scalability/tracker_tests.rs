//! The descriptors of whole streams: templates as the examples of AV1 RTP App. A.6 have them, and frames that fit them.

use super::*;

fn mode(name: &str) -> ScalabilityMode {
    ScalabilityMode::parse(name).unwrap()
}

/// Every mode whose pattern is known.
pub(crate) fn all_modes() -> impl Iterator<Item = String> {
    let layers = (1..=3).flat_map(|s| (1..=3).map(move |t| (s, t)));
    layers.flat_map(|(s, t)| [format!("L{s}T{t}"), format!("L{s}T{t}_KEY"), format!("S{s}T{t}")])
}

/// Layers, indications from the highest target down, frames and chains.
type Row = (u8, u8, &'static str, &'static [u16], &'static [u8]);

fn row(template: &FrameDependencies) -> (u8, u8, String, Vec<u16>, Vec<u8>) {
    let letter = |dti: &DecodeTargetIndication| match dti {
        DecodeTargetIndication::NotPresent => '-',
        DecodeTargetIndication::Discardable => 'D',
        DecodeTargetIndication::Switch => 'S',
        DecodeTargetIndication::Required => 'R',
    };
    let indications = template.decode_target_indications.iter().rev().map(letter).collect();
    let (frames, chains) = (template.frame_diffs.to_vec(), template.chain_diffs.to_vec());
    (template.spatial_id, template.temporal_id, indications, frames, chains)
}

#[test]
fn templates_are_those_of_the_specification() {
    // App. A.6.1 and A.6.3, where targets are listed from the highest down.
    let l1t3: [Row; 5] = [
        (0, 0, "SSS", &[], &[0]),
        (0, 0, "SSS", &[4], &[4]),
        (0, 1, "SD-", &[2], &[2]),
        (0, 2, "D--", &[1], &[1]),
        (0, 2, "D--", &[1], &[3]),
    ];
    let l3t3: [Row; 15] = [
        (0, 0, "SSSSSSSSS", &[], &[0, 0, 0]),
        (0, 0, "RRRRRRSSS", &[12], &[12, 11, 10]),
        (0, 1, "RR-RR-SD-", &[6], &[6, 5, 4]),
        (0, 2, "R--R--D--", &[3], &[3, 2, 1]),
        (0, 2, "R--R--D--", &[3], &[9, 8, 7]),
        (1, 0, "SSSSSS---", &[1], &[1, 1, 1]),
        (1, 0, "RRRSSS---", &[12, 1], &[1, 1, 1]),
        (1, 1, "RR-SD----", &[6, 1], &[7, 6, 5]),
        (1, 2, "R--D-----", &[3, 1], &[4, 3, 2]),
        (1, 2, "R--D-----", &[3, 1], &[10, 9, 8]),
        (2, 0, "SSS------", &[1], &[2, 1, 1]),
        (2, 0, "SSS------", &[12, 1], &[2, 1, 1]),
        (2, 1, "SD-------", &[6, 1], &[8, 7, 6]),
        (2, 2, "D--------", &[3, 1], &[5, 4, 3]),
        (2, 2, "D--------", &[3, 1], &[11, 10, 9]),
    ];
    for (name, expected) in [("L1T3", &l1t3[..]), ("L3T3", &l3t3[..])] {
        let structure = structure(mode(name), 0);
        let rows: Vec<_> = structure.templates.iter().map(row).collect();
        let expected: Vec<_> = (expected.iter())
            .map(|(s, t, dtis, fdiffs, chains)| {
                (*s, *t, (*dtis).to_owned(), fdiffs.to_vec(), chains.to_vec())
            })
            .collect();
        assert_eq!(rows, expected, "{name}");
    }
    // App. A.6.4, without the shift: upper layers stand alone after the key picture.
    let key = structure(mode("L2T1_KEY"), 0);
    let rows: Vec<_> = key.templates.iter().map(row).collect();
    let expected = [
        (0, 0, "SS".to_owned(), vec![], vec![0, 0]),
        (0, 0, "-S".to_owned(), vec![2], vec![2, 1]),
        (1, 0, "S-".to_owned(), vec![1], vec![1, 1]),
        (1, 0, "S-".to_owned(), vec![2], vec![1, 2]),
    ];
    assert_eq!(rows, expected);
}

fn info(spatial: u8, temporal: u8, end_of_picture: bool) -> FrameInfo {
    FrameInfo {
        spatial_layer: Some(spatial),
        temporal_layer: Some(temporal),
        end_of_picture,
        ..FrameInfo::default()
    }
}

#[test]
fn frames_that_keep_to_the_pattern_take_three_bytes() {
    for name in all_modes() {
        let mode = mode(&name);
        let mut tracker = DependencyTracker::new(mode, 65_530);
        let pattern: &[u8] = [&[0][..], &[0, 1], &[0, 2, 1, 2]][usize::from(mode.temporal) - 1];
        assert_eq!(tracker.frame(false, &info(0, 0, true)), None, "nothing before a keyframe");
        let mut latest = None;
        for picture in 0..40 {
            let temporal = pattern[picture % pattern.len()];
            for spatial in 0..mode.spatial {
                let last = spatial + 1 == mode.spatial;
                let is_key = picture % 20 == 0 && spatial == 0;
                let descriptor = tracker.frame(is_key, &info(spatial, temporal, last)).unwrap();
                assert_eq!(descriptor.structure.is_some(), is_key, "{name}");
                assert_eq!(descriptor.active_decode_targets, None, "{name}");
                let mut bytes = Vec::new();
                descriptor.write(Some(tracker.structure()), &mut bytes).unwrap();
                assert!(is_key || bytes.len() == 3, "{name}: {descriptor:?}");
                let read = DependencyDescriptor::parse(&bytes, latest.as_ref()).unwrap();
                assert_eq!(read, descriptor, "{name}");
                latest = read.structure.map(|structure| *structure).or(latest);
            }
        }
        assert_eq!(tracker.frame(false, &info(mode.spatial, 0, true)), None);
        assert_eq!(tracker.frame(false, &info(0, mode.temporal, true)), None);
    }
}

#[test]
fn what_the_encoder_says_of_its_references_counts() {
    let mut tracker = DependencyTracker::new(mode("L2T1"), 0);
    for picture in 0..3 {
        tracker.frame(picture == 0, &info(0, 0, false)).unwrap();
        tracker.frame(false, &info(1, 0, true)).unwrap();
    }
    let mut far = info(0, 0, false);
    far.reference_distances.extend([1, 3]);
    let descriptor = tracker.frame(false, &far).unwrap();
    assert_eq!(descriptor.dependencies.frame_diffs[..], [2, 6]);
    let mut upper = info(1, 0, true);
    upper.reference_distances.extend([2]);
    let descriptor = tracker.frame(false, &upper).unwrap();
    assert_eq!(descriptor.dependencies.frame_diffs[..], [4, 1]);
    let mut nonsense = info(0, 0, true);
    nonsense.reference_distances.extend([0, 100, 255]);
    assert!(tracker.frame(false, &nonsense).unwrap().dependencies.frame_diffs.is_empty());
}

#[test]
fn layers_that_are_not_sent_any_more_are_told_of() {
    let mut tracker = DependencyTracker::new(mode("L2T2"), 0);
    let mut masks = Vec::new();
    for picture in 0..12_u8 {
        let has_upper = !(4..8).contains(&picture);
        let temporal = picture % 2;
        let lower = info(0, temporal, !has_upper);
        masks.push(tracker.frame(picture == 0, &lower).unwrap().active_decode_targets);
        if has_upper {
            let upper = tracker.frame(false, &info(1, temporal, true)).unwrap();
            // It goes on from its own last frame, and is told of when it is there again.
            assert_eq!(upper.active_decode_targets.is_some(), picture == 8, "{picture}");
        }
    }
    let expected: Vec<_> = (0..12).map(|picture| (picture == 6).then_some(0b0011)).collect();
    assert_eq!(masks, expected);
}

#[test]
fn another_mode_has_other_templates() {
    let mut tracker = DependencyTracker::new(mode("L1T3"), 7);
    tracker.frame(true, &info(0, 0, true)).unwrap();
    tracker.set_mode(mode("L3T3"));
    assert_eq!(tracker.structure().template_id_offset, 5);
    assert_eq!(tracker.frame(false, &info(0, 0, true)), None, "it begins with a keyframe");
    let key = tracker.frame(true, &info(0, 0, true)).unwrap();
    assert_eq!((key.frame_number, key.structure.unwrap().decode_targets), (8, 9));
    tracker.set_mode(mode("L3T3"));
    assert!(tracker.frame(false, &info(2, 2, true)).is_some());
}

#[test]
fn a_single_layer_has_its_size() {
    let mut tracker = DependencyTracker::new(mode("L1T1"), 7);
    let sized = FrameInfo { dimensions: Some((640, 360)), ..info(0, 0, true) };
    let key = tracker.frame(true, &sized).unwrap();
    assert_eq!(key.resolution, Some(RenderResolution { width: 640, height: 360 }));
}
