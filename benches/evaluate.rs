//! One evaluation of 64 waters and of 512 ions of rock salt, and the load of a potential.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use ecteam_core::ensemble::Charge;
use ecteam_core::evaluator::{Evaluator, Options};
use ecteam_core::{Model, PotentialFile, Structure, Vec3};

fn text(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python/ecteam/data/potentials");
    std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap()
}

fn model(name: &str) -> Arc<Model> {
    Arc::new(Model::new(PotentialFile::from_json(&text(name)).unwrap()).unwrap())
}

/// A reproducible number in −0.5 … 0.5.
fn noise(k: usize) -> f64 {
    (12.9898 * k as f64).sin() * 43758.5453 % 1.0 * 0.5
}

/// 64 molecules on a 4×4×4 grid at 1 g/cm³ (12.42 Å), alternately rotated.
fn waters() -> Structure {
    let (mut positions, mut numbers): (Vec<Vec3>, Vec<u8>) = (Vec::new(), Vec::new());
    for k in 0..64 {
        let origin = [k % 4, k / 4 % 4, k / 16].map(|x| 3.105 * f64::from(x));
        let angle = 2.4 * f64::from(k);
        for (z, x, y) in [(8, 0.0, 0.0), (1, 0.757, 0.586), (1, -0.757, 0.586)] {
            let r = [x * angle.cos(), x * angle.sin(), if k % 2 == 0 { y } else { -y }];
            positions.push([0, 1, 2].map(|d| origin[d] + r[d]));
            numbers.push(z);
        }
    }
    let side = 12.42;
    let cell = [[side, 0.0, 0.0], [0.0, side, 0.0], [0.0, 0.0, side]];
    Structure::new(positions, numbers, cell, [true; 3]).unwrap()
}

/// Rock salt, 4×4×4 conventional cells.
fn salt() -> Structure {
    let half = 2.82;
    let (mut positions, mut numbers): (Vec<Vec3>, Vec<u8>) = (Vec::new(), Vec::new());
    for k in 0..512 {
        let n = [k % 8, k / 8 % 8, k / 64];
        positions.push(n.map(|x| half * f64::from(x)));
        numbers.push(if (n[0] + n[1] + n[2]) % 2 == 0 { 11 } else { 17 });
    }
    let side = 8.0 * half;
    let cell = [[side, 0.0, 0.0], [0.0, side, 0.0], [0.0, 0.0, side]];
    Structure::new(positions, numbers, cell, [true; 3]).unwrap()
}

/// The structure on a smooth path: 0.002 Å a step, there and back.
fn moved(s: &Structure, step: usize) -> Structure {
    let shift = |k: usize, d: usize| 0.1 * (0.02 * step as f64).sin() * noise(3 * k + d);
    let positions = s.positions().iter().enumerate();
    let positions = positions.map(|(k, r)| [0, 1, 2].map(|d| r[d] + shift(k, d))).collect();
    Structure::new(positions, s.numbers().to_vec(), *s.cell(), s.pbc()).unwrap()
}

fn evaluate(c: &mut Criterion) {
    for (name, label, structure) in
        [("water-unpolarised", "64 waters", waters()), ("halides", "512 ions of NaCl", salt())]
    {
        let mut evaluator = Evaluator::new(model(name), Options::default()).unwrap();
        c.bench_function(&format!("{label}, cold"), |b| {
            b.iter(|| {
                black_box(evaluator.evaluate(&structure, &Charge::Total(0.0), false).unwrap())
            });
        });
        let mut step = 0;
        c.bench_function(&format!("{label}, next step"), |b| {
            b.iter(|| {
                step += 1;
                black_box(
                    evaluator
                        .evaluate(&moved(&structure, step), &Charge::Total(0.0), true)
                        .unwrap(),
                )
            });
        });
        c.bench_function(&format!("load {name}"), |b| b.iter(|| black_box(model(name))));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = evaluate
}
criterion_main!(benches);
