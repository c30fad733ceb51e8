"use strict";
(() => {
  const page = document.querySelector("[data-key]");
  const on = document.getElementById("on");
  const off = document.getElementById("off");
  const say = (name) => {
    for (const one of page.querySelectorAll("[data-when]")) one.hidden = one.dataset.when !== name;
  };
  const bytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/").padEnd(Math.ceil(text.length / 4) * 4, "="));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  };
  const base64url = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const send = async (body) => {
    const answer = await fetch(location.href, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    return (await answer.json()).status;
  };
  const active = (registration) => new Promise((done) => {
    const worker = registration.installing || registration.waiting;
    if (registration.active || !worker) return done();
    worker.addEventListener("statechange", () => worker.state === "activated" && done());
  });
  if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) {
    return say("unsupported");
  }
  const show = (isOn) => { on.hidden = isOn; off.hidden = !isOn; };
  const subscribe = async () => {
    if ((await Notification.requestPermission()) !== "granted") return say("denied");
    const registration = await navigator.serviceWorker.register("/push/sw.js", { scope: page.dataset.scope });
    await active(registration);
    const wish = { userVisibleOnly: true, applicationServerKey: bytes(page.dataset.key) };
    let made;
    try {
      made = await registration.pushManager.subscribe(wish);
    } catch (error) {
      // The shop has another key now: the old subscription can be reached by nobody.
      const old = error.name === "InvalidStateError" && (await registration.pushManager.getSubscription());
      if (!old) throw error;
      await old.unsubscribe();
      made = await registration.pushManager.subscribe(wish);
    }
    const said = await send({
      endpoint: made.endpoint, p256dh: base64url(made.getKey("p256dh")), auth: base64url(made.getKey("auth")),
      consent: page.dataset.consent,
    });
    show(said === "on");
    say(said === "on" ? "on" : said === "too_many" ? "too_many" : "failed");
  };
  const end = async () => {
    const registration = await navigator.serviceWorker.getRegistration(page.dataset.scope);
    const made = registration && (await registration.pushManager.getSubscription());
    if (made) await send({ endpoint: made.endpoint, end: true });
    show(false);
    say("off");
  };
  const act = (what) => async () => {
    on.disabled = off.disabled = true;
    try { await what(); } catch (error) { say("failed"); }
    on.disabled = off.disabled = false;
  };
  on.addEventListener("click", act(subscribe));
  off.addEventListener("click", act(end));
  show(false);
  // Signed up before, for this item or another: it can be ended, too.
  navigator.serviceWorker.getRegistration(page.dataset.scope)
    .then((registration) => registration && registration.pushManager.getSubscription())
    .then((made) => { off.hidden = !made; }, () => {});
  say(Notification.permission === "denied" ? "denied" : "");
})();
