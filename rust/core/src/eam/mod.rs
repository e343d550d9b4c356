//! Potentials with one neutral state per element (classical EAM): no weights to seek.
//!
//! Each step takes: positions into the order of the cells, [`passes::DensityPass`], embedding
//! energies, [`passes::ForcePass`], results back into the user's order. Tasks share the atoms out
//! as [`domain::Domain`]s; what a task adds to atoms of others is summed in a fixed order, so the
//! result depends on the number of threads only by rounding, and is the same in every run.

// Only what is inlined into a dispatched function is compiled for the vector instructions at hand.
#![allow(clippy::inline_always)]

mod domain;
mod flat;
mod gather;
mod passes;
mod table;

use pulp::Arch;
use rayon::prelude::*;

use crate::ensemble::Outcome;
use crate::error::Result;
use crate::evaluator::{Evaluation, Timings, Watch};
use crate::model::Model;
use crate::neighbors::{Grid, Hits, Pair, Reference, check, check_expected_pairs};
use crate::pairs::too_close;
use crate::structure::{Mat3, Structure, Vec3, norm, times};

pub use flat::{OneStateTables, PairNumbers};

use domain::Domain;
use gather::{add_quad, add_up};
use passes::{DensityPass, ForcePass, Quad, Tables, Work};
use table::PairTable;

/// Fewer atoms than this are not worth another task.
const GRAIN: usize = 500;

/// Evaluates a model that [`suits`]; buffers and neighbour lists are kept between calls.
#[derive(Debug, Default)]
pub(crate) struct OneState {
    skin: f64,
    pairs: Vec<Option<PairTable>>,
    reference: Reference,
    grid: Grid,
    hits: Hits,
    /// Sorted index of each atom in the user's order.
    sorted: Vec<u32>,
    domains: Vec<Domain>,
    works: Vec<Work>,
    sites: Vec<Sites>,
}

/// Force, energy and density of an atom.
type Row<'a> = ((&'a mut Vec3, &'a mut f64), &'a mut f64);

/// Sums over all domains for the own atoms of one.
#[derive(Debug, Default)]
struct Sites {
    density: Vec<f64>,
    /// Energy without the pairs, eV, and its derivative in the density.
    energy: Vec<f64>,
    slope: Vec<f64>,
    forces: Vec<Quad>,
}

/// True if every element has one neutral state and atoms interact by pair tables alone.
pub fn suits(model: &Model) -> bool {
    one_neutral_state(model) && model.has_pairs() && model.terms().is_none()
}

/// True if every element has one neutral state: there are no weights to be found.
pub fn one_neutral_state(model: &Model) -> bool {
    let single = |e: &crate::model::ElementModel| e.states.len() == 1 && e.states[0].charge == 0.0;
    model.elements().iter().all(single)
        && !model.is_polarisable()
        && model.file().resonances.is_empty()
}

impl OneState {
    /// Without history; `skin` in Å.
    pub(crate) fn new(skin: f64) -> Self {
        Self { skin, ..Self::default() }
    }

    /// Energy, forces and virial of a structure with at least one atom.
    ///
    /// # Errors
    /// [`Error::InvalidInput`](crate::Error::InvalidInput) as the neighbour list, and for atoms
    /// closer than the model's tables allow.
    pub(crate) fn evaluate(
        &mut self,
        model: &Model,
        structure: &Structure,
        elements: &[u8],
    ) -> Result<Evaluation> {
        let (mut timings, mut watch) = (Timings::default(), Watch::start());
        self.make_tables(model, elements);
        self.update_lists(model, structure)?;
        timings.neighbors = watch.lap();
        let mixed = elements.iter().any(|e| *e != elements[0]);
        let Self { domains, works, pairs, .. } = self;
        let tables = Tables { model, pairs };
        let cutoff = model.cutoff().radius;
        each(works, |c, work| {
            let domain = &domains[c];
            work.place(domain, structure.positions(), elements);
            if mixed {
                let pass = DensityPass::<true> { domain, work, tables, cutoff };
                Arch::new().dispatch(pass);
            } else {
                let pass = DensityPass::<false> { domain, work, tables, cutoff };
                Arch::new().dispatch(pass);
            }
        });
        self.check_distances(model, structure)?;
        self.embed(model);
        timings.density = watch.lap();
        let Self { domains, works, pairs, sites, .. } = self;
        let tables = Tables { model, pairs };
        each(works, |c, work| {
            let domain = &domains[c];
            work.take_slopes(domain, sites, domains[0].len());
            if mixed {
                Arch::new().dispatch(ForcePass::<true> { domain, work, tables });
            } else {
                Arch::new().dispatch(ForcePass::<false> { domain, work, tables });
            }
            work.sum_virial();
        });
        let Self { domains, works, sites, .. } = self;
        each(sites, |c, site| {
            let values = |d: usize| &works[d].forces[..];
            add_up(&mut site.forces, &domains[c].own, domains, values, add_quad);
        });
        let mut found = self.collect(structure);
        timings.forces = watch.lap();
        found.timings = timings;
        Ok(found)
    }

    /// Compact tables of the pairs of elements that occur.
    fn make_tables(&mut self, model: &Model, elements: &[u8]) {
        let n = model.elements().len();
        let mut occurs = vec![false; n];
        for &element in elements {
            occurs[usize::from(element)] = true;
        }
        self.pairs.resize(n * n, None);
        for a in (0..n).filter(|&a| occurs[a]) {
            for b in (0..n).filter(|&b| occurs[b]) {
                let cutoff = model.cutoff().radius;
                self.pairs[a * n + b].get_or_insert_with(|| {
                    PairTable::new(Tables::source(model, a as u8, b as u8), cutoff)
                });
            }
        }
    }

