"""Fits that turn reference data into the ingredients of the potential."""
