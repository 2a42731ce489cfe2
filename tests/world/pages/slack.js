// The stand-in's page: it shows a snapshot, fetches a new one at each change, and sends what the person does.
"use strict";

const BOT = "U0DECK";
const MEANINGS = {
  "white_check_mark": "approve the plan", "+1": "approve the plan", "x": "cancel", "octagonal_sign": "cancel",
  "repeat": "try again", "brain": "remember this", "tada": "celebrate",
};
const EXAMPLE = "@deckhand The offset parameter of /api/v2/users is ignored when limit is over 100. repo=acme/web";
const find = (id) => document.getElementById(id);
const address = new URLSearchParams(location.search);

let me = address.get("as") || localStorage.getItem("me") || "";
let channel = address.get("channel") || "";
let thread = address.get("thread");
let shown = { people: [], channels: [], messages: [], offered: [] };
let seen = JSON.parse(localStorage.getItem("seen") || "{}");
let modalKey = "";

// Fetching

let fetching = false;
let wanted = false;

async function refresh() {
  wanted = true;
  if (fetching) return;
  fetching = true;
  while (wanted) {
    wanted = false;
    const asked = new URLSearchParams({ as: me, channel });
    if (thread) asked.set("thread", thread);
    try {
      const answer = await fetch(`/page/snapshot?${asked}`);
      if (answer.ok) show(await answer.json(), asked.toString());
    } catch { /* the next change or reconnection asks again */ }
    await new Promise((done) => setTimeout(done, 80));
  }
  fetching = false;
}

function listen() {
  const changes = new EventSource("/page/changes");
  changes.onmessage = refresh;
  changes.onerror = () => toast("The stand-in has gone. Waiting for it to come back…");
  changes.onopen = () => { find("toast").hidden = true; refresh(); };
}

async function act(deed) {
  try {
    const body = JSON.stringify({ who: me, ...deed });
    const answer = await fetch("/page/act", { method: "POST", headers: { "content-type": "application/json" }, body });
    const told = await answer.json();
    if (told.error) toast(told.error);
    return told;
  } catch {
    toast("The stand-in did not answer.");
    return { error: "no answer" };
  }
}

// Showing

function show(snapshot, asked) {
  const current = new URLSearchParams({ as: me, channel });
  if (thread) current.set("thread", thread);
  if (asked !== current.toString()) return;
  shown = snapshot;
  me = snapshot.me;
  channel = snapshot.channel;
  localStorage.setItem("me", me);
  showSidebar();
  showChannel();
  showThread();
  showModal();
  find("trouble").hidden = !snapshot.trouble;
  find("trouble").textContent = snapshot.trouble || "";
}

function showSidebar() {
  const entry = shown.channels.find((it) => it.id === channel);
  if (entry && entry.newest && document.visibilityState === "visible") seen[channel] = entry.newest;
  localStorage.setItem("seen", JSON.stringify(seen));
  const button = (it) => {
    const state = it.id === channel ? " current" : it.newest && it.newest > (seen[it.id] || "") ? " unread" : "";
    const mark = it.kind === "direct" ? '<svg aria-hidden="true"><use href="#wheel"/></svg>' : "<i>#</i>";
    return `<button type="button" class="channel${state}" data-do="go" data-channel="${it.id}">${mark}${it.name}</button>`;
  };
  const direct = shown.channels.filter((it) => it.kind === "direct").map(button);
  const bot = '<button type="button" class="channel" data-do="direct"><svg><use href="#wheel"/></svg>deckhand</button>';
  put(find("channels"), `<h2>Channels</h2>${shown.channels.filter((it) => it.kind === "channel").map(button).join("")}
    <h2>Direct messages</h2>${direct.join("") || bot}`);
  put(find("people"), shown.people.map((it) =>
    `<button type="button" class="person" data-do="be" data-user="${it.id}" aria-pressed="${it.id === me}">
      <span class="avatar hue${it.hue}">${it.real_name[0]}</span>${it.real_name}</button>`).join(""));
  find("title").textContent = entry ? (entry.kind === "direct" ? entry.name : `# ${entry.name}`) : "";
  document.title = entry ? `${entry.name} · Acme` : "Acme";
}

function showChannel() {
  const entry = shown.channels.find((it) => it.id === channel) || { name: "" };
  const place = entry.kind === "direct"
    ? "<h2>deckhand</h2><p>Only you and deckhand see this.</p>"
    : `<h2># ${entry.name}</h2><p>deckhand is in this channel: mention it in a message, then reply in its thread without a mention.</p>`;
  const trial = shown.messages.length ? "" : `<div class="try"><p>Try it with a real bug in <code>acme/web</code>:<br>“${EXAMPLE}”</p>
    <button type="button" class="button primary" data-do="try">Write it for me</button></div>`;
  list(find("messages"), shown.messages, `<div class="welcome">${place}${trial}</div>`);
}

