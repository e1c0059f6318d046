"""PyTorch's and torchao's int8 beside the classifier, silent, and clear where something is missing."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import runtime_models as models
import torch

from labkit.errors import ModelFileError
from labkit.runtime import contents, eager, torch_dynamic, torch_variants, torchao_dynamic, torchao_weight_only

TEXTS = models.TEXTS
# torchao is not installed with the workbook: while it is there, importing Transformers imports it too, with its noise.
AO = pytest.mark.skipif(find_spec("torchao") is None, reason="torchao is not installed")
VARIANTS = [torch_dynamic, *(pytest.param(one, marks=AO) for one in (torchao_weight_only, torchao_dynamic))]


def test_eager_is_the_classifier():
    classifier = models.full()
    assert np.array_equal(eager(classifier).logits(TEXTS), classifier.logits(TEXTS))
    size = sum(4 * p.numel() for p in classifier.model.parameters())
    assert size < eager(classifier).bytes < size + 250_000


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda one: one.__name__)
def test_answers_are_near_and_files_smaller_and_nothing_is_said(variant, capfd, recwarn):
    classifier = models.full()
    before = {name: tensor.clone() for name, tensor in classifier.model.state_dict().items()}
    runtime = variant(classifier)
    assert 1e-6 < models.error(classifier, runtime) < 0.15
    assert runtime.bytes < eager(classifier).bytes
    assert runtime.fingerprint != eager(classifier).fingerprint
    assert capfd.readouterr() == ("", "")
    assert [str(w.message) for w in recwarn] == []
    assert all(torch.equal(before[name], tensor) for name, tensor in classifier.model.state_dict().items())


def test_the_embedding_stays_in_float32_with_torch():
    words = torch_dynamic(models.full()).model.bert.embeddings.word_embeddings.weight
    assert words.dtype == torch.float32


def test_what_is_missing_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(ModelFileError, match="the package torchao"):
        torchao_dynamic(models.full())
    monkeypatch.setitem(sys.modules, "torch.ao.quantization", None)
    with pytest.raises(ModelFileError, match="a PyTorch that has quantize_dynamic"):
        torch_dynamic(models.full())


def test_stored_bytes_count_what_is_stored():
    layer = torch.nn.Linear(500, 500)
    assert torch_variants.stored_bytes(layer) == pytest.approx(4 * 250_500, rel=0.01)


def test_types_are_counted_inside_quantized_modules():
    classifier = models.full()
    found = contents.stored_types(torch_dynamic(classifier).model)
    linear = [m for m in classifier.model.modules() if isinstance(m, torch.nn.Linear)]
    assert found["int8"] == sum(m.weight.numel() for m in linear)
    kept = 4 * (sum(p.numel() for p in classifier.model.parameters()) - found["int8"])
    assert kept <= found["float32"] <= kept * 1.02  # scales come on top
    assert contents.stored_types(classifier.model) == {
        "float32": 4 * sum(p.numel() for p in classifier.model.parameters())
    }
