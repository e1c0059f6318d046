"""One notebook in a real browser: run it, move its sliders, press its buttons, read what it says."""

import time

__all__ = ["Notebook"]

# Messages that JupyterLab itself writes to the console; none of them comes from the workbook.
NOT_OURS = (
    "Synchronous XMLHttpRequest",  # JupyterLab flushes its state when a page closes
    "the server responded with a status of 404",  # optional files: custom.css, a workspace not saved before
)

CURRENT = "window.jupyterapp?.shell?.currentWidget"

# Times are taken in the page: from the key's own time stamp until the new picture is decoded and drawn. A key that
# changes nothing brings no picture: the kernel, which sends a picture while it is busy with the key, rests without one.
WATCH = """
([which, number]) => {
  const panel = document.querySelectorAll('.labkit-panel')[which];
  const handle = panel.querySelectorAll('.noUi-handle')[number];
  const image = panel.querySelector('img');
  window.labkitWatch?.stop();  // what was watched before would decode each picture once more
  const watch = window.labkitWatch = {times: [], pictures: 0, key: null, last: 0};
  const after = time => new Promise(done => setTimeout(done, time));
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const rested = () => new Promise(done => {
    const hear = (_, status) => {
      if (status !== 'idle') return;
      kernel.statusChanged.disconnect(hear);
      after(300).then(done);
    };
    kernel.statusChanged.connect(hear);
  });
  watch.range = () => ['now', 'min', 'max'].map(name => +handle.getAttribute('aria-value' + name));
  watch.next = async () => {
    await Promise.race([watch.coming, watch.resting, after(1500)]);
    await after(60);  // quick fingers press ten times a second; a second picture would show here
    return [watch.times, watch.range()];
  };
  handle.scrollIntoView({block: 'center'});
  handle.focus();
  const pressed = event => {
    watch.key = event.timeStamp;
    watch.coming = new Promise(done => { watch.arrived = done; });
    watch.resting = rested();
  };
  handle.addEventListener('keydown', pressed, true);
  const observer = new MutationObserver(async () => {
    const key = watch.key;
    try { await image.decode(); } catch (error) { return; }  // replaced by a newer picture meanwhile
    requestAnimationFrame(() => {
      watch.last = performance.now();
      watch.pictures += 1;
      if (key !== null && watch.key === key) {
        watch.times.push(watch.last - key);
        watch.key = null;
        watch.arrived();
      }
    });
  });
  observer.observe(image, {attributes: true, attributeFilter: ['src']});
  watch.stop = () => {
    handle.removeEventListener('keydown', pressed, true);
    observer.disconnect();
  };
  return watch.range();
}
"""

# A script presses Stop sooner than the driver could: some measurements are over in half a second.
STOP = """
() => new Promise((done, late) => {
  setTimeout(late, 10000, 'Stop was never enabled');
  const press = () => {
    const stop = [...document.querySelectorAll('.labkit-panel button')].find(b => b.innerText.includes('Stop'));
    if (stop.disabled) return requestAnimationFrame(press);
    stop.click();
    done();
  };
  press();
})
"""

