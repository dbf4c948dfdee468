"use strict";
// Keeps the page live by server-sent events; without it the page stands as the server rendered it.
(() => {
  const sentences = {
    up: "Everything works.", degraded: "Something is not reachable.",
    down: "The site is not reachable.", unknown: "No information yet.", maintenance: "Planned maintenance.",
  };
  const byId = (id) => document.getElementById(id);
  const clock = (iso) => new Date(iso).toLocaleTimeString(document.documentElement.lang);
  const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  function show(now) {
    put(byId("time"), clock(now.site.time));
    put(byId("sentence"), sentences[now.site.state]);
    byId("sentence").className = "sentence " + now.site.state;
    byId("incidents").replaceChildren(...now.site.incidents.map((i) => {
      const item = document.createElement("li");
      const hides = i.hides.length ? `, hides ${i.hides.length} devices` : "";
      item.textContent = `${i.name}: ${i.kind} since ${clock(i.opened)}${hides}`;
      return item;
    }));
    byId("now").hidden = now.site.incidents.length === 0;
    const rows = new Map([...byId("devices").rows].map((row) => [row.dataset.id, row]));
    for (const d of now.devices) {
      const row = rows.get(d.id);
      if (!row) { location.reload(); return; }
      const [state, , , rtt, loss, since] = row.cells;
      put(state, d.state);
      state.className = "state " + d.state;
      put(rtt, d.rtt_ms === null ? "–" : d.rtt_ms.toFixed(2) + " ms");
      put(loss, d.loss_pct === null ? "–" : d.loss_pct.toFixed(1) + " %");
      put(since, d.since ? clock(d.since) : "");
    }
  }

  const source = new EventSource("/events");
  source.addEventListener("now", (event) => {
    put(byId("contact").firstChild, "Figures of ");
    show(JSON.parse(event.data));
  });
  source.onerror = () => put(byId("contact").firstChild, "This page lost contact with the probe. Last figures of ");
})();
