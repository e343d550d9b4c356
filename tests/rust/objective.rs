//! The energy as a function of the weights: gradient, Hessian products and blocks.
#![allow(clippy::unwrap_used)]

mod toy;

use ecteam_core::coulomb::{Coulomb, Options};
use ecteam_core::energy::{Energy, Geometry, Workspace};
use ecteam_core::ensemble::Objective;
use ecteam_core::neighbors::NeighborList;
use ecteam_core::pairs::{ChargeKernel, Pairs};
use ecteam_core::{Model, Structure};

/// Everything a `Geometry` borrows.
struct Fixture {
    model: std::sync::Arc<Model>,
    pairs: Pairs,
    kernel: Option<ChargeKernel>,
    coulomb: Coulomb,
    elements: Vec<u8>,
    offsets: Vec<usize>,
}

impl Fixture {
    fn new(structure: &Structure) -> Self {
        let model = toy::model();
        let cutoff = model.cutoff().radius;
        let mut coulomb = Coulomb::new(Options::default(), structure.pbc(), cutoff).unwrap();
        coulomb.prepare(structure).unwrap();
        let kernel = ChargeKernel::new(&coulomb.kernel(), &model);
        let mut list = NeighborList::new(cutoff, 0.0).unwrap();
        list.update(structure).unwrap();
        let elements: Vec<u8> =
            structure.numbers().iter().map(|&z| model.element_index(z).unwrap()).collect();
        let mut offsets = vec![0];
        for &e in &elements {
            offsets
                .push(offsets[offsets.len() - 1] + model.elements()[usize::from(e)].states.len());
        }
        let mut pairs = Pairs::default();
        pairs.fill(&model, kernel.as_ref(), structure, &elements, list.pairs()).unwrap();
        Self { model, pairs, kernel, coulomb, elements, offsets }
    }

    fn geometry(&self) -> Geometry<'_> {
        Geometry {
            model: &self.model,
            pairs: &self.pairs,
            kernel: self.kernel.as_ref(),
            coulomb: Some(&self.coulomb),
            elements: &self.elements,
            offsets: &self.offsets,
        }
    }
}

fn weights(n: usize) -> Vec<f64> {
    (0..n).map(|k| 0.2 + 0.3 * (1.0 + (k as f64 * 1.7).sin())).collect()
}

fn check(structure: &Structure) {
    let fixture = Fixture::new(structure);
    let n = fixture.offsets[fixture.offsets.len() - 1];
    let mut work = Workspace::default();
    let mut energy = Energy::new(fixture.geometry(), &mut work);
    let w = weights(n);
    let (mut gradient, mut scratch) = (vec![0.0; n], vec![0.0; n]);
    energy.value_gradient(&w, &mut gradient);
    let mut blocks = vec![0.0; fixture.offsets.windows(2).map(|o| (o[1] - o[0]).pow(2)).sum()];
    energy.blocks(&mut blocks);
    let h = 1e-5;
    for a in (0..n).step_by(1 + n / 12) {
        let mut unit = vec![0.0; n];
        unit[a] = 1.0;
        energy.value_gradient(&w, &mut scratch);
        let mut product = vec![0.0; n];
        energy.product(&unit, &mut product);
        let mut at = |h: f64| {
            let mut x = w.clone();
            x[a] += h;
            let mut g = vec![0.0; n];
            (energy.value_gradient(&x, &mut g), g)
        };
        let ((ep, gp), (em, gm)) = (at(h), at(-h));
        let slope = (ep - em) / (2.0 * h);
        assert!(
            (slope - gradient[a]).abs() < 1e-6 * (1.0 + slope.abs()),
            "{} atoms, {a}: {slope} {}",
            structure.len(),
            gradient[a]
        );
        for b in 0..n {
            let second = (gp[b] - gm[b]) / (2.0 * h);
            assert!(
                (second - product[b]).abs() < 1e-6 * (1.0 + second.abs()),
                "{a} {b}: {second} {}",
                product[b]
            );
        }
    }
}

#[test]
fn gradient_and_products_match_differences() {
    check(&toy::cluster(3, 0.3, 1));
    check(&toy::liquid(8, 0.3, 1));
    check(&toy::liquid(1, 0.1, 1));
}

/// Products on the tangent space are the general ones, up to a constant for every atom.
#[test]
fn tangent_products_are_products() {
    for structure in [toy::cluster(3, 0.3, 1), toy::liquid(8, 0.3, 1), toy::liquid(1, 0.1, 1)] {
        let fixture = Fixture::new(&structure);
        let n = fixture.offsets[fixture.offsets.len() - 1];
        let mut work = Workspace::default();
        let mut energy = Energy::new(fixture.geometry(), &mut work);
        for phase in [0.0, 1.0] {
            let w: Vec<f64> = (0..n).map(|k| 0.5 + 0.4 * (k as f64 * 1.7 + phase).sin()).collect();
            energy.value_gradient(&w, &mut vec![0.0; n]);
            let mut direction: Vec<f64> = (0..n).map(|k| (k as f64 * 2.3 + phase).cos()).collect();
            let (mut product, mut tangent) = (vec![0.0; n], vec![0.0; n]);
            for o in fixture.offsets.windows(2) {
                let group = &mut direction[o[0]..o[1]];
                let mean = group.iter().sum::<f64>() / group.len() as f64;
                for x in group {
                    *x -= mean;
                }
            }
            energy.product(&direction, &mut product);
            energy.tangent_product(&direction, false, &mut tangent);
            for o in fixture.offsets.windows(2) {
                let shift = product[o[0]] - tangent[o[0]];
                for a in o[0]..o[1] {
                    let error = product[a] - tangent[a] - shift;
                    assert!(error.abs() < 1e-10 * (1.0 + product[a].abs()), "{a}: {error}");
                }
            }
        }
    }
}
