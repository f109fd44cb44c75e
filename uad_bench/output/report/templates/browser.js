"use strict";
// Case browser: draws slices and score levels on two canvases. A voxel of level k reaches the k lowest thresholds of the
// method, so the voxels marked at slider position k are exactly those with level >= k.
(() => {
  const byId = (id) => document.getElementById(id);
  const payload = JSON.parse(byId("payload").textContent);
  const browser = byId("browser");
  const state = { case: 0, method: 0, slice: 0, level: 1, outline: true, errors: false, finding: null };
  const colours = {
    outline: "#56B4E9", low: [230, 159, 0], high: [213, 94, 0], hit: [0, 158, 115], alarm: [230, 159, 0],
    miss: [204, 121, 167],
  };
  const opened = new Map();

  // Thresholds, Dice and policies of a method; with folds, those of the fold that tested the patient.
  const scaleOf = ({ case: index, method }) => payload.scales[payload.cases[index].scale].methods[method];

  async function unpack(text, type) {
    const raw = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new type(await new Response(stream).arrayBuffer());
  }

  async function open(index) {
    if (!opened.has(index)) {
      const one = payload.cases[index];
      opened.set(index, {
        image: await unpack(one.image, Uint8Array),
        anomaly: await unpack(one.anomaly, Uint8Array),
        restored: await Promise.all(one.restored.map((text) => text && unpack(text, Uint8Array))),
        levels: await Promise.all(one.levels.map((text) => unpack(text, Uint8Array))),
        counts: await Promise.all(one.counts.map((text) => unpack(text, Uint32Array))),
      });
    }
    return opened.get(index);
  }

  // Dice of a slice (or of the whole patient, the last part) at a threshold level, from exact counts per level.
  function diceOf(counts, part, level) {
    let marked = 0, hits = 0, positives = 0;
    for (let k = 0; k < 256; k += 1) {
      const all = counts[(2 * part) * 256 + k], anomalous = counts[(2 * part + 1) * 256 + k];
      positives += anomalous;
      if (k >= level) { marked += all; hits += anomalous; }
    }
    return positives ? (2 * hits / (positives + marked)).toFixed(3) : marked ? "no lesion" : "–";
  }

  // Draws one slice: an image, and on it the score levels of a method ("scored"), the reference ("filled") or nothing.
  function paint(canvas, one, arrays, { image = arrays.image, over = "", method = state.method, level = state.level, side = 720 } = {}) {
    const { width, height } = one, size = width * height, start = state.slice * size, scored = over === "scored";
    const scale = Math.max(1, Math.round(side / width));
    canvas.width = width * scale;
    canvas.height = Math.round(canvas.width / one.aspect);
    const target = canvas.getContext("2d");
    const grey = layer(width, height, (i) => [...Array(3).fill(image[start + i]), 255]);
    target.imageSmoothingQuality = "high";
    target.drawImage(grey, 0, 0, canvas.width, canvas.height);
    if (over) {
      const levels = arrays.levels[method], steps = scaleOf({ ...state, method }).thresholds.length;
      const tints = layer(width, height, scored
        ? (i) => tint(levels[start + i], arrays.anomaly[start + i], steps, level)
        : (i) => arrays.anomaly[start + i] ? [86, 180, 233, 200] : [0, 0, 0, 0]);
      target.imageSmoothingEnabled = false;  // every voxel is marked or not
      target.drawImage(tints, 0, 0, canvas.width, canvas.height);
    }
    if (state.outline) outline(target, one, arrays.anomaly, start, canvas);
    if (scored && method === state.method && state.finding && state.finding.slice === state.slice) ring(target, one, canvas);
  }

  function layer(width, height, colourOf) {
    const canvas = document.createElement("canvas");
    canvas.width = width; canvas.height = height;
    const context = canvas.getContext("2d"), pixels = context.createImageData(width, height);
    for (let i = 0; i < width * height; i += 1) pixels.data.set(colourOf(i), 4 * i);
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  function tint(level, sick, steps, least) {
    const marked = level >= least;
    if (state.errors) {
      const colour = marked ? (sick ? colours.hit : colours.alarm) : sick ? colours.miss : null;
      return colour ? [...colour, 165] : [0, 0, 0, 0];
    }
    if (!marked) return [0, 0, 0, 0];
    const above = steps > least ? (level - least) / (steps - least) : 1;
    return [...colours.low.map((value, c) => value + above * (colours.high[c] - value)), 175];
  }

  function outline(target, one, anomaly, start, canvas) {
    const { width, height } = one, sx = canvas.width / width, sy = canvas.height / height;
    const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && anomaly[start + y * width + x];
    target.beginPath();
    for (let y = 0; y <= height; y += 1) {
      for (let x = 0; x <= width; x += 1) {
        if (Boolean(inside(x, y)) !== Boolean(inside(x, y - 1))) { target.moveTo(x * sx, y * sy); target.lineTo((x + 1) * sx, y * sy); }
        if (Boolean(inside(x, y)) !== Boolean(inside(x - 1, y))) { target.moveTo(x * sx, y * sy); target.lineTo(x * sx, (y + 1) * sy); }
      }
    }
    target.lineCap = "round";
    for (const [colour, thickness] of [["rgba(0,0,0,.55)", 5], [colours.outline, 2.6]]) {
      target.strokeStyle = colour;
      target.lineWidth = thickness * Math.min(1, canvas.width / 600);
      target.stroke();
    }
  }

  function ring(target, one, canvas) {
    const { x, y } = state.finding;
    target.beginPath();
    target.arc((x + 0.5) * canvas.width / one.width, (y + 0.5) * canvas.height / one.height, canvas.width / 16, 0, 2 * Math.PI);
    target.strokeStyle = "#ffffff";
    target.lineWidth = 3;
    target.setLineDash([9, 7]);
    target.stroke();
    target.setLineDash([]);
  }

  async function draw() {
    const one = payload.cases[state.case], method = payload.methods[state.method], scale = scaleOf(state);
    const fold = payload.scales[one.scale].fold;
    const arrays = await open(state.case);
    state.slice = Math.min(state.slice, one.slices.length - 1);
    const restored = arrays.restored[state.method];
    paint(byId("plain"), one, arrays);
    paint(byId("scored"), one, arrays, { over: "scored" });
    for (const id of ["restored", "reference"]) byId(id).parentElement.hidden = !restored;
    if (restored) {
      paint(byId("restored"), one, arrays, { image: restored });
      paint(byId("reference"), one, arrays, { over: "filled" });
    }
    gallery(one, arrays);
    const slice = diceOf(arrays.counts[state.method], state.slice, state.level);
    const patient = diceOf(arrays.counts[state.method], one.slices.length, state.level);
    const pooled = scale.dice[state.level - 1].toFixed(3);
    byId("dice-slice").textContent = slice;
    byId("dice-slice").classList.toggle("words", slice === "no lesion");
    byId("dice-patient").textContent = patient;
    byId("dice-pooled").textContent = pooled;
    byId("pooled-name").textContent = fold ? `test set of ${fold}` : "test set";
    byId("slice").max = one.slices.length - 1;
    byId("slice").value = state.slice;
    byId("slice-name").textContent = `z ${one.slices[state.slice]} (${state.slice + 1}/${one.slices.length})`;
    byId("threshold").max = scale.thresholds.length;
    byId("threshold").value = state.level;
    byId("threshold").style.accentColor = method.colour;
    byId("threshold-name").textContent =
      `score ≥ ${scale.thresholds[state.level - 1]}, marks ${percent(scale.fpr[state.level - 1])} % of healthy voxels`;
    byId("threshold").setAttribute("aria-valuetext", `score ${scale.thresholds[state.level - 1]}, Dice of the patient ${patient}`);
    byId("why").textContent = `${[...one.reasons, ""].join("; ")}anomaly ${one.ml} ml${fold ? `; tested in ${fold}` : ""}`;
    byId("plain-caption").textContent = "image";
    byId("scored-caption").textContent = method.name;
    const shown = `${one.name}, slice ${one.slices[state.slice]}`;
    byId("plain").setAttribute("aria-label", `${shown}: image, anomaly outlined`);
    byId("restored").setAttribute("aria-label", `${shown}: pseudo-healthy image of ${method.name}`);
    byId("reference").setAttribute("aria-label", `${shown}: reference anomaly`);
    byId("scored").setAttribute("aria-label", `${shown}: ${method.name} at threshold ${scale.thresholds[state.level - 1]}; Dice of the slice ${slice}, of the patient ${patient}`);
    spark(scale, method.colour);
    key();
    remember();
    browser.dataset.ready = "yes";
  }

  // The same slice under every method, each at its own threshold of the current policy (or nearest false-positive rate).
  function gallery(one, arrays) {
    const own = scaleOf(state), policy = Object.keys(own.policies).find((name) => own.policies[name] === state.level);
    byId("gallery-level").textContent = policy ?? `a false-positive rate of ${percent(own.fpr[state.level - 1])} %`;
    payload.methods.forEach((method, index) => {
      const scale = scaleOf({ ...state, method: index }), button = byId("gallery").children[index];
      const level = index === state.method ? state.level : scale.policies[policy] ?? nearest(scale.fpr, own.fpr[state.level - 1]);
      paint(button.querySelector("canvas"), one, arrays, { over: "scored", method: index, level, side: 260 });
      const dice = diceOf(arrays.counts[index], state.slice, level);
      button.querySelector("span").textContent = `${method.name} · ${dice}`;
      button.setAttribute("aria-pressed", index === state.method);
    });
  }

  function fillGallery() {
    byId("gallery").replaceChildren(...payload.methods.map((method, index) => {
      const button = document.createElement("button"), name = document.createElement("span");
      button.type = "button";
      button.append(document.createElement("canvas"), name);
      button.addEventListener("click", () => set({ method: index }));
      return button;
    }));
  }

  function spark(scale, colour) {
    const count = scale.dice.length, x = (k) => count > 1 ? 100 * k / (count - 1) : 50;
    const points = scale.dice.map((value, k) => `${x(k).toFixed(2)},${(29 - 28 * value).toFixed(2)}`).join(" ");
    const ticks = Object.values(scale.policies).map((level) => `<line x1="${x(level - 1)}" x2="${x(level - 1)}" y1="0" y2="30" stroke="var(--line)" vector-effect="non-scaling-stroke"/>`).join("");
    byId("spark").innerHTML = `${ticks}<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="2" vector-effect="non-scaling-stroke"/>` +
      `<line x1="${x(state.level - 1)}" x2="${x(state.level - 1)}" y1="0" y2="30" stroke="var(--focus)" stroke-width="2" vector-effect="non-scaling-stroke"/>`;
  }

  function key() {
    const entries = state.errors
      ? [["true positive", colours.hit], ["false positive", colours.alarm], ["false negative", colours.miss]]
      : [["at the threshold", colours.low], ["highest score", colours.high]];
    if (state.outline) entries.push(["anomaly (reference)", [86, 180, 233]]);
    byId("key").replaceChildren(...entries.map(([name, colour]) => {
      const item = document.createElement("span"), patch = document.createElement("i");
      patch.style.background = `rgb(${colour.join(",")})`;
      item.append(patch, name);
      return item;
    }));
  }

  function listFindings() {
    const found = payload.cases[state.case].findings[state.method];
    const items = found.map((finding) => {
      const item = document.createElement("li"), button = document.createElement("button"), dot = document.createElement("span");
      dot.className = "kind";
      dot.style.background = `rgb(${(finding.kind === "missed lesion" ? colours.miss : colours.alarm).join(",")})`;
      button.type = "button";
      button.append(dot, `${finding.kind}, ${finding.ml} ml, z ${finding.z}`);
      button.addEventListener("click", () => {
        const level = scaleOf(state).policies[payload.policy];
        set({ slice: finding.slice, finding, level: level ?? state.level });
      });
      item.append(button);
      return item;
    });
    if (!items.length) {
      const item = document.createElement("li");
      item.textContent = "none";
      items.push(item);
    }
    byId("findings").replaceChildren(...items);
  }

  function listPolicies() {
    const policies = Object.entries(scaleOf(state).policies);
    byId("policies").replaceChildren(...policies.map(([name, level]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => set({ level }));
      return button;
    }));
  }

  function set(changes) {
    const before = { ...state };
    Object.assign(state, changes);
    const scale = scaleOf(state), old = scaleOf(before);
    if (scale !== old) {  // keep the operating point, because scores of different methods have no common scale
      const at = Object.keys(old.policies).find((name) => old.policies[name] === before.level);
      state.level = scale.policies[at] ?? nearest(scale.fpr, old.fpr[before.level - 1]);
    }
    if (state.case !== before.case) state.slice = largest(state.case);
    if (state.case !== before.case || state.method !== before.method) {
      state.finding = null;
      listFindings();
      listPolicies();
    }
    state.slice = Math.max(0, Math.min(state.slice, payload.cases[state.case].slices.length - 1));
    state.level = Math.max(1, Math.min(state.level, scale.thresholds.length));
    byId("case").value = state.case;
    byId("method").value = state.method;
    byId("outline").setAttribute("aria-pressed", state.outline);
    byId("errors").setAttribute("aria-pressed", state.errors);
    draw();
  }

  const percent = (share) => share < 0.1 ? (100 * share).toPrecision(2) : (100 * share).toFixed(0);

  // The slider position with the nearest false-positive rate.
  const nearest = (rates, rate) =>
    1 + rates.reduce((best, one, k) => Math.abs(one - rate) < Math.abs(rates[best] - rate) ? k : best, 0);
  const largest = (index) => payload.cases[index].start;

  function remember() {
    const hash = `#case=${state.case}&method=${state.method}&slice=${state.slice}&level=${state.level}`;
    if (moved) history.replaceState(null, "", hash);
    moved = true;
  }
  let moved = false;

  function fill(select, names) {
    select.replaceChildren(...names.map((name, index) => new Option(name, index)));
  }

  function wire() {
    byId("case").addEventListener("change", (event) => set({ case: Number(event.target.value) }));
    byId("method").addEventListener("change", (event) => set({ method: Number(event.target.value) }));
    byId("slice").addEventListener("input", (event) => set({ slice: Number(event.target.value), finding: null }));
    byId("threshold").addEventListener("input", (event) => set({ level: Number(event.target.value) }));
    byId("outline").addEventListener("click", () => set({ outline: !state.outline }));
    byId("errors").addEventListener("click", () => set({ errors: !state.errors }));
    for (const id of ["plain", "scored", "restored", "reference"]) {
      byId(id).addEventListener("wheel", (event) => {
        event.preventDefault();
        set({ slice: state.slice + Math.sign(event.deltaY), finding: null });
      }, { passive: false });
    }
    browser.addEventListener("keydown", onKey);
    browser.addEventListener("show", ({ detail }) => {  // from another part of the page
      const method = payload.methods.findIndex((one) => one.name === detail.method);
      set({ case: detail.case, ...(method < 0 ? {} : { method }) });
      if ("z" in detail) set({ slice: nearest(payload.cases[state.case].slices, detail.z) - 1, finding: null });
      browser.scrollIntoView();
      byId("scored").focus({ preventScroll: true });
    });
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    const slider = event.target.tagName === "INPUT";
    const next = (name, count) => ({ [name]: (state[name] + 1) % count });
    const moves = {
      m: () => next("method", payload.methods.length), c: () => next("case", payload.cases.length),
      o: () => ({ outline: !state.outline }), e: () => ({ errors: !state.errors }),
      ArrowUp: () => !slider && { slice: state.slice + 1, finding: null },
      ArrowDown: () => !slider && { slice: state.slice - 1, finding: null },
      ArrowLeft: () => !slider && { level: state.level - 1 }, ArrowRight: () => !slider && { level: state.level + 1 },
    };
    const changes = moves[event.key]?.();
    if (!changes) return;
    event.preventDefault();
    set(changes);
  }

  function begin() {
    fill(byId("case"), payload.cases.map((one) => one.name));
    fill(byId("method"), payload.methods.map((method) => method.name));
    fillGallery();
    wire();
    const asked = new URLSearchParams(location.hash.slice(1));
    const number = (name, otherwise) => asked.has(name) ? Number(asked.get(name)) || 0 : otherwise;
    state.case = Math.min(number("case", 0), payload.cases.length - 1);
    state.method = Math.min(number("method", 0), payload.methods.length - 1);
    listFindings();
    listPolicies();
    set({ slice: number("slice", largest(state.case)), level: number("level", scaleOf(state).policies[payload.policy] ?? 1) });
  }
  begin();
})();
