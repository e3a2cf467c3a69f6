"""Opens a report in a browser, in every size and theme, and looks for what does not fit.

    check_report.py REPORT.html [--pictures FOLDER]

Needs Chromium. Where there is none it says so and passes, unless CI=true.
"""

import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

WIDTHS = [360, 800, 1400]
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]

# What sticks out of the page or is cut off, and what would be loaded from elsewhere.
PROBE = r"""
(() => {
  const found = [];
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) found.push(`the page is ${page.scrollWidth} px wide, ${page.clientWidth} fit`);
  const name = (e) => `${e.tagName.toLowerCase()}.${e.getAttribute('class') || ''} "${(e.textContent || '').trim().slice(0, 40)}"`;
  for (const e of document.body.querySelectorAll('*')) {
    if (e.closest('.scroll') === e || e.closest('svg') || e.getClientRects().length === 0) continue;
    const style = getComputedStyle(e);
    if (style.display === 'inline' || style.display === 'contents') continue;
    if (e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0) found.push(`${name(e)} is ${e.scrollWidth} px wide, ${e.clientWidth} fit`);
  }
  for (const svg of document.querySelectorAll('svg[role=img]')) {
    if (svg.getClientRects().length === 0) continue;
    const box = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll('text')) {
      const at = text.getBoundingClientRect();
      if (at.left < box.left - 1 || at.right > box.right + 1 || at.top < box.top - 1 || at.bottom > box.bottom + 1)
        found.push(`${name(text)} leaves its picture ${svg.getAttribute('aria-labelledby')}`);
    }
  }
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  if (new Set(ids).size !== ids.length) found.push('an id stands twice');
  for (const a of document.querySelectorAll('a[href^="#"]'))
    if (!document.getElementById(a.getAttribute('href').slice(1))) found.push(`nothing is at ${a.getAttribute('href')}`);
  for (const e of performance.getEntriesByType('resource')) found.push(`it loads ${e.name}`);
  return found;
})()
"""


class Browser:
    """Chromium over a pipe: its DevTools protocol as messages that end in a zero byte."""

    def __init__(self, program, folder):
        to_read, self.write_to = os.pipe()
        self.read_from, to_write = os.pipe()

        def arrange():
            # Chromium reads from 3 and writes to 4; both may be in use by the other.
            spare = [os.dup(to_read), os.dup(to_write)]
            for place, fd in zip((3, 4), (os.dup2(spare[0], 30), os.dup2(spare[1], 31))):
                os.dup2(fd, place)

        # Its sandbox does not start for root, which one often is in a container.
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
                   "--disable-background-networking", "--no-first-run", f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen(
            command, preexec_fn=arrange, close_fds=False, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.buffer, self.number, self.session, self.events = b"", 0, None, []

    def receive(self):
        while b"\0" not in self.buffer:
            some = os.read(self.read_from, 1 << 20)
            if not some:
                sys.exit("the browser went away")
            self.buffer += some
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, page):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=page)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())

    def show(self, width, theme, media):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": theme}])
        # The layout follows with the next frame.
        frame = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self.call("Runtime.evaluate", expression=frame, awaitPromise=True)

    def probe(self):
        return self.call("Runtime.evaluate", expression=PROBE, returnByValue=True)["result"]["value"]

    def picture(self, path, width, most=16000):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": width, "height": min(size["height"], most), "scale": 1}
        data = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def complaints(self):
        kinds = {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"}
        return [json.dumps(event["params"])[:200] for event in self.events if event.get("method") in kinds]

    def close(self):
        for end in (self.write_to, self.read_from):
            os.close(end)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def look(browser, pictures):
    """Every size, theme and medium; returns whether all is well."""
    views = [(width, theme, "screen") for width in WIDTHS for theme in ("light", "dark")]
    views += [(720, "light", "print"), (720, "dark", "print")]
    good = True
    for width, theme, media in views:
        browser.show(width, theme, media)
        # Once as it is opened, once with all that is folded away.
        found = browser.probe()
        if pictures:
            browser.picture(pictures / f"{media}-{width}-{theme}.png", width)
        unfold = "document.querySelectorAll('details').forEach((e) => { e.dataset.was = e.open; e.open = true; })"
        browser.call("Runtime.evaluate", expression=unfold)
        found = list(dict.fromkeys(found + browser.probe()))
        fold = "document.querySelectorAll('details').forEach((e) => { e.open = e.dataset.was === 'true'; })"
        browser.call("Runtime.evaluate", expression=fold)
        print(("ok   " if not found else "FAIL ") + f"{media}, {width} px, {theme}")
        for what in found[:12]:
            print(f"     {what}")
        good = good and not found
    complaints = browser.complaints()
    print(("ok   " if not complaints else "FAIL ") + "nothing in the console")
    for complaint in complaints:
        print(f"     {complaint}")
    return good and not complaints


def main():
    report = pathlib.Path(sys.argv[1]).resolve()
    pictures = pathlib.Path(sys.argv[3]) if sys.argv[2:3] == ["--pictures"] else None
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f"SKIPPED: the report was not opened in a browser, because none of {', '.join(BROWSERS)} is installed")
        sys.exit(os.environ.get("CI") == "true")
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(program, folder)
        signal.signal(signal.SIGALRM, lambda *_: sys.exit("the browser took more than 600 s"))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
        signal.alarm(600)
        try:
            browser.open(report.as_uri())
            good = look(browser, pictures)
        finally:
            browser.close()
    sys.exit(not good)


main()
