"""Where reference values come from, as the tables cite it."""

HUBER_HERZBERG = (
    "K. P. Huber and G. Herzberg, Constants of Diatomic Molecules (1979), NIST Chemistry WebBook"
)
KITTEL = "C. Kittel, Introduction to Solid State Physics, with zero-point motion"
SCHIMKA = (
    "experiment without zero-point motion, L. Schimka, J. Harl and G. Kresse, J. Chem. Phys. 134, "
    "024116 (2011)"
)
