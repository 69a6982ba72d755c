"""A Detoxify network written as an ONNX graph: int8 weights, several texts a run, no padding.

Detoxify's networks are BERT, RoBERTa, XLM-RoBERTa and ALBERT: one encoder under four
names. We write the graph ourselves, because what makes it fast has no place in the
networks that an exporter could trace: texts lie end to end in one row of tokens, and
a token attends to those of its own text only, so that no time goes into padding (Zeng
et al. 2022, "Boosting Distributed Training Performance of the Unpadded BERT Model").

Weights are int8 with a scale for each output channel. What flows in is quantised with
a scale for each token, found as it passes (Yao et al. 2022, "ZeroQuant"): a comment's
scores then don't depend on which others it is scored with, nor on calibration texts.

`onnx` is imported inside the function: only who prepares a network needs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = Mapping[str, NDArray[np.float32]]
OPSET = 20
MICROSOFT = "com.microsoft"
"""Domain of the operators that ONNX Runtime has beyond the standard."""
SMALLEST_SCALE = 1e-9
"""Keeps a row of zeros from being divided by zero."""


@dataclass(frozen=True, slots=True)
class Family:
    """What the weights of one kind of encoder are called; `{}` is the number of the layer."""

    root: str
    layer: str
    query: str
    attended: str
    attended_norm: str
    widened: str
    narrowed: str
    norm: str


BERT = Family(
    root="bert",
    layer="bert.encoder.layer.{}",
    query="attention.self.{}",
    attended="attention.output.dense",
    attended_norm="attention.output.LayerNorm",
    widened="intermediate.dense",
    narrowed="output.dense",
    norm="output.LayerNorm",
)
ROBERTA = replace(BERT, root="roberta", layer="roberta.encoder.layer.{}")
ALBERT = Family(
    root="albert",
    # All layers have the same weights.
    layer="albert.encoder.albert_layer_groups.0.albert_layers.0",
    query="attention.{}",
    attended="attention.dense",
    attended_norm="attention.LayerNorm",
    widened="ffn",
    narrowed="ffn_output",
    norm="full_layer_layer_norm",
)
FAMILIES = {"bert": BERT, "roberta": ROBERTA, "xlm-roberta": ROBERTA, "albert": ALBERT}
"""The `model_type` of a config → its family."""
GELUS = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}


def write_network(config: Any, weights: Weights, bits: int = 8) -> Any:
    """Give the network as an ONNX model that ONNX Runtime runs.

    Its inputs, as `packing.packed` makes them: `ids` and `positions` of all tokens, end
    to end, shape (tokens,); `grid`, shape (texts, longest), the tokens of each text, and
    `inside`, 1 where there is one and 0 where there is padding; `places`, shape (tokens,),
    where a token is found in the flattened grid. All int64, `inside` int32. Its output:
    `scores`, shape (texts, labels), in [0, 1].

    config   the network's config, as transformers has it
    weights  name → array, as in the network's state
    bits     of a weight; 7 where a processor's 8-bit sums overflow

    Raises `ValueError` for a network of another kind.
    """
    if config.model_type not in FAMILIES or config.hidden_act not in GELUS:
        raise ValueError(f"a {config.model_type} with {config.hidden_act} is not a known network")
    return _Writer(config, weights, bits).model()


class _Writer:
    """A graph in the making: nodes, and the figures they use, by name."""

    def __init__(self, config: Any, weights: Weights, bits: int) -> None:
        self._config, self._weights, self._bits = config, weights, bits
        self._family = FAMILIES[config.model_type]
        self._nodes: list[Any] = []
        self._figures: dict[str, NDArray[Any]] = {}

    def model(self) -> Any:
        from onnx import TensorProto, helper, numpy_helper

        self._helper = helper
        states = self._embedded()
        layers = self._config.num_hidden_layers
        for number in range(layers):
            at = self._family.layer.format(number)
            states = self._layer(states, at, last=number == layers - 1)
        scores = self._head(states)
        assert scores == "scores"
        fed = [
            helper.make_tensor_value_info(name, kind, shape)
            for name, kind, shape in (
                ("ids", TensorProto.INT64, ["tokens"]),
                ("positions", TensorProto.INT64, ["tokens"]),
                ("grid", TensorProto.INT64, ["texts", "longest"]),
                ("inside", TensorProto.INT32, ["texts", "longest"]),
                ("places", TensorProto.INT64, ["tokens"]),
            )
        ]
        found = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["texts", "labels"])
        figures = [numpy_helper.from_array(array, name) for name, array in self._figures.items()]
        graph = helper.make_graph(self._nodes, "packed", fed, [found], figures)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def _embedded(self) -> str:
        root = f"{self._family.root}.embeddings"
        words = self._table(f"{root}.word_embeddings.weight")
        places = self._weights[f"{root}.position_embeddings.weight"]
        kind = self._weights[f"{root}.token_type_embeddings.weight"][0]
        found = self._node("Gather", [self._figure("of_places", places + kind), "positions"])
        states = self._norm(self._node("Add", [words, found]), f"{root}.LayerNorm")
        mapping = f"{self._family.root}.encoder.embedding_hidden_mapping_in"
        if f"{mapping}.weight" in self._weights:
            states = self._linear(states, mapping)
        return states

    def _table(self, name: str) -> str:
        """Look words up in int8 rows, each with its scale: a quarter of the memory."""
        rows, scales = _quantised(self._weights[name], 8)
        taken = self._node("Gather", [self._figure("words", rows), "ids"])
        scale = self._node("Gather", [self._figure("word_scales", scales[:, None]), "ids"])
        return self._node("Mul", [self._node("Cast", [taken], to=1), scale])

    def _layer(self, states: str, at: str, *, last: bool) -> str:
        """Give a layer's states; of the last layer only those that the head reads."""
        f = self._family
        small = self._small(states)
        key, value = (self._product(small, f"{at}.{f.query.format(x)}") for x in ("key", "value"))
        if last:
            states = self._node("Gather", [states, self._firsts()])
            small = self._small(states)
        query = self._product(small, f"{at}.{f.query.format('query')}")
        mixed = self._linear(self._mixed(query, key, value, last=last), f"{at}.{f.attended}")
        states = self._norm(self._node("Add", [mixed, states]), f"{at}.{f.attended_norm}")
        wide = self._linear(states, f"{at}.{f.widened}")
        wide = self._node("Gelu", [wide], approximate=GELUS[self._config.hidden_act])
        narrow = self._node("Add", [self._linear(wide, f"{at}.{f.narrowed}"), states])
        return self._norm(narrow, f"{at}.{f.norm}")

    def _firsts(self) -> str:
        return self._node("Gather", ["grid", self._figure("column", np.array(0))], axis=1)

    def _mixed(self, query: str, key: str, value: str, *, last: bool) -> str:
        """Let each token attend to those of its own text; only here is a text padded.

        A text begins in the first column, so what is summed, and in which order, is the
        same whichever texts it is scored with: not a bit of its scores depends on them.
        """
        if last:
            asking = self._node("Unsqueeze", [query, self._figure("middle_axis", np.array([1]))])
        else:
            asking = self._node("Gather", [query, "grid"])
        mixed = self._node(
            "MultiHeadAttention",
            [asking, *(self._node("Gather", [x, "grid"]) for x in (key, value)), "", "inside"],
            domain=MICROSOFT,
            num_heads=self._config.num_attention_heads,
        )
        width = self._figure("width", np.array([-1, self._config.hidden_size]))
        flat = self._node("Reshape", [mixed, width])
        return flat if last else self._node("Gather", [flat, "places"])

    def _head(self, pooled: str) -> str:
        dense, out = {
            "bert": ("bert.pooler.dense", "classifier"),
            "albert": ("albert.pooler", "classifier"),
        }.get(self._config.model_type, ("classifier.dense", "classifier.out_proj"))
        pooled = self._node("Tanh", [self._exact(pooled, dense)])
        return self._node("Sigmoid", [self._exact(pooled, out)], outputs=["scores"])

    def _linear(self, x: str, name: str) -> str:
        return self._product(self._small(x), name)

    def _small(self, x: str) -> tuple[str, str]:
        """Give a value as bytes, 128 standing for 0, and the scale of each of its rows."""
        axis = self._figure("last_axis", np.array([-1]))
        largest = self._node("ReduceMax", [self._node("Abs", [x]), axis], keepdims=0)
        scale = self._node("Mul", [largest, self._figure("step", np.float32(1 / 127))])
        scale = self._node("Max", [scale, self._figure("least", np.float32(SMALLEST_SCALE))])
        middle = self._figure("middle", np.uint8(128))
        middles = self._node("Expand", [middle, self._node("Shape", [scale])])
        small = self._node("QuantizeLinear", [x, scale, middles], axis=0)
        return small, self._node("Unsqueeze", [scale, axis])

    def _product(self, small: tuple[str, str], name: str) -> str:
        """Multiply what `_small` gave by int8 weights, and add their bias."""
        if f"{name}.q" not in self._figures:
            rows, scales = _quantised(self._weights[f"{name}.weight"], self._bits)
            self._figure(f"{name}.q", np.ascontiguousarray(rows.T))
            self._figure(f"{name}.scales", scales)
            self._figure(f"{name}.zeros", np.zeros(len(rows), np.int8))
            self._figure(f"{name}.bias", self._weights[f"{name}.bias"])
        bytes_, scale = small
        one = self._figure("one", np.float32(1))
        product = self._node(
            "MatMulIntegerToFloat",
            [bytes_, f"{name}.q", one, f"{name}.scales", "middle", f"{name}.zeros"],
            domain=MICROSOFT,
        )
        return self._node("Add", [self._node("Mul", [product, scale]), f"{name}.bias"])

    def _exact(self, x: str, name: str) -> str:
        weight = self._figure(f"{name}.weight", self._weights[f"{name}.weight"])
        bias = self._figure(f"{name}.bias", self._weights[f"{name}.bias"])
        return self._node("Gemm", [x, weight, bias], transB=1)

    def _norm(self, x: str, name: str) -> str:
        parts = [
            self._figure(f"{name}.{part}", self._weights[f"{name}.{part}"])
            for part in ("weight", "bias")
        ]
        return self._node("LayerNormalization", [x, *parts], epsilon=self._config.layer_norm_eps)

    def _figure(self, name: str, array: Any) -> str:
        self._figures.setdefault(name, np.asarray(array))
        return name

    def _node(
        self,
        kind: str,
        inputs: list[str],
        outputs: list[str] | None = None,
        **attributes: Any,
    ) -> str:
        outputs = outputs or [f"{kind}_{len(self._nodes)}"]
        self._nodes.append(self._helper.make_node(kind, inputs, outputs, **attributes))
        return outputs[0]


def _quantised(rows: NDArray[np.float32], bits: int) -> tuple[NDArray[np.int8], Any]:
    """Give int8 rows and a scale for each: row · scale is the row again, nearly."""
    highest = 2 ** (bits - 1) - 1
    scales = np.maximum(np.abs(rows).max(1), SMALLEST_SCALE) / highest
    return np.rint(rows / scales[:, None]).astype(np.int8), scales.astype(np.float32)
