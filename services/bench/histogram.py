"""How long the requests of a run took: a histogram of bounded size, however many there were.

Each bucket is WIDER times as wide as the one before: a quantile is right to half of that, 1 %, from 1 µs to an hour.
"""

import math
from typing import Final

WIDER: Final = 1.02
LEAST_S: Final = 1e-6
MOST_S: Final = 3600.0
_PER_E: Final = 1 / math.log(WIDER)
_BUCKETS: Final = int(math.log(MOST_S / LEAST_S) * _PER_E) + 1


class Histogram:
    def __init__(self) -> None:
        self.count = 0
        self._counts = [0] * _BUCKETS

    def record(self, took_s: float, times: int = 1) -> None:
        """So many requests took so long."""
        bucket = int(math.log(max(took_s, LEAST_S) / LEAST_S) * _PER_E)
        self._counts[min(bucket, _BUCKETS - 1)] += times
        self.count += times

    def quantile_s(self, part: float) -> float | None:
        """The time within which this part (0.5: p50) of the requests was answered; None of nothing."""
        if not 0 <= part <= 1:
            raise ValueError(f"a quantile is of a part from 0 to 1, not of {part}")
        rank = max(1, math.ceil(part * self.count))  # the nearest-rank method: one of the values, not between two
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= rank:
                return float(LEAST_S * WIDER ** (bucket + 0.5))
        return None
