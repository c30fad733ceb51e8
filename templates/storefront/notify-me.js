/* Dispo: the availability badge and the "notify me" form of a product page.
 * The server decides, this page may only downgrade. How to use it: docs/storefront-script.md */
(() => {
  "use strict";
  const CONSENT = "2026-11";
  const WORDS = {
    en: {
      in_stock: "In stock", low_stock: "Low stock", low_stock_n: "Only {n} left",
      restocking: "Back soon", restocking_on: "Back on {date}", restocking_between: "Back between {from} and {to}",
      preorder: "Pre-order", backorder: "Available to order, delivered later", made_to_order: "Made to order",
      out_of_stock: "Out of stock", discontinued: "No longer sold", delivery: "Delivery {days}",
      title: "Tell me when it is back", email: "E-mail address", units: "How many", send: "Notify me", sending: "Sending…",
      consent: "{seller} may e-mail me once when this item is available again. I can end this at any time.",
      keep: "We keep your address until you are told, at most 12 months.", privacy: "Privacy notice",
      bad_address: "This does not look like an e-mail address. Please check it.",
      down: "We cannot save this just now. Your address stays here and we try again.",
      failed: "That did not work. Please reload the page and try again.",
    },
    fr: {
      in_stock: "En stock", low_stock: "Stock faible", low_stock_n: "Plus que {n}",
      restocking: "Bientôt de retour", restocking_on: "De retour le {date}", restocking_between: "De retour entre le {from} et le {to}",
      preorder: "Précommande", backorder: "Sur commande, livré plus tard", made_to_order: "Fabriqué à la demande",
      out_of_stock: "Épuisé", discontinued: "N’est plus vendu", delivery: "Livraison {days}",
      title: "Prévenez-moi de son retour", email: "Adresse e-mail", units: "Quantité", send: "Me prévenir", sending: "Envoi…",
      consent: "{seller} peut m’écrire une fois par e-mail au retour de cet article. Je peux arrêter à tout moment.",
      keep: "Votre adresse est conservée jusqu’au message, 12 mois au plus.", privacy: "Confidentialité",
      bad_address: "Cela ne ressemble pas à une adresse e-mail. Vérifiez-la.",
      down: "Impossible d’enregistrer pour l’instant. Votre adresse reste ici et nous réessayons.",
      failed: "Cela n’a pas fonctionné. Rechargez la page et réessayez.",
    },
  };
  // From what may be bought to what may not: a fresh answer is shown only when it is further right.
  const RANK = ["in_stock", "low_stock", "made_to_order", "preorder", "backorder", "restocking", "out_of_stock", "discontinued"];
  const ASKS = ["restocking", "out_of_stock"];
  const RETRY_S = [10, 30, 60, 120, 300];
  // :where() has no weight, so any rule of the theme wins; what is written without it keeps the parts in their places.
  const CSS = `:where(.dispo-badge){display:flex;align-items:center;gap:.5em;margin:.5em 0;font-weight:600}
:where(.dispo-badge)::before{content:"";width:.65em;height:.65em;border-radius:50%;background:var(--dispo-dot,#8a8a83);flex:none}
.dispo-badge[data-state=in_stock]{--dispo-dot:#1f8a4c}.dispo-badge[data-state=low_stock]{--dispo-dot:#d97706}
:where(.dispo-delivery){margin:.25em 0 .75em}
.dispo-badge[data-state=restocking]{--dispo-dot:#d4b106}.dispo-badge[data-state=out_of_stock]{--dispo-dot:#c0392b}
:where(.dispo-form){display:grid;gap:.6em;max-width:26em;margin:1em 0}.dispo-badge[hidden],.dispo-form[hidden],.dispo-form [hidden],.dispo-delivery:empty,.dispo-said:empty{display:none!important}
:where(.dispo-form h3){margin:0;font-size:1.1em}:where(.dispo-form) label{display:grid;gap:.25em;margin:0}
:where(.dispo-form input){font:inherit;padding:.6em .7em;min-height:44px;border:1px solid #767670;border-radius:6px;width:100%;box-sizing:border-box}
:where(.dispo-form input[aria-invalid=true]){border-color:#c0392b}
:where(.dispo-form button){font:inherit;font-weight:600;min-height:44px;padding:.6em 1.2em;border:1px solid;border-radius:6px;background:#1d1d1b;color:#fff;cursor:pointer}
:where(.dispo-form button[disabled]){opacity:.6;cursor:wait}:where(.dispo-form small){color:color-mix(in srgb,currentColor 80%,transparent)}
:where(.dispo-form :focus-visible){outline:3px solid #2563eb;outline-offset:2px}
.dispo-form .dispo-tick{display:flex;gap:.6em;align-items:center;min-height:44px}.dispo-tick input{width:24px;min-height:24px;margin:0;flex:none}
.dispo-trap{position:absolute!important;left:-9999px!important}.dispo-said{margin:0;font-weight:600;outline:0}`;

  const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const say = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
  const rank = (state) => RANK.indexOf(state);
  const make = (name, className = "") => Object.assign(document.createElement(name), { className });

  function start(root) {
    if (root.dispo) return;
    root.dispo = true;
    const data = root.dataset;
    const language = (data.locale || document.documentElement.lang || "en").slice(0, 2).toLowerCase();
    // Plain "en" would put the month first.
    const locale = data.locale && data.locale !== "en" ? data.locale : language === "en" ? "en-GB" : language;
    const words = { ...(WORDS[language] || WORDS.en), ...parse(data.words) };
    const shown = parse(data.variants);
    const base = data.base || `${data.server.replace(/\/$/, "")}/s/${data.key}`;
    if (data.variant && !shown[data.variant]) {
      shown[data.variant] = { state: data.state, count: data.count, restock_on: data.restockOn, restock_until: data.restockUntil };
    }
    let variant = data.variant;
    const checkedAt = {};
    const near = {};
    let more = null;
    let tries = 0;
    let timer = 0;

    const badge = root.querySelector("[data-dispo-badge]") || root.appendChild(make("p"));
    badge.classList.add("dispo-badge");
    badge.setAttribute("role", "status");
    // When it would arrive: only as heard just now, never as a page was kept.
    const heard = {};
    const due = root.appendChild(make("p", "dispo-delivery"));
    const range = new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
    if ("badgeOnly" in data) return void paint();
    const form = root.querySelector("form[data-dispo-form]") || root.appendChild(build());
    form.noValidate = true;
    const field = form.elements.email;
    const button = form.querySelector("button");
    const said = form.querySelector("[data-dispo-said]") || make("p", "dispo-said");
    said.setAttribute("aria-live", "polite");
    said.tabIndex = -1;
    // Beside what it speaks of.
    if (!said.parentNode) (field.closest("label") || field).after(said);
    if (!said.id) said.id = `dispo-said-${Math.random().toString(36).slice(2)}`;

    function build() {
      const made = make("form", "dispo-form");
      const seller = escape(say(words.consent, { seller: data.seller || location.hostname }));
      const privacy = /^https?:/.test(data.privacy || "") ? ` <a href="${escape(data.privacy)}">${escape(words.privacy)}</a>` : "";
      made.method = "post";
      made.action = `${base}/subscribe`;
      const units = "units" in data ? `<label>${escape(words.units)}<input type="number" name="units" min="1" max="99" value="1"></label>` : "";
      made.innerHTML = `<h3>${escape(words.title)}</h3><label>${escape(words.email)}<input type="email" name="email" required autocomplete="email" inputmode="email" maxlength="254"></label>${units}<div class="dispo-trap" aria-hidden="true"><input name="website" tabindex="-1" autocomplete="off"></div><input type="hidden" name="id"><input type="hidden" name="lang" value="${escape(language)}"><input type="hidden" name="consent" value="${CONSENT}"><button>${escape(words.send)}</button><small>${seller} ${escape(words.keep)}${privacy}</small>`;
      return made;
    }

    function paint() {
      const facts = shown[variant] || {};
      const state = RANK.includes(facts.state) ? facts.state : "";
      badge.hidden = !state;
      badge.dataset.state = state;
      const text = state && describe(state, facts);
      if (badge.textContent !== text) badge.textContent = text;
      const days = state && rank(state) < 5 && heard[variant]?.delivery;
      const when = days ? say(words.delivery, { days: range.formatRange(...days.map(date)) }) : "";
      if (due.textContent !== when) due.textContent = when;
      return state;
    }

    function render() {
      form.hidden = !ASKS.includes(paint());
      form.elements.id.value = variant || "";
    }

    function describe(state, facts) {
      if (state === "low_stock" && facts.count > 0) return say(words.low_stock_n, { n: facts.count });
      const from = date(facts.restock_on);
      const to = date(facts.restock_until) || from;
      // A page may be a day old in a cache: a date in the past is never shown.
      if (state !== "restocking" || !from || to < new Date(new Date().toISOString().slice(0, 10))) return words[state];
      if (to > from) return say(words.restocking_between, { from: day(from), to: day(to) });
      return say(words.restocking_on, { date: day(from) });
    }

    function date(text) {
      return /^\d{4}-\d\d-\d\d$/.test(text || "") ? new Date(text) : null;
    }

    function day(value) {
      return new Intl.DateTimeFormat(locale, { day: "numeric", month: "long", timeZone: "UTC" }).format(value);
    }

    async function refresh() {
      const id = variant;
      if (!id || Date.now() - (checkedAt[id] || 0) < 30000) return;
      checkedAt[id] = Date.now();
      try {
        const answer = await fetch(`${base}/availability?ids=${encodeURIComponent(id)}&lang=${language}`, { credentials: "omit", cache: "no-cache" });
        const fresh = answer.ok && (await answer.json()).items[id];
        if (fresh) {
          heard[id] = fresh;
          if (isWorse(fresh, shown[id] || {})) shown[id] = fresh;
          render();
          if (fresh.form && !more) offer((more = fresh.form));
          idle(look);
        }
      } catch { /* The page keeps what the shop wrote into it. */ }
    }

    // What this shop offers besides. It appears when the shopper turns to the field, so that nothing moves before.
    function offer({ label, note, consent, ticks = [] }) {
      const small = form.querySelector("small");
      if (label && small) {
        field.type = "text";
        field.previousSibling.data = label;
      }
      const add = () => {
        if (label && small) {
          small.firstChild.data = `${note} `;
          form.elements.consent.value = consent;
        }
        for (const [name, value, text] of ticks) {
          const tick = make("label", "dispo-tick");
          tick.innerHTML = `<input type="checkbox" name="${name}" value="${value}">`;
          tick.append(text);
          button.before(tick);
        }
      };
      if (document.activeElement === field) add();
      else field.addEventListener("focus", add, { once: true });
    }

    // Similar products, where the shop wants them here: read when the page is idle, shown when the shopper turns to the form.
    async function look() {
      const id = variant;
      if (form.hidden || !more?.similar || id in near) return;
      near[id] = null;
      try {
        const { items } = await (await fetch(`${base}/alternatives?id=${encodeURIComponent(id)}`, { credentials: "omit" })).json();
        // In full: a script from another origin has no address of its own to start from.
        const script = new URL(data.similar || `${base}/similar.js`, location);
        if (items.length) near[id] = (await import(script)).default(items, more.similar, locale, data);
      } catch { /* The page does without. */ }
    }

    function isWorse(fresh, now) {
      if (rank(fresh.state) !== rank(now.state)) return rank(fresh.state) > rank(now.state) && rank(now.state) >= 0;
      return fresh.state === "low_stock" ? fresh.count < now.count : (fresh.restock_on || "9") > (now.restock_on || "9");
    }

    function tell(text, isWrong) {
      said.textContent = text;
      field.setAttribute("aria-invalid", String(isWrong));
      field.setAttribute("aria-describedby", said.id);
    }

    async function send(again) {
      clearTimeout(timer);
      const body = again || new URLSearchParams(new FormData(form));
      if (!again) {
        // Since the page was opened, not since this script came: somebody may have typed before it did.
        body.set("took", Math.round(performance.now()));
        body.set("zone", Intl.DateTimeFormat().resolvedOptions().timeZone);
      }
      const kept = `dispo ${data.key} ${body.get("id")}`;
      button.disabled = true;
      const label = button.textContent;
      button.textContent = words.sending;
      let answer;
      try {
        answer = await fetch(`${base}/subscribe`, { method: "POST", body, headers: { Accept: "application/json" }, credentials: "omit", signal: AbortSignal.timeout?.(10000) });
        if (answer.status >= 500) throw new Error("down");
      } catch {
        // Nothing is lost: the field keeps the address, also over a reload of this tab.
        keep(kept, body);
        tell(words.down, false);
        if (tries < RETRY_S.length) timer = setTimeout(send, 1000 * RETRY_S[tries++], body);
        return;
      } finally {
        button.disabled = false;
        button.textContent = label;
      }
      keep(kept, null);
      const { message } = await answer.json().catch(() => ({}));
      tell(message || words.failed, answer.status === 422);
      if (!answer.ok) return void field.focus();
      for (const part of form.children) if (part !== said) part.hidden = true;
      said.focus();
    }

    function keep(name, value) {
      try {
        if (value === null) sessionStorage.removeItem(name);
        else sessionStorage.setItem(name, value);
      } catch { /* Storage may be forbidden; the field still holds it. */ }
    }

    function choose(id) {
      if (!id || String(id) === variant) return;
      near[variant]?.remove();
      variant = String(id);
      clearTimeout(timer);
      for (const part of form.children) part.hidden = false;
      said.textContent = "";
      render();
      refresh();
    }

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      tries = 0;
      if (!field.value.trim() || !field.checkValidity()) {
        tell(words.bad_address, true);
        field.focus();
      } else if (!button.disabled) send();
    });
    form.addEventListener("focusin", () => near[variant] && root.append(near[variant]));
    const told = (event) => choose(event.detail?.id);
    document.addEventListener("dispo:variant", told);
    root.addEventListener("dispo:variant", told);
    const chooser = data.select || '[name="id"],[name="variation_id"],[data-dispo-variants]';
    document.addEventListener("change", (event) => {
      if (!root.contains(event.target) && event.target.matches(chooser)) choose(event.target.value);
    });
    document.addEventListener("visibilitychange", () => document.hidden || refresh());
    addEventListener("online", () => said.textContent === words.down && send());

    render();
    refresh();
    try {
      const kept = new URLSearchParams(sessionStorage.getItem(`dispo ${data.key} ${variant}`));
      if (kept.get("email") && !form.hidden) {
        field.value = kept.get("email");
        send(kept);
      }
    } catch { /* No storage, nothing kept. */ }
  }

  function idle(run) {
    if (document.readyState === "complete") (window.requestIdleCallback || setTimeout)(run);
    else addEventListener("load", () => idle(run));
  }

  function parse(text) {
    try {
      return JSON.parse(text || "{}");
    } catch {
      return {};
    }
  }

  function begin() {
    document.head.appendChild(make("style")).textContent = CSS;
    const all = () => document.querySelectorAll("[data-dispo]").forEach(start);
    document.addEventListener("dispo:start", all);
    all();
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
