"""Every scenario file in this folder is one test."""

from pathlib import Path

import pytest
from openknead_sim import scenario

FILES = sorted(Path(__file__).parent.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_scenario(path: Path) -> None:
    result = scenario.run(path)
    assert not result.problems, str(result)
