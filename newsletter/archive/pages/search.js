/* Looks for papers in the parts of the index, which are scripts so that they can be read from a folder, too. */
(() => {
  'use strict';
  const place = document.getElementById('search');
  const input = document.getElementById('words');
  const found = document.getElementById('found');
  const state = document.getElementById('state');
  const MOST = 50;
  const papers = [];
  const seen = new Set();
  let waiting = place.dataset.parts.split(' ').filter(Boolean);

  const words = (text) =>
    text.normalize('NFKD').replace(/[\u0300-\u036f]/g, '').toLowerCase().match(/[\p{L}\p{N}]+/gu) || [];
  const stem = (word) => (word.length > 3 && /[^s]s$/.test(word) ? word.slice(0, -1) : word);
  const index = new MiniSearch({
    fields: ['title', 'authors', 'abstract'],
    tokenize: words,
    processTerm: stem,
    searchOptions: {
      boost: { title: 3, authors: 2 },
      prefix: (term, number, terms) => number === terms.length - 1 && term.length > 2,
      fuzzy: (term) => (term.length > 6 ? 1 : false),
    },
  });

  const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~';
  const VALUES = new Uint8Array(128);
  for (let each = 0; each < 85; each += 1) { VALUES[ALPHABET.charCodeAt(each)] = each; }
  const unpacked = async (text) => {
    const bytes = new Uint8Array((text.length / 5) * 4);
    const view = new DataView(bytes.buffer);
    for (let at = 0, to = 0; at < text.length; at += 5, to += 4) {
      let number = 0;
      for (let each = at; each < at + 5; each += 1) { number = number * 85 + VALUES[text.charCodeAt(each)]; }
      view.setUint32(to, number);
    }
    const length = view.getUint32(0);
    const stream = new Blob([bytes.subarray(4, 4 + length)]).stream();
    return new Response(stream.pipeThrough(new DecompressionStream('deflate'))).arrayBuffer();
  };
  const lines = async (text) => new TextDecoder().decode(await unpacked(text)).split('\n');

  const numbers = (bytes) => {
    let at = 0;
    return () => {
      let number = 0;
      let shift = 1;
      for (;;) {
        const byte = bytes[at];
        at += 1;
        number += (byte & 127) * shift;
        if (byte < 128) { return number; }
        shift *= 128;
      }
    };
  };

  window.archivePart = async (part) => {
    const titles = await lines(part.titles);
    const authors = await lines(part.authors);
    const urls = await lines(part.urls);
    const issues = await lines(part.issues);
    const abstracts = titles.map(() => []);
    const next = numbers(new Uint8Array(await unpacked(part.postings)));
    let word = '';
    for (const line of (await lines(part.words)).filter(Boolean)) {
      word = word.slice(0, line.charCodeAt(0) - 97) + line.slice(1);
      let paper = -1;
      for (let left = next(); left > 0; left -= 1) {
        paper += next() + 1;
        abstracts[paper].push(word);
      }
    }
    for (let at = titles.length - 1; at >= 0; at -= 1) {
      /* The newest part comes first, and the last version of a paper is the one that counts. */
      const name = urls[at].replace(/v[0-9]+$/, '');
      if (seen.has(name)) { continue; }
      seen.add(name);
      index.add({ id: papers.length, title: titles[at], authors: authors[at], abstract: abstracts[at].join(' ') });
      papers.push({ title: titles[at], authors: authors[at], url: urls[at], issue: issues[at] });
    }
    load();
  };

  const link = (href, text) => {
    const made = document.createElement('a');
    made.href = href;
    made.textContent = text;
    made.dir = 'auto';
    return made;
  };
  const shown = ({ id }) => {
    const paper = papers[id];
    const item = document.createElement('li');
    item.append(link(paper.url, paper.title));
    const rest = document.createElement('p');
    rest.className = 'quiet';
    rest.textContent = paper.authors;
    if (paper.issue) { rest.append(' · ', link('issues/' + paper.issue + '.html', 'issue ' + paper.issue)); }
    item.append(rest);
    return item;
  };
  const answer = () => {
    const asked = input.value.trim();
    const results = asked ? index.search(asked) : [];
    found.replaceChildren(...results.slice(0, MOST).map(shown));
    const count = results.length === 1 ? '1 paper' : results.length + ' papers';
    const more = results.length > MOST ? ', the first ' + MOST + ' are shown' : '';
    const reading = waiting.length || loading ? 'Reading the index: ' : '';
    state.textContent = reading + (asked ? count + more : papers.length + ' papers can be found');
    document.documentElement.dataset.ready = String(!reading);
  };

  let loading = false;
  const load = () => {
    const name = waiting.shift();
    loading = name !== undefined;
    answer();
    if (!loading) { return; }
    const script = document.createElement('script');
    script.src = name;
    script.onerror = () => { state.textContent = name + ' cannot be read'; load(); };
    document.head.append(script);
  };

  place.hidden = false;
  input.addEventListener('input', answer);
  const asked = new URLSearchParams(location.search).get('q');
  if (asked) { input.value = asked; }
  load();
})();