function showThread() {
  const pane = shown.thread;
  find("thread").hidden = !pane;
  find("app").classList.toggle("with-thread", Boolean(pane));
  if (!pane) return;
  const count = pane.replies;
  const divider = count > 0 ? `<div class="divider">${count} ${count === 1 ? "reply" : "replies"}</div>` : "";
  list(find("thread-messages"), pane.messages, "", divider);
  find("thread-title").textContent = pane.title || "";
  const status = pane.status || (pane.working ? "is working…" : "");
  const stop = pane.working ? '<button type="button" class="button" data-do="stop">Stop</button>' : "";
  find("thread-status").hidden = !status;
  put(find("thread-status"), `<span class="working">deckhand ${escape(status)}</span>${stop}`);
}

/** Puts messages into a list; those that did not change keep their elements, and the list stays at its end. */
function list(box, messages, above, afterFirst = "") {
  const place = `${channel}/${box.id === "messages" ? "" : thread}`;
  const isNew = box.dataset.place !== place;
  const atEnd = isNew || box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  if (isNew) box.replaceChildren();
  box.dataset.place = place;
  const rows = [];
  if (above) rows.push({ ts: "above", html: above, kind: "plain" });
  messages.forEach((message, index) => {
    rows.push(message);
    if (index === 0 && afterFirst) rows.push({ ts: "divider", html: afterFirst, kind: "plain" });
  });
  const known = new Map([...box.children].map((row) => [row.dataset.row, row]));
  let before = null;
  for (const row of rows) {
    let element = known.get(row.ts);
    known.delete(row.ts);
    if (!element) {
      element = document.createElement("div");
      element.dataset.row = row.ts;
    }
    if (element.shownHtml !== row.html || element.shownMine !== row.mine) fill(element, row);
    const next = before ? before.nextSibling : box.firstChild;
    if (next !== element) box.insertBefore(element, next);
    before = element;
  }
  known.forEach((row) => row.remove());
  if (atEnd) {
    box.scrollTop = box.scrollHeight;
    box.querySelectorAll("img").forEach((image) => {
      if (!image.complete) image.addEventListener("load", () => { box.scrollTop = box.scrollHeight; }, { once: true });
    });
  }
}

function fill(element, row) {
  element.shownHtml = row.html;
  element.shownMine = row.mine;
  if (row.kind === "plain") {
    element.innerHTML = row.html;
    return;
  }
  const tool = (deed, icon, label) =>
    `<button type="button" class="icon" data-do="${deed}" data-ts="${row.ts}" title="${label}" aria-label="${label}"><svg><use href="#${icon}"/></svg></button>`;
  const own = row.mine ? tool("edit", "pencil", "Edit") + tool("delete", "bin", "Delete") : "";
  element.className = row.html.startsWith('<div class="only"') ? "message only-you" : "message";
  element.innerHTML = `${row.html}<div class="tools">${tool("pick", "smile", "React")}${tool("open", "reply", "Reply in thread")}${own}</div>`;
  element.querySelectorAll("time[data-ts]").forEach((time) => {
    const date = new Date(Number(time.dataset.ts) * 1000);
    time.textContent = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    time.title = date.toLocaleString();
  });
}

function showModal() {
  const view = shown.view;
  const dialog = find("modal");
  const key = view ? `${view.id} ${view.hash}` : "";
  if (key === modalKey) return;
  modalKey = key;
  if (!view) {
    dialog.close();
    return;
  }
  const submit = view.submit ? `<button type="submit" class="button primary">${escape(view.submit)}</button>` : "";
  find("modal-form").innerHTML = `<div class="modal-head"><h2>${escape(view.title || "")}</h2>
      <button type="button" class="icon" data-do="close-view" aria-label="Close"><svg><use href="#close"/></svg></button></div>
    <div class="modal-body words">${view.html}</div>
    <div class="modal-foot"><button type="button" class="button" data-do="close-view">${escape(view.close)}</button>${submit}</div>`;
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("textarea, input, select")?.focus();
}

