"""The plan: which cells go together into which chunk, from the recipe alone."""

from functools import cached_property
from math import ceil, prod

import numpy as np

from overtraining.setting.errors import Refusal, ShapeError
from overtraining.simulations.sweeps.cells import AxisValue, Cell, Grid, axis_indices, cell_name
from overtraining.simulations.sweeps.measures import find_measure
from overtraining.simulations.sweeps.spec import Axis, Sweep


class SweepPlan:
    """Chunks of a sweep, numbered from 0; none is ever listed, each can be made from its number.

    Axes that change what has to be compiled (shapes, kinds of parts) vary slowest, so that a *block*, all cells of one
    such combination, goes through one compiled program. A block's last chunk may be shorter; it is padded when it runs.
    memory: bytes that the cells of a chunk need at most while they are computed, beside the worker itself.
    Raises DomainError or ShapeError where a value cannot be, or where the cells' results would differ in shape.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, self.grid = sweep, Grid(sweep)
        self.measure = find_measure(sweep.measure)
        slow = {axis.path for axis in sweep.axes if self._compiles_anew(axis)}
        self.slow = tuple(axis for axis in sweep.axes if axis.path in slow)
        self.fast = tuple(axis for axis in sweep.axes if axis.path not in slow)
        self.memory = 0
        self._check_every_value()

    @cached_property
    def block(self) -> int:
        """Cells of a block."""
        return prod(len(axis.values) for axis in self.fast)

    @cached_property
    def chunks_of_block(self) -> int:
        return ceil(self.block / self.sweep.chunk)

    @cached_property
    def blocks(self) -> int:
        return prod(len(axis.values) for axis in self.slow)

    @property
    def chunks(self) -> int:
        return self.blocks * self.chunks_of_block

    def size(self, chunk: int) -> int:
        """How many cells a chunk has."""
        return min(self.sweep.chunk, self.block - chunk % self.chunks_of_block * self.sweep.chunk)

    @property
    def lanes(self) -> int:
        """How many cells a compiled call holds, copies included."""
        return min(self.sweep.chunk, self.block)

    def number(self, chunk: int, lane: int) -> int:
        """The number, on the grid of all axes, of the cell at a place of a chunk."""
        block, nth = divmod(chunk, self.chunks_of_block)
        at = dict(zip(self._names(self.slow), axis_indices(self.slow, block), strict=True))
        at |= zip(self._names(self.fast), axis_indices(self.fast, nth * self.sweep.chunk + lane), strict=True)
        sizes = [len(axis.values) for axis in self.sweep.axes]
        return int(np.ravel_multi_index([0, *(at[axis.path] for axis in self.sweep.axes)], [1, *sizes]))

    def cell(self, chunk: int, lane: int) -> Cell:
        """The cell at a place of a chunk."""
        return self.grid.cell(self.grid.chosen(self.number(chunk, lane)))

    def name(self, chunk: int, lane: int) -> str:
        """How messages name that cell; made without its protocol, which may be what is wrong with it."""
        return cell_name(*self.grid.chosen(self.number(chunk, lane)))

    @staticmethod
    def _names(axes: tuple[Axis, ...]) -> list[str]:
        return [axis.path for axis in axes]

    def _compiles_anew(self, axis: Axis) -> bool:
        programs = {self.measure.program(self.grid.protocol(s.built)) for s in self.grid.settings[axis.path]}
        return len(programs) > 1

    def _check_every_value(self) -> None:
        """Every combination of the slow axes with every value of every fast one: what cannot be is refused now.

        Not every cell: a sum over the fast axes instead of a product. What only several fast values together cannot
        do is found when its cell is to run, and named there.
        """
        shapes = set()
        for block in range(self.blocks):
            slow = [
                self.grid.settings[a.path][at] for a, at in zip(self.slow, axis_indices(self.slow, block), strict=True)
            ]
            for setting in [s for axis in self.fast for s in self.grid.settings[axis.path]] or [AxisValue({}, {})]:
                try:
                    built = {field: value for one in (*slow, setting) for field, value in one.built.items()}
                    protocol = self.grid.protocol(built)
                    self.measure.program(protocol)
                except Refusal as refusal:
                    what = f"{cell_name(*slow, setting)}: {refusal.what}"
                    raise type(refusal)(what, refusal.why, refusal.instead) from None
                shapes.add(self.measure.shape(protocol))
                self.memory = max(self.memory, self.lanes * self.measure.memory(protocol))
        if len(shapes) > 1:
            raise ShapeError(
                f"results of {len(shapes)} shapes ({'; '.join(sorted(map(str, shapes)))})",
                "the cells of one file have one shape: as many lengths, strengths, seeds and modes each",
                "make one sweep for each",
            )
