"""Shipped potentials beside what a user would otherwise pick, one module per potential."""
