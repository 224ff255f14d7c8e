"use strict";
// Draws the figures of a report and sorts its tables. Texts from data reach the page as text only, never as HTML.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)").matches;
  const narrow = matchMedia("(max-width: 30rem)").matches;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const redrawings = [];

  // -- tables ---------------------------------------------------------------------------------------------------------

  function sortBy(table, column, descending) {
    const key = (row) => {
      const cell = row.cells[column];
      if (cell.dataset.key !== undefined) return Number(cell.dataset.key);
      return cell.textContent === "" ? null : cell.textContent;
    };
    const order = (one, other) => {
      const [a, b] = [key(one), key(other)];
      if (a === null || b === null) return (a === null) - (b === null); // empty cells stay last
      const sign = descending ? -1 : 1;
      if (typeof a === "number" && typeof b === "number") return sign * (a - b);
      return sign * String(a).localeCompare(String(b), undefined, { numeric: true });
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(order));
    table.querySelectorAll("thead th").forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("thead th").forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        sortBy(table, column, head.getAttribute("aria-sort") === "ascending");
      });
    });
  }

  // -- elements -------------------------------------------------------------------------------------------------------

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function choice(label, options, choose) {
    const select = element("select", {}, ...options.map((text, k) => element("option", { value: k, textContent: text })));
    select.addEventListener("change", () => choose(Number(select.value)));
    return element("label", {}, `${label} `, select);
  }

  function plainText(text) { // undoes the escapes of texts for Plotly
    return text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
  }

  async function unpacked(text, format) {
    const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format));
    return new Response(stream).arrayBuffer();
  }

  // -- Plotly ---------------------------------------------------------------------------------------------------------

  function themed(layout) {
    const [text, line, panel] = ["--text", "--line", "--panel"].map(colour);
    const result = {
      margin: { l: 60, r: 16, t: 34, b: 50 },
      legend: { orientation: "h", x: 0, yref: "container", y: 0, yanchor: "bottom" },
      uirevision: "kept",
      ...layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, size: narrow ? 11 : 13 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--quiet"), activecolor: text },
      hoverlabel: { bgcolor: panel, bordercolor: line, font: { color: text }, align: "left", namelength: -1 },
    };
    for (const name of Object.keys(result).filter((key) => /^[xy]axis/.test(key))) {
      result[name] = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, ...result[name] };
    }
    if (coarse && result.dragmode === undefined) result.dragmode = false; // a finger scrolls the page
    return result;
  }

  function weightColours() { // a square-root scale from negative to positive, with the colour of the page at 0
    const [negative, middle, positive] = dark.matches
      ? [[255, 140, 90], [30, 36, 43], [95, 170, 255]]
      : [[200, 67, 43], [250, 250, 250], [31, 111, 180]];
    const mixed = (end, share) => `rgb(${middle.map((one, k) => Math.round(one + share * (end[k] - one))).join(",")})`;
    const stops = [];
    for (let k = -10; k <= 10; k++) {
      stops.push([0.5 + 0.5 * Math.sign(k) * (k / 10) ** 2, mixed(k < 0 ? negative : positive, Math.abs(k) / 10)]);
    }
    return stops;
  }

  function config(more) {
    const buttons = [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d", "autoScale2d", "resetScale2d"]];
    return { responsive: true, displaylogo: false, displayModeBar: true, modeBarButtons: buttons, ...more };
  }

  function draw(place, current, more = {}) { // draws, and draws again in other colours or with other data
    place.redraw = () => Plotly.react(place, current.data(), themed(current.layout()), config(more));
    redrawings.push(place.redraw);
    return place.redraw();
  }

  // -- plain figures --------------------------------------------------------------------------------------------------

  function drawPlain(plot, specification) {
    const choices = specification.choices || [specification];
    const place = element("div", { className: "drawn" });
    let chosen = choices[0];
    if (chosen.layout.height) place.style.height = `${chosen.layout.height}px`;
    if (choices.length > 1) {
      const picked = choice(specification.choose, choices.map((one) => one.label), (k) => {
        chosen = choices[k];
        place.redraw();
      });
      plot.append(element("div", { className: "controls" }, picked));
    }
    plot.append(place);
    return draw(place, {
      data: () => chosen.data,
      layout: () => ({ ...chosen.layout, uirevision: chosen.label || "kept" }),
    });
  }

  // -- matrices -------------------------------------------------------------------------------------------------------

  function rowsOf(values, n, start = 0, scale = (one) => one) {
    const rows = [];
    for (let i = 0; i < n; i++) {
      const row = new Array(n);
      for (let j = 0; j < n; j++) {
        const value = values[start + i * n + j];
        row[j] = value === 0 ? null : scale(value);
      }
      rows.push(row);
    }
    return rows;
  }

  function heatmap(z, largest) {
    return {
      type: "heatmap", z, zmin: -largest, zmax: largest, colorscale: weightColours(), hoverongaps: false,
      hovertemplate: "%{y} → %{x}<br>%{z:.4~g}<extra></extra>",
      colorbar: { thickness: 10, len: 0.7, title: { text: "" }, tickfont: { size: 10 } },
    };
  }

  function diagonal(n) {
    const line = { color: colour("--quiet"), width: 0.7, dash: "dot" };
    return { type: "line", x0: -0.5, y0: -0.5, x1: n - 0.5, y1: n - 0.5, line };
  }

  function matrixLayout(n, labels, shapes, more = {}) {
    const axis = {
      range: [-0.5, n - 0.5], tickmode: "array", tickvals: labels.map((_, k) => k), ticktext: labels, showticklabels: false,
      showgrid: false, zeroline: false, constrain: "domain", ticks: "",
    };
    return {
      xaxis: { ...axis, title: { text: "target node" } },
      yaxis: { ...axis, range: [n - 0.5, -0.5], scaleanchor: "x", title: { text: "source node" } },
      hovermode: "closest", dragmode: coarse ? false : "zoom", shapes: [diagonal(n), ...shapes], margin: { l: 40, r: 10, t: 34, b: 40 }, ...more,
    };
  }

  // -- the network: graph and matrix ----------------------------------------------------------------------------------

  async function drawNetwork(plot, specification) {
    const { graph, matrix, names, places, edges, maps } = specification;
    const values = new Float32Array(await unpacked(matrix.values, "deflate"));
    const z = rowsOf(values, matrix.n);
    const [sources, targets, weights] = edges;
    const told = element("div", { className: "told" });
    told.setAttribute("role", "status");
    const neighbours = element("ul", { className: "neighbours", tabIndex: 0, hidden: true });
    neighbours.setAttribute("aria-label", "Shown edges of the node");
    const [left, right] = [element("div", { className: "drawn" }), element("div", { className: "drawn" })];
    let pairs = []; // the edges that are marked, as [source, target]
    let node = null;

    const markTrace = () => {
      const [x, y] = [[], []];
      for (const [s, t] of pairs) {
        if (places[0][s] == null || places[0][t] == null) continue;
        x.push(places[0][s], places[0][t], null);
        y.push(places[1][s], places[1][t], null);
      }
      return {
        type: "scatter", mode: "lines+markers", x, y, hoverinfo: "skip", showlegend: false, name: "marked",
        line: { color: colour("--mark"), width: 2.5 }, marker: { color: colour("--mark"), size: 8, symbol: "circle-open" },
      };
    };
    const box = (x0, x1, y0, y1) => ({
      type: "rect", x0: x0 - 0.5, x1: x1 + 0.5, y0: y0 - 0.5, y1: y1 + 0.5, line: { color: colour("--mark"), width: 2 },
    });
    const markShapes = () => {
      const at = (k) => Math.floor(k / matrix.block);
      if (node !== null) {
        const k = at(node);
        return [box(k, k, 0, matrix.n - 1), box(0, matrix.n - 1, k, k)];
      }
      const line = { color: colour("--mark"), width: 1, dash: "dot" };
      return pairs.flatMap(([s, t]) => [
        box(at(t), at(t), at(s), at(s)),
        { type: "line", x0: -0.5, x1: at(t) - 0.5, y0: at(s), y1: at(s), line },
        { type: "line", x0: at(t), x1: at(t), y0: -0.5, y1: at(s) - 0.5, line },
      ]);
    };
    const mark = (which) => {
      if (which !== "graph") {
        const { x, y } = markTrace();
        Plotly.restyle(left, { x: [x], y: [y] }, [graph.data.length]);
      }
      if (which !== "matrix") Plotly.relayout(right, { shapes: [diagonal(matrix.n), ...markShapes()] });
    };
    const nameOf = (k) => (k < names.length ? plainText(names[k]) : `node ${k}`);
    const tellEdge = (s, t) => {
      const k = sources.findIndex((one, index) => one === s && targets[index] === t);
      const row = Math.floor(s / matrix.block), column = Math.floor(t / matrix.block);
      const value = k >= 0 ? weights[k] : z[row][column];
      const what = k < 0 && maps ? "mean magnitude of the taps " : "";
      told.textContent = value == null ? "" : `${nameOf(s)} → ${nameOf(t)}: ${what}${Number(value).toPrecision(4)}`;
    };
    const chooseNode = (k) => {
      node = k;
      pairs = [];
      neighbours.replaceChildren();
      sources.forEach((s, e) => { if (k !== null && (s === k || targets[e] === k)) pairs.push([s, targets[e], weights[e]]); });
      pairs.sort((one, other) => Math.abs(other[2]) - Math.abs(one[2]));
      for (const [s, t, w] of pairs) {
        neighbours.append(element("li", { textContent: `${nameOf(s)} → ${nameOf(t)}: ${w.toPrecision(4)}` }));
      }
      neighbours.hidden = !pairs.length;
      told.textContent = k === null ? "" : `${nameOf(k)}, order ${k}: ${pairs.length} shown edges`;
      mark();
    };
    const onEdge = (s, t, from) => {
      tellEdge(s, t);
      if (node !== null) return; // the edges of a chosen node stay marked
      pairs = [[s, t]];
      mark(from);
    };

    const listed = names.map((_, k) => k).filter((k) => places[0][k] != null);
    const picker = choice("Node", ["none", ...listed.map((k) => `${k}: ${nameOf(k)}`)], (k) => chooseNode(k ? listed[k - 1] : null));
    plot.append(
      element("div", { className: "controls" }, picker, told),
      element("div", { className: "panels" }, left, right), neighbours,
    );
    await draw(left, { data: () => [...graph.data, markTrace()], layout: () => ({ ...graph.layout, margin: { l: 10, r: 10, t: 34, b: 10 }, legend: { orientation: "h", y: -0.02, yanchor: "top" } }) }, { scrollZoom: true });
    await draw(right, { data: () => [heatmap(z, matrix.largest)], layout: () => matrixLayout(matrix.n, matrix.labels, markShapes()) }, { scrollZoom: !coarse });
    left.on("plotly_hover", ({ points: [point] }) => {
      if (Array.isArray(point.customdata)) onEdge(...point.customdata, "graph");
    });
    left.on("plotly_click", ({ points: [point] }) => {
      if (typeof point.customdata !== "number") return;
      picker.querySelector("select").value = listed.indexOf(point.customdata) + 1;
      chooseNode(point.customdata);
    });
    right.on("plotly_hover", ({ points: [point] }) => {
      if (matrix.block === 1) onEdge(point.pointIndex[0], point.pointIndex[1], "matrix");
    });
  }

  // -- the film -------------------------------------------------------------------------------------------------------

  async function drawFilm(plot, specification) {
    const { frames, names, largest } = specification;
    const levels = new Int8Array(await unpacked(specification.data, "deflate"));
    let start = 0;
    const starts = frames.map(({ n }) => (start += n * n) - n * n);
    const weight = (level) => Math.sign(level) * (level / 127) ** 2 * largest;
    const place = element("div", { className: "drawn" });
    const slider = element("input", { type: "range", min: 0, max: frames.length - 1, value: 0, step: 1 });
    slider.setAttribute("aria-label", "Step of the film");
    const caption = element("div", { className: "told" });
    caption.setAttribute("role", "status");
    const play = element("button", { type: "button", textContent: "Play" });
    const back = element("button", { type: "button", textContent: "Previous" });
    const next = element("button", { type: "button", textContent: "Next" });
    let timer = null;

    const labels = (k) => {
      const { n, ids, block } = frames[k];
      if (ids.length) return ids.map((id, order) => `${names[id]} (order ${order})`);
      return Array.from({ length: n }, (_, row) => `orders from ${row * block}`);
    };
    const changed = (k) => { // the places at which an operation changed something, if the nodes are the same
      const [now, before] = [frames[k], frames[k - 1]];
      if (!before || before.n !== now.n || now.caption.endsWith("trained")) return [];
      const found = [];
      for (let at = 0; at < now.n * now.n; at++) {
        if (levels[starts[k] + at] !== levels[starts[k - 1] + at]) found.push([Math.floor(at / now.n), at % now.n]);
      }
      return found;
    };
    const current = () => Number(slider.value);
    const data = () => {
      const k = current(), marks = changed(k), few = marks.length <= 2000 ? marks : [];
      return [
        heatmap(rowsOf(levels, frames[k].n, starts[k], weight), largest),
        {
          type: "scatter", mode: "markers", x: few.map(([, column]) => column), y: few.map(([row]) => row), hoverinfo: "skip",
          showlegend: false, marker: { symbol: "square-open", size: 5, color: colour("--mark"), line: { width: 1 } },
        },
      ];
    };
    const tell = () => {
      const k = current(), marks = changed(k).length;
      caption.textContent = `${k + 1} of ${frames.length}: ${frames[k].caption}${marks ? ` (${marks} places changed)` : ""}`;
      slider.setAttribute("aria-valuetext", caption.textContent);
    };
    const layout = () => ({ ...matrixLayout(frames[current()].n, labels(current()), []), uirevision: frames[current()].n });
    const show = (k) => {
      slider.value = k;
      tell();
      return place.redraw();
    };
    const stop = () => { clearTimeout(timer); timer = null; play.textContent = "Play"; };
    const step = async () => {
      if (timer === null) return;
      if (current() >= frames.length - 1) { stop(); return; }
      await show(current() + 1);
      if (timer !== null) timer = setTimeout(step, 500);
    };
    play.addEventListener("click", async () => {
      if (timer !== null) { stop(); return; }
      play.textContent = "Pause";
      timer = setTimeout(step, 500);
      if (current() >= frames.length - 1) await show(0);
    });
    back.addEventListener("click", () => { stop(); show(Math.max(0, current() - 1)); });
    next.addEventListener("click", () => { stop(); show(Math.min(frames.length - 1, current() + 1)); });
    slider.addEventListener("input", () => { stop(); show(current()); });
    plot.append(element("div", { className: "controls" }, play, back, next, slider, caption), place);
    tell();
    await draw(place, { data, layout });
  }

  // -- all of them ----------------------------------------------------------------------------------------------------

  const KINDS = { network: drawNetwork, film: drawFilm };

  async function main() {
    const library = document.getElementById("library");
    const plots = [...document.querySelectorAll(".plot")];
    try {
      const code = new TextDecoder().decode(await unpacked(library.textContent, "gzip"));
      document.head.append(element("script", { textContent: code }));
      for (const plot of plots) {
        const specification = JSON.parse(plot.querySelector("script").textContent);
        await (KINDS[specification.kind] || drawPlain)(plot, specification);
      }
      dark.addEventListener("change", () => redrawings.forEach((redraw) => redraw()));
      document.documentElement.dataset.drawn = "yes";
    } catch (error) {
      for (const plot of plots.filter((one) => !one.querySelector(".drawn"))) {
        plot.append(element("p", { className: "left-out", textContent: `This browser cannot draw the figure: ${error}` }));
      }
      throw error;
    }
  }

  main();
})();
