"""The committed measurements: files, titles, verdicts, figures."""