    /// Share the atoms out and list the pairs, if an atom has moved by over half the skin.
    fn update_lists(&mut self, model: &Model, structure: &Structure) -> Result<()> {
        if self.reference.holds_for(structure, self.skin) {
            return Ok(());
        }
        self.reference.clear();
        let reach = model.cutoff().radius + self.skin;
        check(structure, reach)?;
        check_expected_pairs(structure, reach)?;
        self.grid.build(structure, reach)?;
        self.hits.search(&self.grid, reach, true)?;
        let n = structure.len();
        self.sorted.resize(n, 0);
        for (sorted, &atom) in self.grid.order.iter().enumerate() {
            self.sorted[atom as usize] = sorted as u32;
        }
        let count = rayon::current_num_threads().min(n / GRAIN).max(1);
        let size = n.div_ceil(count);
        self.domains.resize_with(n.div_ceil(size), Domain::default);
        self.works.resize_with(self.domains.len(), Work::default);
        self.sites.resize_with(self.domains.len(), Sites::default);
        let Self { domains, grid, hits, .. } = self;
        // Two atoms come closer or part by at most a skin before the next list.
        let certain = (model.cutoff().radius - self.skin - 1e-6).max(0.0);
        each(domains, |c, domain| {
            let own = c * size..n.min((c + 1) * size);
            domain.build(own, grid, hits, structure.cell(), certain);
        });
        for (work, domain) in self.works.iter_mut().zip(&self.domains) {
            work.resize(domain);
        }
        self.reference.set(structure);
        Ok(())
    }

    /// Sum the densities and look up the embedding energies.
    fn embed(&mut self, model: &Model) {
        let Self { domains, works, sites, .. } = self;
        each(sites, |c, site| {
            let values = |d: usize| &works[d].density[..];
            add_up(&mut site.density, &domains[c].own, domains, values, |x, y| *x += y);
            site.energy.clear();
            site.slope.clear();
            for (&density, &element) in site.density.iter().zip(&works[c].elements) {
                let state = &model.elements()[usize::from(element)].states[0];
                let (energy, slope) = state.embedding_slope(density);
                site.energy.push(state.energy + energy);
                site.slope.push(slope);
            }
        });
    }

    fn check_distances(&self, model: &Model, structure: &Structure) -> Result<()> {
        for (work, domain) in self.works.iter().zip(&self.domains) {
            let Some([a, b]) = work.too_close else { continue };
            let r: Vec3 = [0, 1, 2].map(|d| work.positions[b][d] - work.positions[a][d]);
            let (first, second) = (domain.sources[a], domain.sources[b]);
            let between = [0, 1, 2].map(|d| second.translation[d] - first.translation[d]);
            let shift = times(&between, structure.inverse()).map(|x| x.round() as i32);
            let pair = Pair { i: first.atom, j: second.atom, shift };
            return Err(too_close(model, &pair, norm(&r)));
        }
        Ok(())
    }

    /// Results in the user's order.
    fn collect(&self, structure: &Structure) -> Evaluation {
        let n = structure.len();
        let size = self.domains[0].len();
        let of = |atom: usize| {
            let sorted = self.sorted[atom] as usize;
            (&self.sites[sorted / size], sorted % size)
        };
        let mut forces = vec![[0.0; 3]; n];
        let (mut energies, mut background) = (vec![0.0; n], vec![0.0; n]);
        let fill = |(atom, ((force, energy), density)): (usize, Row)| {
            let (site, k) = of(atom);
            let [x, y, z, pairs] = site.forces[k];
            *force = [x, y, z];
            *energy = pairs + site.energy[k];
            *density = site.density[k];
        };
        if self.domains.len() == 1 {
            forces.iter_mut().zip(&mut energies).zip(&mut background).enumerate().for_each(fill);
        } else {
            let rows = forces.par_iter_mut().zip(&mut energies).zip(&mut background);
            rows.enumerate().with_min_len(GRAIN).for_each(fill);
        }
        let energy: f64 = energies.iter().sum();
        Evaluation {
            energy,
            free_energy: energy,
            energies,
            forces,
            virial: self.virial(),
            weights: vec![1.0; n],
            offsets: (0..=n).collect(),
            charges: vec![0.0; n],
            induced_dipoles: Vec::new(),
            background,
            outcome: Outcome {
                value: energy,
                chemical_potentials: vec![0.0],
                kkt_residual: 0.0,
                hessian_products: 0,
                iterations: 0,
                positive_definite: true,
            },
            lower_branch: None,
            timings: Timings::default(),
        }
    }

    fn virial(&self) -> Mat3 {
        let mut sum = [[0.0; 3]; 3];
        for part in self.works.iter().map(|work| work.virial) {
            for p in 0..3 {
                for q in 0..3 {
                    sum[p][q] += 0.5 * (part[p][q] + part[q][p]);
                }
            }
        }
        sum
    }
}

/// Run a task for each item, in turn if there is only one.
fn each<T: Send>(items: &mut [T], task: impl Fn(usize, &mut T) + Sync) {
    if let [item] = items {
        task(0, item);
    } else {
        items.par_iter_mut().enumerate().for_each(|(c, item)| task(c, item));
    }
}
