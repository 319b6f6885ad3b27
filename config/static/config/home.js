// Brings the picture to life: asks for the status every two seconds and sends a dot along the wires for each new event.

const EVERY_MS = 2000;
const LATE_SECONDS = 10;
const DOTS_AT_ONCE = 12;
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

const live = document.getElementById("live");
const summary = document.getElementById("summary");
const list = document.getElementById("events");
const traffic = document.getElementById("traffic");
const numbers = new Intl.NumberFormat("pt-BR");
const ago = new Intl.RelativeTimeFormat("pt-BR", { numeric: "auto", style: "short" });
let seen = null;

function titleOf(context) {
  return document.querySelector(`#card-${context} .name`)?.textContent ?? context;
}

function breakable(type) {
  return type.split(/(?<=[._])/).flatMap((part) => [part, document.createElement("wbr")]);
}

function setState(id, state, values = {}) {
  const part = document.getElementById(id);
  if (!part) return;
  part.dataset.state = state;
  for (const [name, value] of Object.entries(values)) {
    const text = part.querySelector(`[data-of="${name}"]`);
    if (text && text.textContent !== value) text.textContent = value;
  }
}

function stateOf(context) {
  if (!context.local) return "away";
  if (!context.healthy) return "down";
  return context.parked > 0 || context.lag > LATE_SECONDS ? "busy" : "good";
}

function milliseconds(checks) {
  const slowest = Math.max(...checks.map((check) => check.milliseconds));
  return `${numbers.format(slowest)} ms`;
}

function count(number) {
  return number >= 1000 && number % 1000 === 0 ? `${numbers.format(number)}+` : numbers.format(number);
}

function drawParts(status) {
  for (const context of status.contexts) {
    setState(`card-${context.name}`, stateOf(context), {
      waiting: count(context.waiting),
      published: numbers.format(context.published),
      handled: numbers.format(context.handled),
    });
  }
  const databases = Object.entries(status.checks).filter(([name]) => name.startsWith("database."));
  const up = databases.filter(([, check]) => check.healthy).map(([, check]) => check);
  setState("part-database", up.length === databases.length ? "good" : "down", {
    database: up.length === databases.length ? milliseconds(up) : `${up.length} de ${databases.length}`,
  });
  for (const name of ["broker", "cache"]) {
    const check = status.checks[name];
    if (check) setState(`part-${name}`, check.healthy ? "good" : "down", { [name]: check.healthy ? milliseconds([check]) : "fora do ar" });
  }
  const waiting = status.contexts.reduce((sum, context) => sum + context.waiting, 0);
  const doing = waiting ? `${numbers.format(waiting)} na fila` : "em dia";
  setState("part-relay", status.relay ? "good" : "busy", { relay: status.relay ? doing : "parado: inicie o worker" });
}

function drawSummary(status) {
  const broken = status.contexts.filter((context) => stateOf(context) === "down").map((context) => titleOf(context.name));
  for (const name of ["broker", "cache"]) if (status.checks[name] && !status.checks[name].healthy) broken.push(name);
  const parked = status.contexts.reduce((sum, context) => sum + context.parked, 0);
  let state = "good";
  let text = "tudo funcionando";
  if (broken.length) [state, text] = ["down", `com problema: ${broken.join(", ")}`];
  else if (parked) [state, text] = ["busy", `${numbers.format(parked)} à espera de uma pessoa`];
  else if (!status.relay) [state, text] = ["busy", "no ar, sem worker: eventos aguardam"];
  say(state, text);
}

function say(state, text) {
  summary.dataset.state = state;
  const label = summary.querySelector("span");
  if (label.textContent !== text) label.textContent = text;
}

function since(iso) {
  const seconds = Math.round((Date.parse(iso) - Date.now()) / 1000);
  if (seconds > -5) return "agora";
  if (seconds > -60) return ago.format(seconds, "second");
  if (seconds > -3600) return ago.format(Math.round(seconds / 60), "minute");
  if (seconds > -86400) return ago.format(Math.round(seconds / 3600), "hour");
  return ago.format(Math.round(seconds / 86400), "day");
}

function lineOf(event, fresh) {
  const line = document.createElement("li");
  line.dataset.ofContext = event.context;
  if (fresh) line.className = "fresh";
  const type = document.createElement("code");
  type.className = "type";
  type.append(...breakable(event.type));
  const to = document.createElement("span");
  to.className = "to";
  to.textContent = event.published_at ? `→ ${event.subscribers.map(titleOf).join(", ") || "sem inscritos"}` : "no outbox, aguardando o relay";
  const body = document.createElement("div");
  body.append(type, to);
  const time = document.createElement("time");
  time.dateTime = event.created_at;
  time.textContent = since(event.created_at);
  line.append(body, time);
  return line;
}

function drawEvents(events) {
  const fresh = seen === null ? [] : events.filter((event) => !seen.has(event.id));
  if (events.length) list.replaceChildren(...events.map((event) => lineOf(event, fresh.includes(event))));
  seen = new Set(events.map((event) => event.id));
  fresh.reverse().slice(-DOTS_AT_ONCE).forEach((event, index) => setTimeout(() => send(event), index * 150));
}

async function send(event) {
  if (STILL.matches || document.hidden) return;
  await travel(`out-${event.context}`, event.context, 500);
  await travel("through", event.context, 300);
  await Promise.all(event.subscribers.map((context) => travel(`back-${context}`, event.context, 600)));
}

function travel(wire, context, duration) {
  const path = document.getElementById(wire);
  if (!path) return Promise.resolve();
  const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  const length = path.getTotalLength();
  const start = performance.now();
  dot.setAttribute("r", "6");
  dot.setAttribute("fill", `var(--${context})`);
  traffic.append(dot);
  return new Promise((resolve) => {
    function step(now) {
      const done = Math.min((now - start) / duration, 1);
      const { x, y } = path.getPointAtLength(length * done);
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
      if (done < 1) return requestAnimationFrame(step);
      dot.remove();
      return resolve();
    }
    requestAnimationFrame(step);
  });
}

async function refresh() {
  if (!document.hidden) {
    try {
      const response = await fetch(live.dataset.url, { signal: AbortSignal.timeout(10_000), cache: "no-store" });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const status = await response.json();
      drawParts(status);
      drawSummary(status);
      drawEvents(status.events);
    } catch (error) {
      console.warn("status", error);
      say("down", "sem resposta do servidor");
    }
  }
  setTimeout(refresh, EVERY_MS);
}

refresh();
