"use strict";
// Keeps the page live. What is shown is made by the server, in its language; here it is only put in place, as text.
(() => {
  const lang = document.documentElement.lang;
  const query = location.search.includes("lang=") ? "?lang=" + lang : "";
  const byId = (id) => document.getElementById(id);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const SILENT_MS = 7000, REFRESH_MS = 60000;
  document.documentElement.classList.add("live");

  function put(element, text) {
    if (!element || element.textContent === text) return;
    element.textContent = text;
    if (calm || !element.matches("[data-figure], [data-cell]")) return;
    element.classList.remove("changed");
    requestAnimationFrame(() => element.classList.add("changed"));
  }

  const TONES = ["good", "attention", "problem", "none", "maintenance"];
  function tone(element, name) {
    if (!element || element.classList.contains(name)) return;
    element.classList.remove(...TONES);
    element.classList.add(name);
    const shape = element.querySelector("[data-shape]");
    shape.classList.remove(...TONES);
    shape.classList.add(name);
    shape.firstElementChild.setAttribute("href", "#shape-" + name);
  }

  function make(name, className, ...children) {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...children);
    return element;
  }

  function shapeOf(name) {
    const ns = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(ns, "svg"), use = document.createElementNS(ns, "use");
    svg.setAttribute("class", "shape " + name);
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("data-shape", "");
    use.setAttribute("href", "#shape-" + name);
    svg.append(use);
    return svg;
  }

  function incident(i) {
    const says = make("p");
    const linked = (content) => {
      if (!i.device) return content;
      const link = make("a", "", content);
      link.href = "/device/" + encodeURIComponent(i.device) + query;
      return link;
    };
    if (i.name) says.append(linked(make("bdi", "", i.name)), " ", i.says);
    else says.append(linked(i.says));
    if (i.when) says.append(" ", make("span", "when", i.when));
    const box = make("div", "", says);
    if (i.more) box.append(make("p", "caption", i.more));
    return make("li", "", shapeOf(i.tone), box);
  }

  // The first screen

  let announced = null;
  function announce(what, text) {  // to screen readers when something has changed, not when a minute has passed
    if (announced !== null && announced !== what) put(byId("announce"), text);
    announced = what;
  }

  const flat = (items) => [...items].map((item) => item.textContent.replace(/\s+/g, " ").trim()).join("\n");
  function showSite(now) {
    put(byId("sentence-says"), now.sentence);
    announce(now.tone + now.wrong.map((i) => i.id).join(), now.sentence);
    tone(byId("sentence"), now.tone);
    const tiles = [...byId("tiles").children];
    if (tiles.length !== now.tiles.length) { location.reload(); return; }
    now.tiles.forEach((t, i) => {
      put(tiles[i].querySelector("[data-word]"), t.word);
      put(tiles[i].querySelector("[data-figure]"), t.figure);
      put(tiles[i].querySelector("[data-unit]"), t.unit);
      tone(tiles[i].querySelector(".word"), t.tone);
    });
    const list = byId("wrong-list"), wrong = now.wrong.map(incident);
    if (flat(wrong) !== flat(list.children) && !list.contains(document.activeElement)) {
      const other = wrong.length !== list.children.length;
      list.replaceChildren(...wrong);
      byId("wrong").hidden = wrong.length === 0;
      if (other) refresh();  // what is over now stands further down
    }
    showDevices(now.devices);
  }

  function showDevices(devices) {
    const body = byId("devices");
    const rows = new Map([...body.rows].map((row) => [row.dataset.id, row]));
    if (rows.size !== devices.length) { location.reload(); return; }
    for (const d of devices) {
      const row = rows.get(d.id);
      if (!row) { location.reload(); return; }
      for (const cell of row.querySelectorAll("[data-cell]")) put(cell, d[cell.dataset.cell]);
      tone(row.cells[0], d.tone);
      showNode(d);
    }
    const order = devices.map((d) => d.id).join();
    if (order !== [...body.rows].map((row) => row.dataset.id).join() && !body.contains(document.activeElement)) {
      body.append(...devices.map((d) => rows.get(d.id)));
    }
  }

  function showNode(d) {  // on the map; one of those that are summed up there stands alone once it is not well
    const id = CSS.escape(d.id), node = document.querySelector(`[data-node="${id}"]`);
    if (node) {
      put(node.querySelector("[data-word]"), d.word);
      tone(node, d.tone);
    } else if (d.tone !== "good" && document.querySelector(`[data-nodes~="${id}"]`)) refresh();
  }

  // One device

  let told = null;
  function showDevice(now) {
    const here = document.querySelector("[data-device]").dataset.device;
    const d = now.devices.find((device) => device.id === here);
    if (!d) return;
    const state = byId("device-state");
    if (!state.classList.contains(d.tone) || (told !== null && told !== d.told)) refresh();
    told = d.told;
    tone(state, d.tone);
    put(state.querySelector("[data-word]"), d.word);
    put(byId("device-detail"), d.detail);
    put(byId("device-rtt"), d.rtt);
    byId("device-rtt").parentElement.hidden = d.rtt === "–";
  }

  // Contact with the agent

  const started = document.querySelector("#sentence-says");
  let lost = false, heardAt = Date.now(), said = null;
  function contact(now) {
    heardAt = Date.now();
    if (lost) {
      lost = false;
      document.body.classList.remove("stale");
      put(byId("contact-says"), byId("contact").dataset.fresh);
      refresh();
    }
    byId("time").dateTime = now.time;
    put(byId("time"), now.clock);
    put(byId("notice"), now.notice);
    byId("notice").hidden = !now.notice;
  }
  function lostContact() {
    if (lost) return;
    lost = true;
    document.body.classList.add("stale");
    put(byId("contact-says"), byId("contact").dataset.lost);
    if (started) {
      const clock = byId("time").textContent.slice(0, 5);
      put(started, byId("sentence").dataset.lost.replace("{}", clock));
      tone(byId("sentence"), "none");
      announce("lost", started.textContent);
    }
  }

  const show = byId("tiles") ? showSite : document.querySelector("[data-device]") ? showDevice : () => {};
  let source = null;
  function listen() {
    if (source) source.close();
    source = new EventSource("/events?page=" + lang);
    source.addEventListener("now", (event) => {
      const now = JSON.parse(event.data);
      contact(now);
      show(now);
    });
    source.onerror = lostContact;
  }
  listen();
  setInterval(() => {
    if (Date.now() - heardAt > SILENT_MS) lostContact();
    if (source.readyState === EventSource.CLOSED) listen();  // a refusal ends it for good: ask again
  }, 2000);
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) listen(); });

  // What is drawn of the past comes anew each minute, as the server draws it.

  let refreshing = false;
  async function refresh() {
    if (refreshing || lost) return;
    refreshing = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll("[data-refresh]")) {
        const part = fresh.querySelector(`[data-refresh="${CSS.escape(old.dataset.refresh)}"]`);
        if (!part || old.innerHTML === part.innerHTML || old.contains(document.activeElement)) continue;
        const open = old.querySelector("details[open]");
        old.replaceChildren(...part.childNodes);
        if (open) for (const details of old.querySelectorAll("details")) details.open = true;
      }
      charts();
    } catch {
      // the stream says when contact is lost
    } finally {
      refreshing = false;
    }
  }
  setInterval(refresh, REFRESH_MS);

  // Search as one types

  const search = byId("search");
  if (search) search.addEventListener("input", () => {
    const wanted = search.value.trim().toLocaleLowerCase(lang).split(/\s+/);
    let n = 0;
    for (const row of byId("devices").rows) {
      const text = [row.cells[0], row.cells[1], row.cells[2]].map((c) => c.textContent).join(" ").toLocaleLowerCase(lang);
      row.hidden = !wanted.every((word) => text.includes(word));
      n += !row.hidden;
    }
    const says = byId("search-says");
    says.textContent = !search.value ? "" : n ? search.dataset.found.replace("{n}", n) : search.dataset.none;
    says.classList.toggle("hide", n > 0);
  });

  // Exact values of a chart, under a finger or by the arrow keys: the rows of its table.

  function charts() {
    for (const chart of document.querySelectorAll("[data-chart]")) {
      if (chart.dataset.ready) continue;
      chart.dataset.ready = "1";
      const plot = chart.querySelector(".plot"), reading = chart.querySelector("[data-reading]");
      const cursor = chart.querySelector(".cursor"), rows = [...chart.querySelectorAll(".readings tbody tr")];
      const heads = [...chart.querySelectorAll(".readings thead th")].map((th) => th.textContent);
      let at = rows.length - 1;
      const read = (place) => {
        if (!rows.length) return;
        at = Math.max(0, Math.min(rows.length - 1, place));
        const row = rows[at];
        cursor.classList.add("on");
        cursor.setAttribute("x1", row.dataset.x + "%");
        cursor.setAttribute("x2", row.dataset.x + "%");
        const cells = [...row.cells].map((cell) => cell.textContent);
        put(reading, cells[0] + ": " + cells.slice(1).map((text, i) => heads[i + 1].toLocaleLowerCase(lang) + " " + text).join(" · "));
      };
      const nearest = (event) => {
        const box = plot.getBoundingClientRect();
        const x = 100 * (event.clientX - box.left) / box.width;
        let best = 0;
        rows.forEach((row, i) => { if (Math.abs(row.dataset.x - x) < Math.abs(rows[best].dataset.x - x)) best = i; });
        read(best);
      };
      plot.addEventListener("pointermove", nearest);
      plot.addEventListener("pointerdown", nearest);
      plot.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -12, PageDown: 12, Home: -1e9, End: 1e9 }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        read(at + step);
      });
    }
  }
  charts();
})();
