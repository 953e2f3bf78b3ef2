"""Lets the tests import the modules of tools/python. Run them by
`build/venv/bin/python -m unittest discover -s tests/python` (tools/fetch_model makes the venv).
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "python"))
