// The report's one script. Pages are whole without it: it filters the matrix, and lights up the frames of a rule.
// It takes text from the page and gives text to the page, never markup.
"use strict";

(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const table = document.getElementById("matrix");
  const keys = ["verdict", "word", "promise", "service", "pair"].filter((key) => form.elements[key]);
  const fields = ["drill", ...keys];
  const links = [...table.querySelectorAll("a[data-verdict]")];

  function columnsOf(row) {
    return [...row.querySelectorAll("[data-column]")];
  }

  function apply() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    for (const name of fields) form.elements[name].value = wanted.get(name) || "";
    const drill = (wanted.get("drill") || "").toLowerCase();
    let shown = 0;
    for (const link of links) {
      const row = link.closest("tr");
      const fits = row.dataset.drill.toLowerCase().includes(drill) &&
        keys.every((key) => !wanted.get(key) || link.dataset[key] === wanted.get(key));
      link.hidden = !fits;
      shown += fits;
    }
    for (const entry of table.querySelectorAll(".entry")) entry.hidden = !entry.querySelector("a:not([hidden])");
    const full = new Set();
    for (const row of table.tBodies[0].rows) {
      const places = columnsOf(row).filter((place) => place.querySelector("a:not([hidden])"));
      row.hidden = !places.length;
      for (const place of places) full.add(place.dataset.column);
    }
    const isFiltered = shown < links.length;
    for (const place of columnsOf(table)) place.hidden = isFiltered && !full.has(place.dataset.column);
    for (const group of table.querySelectorAll("th[colspan][data-group]")) {
      const heads = [...table.tHead.querySelectorAll("th[data-column]")];
      const count = heads.filter((head) => head.dataset.group === group.dataset.group && !head.hidden).length;
      group.hidden = !count;
      if (count) group.colSpan = count;
    }
    document.getElementById("shown").value = (isFiltered ? `${shown} of ` : "") + `${links.length} cell${links.length === 1 ? "" : "s"}`;
  }

  function remember() {
    const wanted = new URLSearchParams();
    for (const name of fields) if (form.elements[name].value) wanted.set(name, form.elements[name].value);
    history.replaceState(null, "", wanted.size ? `#${wanted}` : location.pathname + location.search);
    apply();
  }

  form.hidden = false;
  form.addEventListener("input", remember);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(remember));
  addEventListener("hashchange", apply);
  apply();
})();

(() => {
  // All frames of a rule light up while the pointer, or the keyboard, is on the rule.
  function light(rule, on) {
    for (const link of rule.querySelectorAll("a.frame")) {
      const number = document.getElementById(link.hash.slice(1));
      if (!number) continue;
      number.classList.toggle("lit", on);
      number.closest("tr").classList.toggle("lit", on);
    }
  }
  for (const rule of document.querySelectorAll(".checks tbody tr")) {
    rule.addEventListener("pointerenter", () => light(rule, true));
    rule.addEventListener("pointerleave", () => light(rule, false));
    rule.addEventListener("focusin", () => light(rule, true));
    rule.addEventListener("focusout", () => light(rule, false));
  }
  for (const box of document.querySelectorAll("input[data-only]")) {
    box.closest("label").hidden = false;
    box.addEventListener("change", () => {
      document.getElementById(box.dataset.only).classList.toggle("only-notable", box.checked);
    });
  }
})();
