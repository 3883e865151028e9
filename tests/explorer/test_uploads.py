"""A short version of ``fuzz_uploads``: hostile files through the explorer's own loader."""

from __future__ import annotations

from benchmarks import fuzz_uploads


def test_fuzzed_uploads_end_in_a_pair_or_a_sentence() -> None:
    held = len(fuzz_uploads.UPLOADS)
    outcomes = [fuzz_uploads.run(number) for number in range(300)]
    taken = sum(one.taken for one in outcomes)
    assert 30 < taken < 270, "both ends are reached"
    assert {one.deed for one in outcomes} == set(fuzz_uploads.DEEDS)
    costly = [one for one in outcomes if one.busy > fuzz_uploads.MAX_BUSY or one.mib > fuzz_uploads.MAX_MIB]
    assert not costly
    assert max(one.mib for one in outcomes if one.deed == "small bomb") > 100, "the decoder's process is measured"
    assert max(one.busy for one in outcomes if one.deed == "bomb") < 0.5, "refused by the header"
    assert len(fuzz_uploads.UPLOADS) == held
