// Draws the figures of a page: in the colors of the system, and light where they are printed.
(async function () {
  "use strict";
  const packed = document.getElementById("plotly");  // absent where a file next to the page is loaded
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const touch = window.matchMedia("(pointer: coarse)").matches;
  const config = {
    responsive: true, displaylogo: false, displayModeBar: touch ? false : "hover",
    modeBarButtons: [["toImage", "resetScale2d"]]
  };
  const names = { white: [255, 255, 255], black: [0, 0, 0] };
  let printing = false;

  async function unpackPlotly() {
    const bytes = Uint8Array.from(atob(packed.textContent), (c) => c.charCodeAt(0));
    const text = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(text).text();
    document.head.append(script);
  }

  // A color for a dark page: grays are mirrored, and colors are light enough to be seen.
  function darken(color) {
    const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color);
    const rgb = /^rgba?\(([^)]*)\)$/.exec(color);
    const parts = hex ? hex.slice(1).map((c) => parseInt(c, 16)) : rgb ? rgb[1].split(",").map(Number) : names[color];
    if (!parts) { return color; }
    const [r, g, b, alpha = 1] = parts.map((part, index) => (index < 3 ? part / 255 : part));
    const high = Math.max(r, g, b), low = Math.min(r, g, b), range = high - low;
    let light = (high + low) / 2, hue = 215, saturation = 0.18;
    if (range > 0.2) {
      hue = 60 * (high === r ? (g - b) / range : high === g ? 2 + (b - r) / range : 4 + (r - g) / range);
      saturation = 0.85 * range / (1 - Math.abs(2 * light - 1));
      light = light > 0.7 ? 1.08 - light : 0.45 + 0.4 * light;
    } else {
      light = 0.97 - 0.84 * light;
    }
    return `hsla(${hue.toFixed()}, ${(100 * saturation).toFixed()}%, ${(100 * light).toFixed(1)}%, ${alpha})`;
  }

  function recolor(value, isColor) {
    if (typeof value === "string") { return isColor ? darken(value) : value; }
    if (Array.isArray(value)) { return value.map((item) => recolor(item, isColor)); }
    if (value === null || typeof value !== "object") { return value; }
    const below = ([key, item]) => [key, recolor(item, /color(s|way|scale)?$/i.test(key))];
    return Object.fromEntries(Object.entries(value).map(below));
  }

  // Images keep their shape: where they have less room, they are less high.
  function heightOfImages(place, layout) {
    const { l = 52, r = 16, t = 72, b = 48 } = layout.margin;
    const width = Math.min(place.clientWidth - l - r, layout.meta.widest);
    return Math.round(t + b + layout.meta.aspect * width);
  }

  // On paper a figure is at most as high as two of them fit on a page, with their captions.
  function heightOnPaper(place, layout) {
    place.dataset.height ??= place.style.height;
    const height = printing && layout.height <= 420 ? Math.min(layout.height, 340) : layout.height;
    place.style.height = height === layout.height ? place.dataset.height : `${height}px`;
    return height;
  }

  function draw(place) {
    if (place.closest("details:not([open])")) { return; }  // a folded figure has no width yet
    const chart = JSON.parse(place.nextElementSibling.textContent);
    const { data, layout } = dark.matches && !printing ? recolor(chart, false) : chart;
    if (layout.meta?.aspect) { layout.height = heightOfImages(place, layout); place.style.height = `${layout.height}px`; }
    else if (layout.height) { layout.height = heightOnPaper(place, layout); }
    if (touch) { layout.dragmode = false; }  // touching a figure scrolls the page
    place.dataset.drawn = "yes";
    Plotly.newPlot(place, data, layout, config);
  }

  function drawAll(again) {
    document.querySelectorAll(".chart").forEach(function (place) {
      if (again || !place.dataset.drawn) { draw(place); }
    });
  }

  function print(starts) {
    printing = starts;
    document.documentElement.classList.toggle("printing", starts);
    if (starts) { document.querySelectorAll("details").forEach((part) => { part.open = true; }); }
    drawAll(true);
  }

  try {
    if (packed) { await unpackPlotly(); }
    drawAll(false);
  } catch {
    document.querySelector(".old-browser").hidden = false;
    return;
  }
  document.querySelectorAll("details").forEach(function (part) {
    part.addEventListener("toggle", () => drawAll(false));
  });
  dark.addEventListener("change", () => drawAll(true));
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
})();
