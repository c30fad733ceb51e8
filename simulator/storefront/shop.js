// The shop's own variant chooser: price, button and address follow it, and Dispo's script is told.
const chooser = document.querySelector("select[data-variants]");
chooser?.addEventListener("change", () => {
  const { external, price, buyable, code } = chooser.selectedOptions[0].dataset;
  const button = document.querySelector("[data-buy]");
  document.querySelector("[data-price-now]").textContent = price;
  document.querySelector("p[data-code]").textContent = code;
  button.disabled = buyable === "0";
  button.textContent = button.disabled ? button.dataset.soldOut : button.dataset.words;
  const address = new URL(location.href);
  address.searchParams.set("variant", chooser.value);
  history.replaceState(null, "", address);
  document.dispatchEvent(new CustomEvent("dispo:variant", { detail: { id: external } }));
});
