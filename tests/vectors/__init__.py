"""Published numbers, to check ours against: ``brazil.toml`` and where each entry stands."""

import tomllib
from pathlib import Path
from typing import Any

BRAZIL: dict[str, list[dict[str, Any]]] = tomllib.loads((Path(__file__).parent / "brazil.toml").read_text())
