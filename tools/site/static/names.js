// The theme names some buttons otherwise than they read; then a voice command does not find them.
document.addEventListener("DOMContentLoaded", () => {
  const named = ".search-button-field[aria-label], details.hide > summary[aria-label]";
  document.querySelectorAll(named).forEach((button) => button.removeAttribute("aria-label"));
});
