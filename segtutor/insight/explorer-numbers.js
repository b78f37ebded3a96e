// The explorer's numbers: what packing.py rounded, unpacked, and what is computed from it here.
//
// explorer.py puts this file and explorer.js, in this order, into one function of one script.

const TOP = 15; // steps of packing.py: 0..15
const CHANNELS = 16; // numbers of packing.py for the direction of a token

const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const total = (row) => row.reduce((a, b) => a + b, 0) || 1;

function loaded(address) {
  const picture = new Image();
  return new Promise((done, failed) => {
    picture.onload = () => done(picture);
    picture.onerror = () => failed(new Error("a picture inside the page cannot be read"));
    picture.src = address;
  });
}

async function stepsOf(address) { // a PNG of packing.py -> its steps 0..15
  const picture = await loaded(address), canvas = document.createElement("canvas");
  Object.assign(canvas, { width: picture.width, height: picture.height });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(picture, 0, 0);
  const pixels = pen.getImageData(0, 0, picture.width, picture.height).data;
  return Uint8Array.from({ length: pixels.length / 4 }, (_, i) => Math.round(pixels[4 * i] / 17));
}

class Model {
  constructor(data) {
    Object.assign(this, data);
    [this.h, this.w] = data.grid;
    this.E = data.extra.length;
    this.N = this.h * this.w;
    this.T = this.E + this.N;
    this.across = Math.ceil(this.w / data.stride); // patches that can be asked, in a row
    this.Q = this.E + Math.ceil(this.h / data.stride) * this.across;
    this.count = 1 + data.heads.length + (data.rolled ? 1 : 0); // maps of a layer, the mean first
    this.peaks = new Float32Array(bytes(data.peaks).buffer);
    this.others = new Float32Array(bytes(data.others).buffer); // what extra tokens get
    this.features = data.features.map((text) => new Int8Array(bytes(text).buffer));
    this.products = []; // rollout, layer by layer, when first asked for
  }

  async unpack() {
    this.steps = await Promise.all(this.maps.map(stepsOf));
    delete this.maps;
  }

  // The weights that one asked token gives to all T tokens. map: 0 is the mean, then heads.
  weights(layer, map, asked) {
    const { E, N, T } = this, steps = this.steps[layer], from = (map * this.Q + asked) * N;
    const line = (layer * this.count + map) * this.Q + asked, peak = this.peaks[line];
    return Float32Array.from({ length: T }, (_, t) =>
      t < E ? this.others[line * E + t] : (steps[from + t - E] / TOP) ** 2 * peak);
  }

  // Rollout (Abnar & Zuidema 2020) up to a layer: each mean, half itself and half the identity
  // for the residual path, rows summing to 1; times what the layers before gave.
  rollout(layer, asked) {
    if (this.rolled) return this.weights(layer, this.count - 1, asked);
    const { T } = this;
    for (let l = this.products.length; l <= layer; l++) {
      const before = this.products[l - 1], product = new Float64Array(T * T);
      for (let i = 0; i < T; i++) {
        const row = this.weights(l, 0, i), sum = total(row);
        for (let k = 0; k < T; k++) {
          const part = (0.5 * row[k]) / sum + (i === k ? 0.5 : 0);
          if (!before) product[i * T + k] = part;
          else if (part) for (let j = 0; j < T; j++) product[i * T + j] += part * before[k * T + j];
        }
      }
      this.products.push(product);
    }
    return Float32Array.from(this.products[layer].subarray(asked * T, (asked + 1) * T));
  }

  cosines(layer, token) {
    const f = this.features[layer], size = (t) => Math.hypot(...f.subarray(t * CHANNELS, (t + 1) * CHANNELS));
    const own = size(token) || 1;
    return Float32Array.from({ length: this.T }, (_, t) => {
      let sum = 0;
      for (let c = 0; c < CHANNELS; c++) sum += f[token * CHANNELS + c] * f[t * CHANNELS + c];
      return sum / own / (size(t) || 1);
    });
  }
}
