"""The progress of a run: one bar a lesson in a terminal, one line a lesson in a pipe."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from labkit.commands.tables import console
from labkit.running import Listener

__all__ = ["Bars"]


class Bars(Listener):
    """Draws what a run does; use it as a context."""

    def __init__(self):
        self.console = console()
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("cells"),
            TimeElapsedColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.bar = None

    def __enter__(self):
        self.progress.start()
        return self

    def __exit__(self, *_):
        self.progress.stop()

    def started(self, lesson, cells):
        """Add a bar for this lesson."""
        self.bar = self.progress.add_task(lesson.name, total=cells)
        if self.progress.disable:
            self._say(f"… {lesson.name}")

    def cell(self, lesson, index):
        """Move the bar to this cell."""
        self.progress.update(self.bar, completed=index)

    def finished(self, outcome, *, reused):
        """Take the bar away and leave one line."""
        if self.bar is not None:
            self.progress.remove_task(self.bar)
            self.bar = None
        sign = "✓" if outcome.passed else "✗"
        words = "kept from before" if reused else f"{outcome.seconds:.0f} s"
        self._say(f"{sign} {outcome.lesson}  {outcome.state}, {words}")
        if outcome.failure:
            name, message = outcome.failure["name"], outcome.failure["message"]
            self._say(f"    cell {outcome.failure['cell']}: {name}: {message}")

    def _say(self, line):
        self.progress.console.print(line, markup=False)
        self.console.file.flush()
