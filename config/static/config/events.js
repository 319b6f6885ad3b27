// Keeps the figures fresh and draws the charts. Chart.js comes with the back office; it is there before this runs.

const EVERY_MS = 5000;

const page = document.getElementById("events");
const figures = document.getElementById("event-figures");
const charts = document.getElementById("event-charts");
const trouble = document.getElementById("event-trouble");
const number = new Intl.NumberFormat("pt-BR", { maximumFractionDigits: 2 });
const clock = new Intl.DateTimeFormat("pt-BR", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const exact = new Intl.DateTimeFormat("pt-BR", { dateStyle: "short", timeStyle: "medium", timeZone: "UTC" });
const units = {
  count: (value) => number.format(value),
  rate: (value) => `${number.format(value)}/s`,
  seconds: (value) => (value < 1 ? `${number.format(value * 1000)} ms` : `${number.format(value)} s`),
};
const drawn = new Map();
let latest = null;
let focused = "";

function colour(name) {
  return getComputedStyle(page).getPropertyValue(`--${name}`).trim();
}

function titleOf(context) {
  return figures.querySelector(`tr[data-context="${context}"] th span`)?.textContent ?? context;
}

function linesOf(series, data) {
  return Object.entries(data.series).map(([context, of]) => ({
    label: titleOf(context),
    data: of[series],
    borderColor: colour(context) + (focused && focused !== context ? "30" : ""),
    backgroundColor: colour(context),
    borderWidth: 2,
    pointRadius: of[series].map((value, at) => (value !== null && of[series][at - 1] == null && of[series][at + 1] == null ? 2 : 0)),
    pointHoverRadius: 4,
    tension: 0.25,
    cubicInterpolationMode: "monotone",
  }));
}

function optionsOf(unit) {
  const ink = colour("quiet");
  const line = colour("line");
  return {
    animation: false,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false },
    plugins: {
      legend: { display: false },
      tooltip: {
        itemSort: (one, other) => other.raw - one.raw,
        callbacks: {
          title: ([item]) => (item ? `${exact.format(new Date(latest.times[item.dataIndex]))} UTC` : ""),
          label: (item) => ` ${item.dataset.label}: ${units[unit](item.raw)}`,
        },
      },
    },
    scales: {
      x: { grid: { display: false }, border: { color: line }, ticks: { color: ink, maxTicksLimit: 7, maxRotation: 0 } },
      y: { beginAtZero: true, suggestedMax: unit === "seconds" ? 0.1 : 1, grid: { color: line }, border: { display: false }, ticks: { color: ink, maxTicksLimit: 5, callback: units[unit] } },
    },
  };
}

function draw(data) {
  latest = data;
  charts.hidden = false;
  const labels = data.times.map((time) => clock.format(new Date(time)));
  for (const canvas of charts.querySelectorAll("canvas")) {
    const { series, unit } = canvas.dataset;
    const datasets = linesOf(series, data);
    const chart = drawn.get(canvas);
    if (chart) {
      chart.data = { labels, datasets };
      chart.options = optionsOf(unit);
      chart.update("none");
    } else {
      drawn.set(canvas, new Chart(canvas, { type: "line", data: { labels, datasets }, options: optionsOf(unit) }));
    }
  }
}

function show(table) {
  const links = [...figures.querySelectorAll("a")];
  const active = links.indexOf(document.activeElement);
  figures.innerHTML = table;
  if (active >= 0) figures.querySelectorAll("a")[active]?.focus({ preventScroll: true });
}

function complain(text) {
  trouble.textContent = text;
  trouble.hidden = !text;
}

async function refresh() {
  try {
    const response = await fetch(page.dataset.url, { signal: AbortSignal.timeout(10_000), cache: "no-store", redirect: "manual" });
    if (response.type === "opaqueredirect" || response.status === 403) {
      complain("Sua sessão terminou: recarregue a página para entrar de novo.");
      return;
    }
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    const data = await response.json();
    show(data.table);
    draw(data);
    complain("");
  } catch (error) {
    console.warn("events", error);
    complain("Sem resposta do servidor; os números são os últimos que vieram.");
  }
}

function focus(context) {
  if (context === focused) return;
  focused = context;
  if (latest) draw(latest);
}

let timer = 0;
async function follow() {
  clearTimeout(timer);
  if (document.hidden) return;
  await refresh();
  clearTimeout(timer);
  timer = setTimeout(follow, EVERY_MS);
}

document.addEventListener("visibilitychange", follow);
figures.addEventListener("pointerover", (event) => focus(event.target.closest("tr[data-context]")?.dataset.context ?? ""));
figures.addEventListener("pointerleave", () => focus(""));
new MutationObserver(() => latest && draw(latest)).observe(document.documentElement, { attributeFilter: ["class"] });
follow();
