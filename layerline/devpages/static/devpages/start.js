"use strict";

const EVERY_MILLISECONDS = 15_000;
// The server answers within a second even if a service hangs; only its very first answer takes longer.
const PATIENCE_MILLISECONDS = 2_500;

const list = document.querySelector("[data-services]");
const summary = document.querySelector("[data-summary]");

function answer(up, milliseconds) {
  if (!up) return "no answer";
  return milliseconds ? `up, ${Math.max(1, Math.round(milliseconds))} ms` : "up";
}

function show({ service, up, version, milliseconds }) {
  const row = list.querySelector(`[data-service="${service}"]`);
  row.dataset.state = up ? "up" : "down";
  row.querySelector("[data-answer]").textContent = answer(up, milliseconds);
  if (version) row.querySelector("[data-version]").textContent = version;
}

function summarize() {
  const silent = [...list.querySelectorAll('[data-state="down"] b')].map((name) => name.textContent);
  const text = silent.length ? `No answer from: ${silent.join(", ")}.` : "Everything answers.";
  // Rewritten only when it changes, so that a screen reader speaks only then.
  if (summary.textContent !== text) summary.textContent = text;
}

async function check() {
  try {
    const response = await fetch(list.dataset.services, { signal: AbortSignal.timeout(PATIENCE_MILLISECONDS) });
    const { services } = await response.json();
    services.forEach(show);
    show({ service: "web", up: response.ok });
  } catch {
    list.querySelectorAll("[data-service]").forEach((row) => show({ service: row.dataset.service, up: false }));
  }
  summarize();
}

function checkWhileVisible() {
  if (!document.hidden) check();
}

document.querySelectorAll("[data-copy]").forEach((button) => {
  // The clipboard exists on https and on localhost only.
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2_000);
  });
});

document.addEventListener("visibilitychange", checkWhileVisible);
setInterval(checkWhileVisible, EVERY_MILLISECONDS);
check();
