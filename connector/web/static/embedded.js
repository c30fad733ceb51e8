"use strict";
// The page inside the store's admin: asks with the platform's ID token, never with a cookie, and shows the
// answer. While something is under way it looks again every three seconds, only while somebody looks.
(() => {
  const place = document.getElementById("state");
  const trouble = document.getElementById("trouble");
  const said = (name) => (document.querySelector(`meta[name="dispo-${name}"]`) || {}).content;
  const home = said("home") || location.pathname;
  const proof = said("proof");
  const lang = encodeURIComponent(document.documentElement.lang);

  async function ask(path, options = {}) {
    const token = proof || (await window.shopify.idToken());
    const answer = await fetch(`${home}/${path}?locale=${lang}`, {
      ...options,
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    });
    if (answer.status === 409) location.reload();
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return answer;
  }

  function show(html) {
    const focused = document.activeElement && document.activeElement.dataset.post;
    place.innerHTML = html;
    const again = focused && place.querySelector(`[data-post="${CSS.escape(focused)}"]`);
    if (again) again.focus();
  }

  async function act(button) {
    const { post, location: chosen, file, name, scopes, open: to } = button.dataset;
    if (scopes) {
      // The platform's own dialogue asks. Whatever the answer was, the store is asked what it grants now.
      await window.shopify.scopes.request(scopes.split(","));
      show(await (await ask("grants", { method: "POST", body: "{}" })).text());
    } else if (post) {
      const body = chosen ? JSON.stringify({ location_id: chosen }) : "{}";
      show(await (await ask(post, { method: "POST", body })).text());
    } else if (file) {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await (await ask(file)).blob());
      link.download = name;
      link.click();
      URL.revokeObjectURL(link.href);
    } else {
      // Opened at once, while the click still counts: a window opened later is taken for an advertisement.
      const whole = window.open("", "_blank");
      const { url } = await (await ask("open", { method: "POST", body: JSON.stringify({ to }) })).json();
      if (whole) whole.location = url;
      else window.top.location.href = new URL(url, location.origin).href;
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-post], button[data-file], button[data-open], button[data-scopes]");
    if (!button) return;
    button.disabled = true;
    trouble.hidden = true;
    try {
      await act(button);
    } catch (error) {
      console.warn("Dispo:", error);
      trouble.hidden = false;
    }
    button.disabled = false;
  });

  setInterval(async () => {
    const step = place.querySelector("[data-step]");
    if (document.hidden || !step || !["import", "trouble", "supplier"].includes(step.dataset.step)) return;
    try {
      const html = await (await ask("state")).text();
      if (!place.contains(document.activeElement) || document.activeElement === document.body) show(html);
    } catch (error) {
      console.debug("Dispo:", error);
    }
  }, 3000);
})();
