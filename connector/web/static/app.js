"use strict";
// What pages do besides htmx: keep "3 minutes ago" true, poll only while somebody looks, close the sheet,
// and give tables that are laid out as cards their roles back. Every page works without this file.
(() => {
  const steps = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });

  function tell(root) {
    for (const time of root.querySelectorAll("time[data-ago]")) {
      const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
      const [unit, size] = steps.find(([, size]) => Math.abs(seconds) >= size) || steps[6];
      time.textContent = words.format(Math.round(seconds / size), unit);
    }
  }

  function restore(root) {
    const roles = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", td: "cell", th: "columnheader" };
    for (const table of root.querySelectorAll("table.cards")) {
      table.setAttribute("role", "table");
      for (const [tag, role] of Object.entries(roles)) {
        for (const part of table.querySelectorAll(tag)) {
          part.setAttribute("role", tag === "th" && part.scope === "row" ? "rowheader" : role);
        }
      }
    }
  }

  // Nobody looks: no question. When somebody looks again, the next tick asks.
  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden) event.preventDefault();
  });
  document.addEventListener("htmx:after:swap", () => { tell(document); restore(document); });
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll("details.more[open]")) {
      if (!open.contains(event.target)) open.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const open of document.querySelectorAll("details.more[open]")) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });
  // One box ticks every row that is shown.
  for (const all of document.querySelectorAll("input[data-tick-all]")) {
    const boxes = [...all.form.querySelectorAll("input[name=row]")];
    all.hidden = !boxes.length;
    all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; });
    all.form.addEventListener("change", () => {
      const ticked = boxes.filter((box) => box.checked).length;
      all.checked = ticked === boxes.length;
      all.indeterminate = ticked > 0 && ticked < boxes.length;
    });
  }
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const from = document.getElementById(button.dataset.copy);
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      from.select();
      await navigator.clipboard.writeText(from.value);
      button.textContent = button.dataset.copied;
    });
  }
  // A button that was pressed is not pressed twice.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
  setInterval(() => tell(document), 15000);
  tell(document);
  restore(document);
})();
