"use strict";

const form = document.querySelector("[data-action]");
const outcome = document.querySelector(".outcome");
const token = new URLSearchParams(location.hash.slice(1)).get("token");

function tell(text, state) {
  outcome.textContent = text;
  outcome.dataset.state = state;
}

async function complaint(response) {
  const problem = await response.json();
  return problem.errors ? problem.errors.map((error) => error.detail).join(" ") : problem.detail;
}

async function send(event) {
  event.preventDefault();
  const body = JSON.stringify({ token, ...Object.fromEntries(new FormData(form)) });
  try {
    const response = await fetch(form.dataset.action, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
    form.hidden = response.ok;
    if (response.ok) tell("Done.", "up");
    else tell(await complaint(response), "down");
  } catch {
    tell("No answer.", "down");
  }
}

// Out of the address, so that neither the history nor a picture of the screen holds it.
history.replaceState(null, "", location.pathname);
form.hidden = !token;
if (!token) tell("No token stands behind the # of this address.", "down");
form.addEventListener("submit", send);
