/* Dispo: similar products in stock, below the "notify me" form. Loaded by notify-me.js when there are some to show. */

// What :where() says has no weight, so any rule of the theme wins; colours and fonts are the theme's. The others keep what
// themes say of every list, link and picture from tearing the rows apart.
const CSS = `:where(.dispo-similar){max-width:26em;margin:1em 0}.dispo-similar .dispo-similar-title{margin:0 0 .5em}:where(.dispo-similar-title){font-size:1em;font-weight:600}
.dispo-similar :is(ul,li){list-style:none;margin:0;padding:0}:where(.dispo-similar li){border-top:1px solid color-mix(in srgb,currentColor 20%,transparent)}
.dispo-similar a{display:flex;align-items:center;gap:.75em;min-height:44px;padding:.5em 0;text-decoration:none}:where(.dispo-similar a){color:inherit}
:where(.dispo-similar a:focus-visible){outline:3px solid #2563eb;outline-offset:2px}
.dispo-similar .dispo-similar-image{flex:none;width:56px;height:56px;margin:0;object-fit:cover}:where(.dispo-similar-image){border-radius:var(--dispo-round,4px);background:color-mix(in srgb,currentColor 8%,transparent)}
:where(.dispo-similar-name){flex:1;min-width:0;overflow-wrap:anywhere;text-decoration:underline;text-underline-offset:.2em}
:where(.dispo-similar-price){flex:none;white-space:nowrap}`;

/* The element with the list, or null when nothing of it may be shown; it is not in the page yet.
 * "items" as Dispo's /alternatives answers, "heading" in the page's language, "locale" of prices, "data" of the block. */
export default function similar(items, heading, locale, data) {
  const shown = items.filter((item) => isWeb(item.url)).slice(0, 3);
  if (!shown.length) return null;
  if (!document.getElementById("dispo-similar-style")) {
    const style = document.head.appendChild(make("style", "", CSS));
    style.id = "dispo-similar-style";
  }
  const section = make("section", "dispo-similar");
  const title = section.appendChild(make("p", "dispo-similar-title", heading));
  title.id = `dispo-similar-${Math.random().toString(36).slice(2)}`;
  section.setAttribute("aria-labelledby", title.id);
  const list = section.appendChild(document.createElement("ul"));
  // Safari takes a list without bullets for none.
  list.setAttribute("role", "list");
  const hasImages = shown.some((item) => isWeb(item.image));
  for (const item of shown) {
    const link = list.appendChild(document.createElement("li")).appendChild(document.createElement("a"));
    link.href = inLanguage(item.url);
    if (hasImages) link.append(picture(item.image));
    link.append(make("span", "dispo-similar-name", item.title));
    const price = priceOf(item, locale, data);
    if (price) link.append(make("span", "dispo-similar-price", price));
  }
  return section;
}

function make(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

// The name stands beside it, so to a screen reader it says nothing.
function picture(url) {
  const made = make(isWeb(url) ? "img" : "span", "dispo-similar-image");
  if (isWeb(url)) Object.assign(made, { alt: "", width: 56, height: 56, loading: "lazy", decoding: "async", src: url });
  return made;
}

// A page that shows prices in another currency, or prices made otherwise (data-currency=""), gets none of ours.
function priceOf(item, locale, data) {
  const meta = document.querySelector('meta[property$="price:currency"]');
  const wanted = "currency" in data ? data.currency : meta ? meta.content : item.currency;
  if (item.price == null || wanted !== item.currency) return "";
  try {
    return new Intl.NumberFormat(locale, { style: "currency", currency: item.currency }).format(item.price);
  } catch {
    return ""; // a currency that the browser does not know
  }
}

// Shopify's pages in another language or for another market lie below a path of their own.
function inLanguage(url) {
  const root = window.Shopify?.routes?.root || "/";
  const found = new URL(url);
  if (found.host === location.host && !found.pathname.startsWith(root)) found.pathname = root + found.pathname.slice(1);
  return found.href;
}

function isWeb(url) {
  return /^https?:\/\//i.test(url || "");
}
