// The site's search: sections that hold every word of the query, titles and phrases first.
// It takes the place of Fuse, whose fuzzy search finds neither "how to install" nor "own sounds".
window.Fuse = class {
  static PASSED_OVER = new Set("a an and are can do does for from how i in is it my of on or the to what where which with".split(" "));
  static words(text) { return text.toLowerCase().match(/[\p{L}\p{N}_.]+/gu) || []; }

  constructor(entries) {
    this.entries = entries.map((item) => ({
      item, title: item.title.toLowerCase(), section: item.section.toLowerCase(), text: item.text.toLowerCase(),
    }));
  }

  static weight(href) {  // what a person reads comes before what is looked up
    if (/CHANGELOG/.test(href)) return 0.3;
    if (/^nbs\/(index|[a-z_]+\.html|\d|tutorials\/)/.test(href)) return 1.6;
    return /^api\//.test(href) ? 0.9 : 1;
  }

  search(query, { limit }) {
    const all = Fuse.words(query), kept = all.filter((word) => !Fuse.PASSED_OVER.has(word));
    const words = (kept.length ? kept : all).map((word) => word.replace(/(?<=...)s$/, ""));
    const begins = words.map((word) => new RegExp("(?<![\\p{L}\\p{N}_])" + word.replace(/[.]/g, "\\."), "gu"));
    const phrase = words.join(" "), plain = (text) => Fuse.words(text).map((word) => word.replace(/(?<=...)s$/, "")).join(" ");
    const found = [];
    for (const entry of this.entries) {
      let score = 0, missed = 0;
      for (const [i, begin] of begins.entries()) {
        const count = (text) => (text.match(begin) || []).length;
        const own = 6 * !!count(entry.title) + 8 * !!count(entry.section) + Math.min(4, count(entry.text))
          || (entry.text.includes(words[i]) || entry.section.includes(words[i]) ? 0.5 : 0);
        score += own;
        missed += !own;
      }
      if (!score) continue;
      if (plain(entry.section).includes(phrase)) score += 20;
      if (plain(entry.title).includes(phrase)) score += entry.section ? 8 : 24;
      if (words.length > 1 && plain(entry.text).includes(phrase)) score += 6;
      if (entry.section.replace(/^class /, "") === query.trim().toLowerCase()) score += 40;
      found.push({ item: entry.item, score: score * Fuse.weight(entry.item.href) / 4 ** missed });
    }
    const shown = new Map();  // at most three sections of a page
    return found.sort((a, b) => b.score - a.score).filter(({ item }) => {
      const page = item.href.split("#")[0], seen = shown.get(page) || 0;
      shown.set(page, seen + 1);
      return seen < 3;
    }).slice(0, limit);
  }
};
