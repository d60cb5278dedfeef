// What is live on the pages; without it they work by reloading.
"use strict";

// Somebody who signs out here is signed out at the provider without asking again.
for (const form of document.querySelectorAll("form[data-at-once]")) {
  form.submit();
}

// A button that copies the text of the element whose id it names; it is hidden where
// nothing can be copied.
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.parentElement.querySelector("[data-copy-status]").textContent = button.dataset.copied;
  });
}
