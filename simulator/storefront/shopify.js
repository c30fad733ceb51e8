// A theme's own chooser: it puts the number into the form's hidden field and says nothing else to anybody.
document.querySelector("[data-choices]")?.addEventListener("change", (event) => {
  const { id, price, buyable } = event.target.dataset;
  const button = document.querySelector("[data-buy]");
  document.querySelector('form[action="/cart/add"] [name="id"]').value = id;
  document.querySelector("[data-price-now]").textContent = price;
  button.disabled = buyable === "0";
  button.textContent = button.disabled ? button.dataset.soldOut : button.dataset.words;
  const address = new URL(location.href);
  address.searchParams.set("variant", id);
  history.replaceState(null, "", address);
});
