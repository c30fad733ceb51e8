// Shows the notification that a merchant sent to this browser, and opens its link on a click.
"use strict";
self.addEventListener("push", (event) => {
  let told = {};
  try { told = event.data ? event.data.json() : {}; } catch (error) { told = {}; }
  event.waitUntil(self.registration.showNotification(String(told.title || ""), {
    body: String(told.body || ""), icon: told.icon || undefined, lang: told.lang || "", tag: told.id || "",
    data: { url: told.url || "" },
  }));
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = String((event.notification.data || {}).url || "");
  if (/^https?:\/\//.test(url)) event.waitUntil(self.clients.openWindow(url));
});
