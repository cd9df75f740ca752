// Keeps a page up to date. The server says when there is something new; then
// the same page is asked for again, and what changed in it is put in its place.
// Without this script the page is as it was when it was loaded.
"use strict";

const body = document.body;
const link = document.getElementById("link");
const pause = Number(body.dataset.every) * 1000;
let source, waiting = false, busy = false, again = false, last = 0;

function say(text, lost) {
  if (link.textContent !== text) link.textContent = text;
  link.classList.toggle("lost", lost);
}

function listen() {
  source = new EventSource("/live/" + body.dataset.live);
  source.onopen = () => { say("Live", false); ask(); };
  source.onmessage = ask;
  source.onerror = () => {
    say("No connection to the logger: what is shown is old. Trying again.", true);
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 10000); // it was refused
  };
}

// ask updates the page, not more often than it says of itself.
function ask() {
  if (waiting || document.hidden) return;
  waiting = true;
  setTimeout(update, Math.max(0, last + pause - Date.now()));
}

async function update() {
  waiting = false;
  if (busy) { again = true; return; } // what is on its way may be older
  busy = true;
  last = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(30000) });
    if (answer.redirected) { location.reload(); return; } // to log in again
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-swap]")) {
      const now = fresh.getElementById(old.id);
      if (now) swap(old, now);
    }
    if (source.readyState === EventSource.OPEN) say("Live", false); // after a failure
  } catch {
    say("The logger does not answer: what is shown is old.", true);
  } finally {
    busy = false;
  }
  if (again) { again = false; ask(); }
}

function swap(old, now) {
  if (old.dataset.swap === "rows") return rows(old, now);
  if (old.innerHTML !== now.innerHTML) old.replaceChildren(...now.childNodes);
  if (old.className !== now.className) old.className = now.className;
}

// rows puts rows in their new order, and changes cells whose content changed,
// so that nothing flickers and the focus stays where it is.
function rows(old, now) {
  const focused = document.activeElement;
  const known = new Map(Array.from(old.children, row => [row.dataset.key, row]));
  let place = old.firstElementChild;
  for (const fresh of Array.from(now.children)) {
    const row = known.get(fresh.dataset.key);
    known.delete(fresh.dataset.key);
    if (!row) {
      old.insertBefore(fresh, place);
      continue;
    }
    cells(row, fresh);
    if (row === place) place = place.nextElementSibling;
    else old.insertBefore(row, place);
  }
  for (const gone of known.values()) gone.remove();
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

function cells(row, fresh) {
  row.className = fresh.className;
  const now = Array.from(fresh.children);
  if (row.children.length !== now.length) return row.replaceChildren(...now);
  now.forEach((cell, i) => {
    const old = row.children[i];
    if (old.innerHTML !== cell.innerHTML) old.replaceChildren(...cell.childNodes);
  });
}

document.addEventListener("visibilitychange", ask);
listen();
