//! Chemical symbols and atomic numbers.

/// Symbols of the elements 1–118, in order.
const SYMBOLS: [&str; 118] = [
    "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl",
    "Ar", "K", "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As",
    "Se", "Br", "Kr", "Rb", "Sr", "Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In",
    "Sn", "Sb", "Te", "I", "Xe", "Cs", "Ba", "La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb",
    "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Hg", "Tl",
    "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th", "Pa", "U", "Np", "Pu", "Am", "Cm", "Bk",
    "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf", "Db", "Sg", "Bh", "Hs", "Mt", "Ds", "Rg", "Cn", "Nh",
    "Fl", "Mc", "Lv", "Ts", "Og",
];

/// Symbol of an atomic number from 1 to 118.
pub fn symbol_of(number: u8) -> Option<&'static str> {
    SYMBOLS.get(usize::from(number).checked_sub(1)?).copied()
}

/// Atomic number of a chemical symbol.
pub fn number_of(symbol: &str) -> Option<u8> {
    let index = SYMBOLS.iter().position(|&known| known == symbol)?;
    Some(index as u8 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_and_numbers_are_inverse() {
        for number in 1..=118 {
            assert_eq!(symbol_of(number).and_then(number_of), Some(number));
        }
        assert_eq!([symbol_of(0), symbol_of(119)], [None, None]);
        assert_eq!([number_of("h"), number_of(""), number_of("Xx")], [None; 3]);
        assert_eq!(
            [8, 26, 79, 118].map(symbol_of),
            [Some("O"), Some("Fe"), Some("Au"), Some("Og")]
        );
    }
}
