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

// What goes on: looked at again until it has ended, and then the whole page is.
const live = document.querySelector("[data-live]");
const look = async () => {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = page.getElementById(live.id);
  if (!answer.ok || !now) {
    location.reload();
    return;
  }
  live.replaceChildren(...now.childNodes);
  setTimeout(look, 1500);
};
if (live) {
  document.querySelectorAll("[data-without-script]").forEach((one) => one.remove());
  setTimeout(look, 1000);
}
