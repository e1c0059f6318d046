"""One notebook in a real browser: run it, move its sliders, press its buttons, read what it says."""

import time

__all__ = ["Notebook"]

# Messages that JupyterLab itself writes to the console; none of them comes from the workbook.
NOT_OURS = (
    "Synchronous XMLHttpRequest",  # JupyterLab flushes its state when a page closes
    "the server responded with a status of 404",  # optional files: custom.css, a workspace not saved before
)

CURRENT = "window.jupyterapp?.shell?.currentWidget"

# Times are taken in the page: from the key's own time stamp until the new picture is decoded and drawn.
WATCH = """
(number) => {
  const panel = document.querySelector('.labkit-panel');
  const handle = panel.querySelectorAll('.noUi-handle')[number];
  const image = panel.querySelector('img');
  const watch = window.labkitWatch = {times: [], pictures: 0, key: null, last: 0};
  watch.expect = () => { watch.coming = new Promise(done => { watch.arrived = done; }); };
  watch.next = () => Promise.race([watch.coming, new Promise((_, late) => setTimeout(late, 10000, 'no picture'))]);
  handle.scrollIntoView({block: 'center'});
  handle.focus();
  handle.addEventListener('keydown', event => { watch.key = event.timeStamp; }, true);
  new MutationObserver(async () => {
    const key = watch.key;
    try { await image.decode(); } catch (error) { return; }  // replaced by a newer picture meanwhile
    requestAnimationFrame(() => {
      watch.last = performance.now();
      watch.pictures += 1;
      if (key !== null && watch.key === key) {
        watch.times.push(watch.last - key);
        watch.key = null;
        watch.arrived?.();
      }
    });
  }).observe(image, {attributes: true, attributeFilter: ['src']});
}
"""


