//! Neighbour lists: fcc copper and small molecules, beside a plain double loop over images.
//!
//! Set `RAYON_NUM_THREADS` for the number of threads.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ecteam_core::neighbors::{NeighborList, neighbor_list};
use ecteam_core::{Structure, Vec3};

const CUTOFF: f64 = 5.5;
const LATTICE: f64 = 3.615;

/// fcc copper of n³ cubic cells; atoms in the order in which the cells are written.
fn copper(n: usize) -> Structure {
    let sites = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];
    let corners = (0..n * n * n).map(|k| [k / (n * n), k / n % n, k % n]);
    let positions: Vec<Vec3> = corners
        .flat_map(|corner| {
            sites.map(|site| [0, 1, 2].map(|d| (corner[d] as f64 + site[d]) * LATTICE))
        })
        .collect();
    let length = n as f64 * LATTICE;
    let cell = [[length, 0.0, 0.0], [0.0, length, 0.0], [0.0, 0.0, length]];
    let numbers = vec![29; positions.len()];
    Structure::new(positions, numbers, cell, [true; 3]).unwrap()
}

/// Water molecules 3 Å apart, not periodic.
fn water(molecules: usize) -> Structure {
    let molecule = [[0.0, 0.0, 0.12], [0.0, 0.76, -0.47], [0.0, -0.76, -0.47]];
    let positions: Vec<Vec3> = (0..molecules)
        .flat_map(|m| {
            molecule.map(|r| [r[0] + 3.0 * (m % 3) as f64, r[1] + 3.0 * (m / 3) as f64, r[2]])
        })
        .collect();
    let numbers = [8, 1, 1].repeat(molecules);
    Structure::new(positions, numbers, [[0.0; 3]; 3], [false; 3]).unwrap()
}

/// Nearest images of an orthorhombic cell: the obvious way.
fn brute_force(structure: &Structure) -> usize {
    let lengths = [0, 1, 2].map(|d| structure.cell()[d][d]);
    let mut count = 0;
    for a in structure.positions() {
        for b in structure.positions() {
            let r: Vec3 = [0, 1, 2].map(|d| {
                let x = b[d] - a[d];
                x - lengths[d] * (x / lengths[d]).round()
            });
            let distance2 = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
            count += usize::from(distance2 < CUTOFF * CUTOFF);
        }
    }
    count - structure.len()
}

fn crystals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fcc Cu");
    group.sample_size(10).warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    for n in [10, 20] {
        let structure = copper(n);
        let atoms = structure.len();
        let pairs = neighbor_list(&structure, CUTOFF).unwrap().len() as u64;
        group.throughput(Throughput::Elements(pairs));
        group.bench_function(BenchmarkId::new("full", atoms), |b| {
            b.iter(|| neighbor_list(black_box(&structure), CUTOFF).unwrap());
        });
        // Two rebuilds of pairs / 2 each per iteration.
        group.throughput(Throughput::Elements(pairs));
        let moved = displaced(&structure);
        let mut list = NeighborList::new(CUTOFF, 0.0).unwrap();
        group.bench_function(BenchmarkId::new("half, rebuilt twice", atoms), |b| {
            b.iter(|| list.update(&structure).unwrap() && list.update(&moved).unwrap());
        });
        if n == 10 {
            group.throughput(Throughput::Elements(pairs));
            group.bench_function(BenchmarkId::new("double loop, no list", atoms), |b| {
                b.iter(|| brute_force(black_box(&structure)));
            });
        }
    }
}

/// The first atom moved, so that a list without skin is rebuilt; two rebuilds per iteration.
fn displaced(structure: &Structure) -> Structure {
    let mut positions = structure.positions().to_vec();
    positions[0][0] += 1e-3;
    Structure::new(positions, structure.numbers().to_vec(), *structure.cell(), structure.pbc())
        .unwrap()
}

fn molecules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("water");
    group.sample_size(20).warm_up_time(Duration::from_millis(200));
    group.measurement_time(Duration::from_millis(500));
    for count in [1, 6] {
        let structure = water(count);
        group.bench_function(BenchmarkId::new("full", 3 * count), |b| {
            b.iter(|| neighbor_list(black_box(&structure), CUTOFF).unwrap());
        });
        let moved = displaced(&structure);
        let mut list = NeighborList::new(CUTOFF, 0.0).unwrap();
        group.bench_function(BenchmarkId::new("half, rebuilt twice", 3 * count), |b| {
            b.iter(|| list.update(&structure).unwrap() && list.update(&moved).unwrap());
        });
    }
    let structure = copper(1);
    group.bench_function("full, 4 Cu in a cell smaller than the cutoff", |b| {
        b.iter(|| neighbor_list(black_box(&structure), 6.0).unwrap());
    });
}

criterion_group!(benches, crystals, molecules);
criterion_main!(benches);
