"""Potentials with induced dipoles, for tests: the shipped ones with made-up polarisabilities."""

import ecteam
from strategies import POTENTIALS, rigid

# Å³ by state, and the exponent of the dipole's density, 1/Å: softer anions, nothing for H⁺ and Li⁺.
POLARISABILITIES = {
    "H": (3.2, {"ground": 0.7, "cation": 0.0, "anion": 1.2}),
    "O": (2.5, {"ground": 0.8, "cation": 0.5, "anion": 1.6, "dianion": 2.4}),
    "Li": (1.9, {"ground": 5.0, "anion": 6.0}),
    "Na": (1.9, {"ground": 6.0, "cation": 0.15, "anion": 6.5}),
    "F": (2.8, {"ground": 0.55, "anion": 1.3}),
    "Cl": (2.2, {"ground": 2.2, "anion": 4.0}),
}


def with_polarisabilities(potential, values=None, factor=1.0):
    """Copy of a potential with polarisabilities (exponent and Å³ by state) times a factor."""
    fields = rigid(potential).to_dict()
    fields.pop("sha256", None)
    for symbol, element in fields["elements"].items():
        exponent, states = (values or POLARISABILITIES).get(symbol, (None, {}))
        if exponent is None:
            continue
        element["polarisation_exponent"] = exponent
        for state in element["states"]:
            if state["name"] in states:
                state["polarisability"] = factor * states[state["name"]]
    return ecteam.Potential.from_dict(fields)


def neutral_atoms(polarisability, exponent):
    """Polarisable neutral atoms (O), and hydrogen that is a point charge where it must be H⁺."""
    fields = POTENTIALS["toy"].to_dict()
    fields.pop("sha256", None)
    oxygen = fields["elements"]["O"]
    oxygen["polarisation_exponent"] = exponent
    oxygen["states"] = [{**oxygen["states"][0], "polarisability": polarisability}]
    return ecteam.Potential.from_dict({**fields, "repulsions": [], "resonances": []})


# The toy's water would break its symmetry with more: then it has two minima.
POLARISED = {
    name: with_polarisabilities(potential, factor=0.4 if name == "toy" else 1.0)
    for name, potential in POTENTIALS.items()
}
"""By the name of the potential without."""
