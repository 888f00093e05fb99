"""The plan of a sweep: which cells go into which chunk; it follows from the recipe alone."""

from functools import cached_property
from math import ceil, prod

import numpy as np

from overtraining.setting import limits
from overtraining.setting.domain import at_most, check_memory
from overtraining.setting.errors import Refusal, ShapeError
from overtraining.setting.protocol import Protocol
from overtraining.simulations.sweeps.cells import AxisValue, Cell, Grid, axis_indices, cell_name
from overtraining.simulations.sweeps.measures import find_measure
from overtraining.simulations.sweeps.spec import Axis, Sweep


class SweepPlan:
    """The chunks of a sweep, numbered from 0; they are never listed, each is made from its number.

    Axes that change what has to be compiled (shapes, kinds of parts) vary slowest: a *block*, all cells of one
    combination of their values, goes through one compiled program. The last chunk of a block may be shorter; it is
    padded when it runs.
    memory: bytes that the cells of a chunk need at most while they are computed, beside the worker itself.
    Raises DomainError or ShapeError for a value that is refused, for a chunk that does not fit into memory, or if the
    cells' results would differ in shape.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, self.grid = sweep, Grid(sweep)
        self.measure = find_measure(sweep.measure)
        slow = {axis.path for axis in sweep.axes if self._needs_programs(axis)}
        self.slow = tuple(axis for axis in sweep.axes if axis.path in slow)
        self.fast = tuple(axis for axis in sweep.axes if axis.path not in slow)
        at_most("the number of compiled programs", self.blocks, limits.PROGRAMS, "each takes a second or more")
        self.memory = 0
        self._check_every_value()

    @cached_property
    def block(self) -> int:
        """Cells of a block."""
        return prod(len(axis.values) for axis in self.fast)

    @cached_property
    def chunks_of_block(self) -> int:
        """Chunks of a block."""
        return ceil(self.block / self.sweep.chunk)

    @cached_property
    def blocks(self) -> int:
        """How many blocks there are."""
        return prod(len(axis.values) for axis in self.slow)

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return self.blocks * self.chunks_of_block

    def size(self, chunk: int) -> int:
        """How many cells a chunk has."""
        return min(self.sweep.chunk, self.block - chunk % self.chunks_of_block * self.sweep.chunk)

    @property
    def lanes(self) -> int:
        """How many cells a compiled call holds, copies included."""
        return min(self.sweep.chunk, self.block)

    def first(self, chunk: int) -> int:
        """The place of the first cell of a chunk, with the slow axes before the fast ones; the others follow it."""
        block, nth = divmod(chunk, self.chunks_of_block)
        return block * self.block + nth * self.sweep.chunk

    def number(self, chunk: int, lane: int) -> int:
        """The number, on the grid of all axes, of the cell at a place of a chunk."""
        block, nth = divmod(chunk, self.chunks_of_block)
        index = dict(zip(self._names(self.slow), axis_indices(self.slow, block), strict=True))
        index |= zip(self._names(self.fast), axis_indices(self.fast, nth * self.sweep.chunk + lane), strict=True)
        sizes = [len(axis.values) for axis in self.sweep.axes]
        return int(np.ravel_multi_index([0, *(index[axis.path] for axis in self.sweep.axes)], [1, *sizes]))

    def cell(self, chunk: int, lane: int) -> Cell:
        """The cell at a place of a chunk."""
        return self.grid.cell_at(self.number(chunk, lane))

    def name(self, number: int) -> str:
        """The name of the cell of this number in messages; made without its protocol, which may be refused."""
        return cell_name(*self.grid.values_of(number))

    @staticmethod
    def _names(axes: tuple[Axis, ...]) -> list[str]:
        return [axis.path for axis in axes]

    def _needs_programs(self, axis: Axis) -> bool:
        """Whether the values of an axis need several compiled programs."""
        values = self.grid.axis_values[axis.path]
        return len({self.measure.program(self.grid.protocol(value.built)) for value in values}) > 1

    def _check_every_value(self) -> None:
        """Check every combination of the slow axes with every value of every fast one, before anything runs.

        Not every cell: a sum over the fast axes instead of a product. A combination of several fast values that is
        refused is found when its cell is to run, and named there.
        """
        shapes = set()
        fast_values = [value for axis in self.fast for value in self.grid.axis_values[axis.path]]
        checks = self.blocks * max(1, len(fast_values))
        at_most("the number of protocols to check", checks, limits.CHECKS, "each takes a millisecond")
        for block in range(self.blocks):
            indices = axis_indices(self.slow, block)
            slow_values = [self.grid.axis_values[axis.path][at] for axis, at in zip(self.slow, indices, strict=True)]
            for fast_value in fast_values or [AxisValue({}, {})]:
                protocol = self._checked_protocol([*slow_values, fast_value])
                shapes.add(self.measure.shape(protocol))
                self.memory = max(self.memory, self.lanes * self.measure.memory(protocol))
        cells = f"{self.lanes:,} cells, which one compiled call holds"
        check_memory(cells, self.memory, "lower chunk, or the lengths, strengths, starts, draws or widths of a cell")
        if len(shapes) > 1:
            raise ShapeError(
                f"results of {len(shapes)} shapes ({'; '.join(sorted(map(str, shapes)))})",
                "the cells of one file have one shape: as many lengths, strengths, seeds and modes each",
                "make one sweep for each",
            )

    def _checked_protocol(self, axis_values: list[AxisValue]) -> Protocol:
        """The protocol with these values; a refusal names them."""
        built = {field: value for axis_value in axis_values for field, value in axis_value.built.items()}
        try:
            protocol = self.grid.protocol(built)
            self.measure.program(protocol)
        except Refusal as refusal:
            what = f"{cell_name(*axis_values)}: {refusal.what}"
            raise type(refusal)(what, refusal.why, refusal.instead) from None
        return protocol