async function submitModal(event) {
  event.preventDefault();
  const form = find("modal-form");
  form.querySelectorAll(".field-error").forEach((it) => { it.textContent = ""; });
  const fields = [...new FormData(form)].filter(([, value]) => value !== "");
  const told = await act({ do: "submit", fields });
  for (const [block, error] of told.errors || []) {
    const field = form.querySelector(`[data-field="${CSS.escape(block)}"] .field-error`);
    if (field) field.textContent = error;
  }
}

const closeView = () => { if (shown.view) act({ do: "close", view: shown.view.id }); };

/** Sets an element's content where it differs, so that what a person points at stays. */
function put(element, html) {
  if (element.shownHtml === html) return;
  element.shownHtml = html;
  element.innerHTML = html;
}

function escape(text) {
  const element = document.createElement("span");
  element.textContent = text;
  return element.innerHTML;
}

let toastTimer;
function toast(text) {
  find("toast").textContent = text;
  find("toast").hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { find("toast").hidden = true; }, 6000);
}

function goTo(place) {
  if ("user" in place) me = place.user;
  if ("channel" in place) channel = place.channel;
  thread = place.thread ?? null;
  const next = new URLSearchParams({ channel });
  if (thread) next.set("thread", thread);
  history.replaceState(null, "", `/?${next}`);
  find("app").classList.remove("drawer");
  return refresh();
}

function openPicker(button) {
  const picker = find("picker");
  picker.innerHTML = shown.offered.map((it) =>
    `<button type="button" data-do="react" data-ts="${button.dataset.ts}" data-name="${it.name}"><span>${it.glyph}</span>
      <small>${MEANINGS[it.name] || ""}</small></button>`).join("");
  picker.hidden = false;
  const at = button.getBoundingClientRect();
  picker.style.left = `${Math.max(8, Math.min(at.right - 252, innerWidth - 260))}px`;
  picker.style.top = `${Math.max(8, Math.min(at.bottom + 4, innerHeight - picker.offsetHeight - 8))}px`;
}

// Doing

const deeds = {
  go: (it) => goTo({ channel: it.dataset.channel }),
  be: (it) => goTo({ user: it.dataset.user, channel: channel.startsWith("D") ? "" : channel, thread: channel.startsWith("D") ? null : thread }),
  direct: async () => goTo({ channel: (await act({ do: "direct" })).channel }),
  open: (it) => goTo({ thread: it.dataset.ts === shown.thread?.root || !shown.thread || it.closest("#messages") ? it.dataset.ts : shown.thread.root })
    .then(() => document.querySelector(".composer[data-where=thread] textarea").focus()),
  shut: () => goTo({}),
  drawer: () => find("app").classList.toggle("drawer"),
  pick: openPicker,
  react: (it) => { find("picker").hidden = true; act({ do: "react", channel, ts: it.dataset.ts, name: it.dataset.name }); },
  press: async (it) => {
    if (it.dataset.confirm && !confirm(it.dataset.confirm)) return;
    if (it.dataset.open) open(it.dataset.open, "_blank", "noopener");
    it.disabled = true;
    await act({ do: "press", channel, ts: it.dataset.ts, block: it.dataset.block, action: it.dataset.action });
    it.disabled = false;
  },
  stop: () => act({ do: "stop", channel, ts: shown.thread.root }),
  try: () => {
    const text = document.querySelector(".composer[data-where=channel] textarea");
    text.value = EXAMPLE;
    text.dispatchEvent(new Event("input"));
    text.focus();
  },
  edit: (it) => {
    const message = [...shown.messages, ...(shown.thread?.messages || [])].find((one) => one.ts === it.dataset.ts);
    const words = document.createElement("div");
    words.innerHTML = message.html;
    words.querySelectorAll(".words br").forEach((line) => line.replaceWith("\n"));
    const text = prompt("Edit your message", words.querySelector(".words").textContent.replace(/ \(edited\)$/, ""));
    if (text) act({ do: "edit", channel, ts: it.dataset.ts, text });
  },
  delete: (it) => { if (confirm("Delete this message?")) act({ do: "delete", channel, ts: it.dataset.ts }); },
  "close-view": closeView,
};

document.addEventListener("click", (event) => {
  if (!event.target.closest("#picker, [data-do=pick]")) find("picker").hidden = true;
  if (!event.target.closest(".sidebar, [data-do=drawer]")) find("app").classList.remove("drawer");
  const it = event.target.closest("button[data-do]");
  if (it && deeds[it.dataset.do]) deeds[it.dataset.do](it);
});
document.addEventListener("change", (event) => {
  const it = event.target.closest("select[data-do=choose]");
  if (!it) return;
  act({ do: "choose", channel, ts: it.dataset.ts, block: it.dataset.block, action: it.dataset.action, option: it.value });
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") find("picker").hidden = true;
});
find("modal-form").addEventListener("submit", submitModal);
find("modal").addEventListener("cancel", (event) => { event.preventDefault(); closeView(); });

