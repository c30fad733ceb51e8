/* Ties Dispo's script (notify-me.js) to WooCommerce: tells it which variation was chosen, and copies what it
 * says into the badges that stand elsewhere on the page, as inside the variations form. */
(() => {
  "use strict";
  const BUYABLE = ["in_stock", "low_stock", "made_to_order", "preorder", "backorder"];
  const parse = (text) => {
    try {
      return JSON.parse(text || "{}");
    } catch {
      return {};
    }
  };

  function copy(root) {
    const source = root.querySelector(".dispo-source");
    const form = root.querySelector(".dispo-form");
    const id = (form && form.elements.id && form.elements.id.value) || root.dataset.variant;
    const follows = document.querySelectorAll("[data-dispo-follows]");
    follows.forEach((badge) => (badge.hidden = root.hidden || !id || !source || !source.dataset.state));
    if (!source || !source.dataset.state || !id) return;
    [...document.querySelectorAll(`[data-dispo-shows="${CSS.escape(id)}"]`), ...follows].forEach((badge) => {
      if (badge.textContent === source.textContent && badge.dataset.state === source.dataset.state) return;
      badge.textContent = source.textContent;
      badge.dataset.state = source.dataset.state;
      if (!badge.classList.contains("dispo-plain")) return;
      const canBeBought = BUYABLE.includes(source.dataset.state);
      badge.classList.toggle("in-stock", canBeBought);
      badge.classList.toggle("out-of-stock", !canBeBought);
    });
  }

  function choose(root, id) {
    const twins = parse(root.dataset.twins);
    // Nothing chosen: the form of the last variation must not stay.
    root.hidden = !id || id === "0";
    if (!root.hidden) document.dispatchEvent(new CustomEvent("dispo:variant", { detail: { id: String(twins[id] || id) } }));
    copy(root);
  }

  function begin() {
    document.querySelectorAll("[data-dispo].dispo").forEach((root) => {
      const source = root.querySelector(".dispo-source");
      if (source) new MutationObserver(() => copy(root)).observe(source, { attributes: true, childList: true, characterData: true, subtree: true });
      document.querySelectorAll(".dispo-badge[data-dispo-shows],.dispo-badge[data-dispo-follows]").forEach((badge) => {
        // WooCommerce announces its variation box by itself.
        if (!badge.closest("[role=alert]")) badge.setAttribute("role", "status");
      });
      if (root.dataset.variant) return copy(root);
      // A hidden field's value is an attribute, however it is set: by jQuery in classic themes, by the blocks.
      const watch = (field) => {
        const tell = () => choose(root, field.value);
        new MutationObserver(tell).observe(field, { attributes: true, attributeFilter: ["value"] });
        tell();
      };
      const fields = document.querySelectorAll('form input[type="hidden"][name="variation_id"]');
      if (fields.length) fields.forEach(watch);
      else root.hidden = true;
    });
    // The variation box is filled after the field was set.
    if (window.jQuery) window.jQuery(document.body).on("show_variation", () => document.querySelectorAll("[data-dispo].dispo").forEach(copy));
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
