"""Imported by tests of moto's own code, which are not run."""

Key = None
