"""`python -m openknead` is `knead`."""

import sys

from openknead.cli import main

sys.exit(main())
