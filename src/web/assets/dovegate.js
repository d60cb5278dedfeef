// What is live on the pages; without it they work by reloading.
"use strict";
