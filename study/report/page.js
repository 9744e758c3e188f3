// The wiring of a report: plotly.js draws the charts, DataTables the tables, both from the page's own JSON. A chart is a
// picture until it comes into view; plotly.js, which takes a second to load, is first run then.
import DataTable from "datatables";

const root = document.documentElement;
const told = (id) => JSON.parse(document.getElementById(id).textContent);
const charts = told("charts"), tables = told("tables");
const system = matchMedia("(prefers-color-scheme: dark)");
let chosen = null;

function plotly() {
  if (!window.Plotly) {
    const script = document.createElement("script");
    script.textContent = document.getElementById("plotly").textContent;
    document.head.append(script);
  }
  return window.Plotly;
}

function draw(figure) {
  const place = figure.querySelector("[data-chart]");
  const color = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const { data, layout } = charts[place.dataset.chart];
  const axis = (each) => ({ ...each, gridcolor: color("--line"), zerolinecolor: color("--line"), linecolor: color("--faint") });
  const library = plotly();
  figure.dataset.drawn = "";
  library.react(place, data, {
    ...layout, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
    font: { color: color("--ink"), family: "system-ui, sans-serif", size: 12 },
    paper_bgcolor: "transparent", plot_bgcolor: "transparent", margin: { l: 10, r: 10, t: 10, b: 10 },
    legend: { ...layout.legend, orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom" },
    modebar: { bgcolor: color("--card"), color: color("--faint"), activecolor: color("--ink") },
  }, { responsive: true, displaylogo: false, displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false,
       modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]] });
}

const seen = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
  seen.unobserve(target);
  setTimeout(() => draw(target));  // after the picture has been shown
}), { rootMargin: "400px" });
document.querySelectorAll("figure").forEach((figure) => seen.observe(figure));
document.querySelectorAll("a.picture").forEach((link) => { link.href = link.closest("figure").querySelector("img").src; });

function theme() {
  const dark = chosen ?? system.matches;
  root.classList.toggle("dark", dark);
  root.style.colorScheme = dark ? "dark" : "light";
  document.querySelectorAll("[data-drawn]").forEach(draw);
}
system.addEventListener("change", theme);
document.getElementById("theme").addEventListener("click", () => { chosen = !root.classList.contains("dark"); theme(); });
theme();

const text = DataTable.render.text().display;
const number = (value) => value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(2)
  : value.toLocaleString("en", { maximumFractionDigits: 3 });
const shown = (value, kind) => kind !== "display" && kind !== "filter" || value === null ? value
  : typeof value === "number" ? (kind === "filter" ? value : number(value)) : text(value);
// What has no value stands last, whichever way the others are sorted.
const order = (sign) => (a, b) => (a === null) - (b === null) || (a < b ? -sign : a > b ? sign : 0);
const byValue = { asc: order(1), desc: order(-1) };
DataTable.type("numbers", { className: "dt-type-numeric", order: byValue });
DataTable.type("texts", { className: "", order: byValue });
const kindOf = (values) => values.every((value) => value === null || typeof value === "number") ? "numbers" : "texts";
for (const [name, { columns, data }] of Object.entries(tables)) {
  new DataTable(document.getElementById(name), {
    data, columns: columns.map((title, place) => ({
      title: text(title), render: shown, type: kindOf(data.map((row) => row[place])) })), order: [], pageLength: 25,
    deferRender: true, paging: data.length > 25, info: data.length > 25, searching: data.length > 5,
    columnControl: [{ target: 0, content: [] }, { target: 1, content: data.length > 5 ? ["search"] : [] }],
  });
}
root.dataset.ready = performance.now();  // milliseconds, for whoever measures
