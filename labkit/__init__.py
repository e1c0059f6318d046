"""What the notebooks are made of; names load when they are first used, so that commands start fast."""

from importlib import import_module

__version__ = "0.1.0"

_HOME_OF = {
    "Classifier": "labkit.classifier",
    "Cache": "labkit.cache",
    "Distill": "labkit.steps",
    "KeepLayers": "labkit.steps",
    "LabError": "labkit.errors",
    "MergeVocabulary": "labkit.steps",
    "Measurement": "labkit.measure",
    "Policy": "labkit.policy",
    "PruneMagnitude": "labkit.steps",
    "Quantize": "labkit.steps",
    "Task": "labkit.task",
    "calibration": "labkit.predictions",
    "exercise": "labkit.exercises",
    "fine_tune": "labkit.fine_tuning",
    "load_task": "labkit.task",
    "predict": "labkit.predictions",
    "predict_once": "labkit.outputs",
    "pretrained": "labkit.classifier",
    "probe": "labkit.machine",
    "record": "labkit.results",
    "reveal": "labkit.predictions",
    "show": "labkit.plots.style",
}
# No name here may equal a module's (measure, pack): importing the module would replace the function.

__all__ = ["__version__", *sorted(_HOME_OF)]


def __getattr__(name):
    if name not in _HOME_OF:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
