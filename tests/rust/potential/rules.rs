//! Each rule of `PotentialFile::check` and its message.

use ecteam_core::potential::{Embedding, PotentialFile, RadialFunction, Rbf, Table};

use crate::example::{classical, example, exponential, oxygen, pair, table};

/// Message of the check after a change to the example.
fn problem(change: impl FnOnce(&mut PotentialFile)) -> String {
    problem_of(example(), change)
}

fn problem_of(mut file: PotentialFile, change: impl FnOnce(&mut PotentialFile)) -> String {
    change(&mut file);
    file.check().expect_err("the change breaks a rule").to_string()
}

fn slaters(file: &mut PotentialFile) -> &mut Rbf {
    oxygen(file, 1).rbf.as_mut().unwrap()
}

#[test]
fn examples_are_valid() {
    assert_eq!(example().check(), Ok(()));
    assert_eq!(classical().check(), Ok(()));
}

#[test]
fn header_rules() {
    assert_eq!(
        problem(|f| f.format = "ecteam/2".into()),
        "format: must be `ecteam/1`, got `ecteam/2`"
    );
    assert_eq!(problem(|f| f.name.clear()), "name: must be non-empty, got ``");
    assert_eq!(
        problem(|f| f.units.energy = "Hartree".into()),
        "units.energy: must be `eV`, got `Hartree`"
    );
    assert_eq!(problem(|f| f.units.length = "nm".into()), "units.length: must be `Å`, got `nm`");
    assert_eq!(problem(|f| f.units.charge = "C".into()), "units.charge: must be `e`, got `C`");
    assert_eq!(
        problem(|f| f.electronic_temperature = -0.1),
        "electronic_temperature: must be between 0 and 10 eV, got -0.1"
    );
    assert_eq!(
        problem(|f| f.cutoff.radius = 0.5),
        "cutoff.radius: must be above 0.5 and at most 50 Å, got 0.5"
    );
    assert_eq!(
        problem(|f| f.cutoff.switch_width = 6.0),
        "cutoff.switch_width: must be at least 0 and below the radius 6 Å, got 6"
    );
    assert_eq!(
        problem(|f| f.fit.as_mut().unwrap().errors[0].force = Some(f64::NAN)),
        "fit.errors[0].force: must be finite and not negative, got NaN"
    );
}

#[test]
fn element_rules() {
    assert_eq!(problem(|f| f.elements.clear()), "elements: must be at least one element, got none");
    assert_eq!(
        problem(|f| {
            let element = f.elements["O"].clone();
            f.elements.insert("Xx".into(), element);
        }),
        "elements.Xx: must be a chemical symbol, got `Xx`"
    );
    assert_eq!(
        problem(|f| f.elements.get_mut("O").unwrap().states.clear()),
        "elements.O.states: must be a list of 1 to 8 entries, got 0"
    );
    assert_eq!(
        problem(|f| oxygen(f, 1).name = "ground".into()),
        "elements.O.states[1].name: must be unique in its element, got `ground`"
    );
    assert_eq!(
        problem(|f| oxygen(f, 1).name.clear()),
        "elements.O.states[1].name: must be non-empty, got ``"
    );
    assert_eq!(
        problem(|f| f.elements.get_mut("O").unwrap().states.reverse()),
        "elements.O.states[0].charge: must be 0 in the first state, got -1"
    );
    assert_eq!(
        problem(|f| oxygen(f, 0).energy = 0.5),
        "elements.O.states[0].energy: must be 0 in the first state, got 0.5"
    );
}

#[test]
fn state_rules() {
    assert_eq!(
        problem(|f| oxygen(f, 1).charge = 9.0),
        "elements.O.states[1].charge: must be between -8 and 8, got 9"
    );
    assert_eq!(
        problem(|f| oxygen(f, 1).charge = f64::NAN),
        "elements.O.states[1].charge: must be between -8 and 8, got NaN"
    );
    assert_eq!(
        problem(|f| oxygen(f, 1).multiplicity = 0),
        "elements.O.states[1].multiplicity: must be at least 1, got 0"
    );
    assert_eq!(
        problem(|f| oxygen(f, 1).energy = f64::INFINITY),
        "elements.O.states[1].energy: must be finite, got inf"
    );
    assert_eq!(
        problem(|f| oxygen(f, 1).rbf = None),
        "elements.O.states[1].charge: must be 0 in a state without rbf, got -1"
    );
    assert_eq!(
        problem(|f| {
            oxygen(f, 1).density_tables.insert("H".into(), table(0.1));
        }),
        "elements.O.states[1].density_tables: must be absent next to rbf, got both"
    );
}

