"""What heads and columns are worth: the gradient of a real mask, and the sizes of real weights."""

import numpy as np
import pytest
import small
import torch
from torch.nn import functional

from labkit import importance, structure
from labkit.batches import encode, pad
from labkit.errors import SettingError
from labkit.importance import column_scores, head_scores, keep_best
from labkit.steps import Factorize


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return small.task(tmp_path_factory.mktemp("task"))


def by_masks(classifier, task, *, layer, columns):
    """The derivative by a mask that is really there, one batch of rows after the other."""
    texts, labels = task.texts("train"), task.truth("train")
    rows = np.random.default_rng(0).permutation(len(texts))[: importance.ROWS]
    block = classifier.model.bert.encoder.layer[layer]
    linear = block.output.dense if columns else block.attention.output.dense
    count, sizes = (structure.widths(classifier.model)[layer], 1) if columns else (2, 8)
    sums = torch.zeros(count)
    for start in range(0, len(rows), importance.BATCH):
        part = rows[start : start + importance.BATCH]
        mask = torch.ones(count, requires_grad=True)
        hook = linear.register_forward_pre_hook(lambda _, x, m=mask: (x[0] * m.repeat_interleave(sizes),))
        batch = pad(encode(classifier.tokenizer, [texts[row] for row in part]))
        loss = functional.cross_entropy(classifier.model.eval()(**batch).logits, torch.as_tensor(labels[part]))
        hook.remove()
        sums += torch.autograd.grad(loss, mask)[0].abs()
    return sums / (len(rows) / importance.BATCH)


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("low_rank", [False, True])
def test_first_order_is_the_gradient_of_a_mask(task, columns, low_rank):
    classifier = small.classifier()
    if low_rank:
        Factorize(rank=4, what="encoder").prepare(classifier)
    scores = (column_scores if columns else head_scores)(classifier, task, criterion="first-order")
    for layer in (0, 1):
        expected = by_masks(classifier, task, layer=layer, columns=columns)
        assert torch.allclose(scores[layer], expected, rtol=1e-3, atol=1e-6)
    assert all(parameter.grad is None for parameter in classifier.model.parameters())


def test_first_order_is_the_same_every_time(task):
    first, second = (head_scores(small.classifier(), task, criterion="first-order") for _ in range(2))
    assert all(map(torch.equal, first, second))


def test_magnitude_is_the_norm_of_all_weights_of_a_part():
    classifier = small.classifier()
    layer = classifier.model.bert.encoder.layer[1]
    attention, array = layer.attention, lambda linear: linear.weight.detach().numpy()
    (_, found), (_, columns) = (f(classifier, criterion="magnitude") for f in (head_scores, column_scores))
    for head in (0, 1):
        rows = slice(8 * head, 8 * head + 8)
        own = [array(getattr(attention.self, name))[rows] for name in ("query", "key", "value")]
        own.append(array(attention.output.dense)[:, rows])
        assert found[head] == pytest.approx(np.sqrt(sum((part**2).sum() for part in own)), rel=1e-5)
    up, down = array(layer.intermediate.dense), array(layer.output.dense)
    for column in (0, 31):
        own = np.concatenate([up[column], down[:, column]])
        assert columns[column].item() == pytest.approx(np.linalg.norm(own), rel=1e-5)


def test_of_a_factorized_layer_the_product_counts():
    classifier = small.classifier()
    before = column_scores(classifier, criterion="magnitude")
    Factorize(rank=10, what="encoder").prepare(classifier)
    for one, other in zip(before, column_scores(classifier, criterion="magnitude"), strict=True):
        assert torch.corrcoef(torch.stack([one, other]))[0, 1] > 0.8
        assert (other <= one + 1e-4).all()


def test_the_best_of_a_layer_or_of_all():
    scores = [torch.tensor([0.1, 0.5, 0.3, 0.5]), torch.tensor([5.0, 0.0, 0.0, 0.1])]
    assert keep_best(scores, 2) == [[1, 3], [0, 3]]
    assert keep_best(scores, 3, scope="global") == [[0, 1, 2, 3], [0, 3]]
    assert keep_best(scores, 1, scope="global") == [[1], [0]]  # nobody loses everything
    assert keep_best([torch.zeros(3), torch.ones(3)], 2, scope="global") == [[0], [0, 1, 2]]
    assert keep_best([torch.ones(1), torch.ones(5)], 3, scope="global") == [[0], [0, 1, 2, 3, 4]]


@pytest.mark.parametrize("count", [0, 5, -1, 2.0, True])
def test_more_than_there_is_cannot_be_kept(count):
    with pytest.raises(SettingError, match=r"from 1 to 4 a layer. Received .* have \[4, 6\]"):
        keep_best([torch.ones(4), torch.ones(6)], count)


def test_without_a_task_there_is_no_loss():
    with pytest.raises(SettingError, match="the task on whose rows a loss can be computed"):
        head_scores(small.classifier(), criterion="first-order")
