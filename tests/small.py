"""A classifier and a task so small that a test trains them in a blink; the tokenizer is the real one."""

from functools import cache

import numpy as np
import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from labkit.batches import Batches, encode
from labkit.classifier import Classifier, checkpoint_folder
from labkit.task import load_task
from labkit.training import Training, fit

WORDS = {
    "fruit": "apple pear cherry plum grape melon lemon peach",
    "metal": "iron copper zinc silver gold lead nickel tin",
    "tools": "hammer saw drill file wrench pliers chisel plane",
}


@cache
def tokenizer():
    return AutoTokenizer.from_pretrained(checkpoint_folder(), local_files_only=True, model_max_length=128)


def classifier(labels=("fruit", "metal"), *, layers=2, hidden=16, seed=0, dropout=0.1):
    """A BERT with random weights: 2 layers, hidden size 16, about half a million parameters."""
    config = BertConfig(
        vocab_size=30522, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=2 * hidden, max_position_embeddings=128, num_labels=len(labels), hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertForSequenceClassification(config)
        for parameter in model.parameters():
            if parameter.ndim == 2:  # large enough that different texts get different labels
                torch.nn.init.normal_(parameter, std=0.3)
    return Classifier(model, tokenizer(), labels)


def write_table(path, *, rows=60, classes=2, seed=0):
    """Write a CSV of `rows` texts, each of three to six words of its class, no two alike."""
    random, lines, seen = np.random.default_rng(seed), ["text,label"], set()
    names = sorted(WORDS)[:classes]
    while len(lines) <= rows:
        label = names[len(lines) % classes]
        text = " ".join(random.choice(WORDS[label].split(), size=random.integers(3, 7)))
        if text not in seen:
            seen.add(text)
            lines.append(f"{text},{label}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def task(folder, *, rows=60, classes=2, **options):
    """A task from a CSV in `folder`."""
    return load_task(str(write_table(folder / "table.csv", rows=rows, classes=classes)), **options)


def state(model):
    """A copy of all weights, to compare later ones with."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def same(first, second):
    """Whether two dictionaries of tensors hold the same bits."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


SENTENCES = ["apple and pear", "iron or copper for the bridge over the river", "gold", "a plum, a peach, a lemon", ""]

# What the loop is tested on: 21 texts in 6 batches, 3 epochs.
TEXTS = [f"{a} {b}" for a in ["gold", "iron", "zinc", "lead"] for b in ["tin", "copper", "silver"]]
TEXTS += [f"{a} {b} {a}" for a in ["apple", "pear", "plum"] for b in ["peach", "lemon", "melon"]]
LABELS = np.array([1] * 12 + [0] * 9)
TRAINING = Training(epochs=3, batch_size=4, learning_rate=3e-3)
STEPS = 18


def train(model, **options):
    """Run the loop on the texts above."""
    batches = Batches(encode(tokenizer(), TEXTS), batch_size=4, seed=3, labels=LABELS)
    return fit(model, batches, **{"training": TRAINING} | options)
