"""How many examples Hypothesis tries: few and always the same for a commit, many and new ones in `make test-all`.

``HYPOTHESIS_PROFILE=full`` chooses the latter.
"""

import os

from hypothesis import settings

settings.register_profile("commit", deadline=None, max_examples=30, derandomize=True)
settings.register_profile("full", deadline=None, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "commit"))
