"""The documentation's table of waiting times is that of the committed measurement."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("gradio_client", reason="gradio_client is not installed: pip install '.[test]'")
from benchmarks.load_space import BEGIN, END, PAGE, RESULTS, with_table

FOUND = {
    "users": 2, "browsers": 1, "seconds": 3.0, "errors": 1, "machine": {"processors": 2},
    "waiting": {"API: transmit": {"answers": 7, "median_s": 0.51, "p90_s": 1.0, "p99_s": 2.0, "most_s": 2.25}},
    "memory_mib": {"demo": [700, 720, 710]},
}  # fmt: skip


def test_a_measurement_takes_the_old_ones_place() -> None:
    readme = f"before\n{BEGIN}\nold figures\n{END}\nafter\n"
    once = with_table(readme, FOUND)
    assert with_table(once, FOUND) == once and "old figures" not in once
    assert once.startswith("before\n") and once.endswith("\nafter\n")
    assert "| API: transmit | 7 | 0.51 | 1.00 | 2.00 | 2.25 |" in once
    assert "1 errors" in once and "demo 700 MiB at the start, 720 after a third of it, 710 at the end" in once


@pytest.mark.skipif(not RESULTS.is_file(), reason="not measured yet: python -m benchmarks.load_space --write")
def test_the_documentation_tells_what_was_measured() -> None:
    text = PAGE.read_text(encoding="utf-8")
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert with_table(text, found) == text, "run `python -m benchmarks.load_space --write`"
    assert (found["errors"], found["users"], found["browsers"]) == (0, 20, 20)
