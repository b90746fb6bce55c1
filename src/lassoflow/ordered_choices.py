"""One option from each of several lists, in order of total cost, under a capacity: best first, without sorting all."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import count
from typing import NamedTuple


class Option(NamedTuple):
    """One option of a list."""

    cost: float
    size: int
    """How much of the capacity it takes."""
    choice: tuple[int, ...]


def ordered_choices(
    lists: Sequence[Sequence[Option]], capacity: int
) -> Iterator[tuple[float, tuple[tuple[int, ...], ...]]]:
    """All choices of one option a list, of total size at most the capacity, by ascending cost.

    The cost of what is left of a choice is known exactly beforehand, so that nothing is looked at in vain: the next
    choice takes time in proportion to the number of options, and as much room in a heap.

    Parameters
    ----------
    lists : sequence of sequences of Option
        Each with an option of size 0.
    capacity : int

    Yields
    ------
    cost : float
    choice : tuple of tuples
        The choices of the options, in the order of the lists.

    Examples
    --------
    >>> from lassoflow.ordered_choices import Option, ordered_choices
    >>> coin = [Option(1.0, 0, (0,)), Option(0.0, 1, (1,))]
    >>> die = [Option(3.0, 0, (0,)), Option(0.0, 1, (1,))]
    >>> list(ordered_choices([coin, die], 1))
    [(1.0, ((0,), (1,))), (3.0, ((1,), (0,))), (4.0, ((0,), (0,)))]
    """
    rest = _least_costs(lists, capacity)
    order = count()
    heap: list[tuple[float, int, float, int, tuple[tuple[int, ...], ...]]] = [(rest[0][capacity], 0, 0.0, capacity, ())]
    while heap:
        total, _, spent, room, chosen = heapq.heappop(heap)
        depth = len(chosen)
        if depth == len(lists):
            yield total, chosen
            continue
        for option in lists[depth]:
            if option.size <= room:
                paid, left = spent + option.cost, room - option.size
                bound = paid + rest[depth + 1][left]
                heapq.heappush(heap, (bound, next(order), paid, left, (*chosen, option.choice)))


def n_choices(lists: Sequence[Sequence[Option]], capacity: int) -> int:
    """How many choices there are, exactly.

    Examples
    --------
    >>> from lassoflow.ordered_choices import Option, n_choices
    >>> n_choices([[Option(0.0, 0, (0,)), Option(0.0, 1, (1,))]] * 100, 100) == 2**100
    True
    """
    ways = [1] + [0] * capacity
    for options in lists:
        ways = [sum(ways[used - option.size] for option in options if option.size <= used) for used in range(len(ways))]
    return sum(ways)


def _least_costs(lists: Sequence[Sequence[Option]], capacity: int) -> list[list[float]]:
    """Of all lists from some on, with some capacity left."""
    rest = [[0.0] * (capacity + 1)]
    for options in reversed(lists):
        rest.append([_least(options, rest[-1], room) for room in range(capacity + 1)])
    return rest[::-1]


def _least(options: Sequence[Option], after: list[float], room: int) -> float:
    return min(option.cost + after[room - option.size] for option in options if option.size <= room)
