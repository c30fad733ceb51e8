/* Made by `make assets` from Dispo's notify-me.js and follow.js. */
(() => {
"use strict";
const CONSENT = "2026-11";
const WORDS = { en: {} };
const RANK = ["in_stock", "low_stock", "made_to_order", "preorder", "backorder", "restocking", "out_of_stock", "discontinued"];
const ASKS = ["restocking", "out_of_stock"];
const RETRY_S = [10, 30, 60, 120, 300];
const CSS = "";
const say = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
const rank = (state) => RANK.indexOf(state);
function start(root) {
if (root.dispo) return;
root.dispo = true;
const data = root.dataset;
const language = (data.locale || document.documentElement.lang || "en").slice(0, 2).toLowerCase();
const locale = data.locale && data.locale !== "en" ? data.locale : language === "en" ? "en-GB" : language;
const words = { ...(WORDS[language] || WORDS.en), ...parse(data.words) };
const shown = parse(data.variants);
const base = data.base || `${data.server.replace(/\/$/, "")}/s/${data.key}`;
if (data.variant && !shown[data.variant]) {
shown[data.variant] = { state: data.state, count: data.count, restock_on: data.restockOn, restock_until: data.restockUntil };
}
let variant = data.variant;
let checkedAt = {};
let tries = 0;
let timer = 0;
const badge = root.querySelector("[data-dispo-badge]") || root.appendChild(document.createElement("p"));
badge.classList.add("dispo-badge");
badge.setAttribute("role", "status");
const heard = {};
const due = document.createElement("p");
due.className = "dispo-delivery";
root.append(due);
const range = new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
if ("badgeOnly" in data) return void paint();
const form = root.querySelector("form[data-dispo-form]");
form.noValidate = true;
const field = form.elements.email;
const button = form.querySelector("button");
const said = form.querySelector("[data-dispo-said]") || form.appendChild(line());
if (!said.id) said.id = `dispo-said-${Math.random().toString(36).slice(2)}`;
function line() {
const made = document.createElement("p");
made.className = "dispo-said";
made.setAttribute("aria-live", "polite");
made.tabIndex = -1;
return made;
}
function paint() {
const facts = shown[variant] || {};
const state = RANK.includes(facts.state) ? facts.state : "";
badge.hidden = !state;
badge.dataset.state = state;
const text = state && describe(state, facts);
if (badge.textContent !== text) badge.textContent = text;
const days = state && rank(state) < 5 && (heard[variant] || {}).delivery;
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
const answer = await fetch(`${base}/availability?ids=${encodeURIComponent(id)}`, { credentials: "omit", cache: "no-cache" });
const fresh = answer.ok && (await answer.json()).items[id];
if (fresh) {
heard[id] = fresh;
if (isWorse(fresh, shown[id] || {})) shown[id] = fresh;
render();
}
} catch { /* The page keeps what the shop wrote into it. */ }
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
async function send() {
clearTimeout(timer);
const body = new URLSearchParams(new FormData(form));
const kept = `dispo ${data.key} ${body.get("id")}`;
button.disabled = true;
const label = button.textContent;
button.textContent = words.sending;
let answer;
try {
const stop = new AbortController();
setTimeout(() => stop.abort(), 10000);
answer = await fetch(`${base}/subscribe`, { method: "POST", body, headers: { Accept: "application/json" }, credentials: "omit", signal: stop.signal });
if (answer.status >= 500) throw new Error("down");
} catch {
keep(kept, body.get("email"));
tell(words.down, false);
if (tries < RETRY_S.length) timer = setTimeout(send, 1000 * RETRY_S[tries++]);
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
const told = (event) => choose(event.detail && event.detail.id);
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
const kept = sessionStorage.getItem(`dispo ${data.key} ${variant}`);
if (kept && !form.hidden) {
field.value = kept;
send();
}
} catch { /* No storage, nothing kept. */ }
}
function parse(text) {
try {
return JSON.parse(text || "{}");
} catch {
return {};
}
}
function begin() {
const style = document.head.appendChild(document.createElement("style"));
style.textContent = CSS;
const all = () => document.querySelectorAll("[data-dispo]").forEach(start);
document.addEventListener("dispo:start", all);
all();
}
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
else begin();
})();
(() => {
"use strict";
const GID = "gid://shopify/ProductVariant/";
const primaries = new Map();
let isDue = false;
function chosen(root) {
const forms = [...document.querySelectorAll('form[action*="/cart/add"]')].filter((form) => form.elements.id);
const named = (form) => form.elements["product-id"] && form.elements["product-id"].value === root.dataset.product;
const near = (form) => !form.elements["product-id"] && form.closest(".shopify-section") === root.closest(".shopify-section");
const here = forms.filter(named).concat(forms.filter(near));
return here.length ? here[0].elements.id.value : "";
}
function copy(root, badge) {
const source = root.querySelector("[data-dispo-badge]");
if (!source || !source.classList.contains("dispo-badge")) return;
if (badge.textContent !== source.textContent) badge.textContent = source.textContent;
if (badge.dataset.state !== source.dataset.state) badge.dataset.state = source.dataset.state || "";
if (badge.hidden !== source.hidden) badge.hidden = source.hidden;
}
function follow() {
isDue = false;
const blocks = [...document.querySelectorAll("[data-dispo-block]")];
primaries.forEach((root, product) => root.isConnected || primaries.delete(product));
for (const kind of ["form", "badge"]) {
for (const block of blocks) {
const { product, dispoBlock } = block.dataset;
const now = primaries.get(product);
if (dispoBlock !== kind || now === block || (now && (now.dataset.dispoBlock === "form" || kind === "badge"))) continue;
primaries.set(product, block);
if (kind === "badge" && !block.querySelector("form")) block.insertAdjacentHTML("beforeend", '<form data-dispo-form hidden><input name="id"><input name="email"><button></button></form>');
block.setAttribute("data-dispo", "");
}
}
document.dispatchEvent(new CustomEvent("dispo:start"));
for (const block of blocks) {
const root = primaries.get(block.dataset.product);
const id = chosen(block);
if (root === block && id) root.dispatchEvent(new CustomEvent("dispo:variant", { detail: { id: GID + id } }));
}
for (const block of blocks) {
const root = primaries.get(block.dataset.product);
const badge = block.querySelector("[data-dispo-badge]");
if (!badge || root === block) continue;
badge.setAttribute("role", "status");
copy(root, badge);
}
}
function soon() {
if (isDue) return;
isDue = true;
setTimeout(follow, 20);
}
function begin() {
follow();
new MutationObserver(soon).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["value", "data-state"] });
document.addEventListener("change", soon);
}
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
else begin();
})();