#[test]
fn slater_rules() {
    assert_eq!(
        problem(|f| slaters(f).exponents[2] = -1.2),
        "elements.O.states[1].rbf.exponents[2]: must be positive, got -1.2"
    );
    assert_eq!(
        problem(|f| slaters(f).exponents[2] = f64::NAN),
        "elements.O.states[1].rbf.exponents[2]: must be positive, got NaN"
    );
    assert_eq!(
        problem(|f| slaters(f).exponents[0] = 200.5),
        "elements.O.states[1].rbf.exponents[0]: must be at most 200 1/Å, got 200.5"
    );
    assert_eq!(
        problem(|f| slaters(f).exponents = vec![1.0; 13]),
        "elements.O.states[1].rbf.exponents: must be a list of 0 to 12 entries, got 13"
    );
    assert_eq!(
        problem(|f| slaters(f).coefficients.push(0.0)),
        "elements.O.states[1].rbf.coefficients: must be as long as exponents (3), got 4"
    );
    assert_eq!(
        problem(|f| slaters(f).coefficients[1] = f64::NEG_INFINITY),
        "elements.O.states[1].rbf.coefficients[1]: must be finite, got -inf"
    );
    assert_eq!(
        problem(|f| slaters(f).coefficients = vec![1.0, 3.0, 4.5]),
        "elements.O.states[1].rbf.coefficients: must sum to the electron count 9 within 1e-8, \
         got 8.5"
    );
    assert_eq!(
        problem(|f| oxygen(f, 1).charge = -1.0 + 1e-6),
        "elements.O.states[1].rbf.coefficients: must sum to the electron count 8.999999 within \
         1e-8, got 9"
    );
}

#[test]
fn logarithmic_embedding_rules() {
    let with = |scale: f64, values: Vec<f64>| {
        problem(|f| {
            let table = Table { spacing: 0.1, values };
            oxygen(f, 0).embedding = Some(Embedding::Logarithmic { scale, table });
        })
    };
    let path = "elements.O.states[0].embedding";
    let values = vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5];
    assert_eq!(with(0.0, values.clone()), format!("{path}.scale: must be positive, got 0"));
    assert_eq!(
        with(1e-6, values[1..].to_vec()),
        format!("{path}.table.values: must be a list of 6 to 200000 entries, got 5")
    );
    let mut shifted = values;
    shifted[0] = 0.5;
    assert_eq!(with(1e-6, shifted), format!("{path}.table.values[0]: must be 0, got 0.5"));
}

#[test]
fn embedding_rules() {
    let with = |shift: f64, coefficients: Vec<f64>| {
        problem(|f| {
            oxygen(f, 0).embedding = Some(Embedding::RootPolynomial { shift, coefficients });
        })
    };
    let path = "elements.O.states[0].embedding";
    assert_eq!(with(0.0, vec![1.0]), format!("{path}.shift: must be positive, got 0"));
    assert_eq!(
        with(0.1, vec![]),
        format!("{path}.coefficients: must be a list of 1 to 8 entries, got 0")
    );
    assert_eq!(
        with(0.1, vec![1.0, f64::NAN]),
        format!("{path}.coefficients[1]: must be finite, got NaN")
    );
}

#[test]
fn table_rules() {
    let path = "elements.O.states[0].density_tables";
    let with = |change: fn(&mut Table)| {
        problem_of(classical(), |f| {
            change(oxygen(f, 0).density_tables.get_mut("H").unwrap());
        })
    };
    assert_eq!(with(|t| t.spacing = 0.0), format!("{path}.H.spacing: must be positive, got 0"));
    assert_eq!(
        with(|t| t.values.truncate(5)),
        format!("{path}.H.values: must be a list of 6 to 200000 entries, got 5")
    );
    assert_eq!(
        with(|t| t.values = vec![0.0; 200_001]),
        format!("{path}.H.values: must be a list of 6 to 200000 entries, got 200001")
    );
    assert_eq!(
        with(|t| t.values[3] = f64::NAN),
        format!("{path}.H.values[3]: must be finite, got NaN")
    );
    assert_eq!(
        problem_of(classical(), |f| {
            oxygen(f, 0).density_tables.insert("Cu".into(), table(0.1));
        }),
        format!("{path}.Cu: must be an element of this file, got `Cu`")
    );
    assert_eq!(
        problem_of(classical(), |f| {
            oxygen(f, 0).density_tables.remove("H");
        }),
        format!("{path}: must be given for every element of this file, got none for H")
    );
}

#[test]
fn repulsion_rules() {
    assert_eq!(
        problem(|f| f.repulsions[0].pair[1] = "Cu".into()),
        "repulsions[0].pair[1]: must be an element of this file, got `Cu`"
    );
    assert_eq!(
        problem(|f| f.repulsions[1].states = Some(pair("ground", "cation"))),
        "repulsions[1].states[1]: must be a state of O, got `cation`"
    );
    assert_eq!(
        problem(|f| f.repulsions[0].function = exponential(1.0, -3.0)),
        "repulsions[0].function.decay: must be positive, got -3"
    );
    assert_eq!(
        problem(|f| f.repulsions[0].function = exponential(f64::NAN, 3.0)),
        "repulsions[0].function.amplitude: must be finite, got NaN"
    );
}

