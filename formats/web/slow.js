// The service worker of index.html: answers slow/... with what the page has put into the cache "slow", after a while.
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (!url.pathname.includes("/slow/")) return;
  const stored = caches.open("slow").then((cache) => cache.match(event.request, { ignoreSearch: true }));
  const wait = new Promise((done) => setTimeout(done, Number(url.searchParams.get("wait"))));
  event.respondWith(wait.then(() => stored).then((answer) => answer ?? Response.error()));
});