# Cells are laid out as they come into sight, so heights are known only when one has been there.
SCROLL = """
async (page) => {
  const outer = document.querySelector('.jp-WindowedPanel-outer');
  const rest = () => new Promise(done => setTimeout(done, 80));
  if (page) outer.scrollTop += outer.clientHeight - 60;
  else outer.scrollTop = 0;
  let before = null;
  for (let i = 0; i < 10 && before !== outer.scrollHeight; i++) {
    before = outer.scrollHeight;
    await rest();
  }
  const last = [...outer.querySelectorAll('.jp-Cell')].at(-1).getBoundingClientRect();
  return last.bottom <= outer.getBoundingClientRect().bottom;
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
        # A workspace of its own: another's would open again what was closed before.
        page.goto(f"{address}/lab/workspaces/{name}/tree/{name}.ipynb?token={token}")
        page.wait_for_function(f"{CURRENT}?.sessionContext?.session?.kernel?.status === 'idle'")

    def close(self):
        """End the kernel and close the page."""
        self.page.evaluate(f"{CURRENT}.sessionContext.shutdown()")
        self.page.close()

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
        """List all sliders as pairs: number of the panel, number of the slider in it."""
        panels = self.page.locator(".labkit-panel").all()
        counts = [panel.locator(".noUi-handle").count() for panel in panels]
        return [(which, number) for which, count in enumerate(counts) for number in range(count)]

    def time_slider(self, slider, *, moves, at_most=None, good=lambda times: True):
        """Press an arrow key again and again, to one end and back; return the times to new pictures in order, ms.

        It ends when the last `moves` of them are good, or after `at_most`. A step that changes nothing, such as from
        1.1 texts to 1.2, has no picture and is not counted.
        """
        at_most = at_most or moves
        key, times, place = "ArrowRight", [], self.page.evaluate(WATCH, list(slider))
        for _ in range(3 * at_most):
            key = _turned(key, *place)
            self.page.keyboard.press(key)
            times, place = self.page.evaluate("window.labkitWatch.next()")
            if len(times) == at_most or (len(times) >= moves and good(times[-moves:])):
                break
        return times

    def nudge(self, slider):
        """Move a slider by one step and wait for the picture."""
        self.time_slider(slider, moves=1)

    def hold_key(self, slider, *, seconds):
        """Hold an arrow key down; return how long pictures keep coming after it was let go, ms."""
        key, place, end = "ArrowRight", self.page.evaluate(WATCH, list(slider)), time.monotonic() + seconds
        while time.monotonic() < end:
            key = _turned(key, *place)
            self.page.keyboard.down(key)  # repeated downs without an up are what a held key sends
            place = self.page.evaluate("window.labkitWatch.range()")
            self.page.wait_for_timeout(33)
        self.page.keyboard.up(key)
        released = self.page.evaluate("performance.now()")
        self.page.wait_for_timeout(800)
        assert self.page.evaluate("window.labkitWatch.pictures") > 5
        return max(0.0, self.page.evaluate("window.labkitWatch.last") - released)

    @property
    def panel(self):
        """The widget with a Measure button, or else the first."""
        panels = self.page.locator(".labkit-panel")
        measuring = panels.filter(has_text="Measure")
        return (measuring if measuring.count() else panels).first

    def readout(self):
        """Read the words under the picture."""
        return self.panel.locator("[role=status]").first.inner_text()

    def status(self):
        """Read the words beside the progress bar."""
        words = self.panel.locator("[role=status]")
        return words.nth(1).inner_text() if words.count() > 1 else ""

    def picture(self):
        """Identify the picture on show; it changes with every new one."""
        return self.panel.locator("img").first.get_attribute("src")

    def press(self, label):
        """Press a button of the widget by keyboard."""
        button = self.panel.locator("button", has_text=label).first
        button.focus()
        self.page.wait_for_function("button => !button.disabled", arg=button.element_handle())
        self.page.keyboard.press("Enter")

    def stop_at_once(self):
        """Press Measure, and Stop as soon as it can be pressed."""
        self.press("Measure")
        self.page.evaluate(STOP)

    def enabled(self, label):
        """Say whether a button of the widget can be pressed."""
        return self.panel.locator("button", has_text=label).first.is_enabled()

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
        # Not Playwright's own scrolling: it waits for a page at rest, and far from its place a notebook loads cells.
        cell.evaluate("cell => cell.scrollIntoView()")
        return cell.locator(".jp-OutputArea").inner_text()

    def photograph(self, folder, stem):
        """Keep pictures of the whole notebook, page by page from top to bottom: stem-1.png, stem-2.png, …"""
        for old in folder.glob(f"{stem}-[0-9]*.png"):
            old.unlink()
        self.page.evaluate("window.jupyterapp.shell.collapseLeft()")
        self.page.set_viewport_size({"width": 1100, "height": 2000})
        for number in range(1, 30):
            at_end = self.page.evaluate(SCROLL, number - 1)
            self.page.screenshot(path=folder / f"{stem}-{number}.png")
            if at_end:
                break
        self.page.set_viewport_size({"width": 1280, "height": 900})


def _turned(key, now, low, high):
    """The arrow key that has a way to go: the same one until the end of the slider."""
    return "ArrowLeft" if now >= high else "ArrowRight" if now <= low else key