#[test]
fn resonance_rules() {
    assert_eq!(
        problem(|f| f.resonances[0].pair[0] = "Na".into()),
        "resonances[0].pair[0]: must be an element of this file, got `Na`"
    );
    assert_eq!(
        problem(|f| f.resonances[0].second[1] = "dianion".into()),
        "resonances[0].second[1]: must be a state of O, got `dianion`"
    );
    assert_eq!(
        problem(|f| f.resonances[0].first[1] = "ground".into()),
        "resonances[0].first: must be two different states, got `ground` twice"
    );
    assert_eq!(
        problem(|f| f.resonances[0].second.reverse()),
        "resonances[0]: must conserve charge, but it changes by +1 and +1 e"
    );
    assert_eq!(
        problem(|f| f.resonances[0].amplitude = exponential(-1.0, 1.0)),
        "resonances[0].amplitude.amplitude: must be at least 0, got -1"
    );
    assert_eq!(
        problem(|f| f.resonances[0].amplitude = RadialFunction::TabulatedTimesR(table(0.1))),
        "resonances[0].amplitude.form: must be `exponential`, got `tabulated_times_r`"
    );
}

#[test]
fn a_channel_written_another_way_is_a_duplicate() {
    let same = "resonances[1]: is the same channel as an earlier one";
    let original = example().resonances[0].clone();
    let mut reversed = original.clone();
    reversed.first.reverse();
    reversed.second.reverse();
    let mut swapped = original.clone();
    swapped.pair.reverse();
    std::mem::swap(&mut swapped.first, &mut swapped.second);
    for copy in [original, reversed, swapped] {
        assert_eq!(problem(|f| f.resonances.push(copy)), same);
    }
}

#[test]
fn rules_of_densities_as_parameters() {
    let path = "elements.O.states[1]";
    assert_eq!(
        problem(|f| oxygen(f, 1).density_scale = 0.0),
        format!("{path}.density_scale: must be positive, got 0")
    );
    assert_eq!(
        problem(|f| {
            let state = oxygen(f, 0);
            (state.rbf, state.polarisability, state.density_scale) = (None, None, 1.5);
        }),
        "elements.O.states[0].density_scale: must be absent in a state without a density, got 1.5"
    );
    let n = slaters(&mut example()).exponents.len();
    assert_eq!(
        problem(|f| slaters(f).solved = Some([1, 0])),
        format!("{path}.rbf.solved: must be two increasing indices below {n}, got [1, 0]")
    );
    assert_eq!(
        problem(|f| slaters(f).solved = Some([0, 1])),
        format!(
            "{path}.rbf.solved: must be absent where the density has no nuclear cusp \
             ρ′(0) = −2Zρ(0), got [0, 1]"
        )
    );
}

#[test]
fn a_density_that_a_fit_changes_is_nowhere_negative() {
    // Count 9 and the cusp at 2·8 per bohr.
    let file = |tail: f64| {
        let mut file = example();
        *slaters(&mut file) = Rbf {
            exponents: vec![2.0, 4.0, 25.0, 34.0],
            coefficients: vec![tail, 7.0 - tail, 1.0, 1.0],
            solved: None,
        };
        let cusp = |z: f64| z.powi(3) * (16.0 / 0.529_177_210_903 - z);
        let rbf = slaters(&mut file);
        let g: Vec<f64> = rbf.exponents.iter().map(|&z| cusp(z)).collect();
        let rest = rbf.coefficients[0] * g[0] + rbf.coefficients[1] * g[1];
        rbf.coefficients[3] = (-rest - 2.0 * g[2]) / (g[3] - g[2]);
        rbf.coefficients[2] = 2.0 - rbf.coefficients[3];
        rbf.solved = Some([2, 3]);
        file
    };
    assert_eq!(file(0.5).check(), Ok(()));
    let message = problem_of(file(-0.5), |_| ());
    assert!(
        message.starts_with(
            "elements.O.states[1].rbf: must be a density of anion that is nowhere negative, got -"
        ),
        "{message}"
    );
    assert!(message.contains("e/Å³ at r = "), "{message}");
}

#[test]
fn freed_densities_are_named() {
    let mut file = example();
    let name = |state: &str| ("O".to_owned(), state.to_owned());
    let problem = file.free_densities(&[name("trianion")]).unwrap_err().to_string();
    assert_eq!(problem, "density of O trianion: is of no state that is here");
}
