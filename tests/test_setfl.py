"""setfl files: analytic functions written here, energies and forces from ASE's EAM calculator."""

import ecteam
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.eam import EAM

CUTOFF = 5.5
N_RADIAL, N_DENSITY = 1500, 4000
SPACING, DENSITY_SPACING = CUTOFF / (N_RADIAL - 1), 0.005
R = np.arange(N_RADIAL) * SPACING
RHO = np.arange(N_DENSITY) * DENSITY_SPACING
NUMBERS = {"Ni": 28, "Cu": 29}
TAIL = (1 - R / CUTOFF) ** 4


def embedding(symbol):
    return -{"Ni": 1.7, "Cu": 1.2}[symbol] * (np.sqrt(RHO + 0.5) - np.sqrt(0.5))


def density(source, receiver):
    """Not symmetric: what Ni makes at Cu differs from what Cu makes at Ni."""
    height = {"NiNi": 9.0, "NiCu": 5.0, "CuNi": 14.0, "CuCu": 7.0}[source + receiver]
    return height * np.exp(-0.6 * R) * TAIL


def r_times_phi(first, second):
    decay = {"NiNi": 1.1, "CuCu": 1.3}.get(first + second, 1.2)
    return R * 40.0 * np.exp(-decay * R) * TAIL


def write_setfl(path, symbols, finnis_sinclair):
    tables = []
    for source in symbols:
        receivers = symbols if finnis_sinclair else [source]
        tables.append(f"{NUMBERS[source]} 60.0 3.6 fcc")
        tables.append(embedding(source))
        tables += [density(source, receiver) for receiver in receivers]
    for k, first in enumerate(symbols):
        tables += [r_times_phi(first, second) for second in symbols[: k + 1]]
    with path.open("w", encoding="utf-8") as file:
        file.write("made for a test\nfrom analytic functions\n\n")
        file.write(f"{len(symbols)} {' '.join(symbols)}\n")
        file.write(f"{N_DENSITY} {DENSITY_SPACING!r} {N_RADIAL} {SPACING!r} {CUTOFF}\n")
        for table in tables:
            rows = [table] if isinstance(table, str) else map(repr, table.tolist())
            file.write("\n".join(rows) + "\n")


@pytest.fixture(params=["Cu.eam.alloy", "NiCu.eam.alloy", "Cu.eam.fs", "NiCu.eam.fs"])
def setfl(request, tmp_path):
    path = tmp_path / request.param
    symbols = ["Ni", "Cu"] if request.param.startswith("Ni") else ["Cu"]
    write_setfl(path, symbols, path.suffix == ".fs")
    return path


def crystal(symbols, seed=1):
    atoms = bulk("Cu", cubic=True, a=3.6).repeat(2)
    rng = np.random.default_rng(seed)
    atoms.symbols = rng.choice(symbols, len(atoms))
    atoms.rattle(0.1, rng=rng)
    return atoms


def cluster(symbols):
    atoms = crystal(symbols, seed=2)[:9]
    atoms.set_cell(None)
    atoms.pbc = False
    return Atoms(atoms)


@pytest.mark.parametrize("make", [crystal, cluster])
def test_energies_and_forces_are_those_of_ase(setfl, make):
    potential = ecteam.read_setfl(setfl)
    atoms = make(sorted(potential.elements))
    reference = atoms.copy()
    reference.calc = EAM(potential=str(setfl), form=setfl.suffix[1:])
    result = ecteam.evaluate(atoms, potential)
    expected = reference.get_potential_energy()
    assert result.energy / len(atoms) == pytest.approx(expected / len(atoms), rel=0, abs=1e-8)
    np.testing.assert_allclose(result.forces, reference.get_forces(), rtol=0, atol=1e-6)
    assert result.charges == pytest.approx(0.0, abs=1e-14)


def test_numbers_that_only_count_the_elements(tmp_path):
    """Cu_mishin1.eam.alloy, for one, has 1 where the atomic number of copper should be."""
    path = tmp_path / "Cu.eam.alloy"
    write_setfl(path, ["Cu"], finnis_sinclair=False)
    expected = ecteam.read_setfl(path).to_dict()["elements"]
    path.write_text(path.read_text().replace("29 60.0", "1 60.0"))
    assert ecteam.read_setfl(path).to_dict()["elements"] == expected


