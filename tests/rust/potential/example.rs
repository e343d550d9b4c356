//! Two small valid files, built in code.

use std::collections::BTreeMap;

use ecteam_core::potential::{
    Cutoff, Element, Embedding, FORMAT, Family, Fit, GroupErrors, PotentialFile, Radial,
    RadialFunction, Rbf, Repulsion, Resonance, State, Table, Term, Units,
};

pub fn state(
    name: &str,
    charge: f64,
    energy: f64,
    exponents: &[f64],
    coefficients: &[f64],
) -> State {
    State {
        name: name.into(),
        charge,
        multiplicity: 2,
        energy,
        bound: true,
        rbf: Some(Rbf {
            exponents: exponents.into(),
            coefficients: coefficients.into(),
            solved: None,
        }),
        density_tables: BTreeMap::new(),
        embedding: Some(Embedding::RootPolynomial { shift: 0.01, coefficients: vec![-1.5, 0.25] }),
        density_scale: 1.0,
        polarisability: None,
        provenance: "made up".into(),
    }
}

pub fn pair(first: &str, second: &str) -> [String; 2] {
    [first.into(), second.into()]
}

pub fn exponential(amplitude: f64, decay: f64) -> RadialFunction {
    RadialFunction::Exponential { amplitude, decay }
}

pub fn table(spacing: f64) -> Table {
    Table { spacing, values: (0..8).map(|k| 1.0 / f64::from(k + 3)).collect() }
}

pub fn example() -> PotentialFile {
    let hydrogen =
        vec![state("ground", 0.0, 0.0, &[3.78], &[1.0]), state("cation", 1.0, 13.6057, &[], &[])];
    let oxygen = vec![
        state("ground", 0.0, 0.0, &[28.0, 9.0, 4.0], &[2.1, -0.3, 6.2]),
        state("anion", -1.0, -1.34, &[28.0, 9.0, 1.2], &[2.1, -0.3, 7.2]),
    ];
    let errors = GroupErrors {
        group: "water".into(),
        split: "held-out".into(),
        geometries: 67,
        energy: 0.004,
        force: Some(0.1),
        dipole: Some(0.03),
    };
    PotentialFile {
        format: FORMAT.into(),
        name: "example".into(),
        description: "Two elements with \"quotes\", a line\nbreak and [brackets, {braces} [".into(),
        citation: "none".into(),
        units: Units { energy: "eV".into(), length: "Å".into(), charge: "e".into() },
        elements: [("H", hydrogen), ("O", oxygen)]
            .map(|(symbol, states)| {
                (symbol.to_owned(), Element { states, polarisation_exponent: None })
            })
            .into(),
        repulsions: vec![
            Repulsion { pair: pair("H", "O"), states: None, function: exponential(-250.5, 4.1) },
            Repulsion {
                pair: pair("O", "O"),
                states: Some(pair("ground", "anion")),
                function: RadialFunction::TabulatedTimesR(table(0.5)),
            },
        ],
        resonances: vec![Resonance {
            pair: pair("H", "O"),
            first: pair("ground", "cation"),
            second: pair("ground", "anion"),
            amplitude: exponential(12.5, 1.3),
        }],
        electronic_temperature: 0.2,
        cutoff: Cutoff { radius: 6.0, switch_width: 1.0 },
        terms: Some(Term::Sum {
            terms: vec![
                Term::Constant { coefficients: vec![-1.5, 2.25] },
                Term::Pair { radial: radial(2), coefficients: vec![0.5; 6] },
            ],
        }),
        fit: Some(Fit {
            method: "variable projection".into(),
            data: "PBE0".into(),
            parameters: 30,
            errors: vec![errors],
        }),
        sha256: None,
    }
}

/// Two metals without Slater functions, as read from a setfl file.
pub fn classical() -> PotentialFile {
    let mut file = example();
    file.resonances.clear();
    file.repulsions.clear();
    for element in file.elements.values_mut() {
        element.states.truncate(1);
        element.states[0].rbf = None;
        element.states[0].embedding = Some(Embedding::Tabulated(table(0.01)));
        element.states[0].density_tables =
            ["H", "O"].map(|receiver| (receiver.to_owned(), table(0.1))).into();
    }
    file
}

/// The example with a soft oxygen anion.
pub fn polarised() -> PotentialFile {
    let mut file = example();
    oxygen(&mut file, 1).polarisability = Some(1.5);
    if let Some(element) = file.elements.get_mut("O") {
        element.polarisation_exponent = Some(2.5);
    }
    file
}

pub fn oxygen(file: &mut PotentialFile, k: usize) -> &mut State {
    &mut file.elements.get_mut("O").unwrap().states[k]
}

fn radial(functions: usize) -> Radial {
    Radial { family: Family::Chebyshev, functions, cutoff: 5.5, span: Some([1.0, 5.0]) }
}
