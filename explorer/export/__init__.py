"""Exports: pictures, numbers, and Python code."""
