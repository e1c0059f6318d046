"""The timed step is a real step of training."""

import small
import torch

from labkit.batches import encode, pad
from labkit.quantization import Scheme
from labkit.quantization.pace import stepper


def test_a_step_moves_the_model_and_a_rounded_one_leaves_it_rounded():
    batch = pad(encode(small.tokenizer(), small.TEXTS)) | {"labels": torch.as_tensor(small.LABELS)}
    for scheme in (None, Scheme(2, "row")):
        classifier = small.classifier()
        before = small.state(classifier.model)
        step = stepper(classifier.model, batch, scheme=scheme)
        for _ in range(3):
            step()
        query = classifier.model.bert.encoder.layer[0].attention.self.query
        assert not torch.equal(query.bias, before["bert.encoder.layer.0.attention.self.query.bias"])
        levels = max(len(row.unique()) for row in query.weight.detach())
        assert levels <= 3 if scheme else levels == 16
