# SPDX-License-Identifier: MIT
"""What ./test.sh runs, and how its results become cases."""