// Writing

function compose(form) {
  const inThread = form.dataset.where === "thread";
  form.innerHTML = `<div class="suggest" hidden></div><div class="chips"></div>
    <textarea rows="1" aria-label="${inThread ? "Reply" : "Message"}" placeholder="${inThread ? "Reply…" : "Message the channel… @deckhand starts a task"}"></textarea>
    <div class="composer-row"><label class="icon" title="Attach a file"><svg><use href="#clip"/></svg><input type="file" hidden multiple></label>
    <span class="faint">Enter sends, Shift and Enter begins a line</span><button class="send" aria-label="Send"><svg><use href="#send"/></svg></button></div>`;
  const text = form.querySelector("textarea");
  const suggest = form.querySelector(".suggest");
  const chips = form.querySelector(".chips");
  let files = [];
  let choice = 0;

  const grow = () => {
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
    form.querySelector(".send").classList.toggle("ready", Boolean(text.value.trim() || files.length));
  };
  const showChips = () => {
    chips.innerHTML = files.map((file) => `<span class="chip">📎 ${escape(file.name)}</span>`).join("");
    grow();
  };
  const candidates = () => {
    const typed = /(?:^|\s)@([\w-]*)$/.exec(text.value.slice(0, text.selectionStart));
    if (!typed) return [];
    const bot = { name: "deckhand", real_name: "Deckhand", bot: true };
    return [bot, ...shown.people].filter((it) => it.name.startsWith(typed[1].toLowerCase()) && it.name !== typed[1]);
  };
  const showSuggest = () => {
    const found = candidates();
    suggest.hidden = !found.length;
    choice = Math.min(choice, Math.max(0, found.length - 1));
    suggest.innerHTML = found.map((it, index) => `<button type="button" aria-selected="${index === choice}" data-name="${it.name}">
      ${it.bot ? '<span class="avatar bot"><svg><use href="#wheel"/></svg></span>' : `<span class="avatar hue${it.hue}">${it.real_name[0]}</span>`}
      <b>${it.real_name}</b> <span class="faint">${it.bot ? "app" : it.name}</span></button>`).join("");
  };
  const complete = (name) => {
    const at = text.selectionStart;
    const before = text.value.slice(0, at).replace(/@[\w-]*$/, `@${name} `);
    text.value = before + text.value.slice(at);
    text.selectionStart = text.selectionEnd = before.length;
    choice = 0;
    suggest.hidden = true;
    grow();
    text.focus();
  };
  const send = async () => {
    const words = text.value.trim();
    if (!words && !files.length) return;
    const sent = files;
    text.value = "";
    files = [];
    showChips();
    const told = await act({ do: "say", channel, thread: inThread ? thread : null, text: words, files: sent.map((file) => file.id) });
    if (told.error) {
      text.value = words;
      files = sent;
      showChips();
    } else if (told.to_bot && !inThread) {
      goTo({ thread: told.ts });
    }
  };

  text.addEventListener("input", () => { grow(); showSuggest(); });
  text.addEventListener("blur", () => setTimeout(() => { suggest.hidden = true; }, 150));
  suggest.addEventListener("mousedown", (event) => {
    event.preventDefault();
    const it = event.target.closest("button");
    if (it) complete(it.dataset.name);
  });
  text.addEventListener("keydown", (event) => {
    const found = suggest.hidden ? [] : candidates();
    if (found.length && (event.key === "Enter" || event.key === "Tab")) {
      event.preventDefault();
      complete(found[choice].name);
    } else if (found.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      choice = (choice + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
      showSuggest();
    } else if (event.key === "Escape") {
      suggest.hidden = true;
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    }
  });
  form.addEventListener("submit", (event) => { event.preventDefault(); send(); });
  form.querySelector("input[type=file]").addEventListener("change", async (event) => {
    for (const file of event.target.files) {
      const asked = new URLSearchParams({ who: me, name: file.name });
      const answer = await fetch(`/page/upload?${asked}`, { method: "POST", body: file });
      if (answer.ok) files.push({ id: (await answer.json()).id, name: file.name });
      else toast(`${file.name} could not be attached.`);
    }
    event.target.value = "";
    showChips();
  });
}

document.querySelectorAll(".composer").forEach(compose);
document.addEventListener("visibilitychange", refresh);
listen();
refresh();
