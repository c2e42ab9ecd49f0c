//! Tests of the dependency descriptor: the structures of AV1 RTP App. A.10's examples, there and back.

use proptest::prelude::*;
use smallvec::SmallVec;

use super::*;

fn frame(s: u8, t: u8, dtis: &str, frame_diffs: &[u16], chain_diffs: &[u8]) -> FrameDependencies {
    let dti = |c| match c {
        '-' => DecodeTargetIndication::NotPresent,
        'D' => DecodeTargetIndication::Discardable,
        'S' => DecodeTargetIndication::Switch,
        _ => DecodeTargetIndication::Required,
    };
    FrameDependencies {
        spatial_id: s,
        temporal_id: t,
        decode_target_indications: dtis.chars().map(dti).collect(),
        frame_diffs: SmallVec::from_slice(frame_diffs),
        chain_diffs: SmallVec::from_slice(chain_diffs),
    }
}

/// One spatial layer with three temporal ones (AV1 RTP App. A.10.1, L1T3).
fn l1t3() -> DependencyStructure {
    DependencyStructure {
        template_id_offset: 60,
        decode_targets: 3,
        chains: 1,
        protected_by: SmallVec::from_slice(&[0, 0, 0]),
        templates: vec![
            frame(0, 0, "SSS", &[], &[0]),
            frame(0, 0, "SSS", &[4], &[4]),
            frame(0, 1, "SD-", &[2], &[2]),
            frame(0, 2, "D--", &[1], &[1]),
            frame(0, 2, "D--", &[1], &[3]),
        ],
        resolutions: SmallVec::from_slice(&[RenderResolution { width: 65_536, height: 1 }]),
    }
}

fn key_frame() -> DependencyDescriptor {
    let structure = l1t3();
    DependencyDescriptor {
        start_of_frame: true,
        end_of_frame: false,
        frame_number: 0xFFFE,
        active_decode_targets: None,
        dependencies: structure.templates[0].clone(),
        resolution: Some(structure.resolutions[0]),
        structure: Some(Box::new(structure)),
    }
}

#[test]
fn a_structure_comes_with_a_key_frame_and_serves_later_frames() {
    let mut bytes = Vec::new();
    key_frame().write(None, &mut bytes).unwrap();
    let key = DependencyDescriptor::parse(&bytes, None).unwrap();
    assert_eq!(key, key_frame());
    let structure = key.structure.unwrap();
    assert_eq!(structure.decode_target_layers(0), (0, 2));
    assert_eq!(structure.decode_target_layers(2), (0, 0));
    assert_eq!(structure.all_decode_targets(), 7);

    // A frame of a template has three bytes; the identifiers wrap at 64: the last template has 60 + 4 - 64 = 0.
    let delta = DependencyDescriptor {
        start_of_frame: true,
        end_of_frame: true,
        frame_number: 1,
        structure: None,
        active_decode_targets: None,
        dependencies: structure.templates[4].clone(),
        resolution: Some(structure.resolutions[0]),
    };
    let mut bytes = Vec::new();
    delta.write(Some(&structure), &mut bytes).unwrap();
    assert_eq!(bytes, [0xC0, 0, 1]);
    assert_eq!(DependencyDescriptor::parse(&bytes, Some(&structure)), Ok(delta.clone()));
    assert_eq!(DependencyDescriptor::parse(&bytes, None), Err(Error::NoDependencyStructure));
    assert_eq!(MandatoryFields::parse(&bytes).unwrap().frame_number, 1);

    let mut own = delta;
    own.active_decode_targets = Some(0b101);
    own.dependencies = frame(0, 1, "R-S", &[1, 17, 4_096], &[255]);
    let mut bytes = Vec::new();
    own.write(Some(&structure), &mut bytes).unwrap();
    assert_eq!(DependencyDescriptor::parse(&bytes, Some(&structure)), Ok(own));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let mut key = key_frame();
    key.dependencies.spatial_id = 1;
    assert!(key.write(None, &mut Vec::new()).is_err(), "no template has the layer");
    let mut key = key_frame();
    key.structure.as_mut().unwrap().templates.swap(0, 4);
    assert!(key.write(None, &mut Vec::new()).is_err(), "out of order");
    let mut key = key_frame();
    key.dependencies.chain_diffs.clear();
    assert!(key.write(None, &mut Vec::new()).is_err(), "a chain is missing");
}

#[test]
fn a_template_outside_the_structure_is_refused() {
    let structure = l1t3();
    assert!(DependencyDescriptor::parse(&[0xC0 | 5, 0, 1], Some(&structure)).is_err());
    assert!(DependencyDescriptor::parse(&[0xC0 | 59, 0, 1], Some(&structure)).is_err());
}

fn templates() -> impl Strategy<Value = DependencyStructure> {
    (1_u8..=32, 0_u8..64).prop_flat_map(|(targets, offset)| {
        let dtis = prop::collection::vec(0_u8..4, usize::from(targets));
        let template = move |chains: u8| {
            (
                dtis.clone(),
                prop::collection::vec(1_u16..=16, 0..6),
                prop::collection::vec(0_u8..16, usize::from(chains)),
                0_u8..3,
            )
        };
        (0..=targets).prop_flat_map(move |chains| {
            let protected = if chains == 0 { 0 } else { usize::from(targets) };
            (
                prop::collection::vec(template(chains), 1..20),
                prop::collection::vec(0..chains.max(1), protected),
                any::<bool>(),
            )
                .prop_map(move |(list, protected_by, sized)| {
                    let (mut s, mut t) = (0, 0);
                    let mut templates = Vec::new();
                    for (index, (dtis, diffs, chain_diffs, step)) in list.into_iter().enumerate() {
                        if index > 0 && step == 1 && t < 7 {
                            t += 1;
                        } else if index > 0 && step == 2 && s < 3 {
                            (s, t) = (s + 1, 0);
                        }
                        let text: String =
                            dtis.iter().map(|d| ['-', 'D', 'S', 'R'][usize::from(*d)]).collect();
                        templates.push(frame(s, t, &text, &diffs, &chain_diffs));
                    }
                    let resolution = RenderResolution { width: 640, height: 480 };
                    DependencyStructure {
                        template_id_offset: offset,
                        decode_targets: targets,
                        chains,
                        protected_by: protected_by.into_iter().collect(),
                        templates,
                        resolutions: if sized {
                            SmallVec::from_elem(resolution, usize::from(s) + 1)
                        } else {
                            SmallVec::new()
                        },
                    }
                })
        })
    })
}

proptest! {
    #[test]
    fn structures_round_trip(structure in templates(), pick in any::<usize>(), active in any::<u32>()) {
        let dependencies = structure.templates[pick % structure.templates.len()].clone();
        let resolution = structure.resolutions.get(usize::from(dependencies.spatial_id)).copied();
        let descriptor = DependencyDescriptor {
            start_of_frame: false,
            end_of_frame: true,
            frame_number: active as u16,
            active_decode_targets: Some(active & structure.all_decode_targets()),
            dependencies,
            resolution,
            structure: Some(Box::new(structure)),
        };
        let mut bytes = Vec::new();
        descriptor.write(None, &mut bytes).unwrap();
        prop_assert_eq!(DependencyDescriptor::parse(&bytes, None), Ok(descriptor));
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let structure = l1t3();
        let _ = DependencyDescriptor::parse(&bytes, None);
        let _ = DependencyDescriptor::parse(&bytes, Some(&structure));
    }
}
