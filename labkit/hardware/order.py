"""What can come before what on a model's way from its first weights to its users."""

__all__ = ["KIND_OF", "PRECEDES", "STAGES", "WAY_OF", "judge"]

STAGES = ("pre-training", "fine-tuning", "distillation", "pruning", "quantization", "deployment")
"""What is done to a model, one after another."""

KIND_OF = {
    "distillation": "compression",
    "pruning": "compression",
    "quantization": "compression",
    "factorization": "compression",
}
"""Names of one thing inside another: the right one is the more general."""

WAY_OF = {"distributed training": ("pre-training", "fine-tuning", "distillation")}
"""Not stages, but ways to run one: any of these can be distributed."""

PRECEDES = {
    "pre-training": ("fine-tuning", "distillation", "pruning", "quantization", "deployment"),
    "fine-tuning": ("distillation", "pruning", "quantization", "deployment"),
    "distillation": ("fine-tuning", "pruning", "quantization", "deployment"),
    "pruning": ("fine-tuning", "distillation", "quantization", "deployment"),
    "quantization": ("fine-tuning", "deployment"),
}
"""For each stage, what may come directly after it.

Pruning, distillation and quantization go back to training: that is how a model recovers what it lost (Han
et al. 2016, arXiv 1510.00149; quantization-aware training, Jacob et al. 2018, arXiv 1712.05877).
Distillation before fine-tuning is DistilBERT (arXiv 1910.01108), pruning before it Gordon et al. 2020
(arXiv 2002.08307).
"""


def judge(before, after):
    """Say in words whether an arrow from `before` to `after` is right (str).

    >>> judge("fine-tuning", "quantization")
    'possible'
    >>> judge("quantization", "compression")
    'not an order: quantization is a kind of compression'
    >>> judge("pruning", "distributed training")
    'not an order: distributed training is a way to run pre-training, fine-tuning or distillation'
    """
    if KIND_OF.get(before) == after or KIND_OF.get(after) == before:
        kind, general = (before, after) if KIND_OF.get(before) == after else (after, before)
        return f"not an order: {kind} is a kind of {general}"
    for way in (before, after):
        if way in WAY_OF:
            *most, last = WAY_OF[way]
            return f"not an order: {way} is a way to run {', '.join(most)} or {last}"
    return "possible" if after in PRECEDES.get(before, ()) else "not possible"
