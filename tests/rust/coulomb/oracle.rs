//! Systems and the brute-force oracle of the electrostatics tests.

use ecteam_core::coulomb::{Coulomb, Kernel, Method, Options};
use ecteam_core::structure::{dot, norm, times};
use ecteam_core::{Mat3, Structure, Vec3};

/// A structure, its charges and what is asked of the electrostatics.
#[derive(Debug, Clone)]
pub(super) struct System {
    pub(super) positions: Vec<Vec3>,
    pub(super) charges: Vec<f64>,
    pub(super) cell: Mat3,
    pub(super) pbc: [bool; 3],
    pub(super) cutoff: f64,
    pub(super) options: Options,
    /// The module may sum pairs beyond the cutoff.
    pub(super) extended: bool,
}

pub(super) struct Total {
    pub(super) energy: f64,
    pub(super) potential: Vec<f64>,
    pub(super) forces: Vec<Vec3>,
    pub(super) virial: Mat3,
}

pub(super) fn options(method: Method, accuracy: f64) -> Options {
    Options { method, accuracy }
}

impl System {
    pub(super) fn periodic(
        positions: Vec<Vec3>,
        charges: Vec<f64>,
        cell: Mat3,
        cutoff: f64,
        accuracy: f64,
    ) -> Self {
        let options = options(Method::Ewald, accuracy);
        Self { positions, charges, cell, pbc: [true; 3], cutoff, options, extended: false }
    }

    fn structure(&self) -> Structure {
        let numbers = vec![1; self.positions.len()];
        Structure::new(self.positions.clone(), numbers, self.cell, self.pbc).unwrap()
    }

    pub(super) fn prepared(&self) -> Coulomb {
        let mut coulomb = Coulomb::new(self.options, self.pbc, self.cutoff).unwrap();
        if self.extended {
            coulomb = coulomb.extended(1);
        }
        coulomb.prepare(&self.structure()).unwrap();
        coulomb
    }

    /// Kernel summed over all pairs and images by brute force, plus the rest.
    pub(super) fn total(&self) -> Total {
        let coulomb = self.prepared();
        let n = self.charges.len();
        let mut total = self.pair_sum(coulomb.kernel());
        coulomb.add_potential(&self.charges, &mut total.potential);
        coulomb.add_forces(&self.charges, &mut total.forces, &mut total.virial);
        total.energy = (0..n).map(|i| 0.5 * self.charges[i] * total.potential[i]).sum();
        total
    }

    /// The module alone.
    pub(super) fn rest(&self) -> Total {
        let (coulomb, n) = (self.prepared(), self.charges.len());
        let mut total = Total {
            energy: 0.0,
            potential: vec![0.0; n],
            forces: vec![[0.0; 3]; n],
            virial: [[0.0; 3]; 3],
        };
        coulomb.add_potential(&self.charges, &mut total.potential);
        coulomb.add_forces(&self.charges, &mut total.forces, &mut total.virial);
        total
    }

    fn pair_sum(&self, kernel: Kernel) -> Total {
        let n = self.charges.len();
        let mut total = Total {
            energy: 0.0,
            potential: vec![0.0; n],
            forces: vec![[0.0; 3]; n],
            virial: [[0.0; 3]; 3],
        };
        if kernel == Kernel::None {
            return total;
        }
        let structure = self.structure();
        let reach = [0, 1, 2].map(|d| {
            if self.pbc[d] { (self.cutoff / structure.heights()[d] + 1.0).ceil() as i32 } else { 0 }
        });
        for i in 0..n {
            for j in 0..n {
                let mut s =
                    times(&sub(&self.positions[j], &self.positions[i]), structure.inverse());
                (0..3).filter(|&d| self.pbc[d]).for_each(|d| s[d] -= s[d].round());
                for shift in images(reach) {
                    let d = times(&[0, 1, 2].map(|k| s[k] + shift[k]), structure.cell());
                    if norm(&d) < self.cutoff && (i != j || shift != [0.0; 3]) {
                        total.add_pair(kernel, i, [self.charges[i], self.charges[j]], &d);
                    }
                }
            }
        }
        total
    }

    pub(super) fn strained(&self, strain: &Mat3) -> Self {
        let move_ = |r: &Vec3| [0, 1, 2].map(|k| r[k] + dot(&strain[k], r));
        let positions = self.positions.iter().map(move_).collect();
        Self { positions, cell: self.cell.map(|a| move_(&a)), ..self.clone() }
    }
}

impl Total {
    fn add_pair(&mut self, kernel: Kernel, i: usize, q: [f64; 2], d: &Vec3) {
        let r = norm(d);
        let [f, slope, _] = kernel.times_r(r);
        self.potential[i] += q[1] * f / r;
        let derivative = q[0] * q[1] * (slope - f / r) / r;
        for a in 0..3 {
            self.forces[i][a] += derivative * d[a] / r;
            for b in 0..3 {
                self.virial[a][b] += 0.5 * derivative * d[a] * d[b] / r;
            }
        }
    }
}

pub(super) fn sub(a: &Vec3, b: &Vec3) -> Vec3 {
    [0, 1, 2].map(|d| a[d] - b[d])
}

pub(super) fn images(reach: [i32; 3]) -> impl Iterator<Item = Vec3> {
    let range = move |d: usize| -reach[d]..=reach[d];
    range(0).flat_map(move |x| {
        range(1).flat_map(move |y| range(2).map(move |z| [x, y, z].map(f64::from)))
    })
}

/// Uniform numbers in 0–1 (splitmix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

pub(super) const TRICLINIC: Mat3 = [[7.0, 0.3, -0.2], [2.1, 6.4, 0.5], [-1.3, 1.9, 7.7]];

/// Points at random fractional coordinates, at least `apart` from each other and their images.
pub(super) fn scatter(n: usize, cell: &Mat3, apart: f64, seed: u64) -> Vec<Vec3> {
    let mut random = Random(seed);
    let mut placed: Vec<Vec3> = Vec::new();
    while placed.len() < n {
        let s = [0; 3].map(|_| random.next());
        let far = |t: &Vec3| {
            images([1; 3])
                .all(|m| norm(&times(&[0, 1, 2].map(|d| t[d] - s[d] + m[d]), cell)) > apart)
        };
        if placed.iter().all(far) {
            placed.push(s);
        }
    }
    placed.iter().map(|s| times(s, cell)).collect()
}

/// Eight ions in a triclinic cell; the charges sum to `total`.
pub(super) fn small_system(total: f64, accuracy: f64) -> System {
    let charges = [1.0, -0.7, 0.4, -1.1, 0.8, -0.6, 1.3, -1.1].map(|q| q + total / 8.0);
    let positions = scatter(8, &TRICLINIC, 1.6, 7);
    System::periodic(positions, charges.to_vec(), TRICLINIC, 6.0, accuracy)
}

/// A 200-ion box at the density of rock salt.
pub(super) fn ionic_box(accuracy: f64, cutoff: f64) -> System {
    let cell = [[16.5, 0.0, 0.0], [0.0, 16.5, 0.0], [0.0, 0.0, 16.5]];
    let charges = (0..200).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    System::periodic(scatter(200, &cell, 1.8, 11), charges, cell, cutoff, accuracy)
}

pub(super) fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} and {b} differ by {:.3e} > {tolerance:.1e}", a - b);
}

pub(super) fn rms(values: impl Iterator<Item = f64> + Clone) -> f64 {
    (values.clone().map(|x| x * x).sum::<f64>() / values.count() as f64).sqrt()
}

/// Fourth-order central difference.
pub(super) fn slope(f: impl Fn(f64) -> f64, h: f64) -> f64 {
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}
