//! Neighbour lists against all images written out, and the laws they keep.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use std::collections::{HashMap, HashSet};

use ecteam_core::neighbors::{FullList, NeighborList, Pair, neighbor_list};
use ecteam_core::structure::norm;
use ecteam_core::{Error, Structure, Vec3};
use proptest::prelude::*;

mod common;
use common::{fcc, images_within, structures};

const TOLERANCE: f64 = 1e-9;

type Key = (u32, u32, [i32; 3]);

/// All directed pairs, with their distances.
fn oracle(structure: &Structure, cutoff: f64) -> HashMap<Key, Vec3> {
    let mut all = HashMap::new();
    for (i, position) in structure.positions().iter().enumerate() {
        for found in images_within(structure, position, cutoff) {
            if found.j as usize != i || found.shift != [0; 3] {
                all.insert((i as u32, found.j, found.shift), found.vector);
            }
        }
    }
    all
}

/// `keys` are, without repetition, those of `oracle`; pairs at the cutoff itself may differ.
fn assert_same(keys: &[Key], structure: &Structure, cutoff: f64) {
    let allowed = oracle(structure, cutoff + TOLERANCE);
    let found: HashSet<Key> = keys.iter().copied().collect();
    assert_eq!(found.len(), keys.len(), "repeated pairs");
    for key in &found {
        assert!(allowed.contains_key(key), "{key:?} is not a pair");
    }
    for (key, vector) in &allowed {
        assert!(norm(vector) >= cutoff - TOLERANCE || found.contains(key), "{key:?} is missing");
    }
}

fn keys(list: &FullList) -> Vec<Key> {
    (0..list.len()).map(|k| (list.i[k] as u32, list.j[k] as u32, list.shifts[k])).collect()
}

fn both_ways(pairs: &[Pair]) -> Vec<Key> {
    let back = |p: &Pair| (p.j, p.i, p.shift.map(|s| -s));
    pairs.iter().flat_map(|p| [(p.i, p.j, p.shift), back(p)]).collect()
}

