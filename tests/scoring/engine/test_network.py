"""Every family of network that Detoxify has, written as a graph, says what torch says."""

import numpy as np
import pytest

from moderation.scoring.detoxify import is_installed
from moderation.scoring.engine.graph import write_network
from moderation.scoring.engine.network import PackedNetwork, TorchNetwork
from tests.scoring.tiny import bits

pytestmark = pytest.mark.skipif(not is_installed(), reason="Detoxify is not installed")

SHAPE = {
    "vocab_size": 500,
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "num_labels": 6,
}
FAMILIES = {
    "Bert": {},
    "Roberta": {"max_position_embeddings": 66, "type_vocab_size": 1},
    "XLMRoberta": {"max_position_embeddings": 66, "type_vocab_size": 1},
    "Albert": {"embedding_size": 32, "hidden_act": "gelu_new"},
}


@pytest.fixture(scope="module", params=FAMILIES)
def network(request):
    import torch
    import transformers

    kind = request.param
    config = getattr(transformers, f"{kind}Config")(**SHAPE, **FAMILIES[kind])
    torch.manual_seed(11)
    made = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    with torch.no_grad():
        for name, weights in made.named_parameters():
            if name.startswith(("classifier.weight", "classifier.out_proj")):
                weights.mul_(20)  # so that scores differ from text to text
    return made


@pytest.fixture(scope="module")
def exact(network):
    return TorchNetwork(network, "cpu")


@pytest.fixture(scope="module")
def ours(network):
    return PackedNetwork(written(network, bits()), first_position(network))


def written(network, bits=8):
    weights = {key: value.numpy() for key, value in network.state_dict().items()}
    return write_network(network.config, weights, bits).SerializeToString()


def first_position(network):
    return 2 if "roberta" in network.config.model_type else 0


def texts():
    rng = np.random.default_rng(5)
    return [rng.integers(3, 500, length).tolist() for length in (3, 17, 9, 60, 1, 30, 17, 44)]


def test_it_says_what_torch_says(exact, ours):
    wanted, found = exact(texts()), ours(texts())
    assert found.shape == wanted.shape == (8, 6)
    assert np.ptp(wanted, axis=0).min() > 0.05, "the scores must differ for this to mean anything"
    assert np.abs(wanted - found).max() < 0.03
    assert np.abs(wanted - found).mean() < 0.006


def test_a_text_has_the_same_scores_whatever_it_is_scored_with(ours):
    alone = np.concatenate([ours([ids]) for ids in texts()])
    assert np.array_equal(alone, ours(texts()))
    assert np.array_equal(alone[::-1], ours(texts()[::-1]))


def test_torch_scores_a_padded_text_as_if_alone(exact):
    alone = np.concatenate([exact([ids]) for ids in texts()])
    assert np.allclose(alone, exact(texts()), atol=1e-5)


def test_seven_bits_still_agree(network, exact):
    found = PackedNetwork(written(network, bits=7), first_position(network))(texts())
    assert np.abs(exact(texts()) - found).max() < 0.06


def test_another_kind_of_network_is_refused(network):
    network.config.model_type, kept = "gpt2", network.config.model_type
    try:
        with pytest.raises(ValueError, match="gpt2"):
            written(network)
    finally:
        network.config.model_type = kept
