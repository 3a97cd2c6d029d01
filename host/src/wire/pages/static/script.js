// Makes pages handier. Everything works without it.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  const words = button.textContent;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).dataset.value);
    button.textContent = button.dataset.done;
    setTimeout(() => (button.textContent = words), 2000);
  });
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

// A second click in a hurry sends nothing twice. Which button was pressed still counts: a disabled one would not be sent.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    // An answer that never came must not lock the form for good.
    setTimeout(() => delete form.dataset.sent, 10000);
  });
}
// A page that was kept while another was looked at may show a sign-in that is over.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

const ticking = (seconds, tell) => {
  const end = Date.now() + seconds * 1000;
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    tell(left);
    if (left > 0) setTimeout(tick, 1000);
  };
  tick();
};

for (const line of document.querySelectorAll("[data-countdown]")) {
  ticking(Number(line.dataset.countdown), (left) => {
    const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    line.textContent = line.dataset.countdownWords.replace("{time}", time);
  });
}

for (const button of document.querySelectorAll("[data-wait]")) {
  const words = button.textContent;
  ticking(Number(button.dataset.wait), (left) => {
    button.disabled = left > 0;
    button.textContent = left > 0 ? button.dataset.waitWords.replace("{seconds}", left) : words;
  });
}

// Where a link is waited for, the page goes on by itself once it was opened.
for (const form of document.querySelectorAll("form[data-poll]")) {
  let wait = Number(form.dataset.poll) * 1000;
  const ask = async () => {
    if (document.hidden || form.dataset.sent) return setTimeout(ask, wait);
    const carried = [...form.querySelectorAll("input[type=hidden]")].map((input) => [input.name, input.value]);
    const fields = new URLSearchParams([...carried, ["action", "poll"]]);
    try {
      const answer = await fetch(location.href, { method: "POST", body: fields, headers: { accept: "application/json" } });
      if (answer.headers.get("content-type") !== "application/json") {
        // The end of it, with its reason, which no second request would get.
        const end = new DOMParser().parseFromString(await answer.text(), "text/html");
        document.title = end.title;
        return document.body.replaceWith(document.adoptNode(end.body));
      }
      const { next, wait_s } = await answer.json();
      if (next) return location.assign(next);
      wait = Math.max(wait_s || 0, Number(form.dataset.poll)) * 1000;
    } catch {
      wait = Math.min(wait * 2, 30000);
    }
    setTimeout(ask, wait);
  };
  setTimeout(ask, wait);
}
