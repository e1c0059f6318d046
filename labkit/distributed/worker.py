"""Fine-tuning under torchrun, on one machine or several.

    torchrun --nproc-per-node=2 -m labkit.distributed.worker --out trained --checkpoint training.pt

Everything about the others comes from torchrun's environment. With `--max-restarts=1`, all workers start again when
one of them dies, and go on from the checkpoint that worker 0 writes.
"""

import argparse
import json
import os
import signal
from functools import partial
from pathlib import Path

from labkit.machine.system import loopback

__all__ = ["main"]


def main(words=None):
    """Be one worker; worker 0 writes `classifier/`, `predictions.json` and `result.json` into the folder `--out`."""
    options = _parser().parse_args(words)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches torchrun too, and it ends its workers
    _choose_interface()

    import torch
    import torch.distributed as dist

    from labkit.distributed.data_parallel import Parallel
    from labkit.distributed.group import init_from_environment
    from labkit.distributed.jobs import job_for, train
    from labkit.distributed.resume import SharedCheckpoint
    from labkit.task import load_task
    from labkit.training import Training

    torch.set_num_threads(options.threads)
    init_from_environment(timeout=options.timeout)
    task = load_task(options.task, fold=options.fold, folds=options.folds, limit=options.limit)
    job = job_for(
        task, start=options.model, seed=options.seed, out=str(options.out / "classifier"),
        training=Training(
            epochs=options.epochs, batch_size=options.batch_size, learning_rate=options.learning_rate,
            micro_batch=options.micro_batch, optimizer=options.optimizer,
        ),
        parallel=Parallel(
            hook=options.hook, rank=options.rank, bucket_mb=options.bucket_mb, share_rows=not options.whole_table,
            through=options.through,
        ),
    )  # fmt: skip
    keep = options.checkpoint and partial(SharedCheckpoint, options.checkpoint, every=options.every)
    found = train(job, checkpoint=keep)
    if dist.get_rank() == 0:
        _write(options.out, found)
    dist.barrier()  # nobody leaves while another still talks to it
    dist.destroy_process_group()


def _choose_interface():
    """On one machine talk over the loopback interface; over several, leave it to gloo to find the right one."""
    alone = os.environ.get("LOCAL_WORLD_SIZE") == os.environ.get("WORLD_SIZE")
    if alone and (interface := loopback()):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", interface)


def _write(folder, found):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictions.json").write_text(json.dumps(found["predictions"].tolist()))
    facts = {name: value for name, value in found.items() if name not in ("logits", "predictions")}
    (folder / "result.json").write_text(json.dumps(facts, indent=1))
    print(f"macro-F1 {found['f1']:.4f} with {found['workers']} workers, {found['seconds_per_step']:.3f} s a step")


def _parser():
    parser = argparse.ArgumentParser(prog="labkit.distributed.worker", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--task", default="bbc-headlines", help="what labkit.load_task takes")
    add("--fold", type=int, default=0)
    add("--folds", type=int, default=5)
    add("--limit", type=int, help="rows to keep, for a quick look")
    add("--model", default="", help="folder or packed file of a classifier; MiniLM where it is not given")
    add("--out", type=Path, required=True, help="folder that worker 0 writes the result into")
    add("--checkpoint", type=Path, help="file by which training goes on after a stop")
    add("--every", type=int, default=50, help="steps from one checkpoint to the next")
    add("--epochs", type=int, default=5)
    add("--batch-size", type=int, default=32, help="rows a step, of all workers together")
    add("--micro-batch", type=int, default=0, help="rows at a time in a worker, 0 for all of them")
    add("--learning-rate", type=float, default=1e-4)
    add("--optimizer", default="adamw", choices=("adamw", "sgd"))
    add("--hook", default="none", help="none, fp16, bf16 or powersgd")
    add("--rank", type=int, default=4, help="of powersgd")
    add("--bucket-mb", type=float, default=25.0)
    add("--whole-table", action="store_true", help="exchange all rows of the embedding")
    add("--through", default="network", help="network, or memory for workers on one machine")
    add("--threads", type=int, default=1)
    add("--timeout", type=float, default=120.0, help="seconds that one worker waits for another")
    add("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