fn assert_ordered(list: &NeighborList, atoms: usize) {
    let (pairs, starts) = (list.pairs(), list.starts());
    assert_eq!((starts.len(), starts[0], starts[atoms]), (atoms + 1, 0, pairs.len()));
    for i in 0..atoms {
        assert!(list.pairs_of(i).iter().all(|pair| pair.i as usize == i));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn full_list_is_all_images(structure in structures(12), cutoff in 0.3..9.0_f64) {
        let list = neighbor_list(&structure, cutoff).unwrap();
        assert_same(&keys(&list), &structure, cutoff);
        prop_assert!(list.i.is_sorted());
        let expected = oracle(&structure, cutoff + TOLERANCE);
        for (k, key) in keys(&list).iter().enumerate() {
            for d in 0..3 {
                prop_assert!((list.vectors[k][d] - expected[key][d]).abs() < TOLERANCE);
            }
            prop_assert_eq!(list.distances[k], norm(&list.vectors[k]));
            prop_assert!(list.distances[k] < cutoff);
        }
    }

    #[test]
    fn many_atoms_fill_the_bins(structure in structures(150), cutoff in 0.5..5.0_f64) {
        let list = neighbor_list(&structure, cutoff).unwrap();
        assert_same(&keys(&list), &structure, cutoff);
    }

    #[test]
    fn gaps_between_clusters_lose_nothing(structure in scattered(), cutoff in 0.2..4.0_f64) {
        let list = neighbor_list(&structure, cutoff).unwrap();
        assert_same(&keys(&list), &structure, cutoff);
    }

    #[test]
    fn half_list_is_each_pair_once(
        structure in structures(70), cutoff in 0.3..5.0_f64, skin in 0.0..1.0_f64,
    ) {
        let mut list = NeighborList::new(cutoff, skin).unwrap();
        prop_assert!(list.update(&structure).unwrap());
        assert_ordered(&list, structure.len());
        assert_same(&both_ways(list.pairs()), &structure, cutoff + skin);
    }

    #[test]
    fn opposite_vectors_are_exactly_opposite(structure in structures(8), cutoff in 1.0..7.0_f64) {
        let list = neighbor_list(&structure, cutoff).unwrap();
        let vectors: HashMap<Key, Vec3> = keys(&list).into_iter().zip(list.vectors).collect();
        for ((i, j, shift), vector) in &vectors {
            let back = vectors[&(*j, *i, shift.map(|s| -s))];
            prop_assert_eq!(back, vector.map(|x| -x));
        }
    }

    #[test]
    fn skin_covers_small_moves(
        structure in structures(20), cutoff in 1.0..4.0_f64, skin in 0.1..1.5_f64, seed in 0.0..9.0_f64,
    ) {
        let mut list = NeighborList::new(cutoff, skin).unwrap();
        list.update(&structure).unwrap();
        let moved = displaced(&structure, 0.499 * skin, seed);
        prop_assert!(!list.update(&moved).unwrap());
        let listed: HashSet<Key> = both_ways(list.pairs()).into_iter().collect();
        for key in oracle(&moved, cutoff).keys() {
            prop_assert!(listed.contains(key), "{:?} was lost", key);
        }
        let far = displaced(&structure, 0.501 * skin, seed);
        prop_assert_eq!(list.update(&far).unwrap(), !structure.is_empty());
        assert_same(&both_ways(list.pairs()), &far, cutoff + skin);
    }
}

/// Every atom moved by exactly `distance` (Å) in a direction of its own.
fn displaced(structure: &Structure, distance: f64, seed: f64) -> Structure {
    let positions = structure.positions().iter().enumerate().map(|(i, r)| {
        let (polar, azimuth) = (seed + 1.3 * i as f64, 2.9 * i as f64 - seed);
        let (sin, cos) = polar.sin_cos();
        let step = [sin * azimuth.cos(), sin * azimuth.sin(), cos];
        [0, 1, 2].map(|d| r[d] + distance * step[d])
    });
    with_positions(structure, positions.collect())
}

fn with_positions(structure: &Structure, positions: Vec<Vec3>) -> Structure {
    let numbers = structure.numbers().to_vec();
    Structure::new(positions, numbers, *structure.cell(), structure.pbc()).unwrap()
}

fn open(positions: Vec<Vec3>) -> Structure {
    let numbers = vec![8; positions.len()];
    Structure::new(positions, numbers, [[0.0; 3]; 3], [false; 3]).unwrap()
}

fn cubic(length: f64, positions: Vec<Vec3>) -> Structure {
    let numbers = vec![8; positions.len()];
    let cell = [[length, 0.0, 0.0], [0.0, length, 0.0], [0.0, 0.0, length]];
    Structure::new(positions, numbers, cell, [true; 3]).unwrap()
}

fn threads<T: Send>(count: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap().install(work)
}

#[test]
fn fcc_shells() {
    // 12 + 6 + 24 neighbours nearer than the fourth shell, for any size of the cell.
    for n in [1, 2, 3, 9] {
        let structure = fcc(n, 3.6);
        let list = neighbor_list(&structure, 1.32 * 3.6).unwrap();
        assert_eq!(list.len(), 42 * structure.len(), "{n}³ cells");
    }
}

#[test]
fn number_of_threads_changes_nothing() {
    let structure = fcc(10, 3.6);
    let full = || neighbor_list(&structure, 5.5).unwrap();
    assert_eq!(threads(1, full), threads(2, full));
    let half = || {
        let mut list = NeighborList::new(5.0, 0.5).unwrap();
        list.update(&structure).unwrap();
        (list.pairs().to_vec(), list.starts().to_vec())
    };
    let one = threads(1, half);
    assert_eq!(one, threads(2, half));
    assert_eq!(one, threads(3, half));
    assert_eq!(2 * one.0.len(), full().len());
}

#[test]
fn large_lists_match_the_oracle() {
    let structure = displaced(&fcc(9, 3.6), 0.3, 0.7);
    assert_same(&keys(&neighbor_list(&structure, 3.1).unwrap()), &structure, 3.1);
}

#[test]
fn no_atoms_and_one_atom() {
    let mut list = NeighborList::new(3.0, 0.5).unwrap();
    for structure in [open(vec![]), cubic(9.0, vec![])] {
        assert!(list.update(&structure).unwrap());
        assert_eq!((list.pairs().len(), list.starts()), (0, &[0][..]));
        assert!(neighbor_list(&structure, 3.0).unwrap().is_empty());
    }
    for structure in [open(vec![[1e5, 0.0, 0.0]]), cubic(9.0, vec![[40.0, -7.0, 0.0]])] {
        assert!(list.update(&structure).unwrap());
        assert_eq!((list.pairs().len(), list.starts()), (0, &[0, 0][..]));
        assert!(neighbor_list(&structure, 3.0).unwrap().is_empty());
    }
    assert_eq!(neighbor_list(&cubic(1.0, vec![[0.3; 3]]), 1.1).unwrap().len(), 6);
}

#[test]
fn distance_equal_to_cutoff_is_out_and_zero_is_in() {
    let structure = open(vec![[0.0; 3], [0.0; 3], [0.0, 2.0, 0.0]]);
    let list = neighbor_list(&structure, 2.0).unwrap();
    assert_eq!(keys(&list), [(0, 1, [0; 3]), (1, 0, [0; 3])]);
    assert_eq!(list.distances, [0.0, 0.0]);
}

#[test]
fn far_atoms_cost_little() {
    // A double loop would need minutes, a grid over all of the space all of the memory.
    let mut positions = fcc(37, 3.6).positions().to_vec();
    let near = open(positions.clone());
    let expected = neighbor_list(&near, 2.8).unwrap().len();
    positions.extend([[1e5, 2e5, -9e5], [-1e6, 1e6, 3e4], [-1e6, 1e6, 3e4 + 1.0]]);
    let start = std::time::Instant::now();
    let list = neighbor_list(&open(positions), 2.8).unwrap();
    assert_eq!(list.len(), expected + 2);
    assert!(start.elapsed().as_secs_f64() < 20.0);
}

/// Clusters far apart along every direction that is not periodic.
fn scattered() -> impl Strategy<Value = Structure> {
    let atom = (prop::array::uniform3(-2.0..2.0_f64), prop::array::uniform3(-4..4_i32));
    let step = prop_oneof![Just(3.0), Just(9.0), Just(2e3), Just(1e5)];
    let pbc = prop_oneof![3 => Just([false; 3]), 1 => prop::array::uniform3(any::<bool>())];
    (prop::collection::vec(atom, 60..90), step, pbc).prop_map(|(atoms, step, pbc)| {
        let place = |(r, site): ([f64; 3], [i32; 3])| {
            [0, 1, 2].map(|d| r[d] + step * f64::from(site[d].abs() / 2))
        };
        let cell = [[5.0, 0.0, 0.0], [1.0, 4.0, 0.0], [0.5, -2.0, 6.0]];
        let numbers = vec![1; atoms.len()];
        Structure::new(atoms.into_iter().map(place).collect(), numbers, cell, pbc).unwrap()
    })
}

#[test]
fn rebuilds_only_when_needed() {
    let mut list = NeighborList::new(3.0, 0.6).unwrap();
    let mut positions = fcc(3, 3.6).positions().to_vec();
    let update = |list: &mut NeighborList, positions: &Vec<Vec3>, length| {
        list.update(&cubic(length, positions.clone())).unwrap()
    };
    assert!(update(&mut list, &positions, 10.8));
    assert!(!update(&mut list, &positions, 10.8));
    positions[5][1] += 0.29;
    assert!(!update(&mut list, &positions, 10.8));
    positions[5][1] += 0.02;
    assert!(update(&mut list, &positions, 10.8));
    assert!(update(&mut list, &positions, 10.81), "the cell changed");
    assert!(list.update(&open(positions.clone())).unwrap(), "periodicity changed");
    positions.pop();
    assert!(list.update(&open(positions)).unwrap(), "an atom is gone");
}

#[test]
fn errors_leave_an_empty_list_that_recovers() {
    let mut list = NeighborList::new(300.0, 0.0).unwrap();
    let crowded = cubic(0.5, vec![[0.0; 3]; 8]);
    let error = list.update(&crowded).unwrap_err();
    assert!(error.to_string().contains("pairs"), "{error}");
    assert!(list.pairs().is_empty());
    assert!(list.update(&open(vec![[0.0; 3], [1.0; 3]])).unwrap());
    assert_eq!(list.pairs(), [Pair { i: 0, j: 1, shift: [0; 3] }]);
}

#[test]
fn bad_cutoffs_are_named() {
    let argument = |error| match error {
        Error::InvalidInput { argument, .. } => argument,
        other => panic!("{other}"),
    };
    let structure = open(vec![]);
    for cutoff in [0.0, -1.0, f64::NAN, f64::INFINITY, 1000.1] {
        assert_eq!(argument(neighbor_list(&structure, cutoff).unwrap_err()), "cutoff");
        assert_eq!(argument(NeighborList::new(cutoff, 0.0).unwrap_err()), "cutoff");
    }
    for skin in [-0.1, f64::NAN, f64::INFINITY, 999.0] {
        assert_eq!(argument(NeighborList::new(3.0, skin).unwrap_err()), "skin");
    }
}

#[test]
fn tiny_cells_are_refused_not_attempted() {
    let cell = [[1e-3, 0.0, 0.0], [0.0, 1e-3, 0.0], [0.0, 0.0, 1e-3]];
    for pbc in [[true; 3], [true, true, false]] {
        let structure = Structure::new(vec![[0.0; 3]], vec![1], cell, pbc).unwrap();
        assert!(neighbor_list(&structure, 1000.0).is_err());
    }
}

#[test]
fn vector_of_a_pair_follows_the_convention() {
    let structure = cubic(10.0, vec![[0.5, 0.0, 0.0], [29.5, 0.0, 0.0]]);
    let mut list = NeighborList::new(2.0, 0.0).unwrap();
    list.update(&structure).unwrap();
    let pair = list.pairs()[0];
    let vector = pair.vector(structure.positions(), structure.cell());
    let sign = if pair.i == 0 { -1.0 } else { 1.0 };
    assert_eq!((list.pairs().len(), vector), (1, [sign, 0.0, 0.0]));
}
