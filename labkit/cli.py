"""The command line: each command is one call into the library, imported when it is needed."""

import signal
from typing import Annotated

import typer
from typer.core import TyperGroup

from labkit.errors import LabError

__all__ = ["app", "main"]


def _stop(number, frame):
    raise KeyboardInterrupt


class _Group(TyperGroup):
    """Shows an error that the reader can mend as its message alone."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            typer.echo(str(stopped) if isinstance(stopped, LabError) else "Stopped.", err=True)
            raise typer.Exit(130) from None
        except LabError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Large models under hardware limits: a workbook that measures what it teaches.",
)
notebooks_app = typer.Typer(no_args_is_help=True, help="For authors: build the notebooks from their sources.")
cache_app = typer.Typer(no_args_is_help=True, help="What is kept so that it need not be computed again.")
pack_app = typer.Typer(no_args_is_help=True, help="Packed files: what is in them.")
app.add_typer(notebooks_app, name="notebooks")
app.add_typer(cache_app, name="cache")
app.add_typer(pack_app, name="pack")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Lessons = Annotated[list[str] | None, typer.Argument(help="Numbers or names (03, 03_pruning); none means all.")]


@app.command()
def lab():
    """Open the workbook in JupyterLab."""
    from labkit import lab as jupyterlab

    jupyterlab.start(say=lambda text: typer.echo(text))


@app.command()
def doctor(as_json: AsJson = False):
    """Say what this machine is, and what works on it."""
    from labkit.commands import doctor as looks
    from labkit.commands import tables
    from labkit.machine import describe, probe

    if not as_json:
        typer.echo(describe(probe()) + "\n")
    tables.show(looks.checks(), as_json=as_json)


@app.command()
def run(
    lessons: Lessons = None,
    parameter: Annotated[list[str] | None, typer.Option("-p", help="Set a parameter: -p sparsity=0.8")] = None,
    profile: Annotated[str, typer.Option(help="quick or full.")] = "",
    folder: Annotated[str, typer.Option(help="Where to keep the run; by default a new folder in runs/.")] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest stopped run.")] = False,
):
    """Run lessons without a browser, and write a report."""
    from labkit.commands.bars import Bars
    from labkit.commands.plans import plan_of
    from labkit.running import run as run_plan
    from labkit.running import shown

    plan, folder = plan_of(lessons or [], parameter or [], profile, folder=folder, resume=resume)
    with Bars() as bars:
        done = run_plan(plan, folder=folder, listener=bars)
    failed = [outcome for outcome in done if not outcome.passed]
    typer.echo(f"{len(done) - len(failed)} of {len(done)} lessons passed. Report: {shown(folder)}/report.html")
    raise typer.Exit(1 if failed else 0)


@app.command()
def exercises(as_json: AsJson = False):
    """List the exercises."""
    from labkit.commands import tables
    from labkit.exercises import exercise_rows

    columns = ("lesson", "id", "title", "difficulty", "minutes", "state")
    tables.show(exercise_rows(), columns=columns, numbers=("minutes",), as_json=as_json)


@app.command()
def progress(as_json: AsJson = False):
    """Show which exercises you have tried, and how it went."""
    from labkit.commands import tables
    from labkit.exercises import progress_rows

    rows = progress_rows()
    numbers = [name for name in rows[0] if name != "lesson"] if rows else ()
    tables.show(rows, numbers=numbers, as_json=as_json)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="compression, distributed, pruning, training or vocabulary.")],
):
    """Measure on this machine; what follows the name goes to the benchmark."""
    from labkit.commands.benches import main_of

    main_of(name)(context.args)


@pack_app.command()
def inspect(
    file: Annotated[str, typer.Argument(help="A packed file.")],
    picture: Annotated[str, typer.Option(help="Draw it into this PNG too.")] = "",
    as_json: AsJson = False,
):
    """Show where every byte of a packed file goes."""
    from labkit.commands.contents import show_contents

    show_contents(file, picture=picture, as_json=as_json)


@notebooks_app.command()
def build(
    lessons: Lessons = None,
    execute: Annotated[bool, typer.Option("--execute", help="Run them too, and keep their outputs.")] = False,
    profile: Annotated[str, typer.Option(help="quick or full.")] = "full",
):
    """Build notebooks/NN_name.ipynb from notebooks/source/NN_name.py."""
    from labkit import notebooks

    for source in notebooks.sources(lessons or []):
        path = notebooks.execute(source, profile=profile) if execute else notebooks.build(source)
        typer.echo(f"✓ {path.name}")


@notebooks_app.command()
def check(lessons: Lessons = None):
    """Say whether the notebooks are what their sources say."""
    from labkit import notebooks

    problems = [problem for source in notebooks.sources(lessons or []) for problem in notebooks.check(source)]
    typer.echo("\n".join(problems) or "✓ every notebook equals its source")
    raise typer.Exit(1 if problems else 0)


@cache_app.command()
def path():
    """Print where the cache is."""
    from labkit.cache import default_cache

    typer.echo(default_cache().root)


@cache_app.command()
def size():
    """Print how large the cache is."""
    from labkit.cache import default_cache

    files = [each for each in default_cache().root.rglob("*") if each.is_file()]
    typer.echo(f"{sum(each.stat().st_size for each in files) / 1e6:.1f} MB in {len(files)} files")


@cache_app.command()
def clear():
    """Delete what is in the cache; it is computed again when it is needed."""
    from labkit.cache import default_cache

    typer.echo(f"{default_cache().clear() / 1e6:.1f} MB freed")


def main():
    """Run the command line."""
    # Whoever ends us, or closes the terminal, leaves nothing running: it is the same as Ctrl-C.
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _stop)
    app()
