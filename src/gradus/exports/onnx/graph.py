"""A graph of ONNX that is written operation by operation."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradus.optional import import_optional

OPSET = 20  # the first with strings matched by regular expressions
ML_OPSET = 3  # of the domain ai.onnx.ml
MICROSOFT, MICROSOFT_OPSET = "com.microsoft", 1  # operations that only onnxruntime has
IR_VERSION = 9  # that of OPSET, so that runtimes of its time read the file
BATCH = "batch"  # the symbolic size of the first axis
LARGEST = 2**31 - 1  # bytes of a file of protocol buffers
_SHARED = 1024  # bytes up to which equal constants are one


@dataclasses.dataclass(frozen=True, eq=False)
class Tensor:
    """A value in a graph.

    Attributes:
        name: what the graph calls it.
        shape: of one sample, without the batch axis; known for what passes between layers.
        kind: of its numbers, as in `numpy.dtype.kind`.
        mask: which steps are real, `(batch, steps)`, or None.
        activation: the name of the activation that made it; "linear" if none did.
        before: what a softmax, log-softmax, or sigmoid that made it was applied to.
    """

    name: str
    shape: tuple[int, ...] = ()
    kind: str = "f"
    mask: Tensor | None = None
    activation: str = "linear"
    before: Tensor | None = None

    def replace(self, **changes: Any) -> Tensor:
        """Return the same value with other attributes."""
        return dataclasses.replace(self, **changes)


class Graph:
    """The nodes, constants, inputs, and outputs of a graph, in the order of their computation.

    Attributes:
        path: of the layer that is converted; new values are named after it.
    """

    def __init__(self) -> None:
        self.onnx = import_optional("onnx", "export to ONNX", "onnx")
        self.path = ""
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self._constants: list[Any] = []
        self._declared: list[Any] = []
        self._shared: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._names: dict[str, int] = {}

    def input(
        self, name: str, dtype: str, shape: tuple[int, ...] = (), description: str = ""
    ) -> Tensor:
        """Add an input `(batch, *shape)`; `dtype` is "float", "double", "int64", "string", …."""
        self.inputs.append(self._info(name, dtype, (BATCH, *shape), description))
        self._names[name] = 1
        kind = {"string": "S", "float": "f", "double": "f", "bool": "b"}.get(dtype, "i")
        return Tensor(name, shape, kind)

    def output(
        self, value: Tensor, name: str, dtype: str, shape: tuple[int, ...], description: str = ""
    ) -> str:
        """Name a value as an output `(batch, *shape)`, and return the name that was free for it."""
        name = self._free(name)
        self._add("Identity", [value.name], [name])
        self.outputs.append(self._info(name, dtype, (BATCH, *shape), description))
        return name

    def declare(self, value: Tensor, dtype: str, shape: tuple[str | int, ...]) -> Tensor:
        """Say what an operation that is not ONNX's own returns: its type, and `(batch, *shape)`."""
        self._declared.append(self._info(value.name, dtype, (BATCH, *shape), ""))
        return value

    def op(self, kind: str, *inputs: Any, domain: str = "", **attributes: Any) -> Tensor:
        """Add an operation with one output, and return that.

        Args:
            kind: of the operation, such as "MatMul".
            inputs: values, constants (arrays), or None for an optional input that is left out.
            domain: of the operation; "" is ONNX's own.
            attributes: of the operation.
        """
        return self.ops(kind, *inputs, domain=domain, **attributes)[0]

    def ops(
        self, kind: str, *inputs: Any, count: int = 1, domain: str = "", **attributes: Any
    ) -> list[Tensor]:
        """Add an operation with several outputs, and return them."""
        names = [self._free(f"{self.path or 'network'}/{kind}") for _ in range(count)]
        given = [self._name_of(x) for x in inputs]
        while given and not given[-1]:
            given.pop()  # a name that is empty at the end ends onnxruntime 1.32 itself
        self._add(kind, given, names, domain, **attributes)
        return [Tensor(name) for name in names]

    def weight(self, name: str, array: Any) -> Tensor:
        """Add a weight of the layer that is converted."""
        free = self._free(f"{self.path}/{name}")
        array = np.array(array, order="C")
        array = array.astype(object) if array.dtype.kind == "U" else array  # strings of ONNX
        self._constants.append(self.onnx.numpy_helper.from_array(array, free))
        return Tensor(free)

    def _constant(self, array: Any) -> str:
        """Add a constant and return its name; equal small ones are one."""
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._shared or array.nbytes > _SHARED:
            self._shared[key] = self.weight("constant", array).name
        return self._shared[key]

    @contextlib.contextmanager
    def at(self, path: str) -> Iterator[None]:
        """Name new values after the layer at a path."""
        former, self.path = self.path, path
        try:
            yield
        finally:
            self.path = former

    @contextlib.contextmanager
    def body(self) -> Iterator[list[Any]]:
        """Yield a list to which the nodes of the block are added, rather than to the graph."""
        former, self.nodes = self.nodes, []
        try:
            yield self.nodes
        finally:
            self.nodes = former

    def subgraph(self, nodes: list[Any], inputs: list[Tensor], outputs: list[Tensor]) -> Any:
        """Return nodes as the body of an operation such as Scan."""
        values = [[self._untyped(each) for each in part] for part in (inputs, outputs)]
        return self.onnx.helper.make_graph(nodes, self._free(f"{self.path}/body"), *values)

    def local(self, name: str, kind: str = "f") -> Tensor:
        """Return a new value, which is an input of a body."""
        return Tensor(self._free(f"{self.path or 'network'}/{name}"), kind=kind)

    def model(self, metadata: dict[str, str], version: str) -> Any:
        """Return the model, `onnx.ModelProto`.

        Args:
            metadata: names and texts about the model.
            version: of gradus.
        """
        helper = self.onnx.helper
        graph = helper.make_graph(
            self.nodes,
            "gradus",
            self.inputs,
            self.outputs,
            initializer=self._constants,
            value_info=self._declared,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        if any(node.domain == MICROSOFT for node in self.nodes):
            opsets.append(helper.make_opsetid(MICROSOFT, MICROSOFT_OPSET))
        model = helper.make_model(
            graph, producer_name="gradus", producer_version=version, opset_imports=opsets
        )
        model.ir_version = IR_VERSION
        helper.set_model_props(model, metadata)
        return model

    def _add(
        self,
        kind: str,
        inputs: list[str],
        outputs: list[str],
        domain: str = "",
        **attributes: Any,
    ) -> None:
        node = self.onnx.helper.make_node(
            kind, inputs, outputs, name=outputs[0], domain=domain, **attributes
        )
        self.nodes.append(node)

    def _name_of(self, value: Any) -> str:
        if value is None:
            return ""
        return value.name if isinstance(value, Tensor) else self._constant(np.asarray(value))

    def _free(self, name: str) -> str:
        """Return a name that is in use nowhere else."""
        count = self._names.get(name, 0)
        self._names[name] = count + 1
        return self._free(f"{name}_{count}") if count else name

    def _info(self, name: str, dtype: str, shape: tuple[str | int, ...], description: str) -> Any:
        kind = getattr(self.onnx.TensorProto, dtype.upper())
        return self.onnx.helper.make_tensor_value_info(name, kind, shape, description)

    def _untyped(self, value: Tensor) -> Any:
        kind = self.onnx.TensorProto.BOOL if value.kind == "b" else self.onnx.TensorProto.FLOAT
        return self.onnx.helper.make_tensor_value_info(value.name, kind, None)
