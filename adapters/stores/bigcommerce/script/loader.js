/* Ties Dispo's storefront script (notify-me.js) to a Stencil product page of BigCommerce: learns from the store
 * which variant the chosen options make and whether it may be bought, asks Dispo what may be said about it, and
 * puts one block per variant in front of the product's form. Sets no cookie and keeps nothing. */
(() => {
  "use strict";
  const settings = "DISPO SETTINGS";
  const MAY_BE_BOUGHT = ["in_stock", "low_stock", "made_to_order", "preorder", "backorder"];
  const CHOOSE_MS = 150;

  function begin() {
    const form = document.querySelector("form[data-cart-item-add]");
    const product = form && form.querySelector("[name=product_id]");
    if (!product || !product.value || document.querySelector("[data-dispo]")) return;
    const base = `${settings.server}/s/${settings.key}`;
    const here = document.querySelector("[data-dispo-here]");
    const blocks = new Map();
    let turn = 0;
    let timer = 0;

    async function show() {
      const mine = ++turn;
      const live = await attributes();
      if (mine !== turn) return;
      const variant = live && live.v3_variant_id ? String(live.v3_variant_id) : "";
      if (variant && !blocks.has(variant)) {
        const facts = capped(await known(variant), live);
        if (mine !== turn) return;
        if (facts && !blocks.has(variant)) blocks.set(variant, block(variant, facts));
      }
      for (const [id, one] of blocks) one.hidden = id !== variant;
    }

    /* What the store says of the chosen options; null when it does not answer. */
    async function attributes() {
      const body = new URLSearchParams();
      for (const [name, value] of new FormData(form)) if (typeof value === "string") body.append(name, value);
      try {
        const answer = await fetch(`/remote/v1/product-attributes/${encodeURIComponent(product.value)}`, {
          method: "POST", body, credentials: "same-origin",
          headers: { "stencil-config": JSON.stringify({}), "stencil-options": JSON.stringify({}), "X-Requested-With": "stencil-utils" },
        });
        return answer.ok ? (await answer.json()).data : null;
      } catch {
        return null;
      }
    }

    /* Dispo's facts; null for an item it does not keep; empty when it cannot be reached. */
    async function known(variant) {
      try {
        const answer = await fetch(`${base}/availability?ids=${encodeURIComponent(variant)}`, { credentials: "omit", cache: "no-cache" });
        if (answer.ok) return (await answer.json()).items[variant] || null;
      } catch { /* The store's own word is left. */ }
      return {};
    }

    /* The store may only make it worse: what cannot be bought here is never shown as if it could. */
    function capped(facts, live) {
      if (!facts) return null;
      const sells = live.instock !== false && live.purchasable !== false;
      if (!sells && (!facts.state || MAY_BE_BOUGHT.includes(facts.state))) return { state: "out_of_stock" };
      const left = live.available_to_sell === undefined ? live.stock : live.available_to_sell;
      if (facts.count && typeof left === "number" && left < facts.count) return { ...facts, count: Math.max(left, 0) };
      return facts.state ? facts : null;
    }

    function block(variant, facts) {
      const made = document.createElement("div");
      const given = {
        dispo: "", server: settings.server, key: settings.key, variant, state: facts.state, count: facts.count,
        restockOn: facts.restock_on, restockUntil: facts.restock_until, locale: settings.locale,
        seller: settings.seller, privacy: settings.privacy,
        // The block is for this variant alone: no chooser of the theme may change it.
        select: "[data-dispo-nothing]",
      };
      for (const [name, value] of Object.entries(given)) if (value !== undefined && value !== null) made.dataset[name] = value;
      // Never inside the form: a form in a form would be sent with it.
      if (here && !form.contains(here)) here.append(made);
      else form.before(made);
      const script = document.createElement("script");
      script.src = `${settings.server}/s/notify-me.js`;
      document.head.append(script);
      return made;
    }

    form.addEventListener("change", () => {
      clearTimeout(timer);
      timer = setTimeout(show, CHOOSE_MS);
    });
    show();
  }

  if (window.dispoBigCommerce) return;
  window.dispoBigCommerce = true;
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