def test_fields(tmp_path):
    path = tmp_path / "NiCu.eam.fs"
    write_setfl(path, ["Ni", "Cu"], finnis_sinclair=True)
    potential = ecteam.read_setfl(path)
    fields = potential.to_dict()
    assert potential.elements == {"Ni": ["ground"], "Cu": ["ground"]}
    assert fields["name"] == "NiCu.eam.fs"
    assert fields["description"] == "made for a test from analytic functions"
    assert fields["cutoff"] == {"radius": CUTOFF, "switch_width": 0.0}
    pairs = [repulsion["pair"] for repulsion in fields["repulsions"]]
    assert pairs == [["Ni", "Ni"], ["Cu", "Ni"], ["Cu", "Cu"]]


def test_density_is_filed_under_its_source(tmp_path):
    """LAMMPS: 'density function rho(r) for element I at element 1', in the block of element I."""
    path = tmp_path / "NiCu.eam.fs"
    write_setfl(path, ["Ni", "Cu"], finnis_sinclair=True)
    elements = ecteam.read_setfl(path).to_dict()["elements"]
    for source in NUMBERS:
        tables = elements[source]["states"][0]["density_tables"]
        for receiver in NUMBERS:
            assert tables[receiver]["values"] == density(source, receiver).tolist()


def test_alloy_density_is_felt_by_every_element(tmp_path):
    path = tmp_path / "NiCu.eam.alloy"
    write_setfl(path, ["Ni", "Cu"], finnis_sinclair=False)
    tables = ecteam.read_setfl(path).to_dict()["elements"]["Ni"]["states"][0]["density_tables"]
    assert tables["Cu"] == tables["Ni"]
    assert tables["Cu"]["values"] == density("Ni", "Ni").tolist()


def broken(path, change):
    """Error message after a change to the list of lines of a small valid file."""
    lines = ["a", "b", "c", "1 Cu", "6 0.1 6 1.0 5.0", "29 63.5 3.6 fcc", *["0.5"] * 18]
    path.write_text("\n".join(change(lines)), encoding="utf-8")
    with pytest.raises(ecteam.PotentialFormatError) as raised:
        ecteam.read_setfl(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


def replaced(k, text):
    return lambda lines: [*lines[: k - 1], text, *lines[k:]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [], ", line 0: the file ends where the number of elements should be"),
        (
            lambda lines: lines[:9],
            ", line 9: the file ends where value 4 of 6 of F of Cu should be",
        ),
        (
            lambda lines: lines[:-1],
            ", line 23: the file ends where value 6 of 6 of rφ of Cu and Cu should be",
        ),
        (lambda lines: [*lines, "7"], ", line 25: the file should end here, got '7'"),
        (
            replaced(4, "2 Cu Cu"),
            ", line 4: expected 2 different chemical symbols, got 'Cu'",
        ),
        (replaced(4, "1 Xx"), ", line 4: expected 1 different chemical symbols, got 'Xx'"),
        (
            replaced(4, "x Cu"),
            ", line 4: the number of elements must be a positive integer, got 'x'",
        ),
        (
            replaced(6, "0 58.7 3.5 fcc"),
            ", line 6: the atomic number of Cu must be a positive integer, got '0'",
        ),
        (
            replaced(8, "nan"),
            ", line 8: value 2 of 6 of F of Cu must be a finite number, got 'nan'",
        ),
        (
            replaced(14, "abc"),
            ", line 14: value 2 of 6 of ρ of Cu must be a finite number, got 'abc'",
        ),
    ],
)
def test_broken_files_name_the_line(tmp_path, change, message):
    assert broken(tmp_path / "Cu.eam.alloy", change) == message


def test_truncated_anywhere_is_an_error(tmp_path):
    for count in range(24):
        broken(tmp_path / "Cu.eam.alloy", lambda lines, count=count: lines[:count])


def test_binary_file_is_an_error(tmp_path):
    path = tmp_path / "binary.eam.alloy"
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(ecteam.PotentialFormatError):
        ecteam.read_setfl(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        ecteam.read_setfl(tmp_path / "missing.eam.alloy")
