"""Speed, measured: ours, the plain reference and each peer that is installed, on the same work."""

import sys
from pathlib import Path

# What the recipes share lies in their folder, which is no package: `pages`, `results`.
sys.path.insert(0, str(Path(__file__).parents[2]))
