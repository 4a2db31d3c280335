// The contrast of every text that is seen, by WCAG 2.2 (1.4.3): [ratio, least, text, colours] of each
// that falls short. Disabled controls are exempt; text over pictures cannot be judged and is left out.
() => {
  const pen = Object.assign(document.createElement('canvas'), { width: 1, height: 1 })
    .getContext('2d', { willReadFrequently: true });
  const known = new Map();
  const rgba = (css) => {
    if (!known.has(css)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = css;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      known.set(css, [r, g, b, a / 255]);
    }
    return known.get(css);
  };
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== 'none') return null;
      const colour = rgba(style.backgroundColor);
      layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const seen = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && element.checkVisibility({
      opacityProperty: true, visibilityProperty: true });
  };
  const idle = (element) => element.closest('[disabled], [aria-disabled="true"]');
  const short = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const element = node.parentElement, text = node.data.trim();
    if (!text || !seen(element) || idle(element) || element.closest('option, script, style')) continue;
    const style = getComputedStyle(element), ground = behind(element);
    if (!ground) continue;
    let faint = 1;
    for (let at = element; at; at = at.parentElement) faint *= Number(getComputedStyle(at).opacity);
    const ink = rgba(element.closest('svg') ? style.fill : style.color);
    const drawn = over([...ink.slice(0, 3), ink[3] * faint], ground);
    const [high, low] = [light(drawn), light(ground)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05), size = parseFloat(style.fontSize);
    // Signs without a letter or a digit are graphics (1.4.11).
    const large = !/[\p{L}\p{N}]/u.test(text) || size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const least = large ? 3 : 4.5;
    if (ratio < least)
      short.push([ratio.toFixed(2), least, text.slice(0, 40), `${drawn} on ${ground}`]);
  }
  return short;
}
