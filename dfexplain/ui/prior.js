// The slider of base rates: says each step in words and sends it to the server as { step }.

const said = () => {
  const range = element.querySelector('input');
  const text = JSON.parse(range.dataset.said)[range.value];
  range.setAttribute('aria-valuetext', text);
  element.querySelector('output').textContent = text;
  return Number(range.value);
};

element.addEventListener('input', () => trigger('select', { step: said() }));
