/* Ties the script above to Shopify's themes: one block of a product asks and keeps the form, its others copy
 * the badge; the shown variant is the one in the theme's product form, however the theme puts it there. */
(() => {
  "use strict";
  const GID = "gid://shopify/ProductVariant/";
  const primaries = new Map();
  let isDue = false;

  // The form Shopify makes names its product; a theme's own may not, then the section decides.
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
    // The block with the form first: it can do what the others do.
    for (const kind of ["form", "badge"]) {
      for (const block of blocks) {
        const { product, dispoBlock } = block.dataset;
        const now = primaries.get(product);
        if (dispoBlock !== kind || now === block || (now && (now.dataset.dispoBlock === "form" || kind === "badge"))) continue;
        primaries.set(product, block);
        // The script wants a form to keep; that of a badge alone is empty and never shown.
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
    // A hidden field's value is an attribute, however a theme sets it, and a section drawn anew brings new blocks.
    new MutationObserver(soon).observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["value", "data-state"] });
    document.addEventListener("change", soon);
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
