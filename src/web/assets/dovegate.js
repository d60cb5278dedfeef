// What is live on the pages; without it they work by reloading.
"use strict";

// Somebody who signs out here is signed out at the provider without asking again.
for (const form of document.querySelectorAll("form[data-at-once]")) {
  form.submit();
}