class Notebook:
    """A notebook in its own page, from opening to closing."""

    def __init__(self, page, address, token, name):
        self.page, self.name, self.complaints, self.outside = page, name, [], []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._watch_network)
        self._address = address
        page.goto(f"{address}/lab/tree/{name}.ipynb?token={token}")
        page.wait_for_function(f"{CURRENT}?.sessionContext?.session?.kernel?.status === 'idle'")

    def _hear(self, message):
        if message.type == "error" and not any(known in message.text for known in NOT_OURS):
            self.complaints.append(message.text)

    def _watch_network(self, request):
        if not request.url.startswith((self._address, self._address.replace("http", "ws"), "data:", "blob:")):
            self.outside.append(request.url)

    def run(self, *, seconds=300):
        """Run all cells and wait until each has been executed and the kernel is idle."""
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.page.wait_for_function(
            f"""() => {{
              const cells = Array.from({CURRENT}.content.model.cells).filter(cell => cell.type === 'code');
              const waiting = cells.filter(cell => cell.sharedModel.getSource().trim() && !cell.executionCount);
              const failed = cells.some(cell => cell.outputs.toJSON().some(out => out.output_type === 'error'));
              return (failed || !waiting.length) && {CURRENT}.sessionContext.session.kernel.status === 'idle';
            }}""",
            timeout=seconds * 1000,
            polling=200,
        )
        if self.page.locator(".labkit-panel").count():
            self.page.wait_for_selector(".labkit-panel img[src^='blob:']")

    def errors(self):
        """List the error outputs of all cells."""
        return self.page.evaluate(
            f"""Array.from({CURRENT}.content.model.cells).filter(cell => cell.type === 'code')
              .flatMap(cell => cell.outputs.toJSON()).filter(out => out.output_type === 'error')
              .map(out => out.ename + ': ' + out.evalue)"""
        )

    def sliders(self):
        """Count the sliders of the widget."""
        return self.page.locator(".labkit-panel").first.locator(".noUi-handle").count()

    def time_slider(self, number, *, presses):
        """Press an arrow key again and again; return the sorted times from key to new picture, ms.

        At its end a slider cannot move on, so the direction changes after every ten presses.
        """
        self.page.evaluate(WATCH, number)
        key = "ArrowRight"
        for press in range(presses):
            if press % 10 == 0:
                key = self._free_direction(number, key)
            self.page.evaluate("window.labkitWatch.expect()")
            self.page.keyboard.press(key)
            self.page.evaluate("window.labkitWatch.next()")
            self.page.wait_for_timeout(30)  # fingers are not faster; a second picture would show here
        return sorted(self.page.evaluate("window.labkitWatch.times"))

    def _free_direction(self, number, key):
        now, low, high = self.page.evaluate(
            """number => { const h = document.querySelector('.labkit-panel').querySelectorAll('.noUi-handle')[number];
              return ['now', 'min', 'max'].map(name => +h.getAttribute('aria-value' + name)); }""",
            number,
        )
        return "ArrowRight" if now < (low + high) / 2 else "ArrowLeft"

    def hold_key(self, *, seconds):
        """Hold an arrow key down; return how long pictures keep coming after it was let go, ms."""
        self.page.evaluate(WATCH, 0)
        key = self._free_direction(0, "ArrowRight")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.page.keyboard.down(key)  # repeated downs without an up are what a held key sends
            self.page.wait_for_timeout(33)
        self.page.keyboard.up(key)
        released = self.page.evaluate("performance.now()")
        self.page.wait_for_timeout(1500)
        assert self.page.evaluate("window.labkitWatch.pictures") > 5
        return max(0.0, self.page.evaluate("window.labkitWatch.last") - released)

    def readout(self):
        """Read the words under the picture."""
        return self.page.locator(".labkit-panel [role=status]").first.inner_text()

    def status(self):
        """Read the words beside the progress bar."""
        words = self.page.locator(".labkit-panel [role=status]")
        return words.nth(1).inner_text() if words.count() > 1 else ""

    def picture(self):
        """Identify the picture on show; it changes with every new one."""
        return self.page.locator(".labkit-panel img").first.get_attribute("src")

    def press(self, label):
        """Press a button of the widget by keyboard."""
        button = self.page.locator(".labkit-panel button", has_text=label).first
        button.focus()
        self.page.wait_for_function("button => !button.disabled", arg=button.element_handle())
        self.page.keyboard.press("Enter")

    def enabled(self, label):
        """Say whether a button of the widget can be pressed."""
        return self.page.locator(".labkit-panel button", has_text=label).first.is_enabled()

    def wait_for_status(self, *words, seconds=180):
        """Wait until the status begins with or contains one of the words; return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status = self.status()
            if any(word in status for word in words):
                self.page.wait_for_timeout(200)
                return status
            self.page.wait_for_timeout(50)
        raise AssertionError(f"waited {seconds} s for {words}; the panel says {self.status()!r}")

    def answer(self, exercise, source, *, seconds=60):
        """Type an answer into an exercise's cell, run it, and return what it shows, as text."""
        index = self.page.evaluate(
            f"""name => Array.from({CURRENT}.content.model.cells)
              .findIndex(cell => cell.sharedModel.getSource().includes(`@exercise("${{name}}")`))""",
            exercise,
        )
        assert index >= 0, f"no cell with @exercise({exercise!r})"
        self.page.evaluate(
            f"""([index, source]) => {{
              const notebook = {CURRENT}.content;
              notebook.activeCellIndex = index;
              notebook.model.cells.get(index).sharedModel.setSource(source);
              return window.jupyterapp.commands.execute('notebook:run-cell');
            }}""",
            [index, source],
        )
        self.page.wait_for_function(
            f"{CURRENT}.sessionContext.session.kernel.status === 'idle'", timeout=seconds * 1000
        )
        cell = self.page.locator(".jp-Notebook .jp-Cell").nth(index)
        cell.scroll_into_view_if_needed()
        return cell.locator(".jp-OutputArea").inner_text()

    def photograph(self, path):
        """Keep a picture of the whole notebook, top to bottom."""
        self.page.evaluate(f"window.jupyterapp.shell.collapseLeft(); {CURRENT}.content.node.scrollTo(0, 0)")
        wide, tall = 1100, 900
        for _ in range(3):  # cells are laid out as they come into sight, so the height is known step by step
            self.page.set_viewport_size({"width": wide, "height": tall})
            self.page.wait_for_timeout(400)
            tall = 120 + self.page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
        self.page.screenshot(path=path)
        self.page.set_viewport_size({"width": 1280, "height": 900})
